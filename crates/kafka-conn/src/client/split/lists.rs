//! Requests that list what they are about: groups, transactional ids, topics, things with configurations.
//!
//! Sans-IO.

use kafka_protocol::{ErrorCode, Request};

use super::{Items, Split};
use crate::client::Item;

/// The notation: where a request has its list, what an element of it asks about, and the same of its response.
macro_rules! by_list {
    ($($request:ty: $list:ident, |$asked:ident| $item:expr => $answers:ident, |$answer:ident| $answered:expr;)*) => {$(
        impl Split for $request {
            fn items(&self) -> Vec<Item> {
                self.$list.iter().map(|$asked| $item).collect()
            }

            fn part(&self, items: &Items) -> Self {
                let mut part = self.clone();
                part.$list.retain(|$asked| items.contains(&$item));
                part
            }

            fn outcomes(&self, _: &Items, response: &<Self as Request>::Response) -> Vec<(Item, ErrorCode)> {
                response.$answers.iter().map(|$answer| ($answered, ErrorCode($answer.error_code))).collect()
            }

            fn merge(into: &mut <Self as Request>::Response, from: <Self as Request>::Response, items: &Items) {
                into.throttle_time_ms = into.throttle_time_ms.max(from.throttle_time_ms);
                into.$answers.extend(from.$answers.into_iter().filter(|$answer| items.contains(&$answered)));
            }
        }
    )*};
}

#[cfg(feature = "admin")]
mod admin {
    use kafka_protocol::messages::alter_configs::AlterConfigsRequest;
    use kafka_protocol::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
    use kafka_protocol::messages::create_partitions::CreatePartitionsRequest;
    use kafka_protocol::messages::create_topics::CreateTopicsRequest;
    use kafka_protocol::messages::delete_groups::DeleteGroupsRequest;
    use kafka_protocol::messages::describe_configs::DescribeConfigsRequest;
    use kafka_protocol::messages::describe_groups::DescribeGroupsRequest;
    use kafka_protocol::messages::describe_transactions::DescribeTransactionsRequest;
    use kafka_protocol::messages::incremental_alter_configs::IncrementalAlterConfigsRequest;
    use smol_str::SmolStr;

    use super::*;

    fn resource(kind: i8, name: &SmolStr) -> Item {
        Item::Resource { kind, name: name.clone() }
    }

    by_list! {
        AlterConfigsRequest: resources, |asked| resource(asked.resource_type, &asked.resource_name)
            => responses, |answer| resource(answer.resource_type, &answer.resource_name);
        ConsumerGroupDescribeRequest: group_ids, |asked| Item::Group(asked.clone())
            => groups, |answer| Item::Group(answer.group_id.clone());
        CreatePartitionsRequest: topics, |asked| Item::Topic(asked.name.clone())
            => results, |answer| Item::Topic(answer.name.clone());
        CreateTopicsRequest: topics, |asked| Item::Topic(asked.name.clone())
            => topics, |answer| Item::Topic(answer.name.clone());
        DeleteGroupsRequest: groups_names, |asked| Item::Group(asked.clone())
            => results, |answer| Item::Group(answer.group_id.clone());
        DescribeConfigsRequest: resources, |asked| resource(asked.resource_type, &asked.resource_name)
            => results, |answer| resource(answer.resource_type, &answer.resource_name);
        DescribeGroupsRequest: groups, |asked| Item::Group(asked.clone())
            => groups, |answer| Item::Group(answer.group_id.clone());
        DescribeTransactionsRequest: transactional_ids, |asked| Item::TransactionalId(asked.clone())
            => transaction_states, |answer| Item::TransactionalId(answer.transactional_id.clone());
        IncrementalAlterConfigsRequest: resources, |asked| resource(asked.resource_type, &asked.resource_name)
            => responses, |answer| resource(answer.resource_type, &answer.resource_name);
    }
}

#[cfg(feature = "share")]
mod share {
    use kafka_protocol::messages::describe_share_group_offsets::DescribeShareGroupOffsetsRequest;
    use kafka_protocol::messages::share_group_describe::ShareGroupDescribeRequest;

    use super::*;

    by_list! {
        DescribeShareGroupOffsetsRequest: groups, |asked| Item::Group(asked.group_id.clone())
            => groups, |answer| Item::Group(answer.group_id.clone());
        ShareGroupDescribeRequest: group_ids, |asked| Item::Group(asked.clone())
            => groups, |answer| Item::Group(answer.group_id.clone());
    }
}

#[cfg(feature = "streams")]
mod streams {
    use kafka_protocol::messages::streams_group_describe::StreamsGroupDescribeRequest;

    use super::*;

    by_list! {
        StreamsGroupDescribeRequest: group_ids, |asked| Item::Group(asked.clone())
            => groups, |answer| Item::Group(answer.group_id.clone());
    }
}
