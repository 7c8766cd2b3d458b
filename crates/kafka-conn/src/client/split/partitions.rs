//! Requests about partitions, which their leaders answer: topics, and their partitions within them.
//!
//! Sans-IO.

use std::collections::HashMap;

use kafka_protocol::{ErrorCode, Request};
use smol_str::SmolStr;

use super::{Items, Split};
use crate::client::Item;

fn item(topic: &SmolStr, partition: i32) -> Item {
    Item::Partition { topic: topic.clone(), partition }
}

/// Adds topics to a list: where it has one of that name, its partitions go there.
fn add_topics<T>(into: &mut Vec<T>, from: Vec<T>, name: impl Fn(&T) -> SmolStr, add: impl Fn(&mut T, T)) {
    let mut places: HashMap<_, _> = into.iter().enumerate().map(|(place, topic)| (name(topic), place)).collect();
    for topic in from {
        let name = name(&topic);
        match places.get(&name).and_then(|place| into.get_mut(*place)) {
            Some(there) => add(there, topic),
            None => {
                places.insert(name, into.len());
                into.push(topic);
            }
        }
    }
}

/// The notation: where a request has its topics, their names, partitions and indexes, and where its response has them.
macro_rules! by_partition {
    ($request:ty: $topics:ident . $name:ident . $partitions:ident, |$asked:ident| $index:expr
        => $answers:ident . $answer_name:ident . $answer_partitions:ident . $answer_index:ident
        $(, { $($more:tt)* })?) => {
        impl Split for $request {
            fn items(&self) -> Vec<Item> {
                let mut items = Vec::new();
                for topic in &self.$topics {
                    items.extend(topic.$partitions.iter().map(|$asked| item(&topic.$name, $index)));
                }
                items
            }

            fn part(&self, items: &Items) -> Self {
                let mut part = self.clone();
                part.$topics.retain_mut(|topic| {
                    let name = topic.$name.clone();
                    topic.$partitions.retain(|$asked| items.contains(&item(&name, $index)));
                    !topic.$partitions.is_empty()
                });
                part
            }

            fn outcomes(&self, _: &Items, response: &<Self as Request>::Response) -> Vec<(Item, ErrorCode)> {
                let mut outcomes = Vec::new();
                for topic in &response.$answers {
                    let outcome = topic.$answer_partitions.iter().map(|partition| {
                        (item(&topic.$answer_name, partition.$answer_index), ErrorCode(partition.error_code))
                    });
                    outcomes.extend(outcome);
                }
                outcomes
            }

            fn merge(into: &mut <Self as Request>::Response, mut from: <Self as Request>::Response, items: &Items) {
                into.throttle_time_ms = into.throttle_time_ms.max(from.throttle_time_ms);
                from.$answers.retain_mut(|topic| {
                    let name = topic.$answer_name.clone();
                    topic.$answer_partitions.retain(|answer| items.contains(&item(&name, answer.$answer_index)));
                    !topic.$answer_partitions.is_empty()
                });
                add_topics(
                    &mut into.$answers,
                    from.$answers,
                    |topic| topic.$answer_name.clone(),
                    |into, from| into.$answer_partitions.extend(from.$answer_partitions),
                );
            }

            $($($more)*)?
        }
    };
}

#[cfg(feature = "admin")]
mod admin {
    use kafka_protocol::messages::delete_records::DeleteRecordsRequest;
    use kafka_protocol::messages::describe_producers::DescribeProducersRequest;

    use super::*;

    by_partition!(DeleteRecordsRequest: topics.name.partitions, |asked| asked.partition_index
        => topics.name.partitions.partition_index);
    by_partition!(DescribeProducersRequest: topics.name.partition_indexes, |asked| *asked
        => topics.name.partitions.partition_index);
}

#[cfg(feature = "fetch")]
mod fetch {
    use kafka_protocol::messages::fetch::{FetchRequest, FetchResponse};
    use kafka_protocol::messages::list_offsets::ListOffsetsRequest;
    use kafka_protocol::messages::offset_for_leader_epoch::OffsetForLeaderEpochRequest;

    use super::*;

    by_partition!(FetchRequest: topics.topic.partitions, |asked| asked.partition
        => responses.topic.partitions.partition_index,
    {
        // Of its fetch session, most often; then it has no partitions.
        fn refusal(response: &FetchResponse) -> ErrorCode {
            ErrorCode(response.error_code)
        }
    });
    by_partition!(ListOffsetsRequest: topics.name.partitions, |asked| asked.partition_index
        => topics.name.partitions.partition_index);
    by_partition!(OffsetForLeaderEpochRequest: topics.topic.partitions, |asked| asked.partition
        => topics.topic.partitions.partition);
}

#[cfg(feature = "produce")]
mod produce {
    use kafka_protocol::messages::produce::{NodeEndpoint, ProduceRequest, ProduceResponse};

    use super::*;
    use crate::client::split::Hints;
    use crate::cluster::{Broker, LeaderHint};

    by_partition!(ProduceRequest: topic_data.name.partition_data, |asked| asked.index
    => responses.name.partition_responses.index,
    {
        // Fetch has hints, too, but only in versions that name topics by their ids, which are left out here.
        fn hints(response: &ProduceResponse) -> Hints {
            let mut leaders = Vec::new();
            for topic in &response.responses {
                leaders.extend(topic.partition_responses.iter().filter_map(|partition| {
                    let leader = &partition.current_leader;
                    LeaderHint::named(topic.name.clone(), partition.index, leader.leader_id, leader.leader_epoch)
                }));
            }
            let broker = |endpoint: &NodeEndpoint| {
                Broker::advertised(endpoint.node_id, endpoint.host.clone(), endpoint.port, endpoint.rack.clone())
            };
            (leaders, response.node_endpoints.iter().filter_map(broker).collect())
        }

        fn is_answered(&self) -> bool {
            self.acks != 0
        }
    });
}

#[cfg(feature = "fetch")]
#[cfg(test)]
mod tests {
    use kafka_protocol::messages::list_offsets::{
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
        ListOffsetsTopicResponse,
    };

    use super::*;

    fn request(topics: &[(&str, &[i32])]) -> ListOffsetsRequest {
        let partition = |index: &i32| ListOffsetsPartition { partition_index: *index, ..Default::default() };
        let topic = |(name, partitions): &(&str, &[i32])| ListOffsetsTopic {
            name: (*name).into(),
            partitions: partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        ListOffsetsRequest { replica_id: -1, topics: topics.iter().map(topic).collect(), ..Default::default() }
    }

    fn response(topics: &[(&str, &[i32])]) -> ListOffsetsResponse {
        let partition = |index: &i32| ListOffsetsPartitionResponse { partition_index: *index, ..Default::default() };
        let topic = |(name, partitions): &(&str, &[i32])| ListOffsetsTopicResponse {
            name: (*name).into(),
            partitions: partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        ListOffsetsResponse { throttle_time_ms: 3, topics: topics.iter().map(topic).collect(), ..Default::default() }
    }

    fn items(items: &[(&str, i32)]) -> Items {
        items.iter().map(|(topic, partition)| item(&(*topic).into(), *partition)).collect()
    }

    #[test]
    fn parts_have_their_partitions_and_all_else() {
        let whole = request(&[("a", &[0, 1]), ("b", &[0])]);
        assert_eq!(whole.items().into_iter().collect::<Items>(), items(&[("a", 0), ("a", 1), ("b", 0)]));
        assert_eq!(whole.part(&items(&[("a", 1)])), request(&[("a", &[1])]));
        assert_eq!(whole.part(&items(&[("b", 0), ("a", 0)])), request(&[("a", &[0]), ("b", &[0])]));
    }

    #[test]
    fn answers_come_together_by_topic_and_what_was_not_asked_is_left_out() {
        let mut merged = ListOffsetsResponse::default();
        ListOffsetsRequest::merge(&mut merged, response(&[("a", &[0])]), &items(&[("a", 0)]));
        let from = response(&[("b", &[0]), ("a", &[1, 7]), ("x", &[0])]);
        ListOffsetsRequest::merge(&mut merged, from, &items(&[("a", 1), ("b", 0)]));
        assert_eq!(merged, response(&[("a", &[0, 1]), ("b", &[0])]));
    }
}
