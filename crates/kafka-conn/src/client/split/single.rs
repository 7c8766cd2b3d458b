//! Requests about one group or one transactional id: nothing to take apart, but a coordinator to find, and to find again.
//!
//! Sans-IO.

use kafka_protocol::{ErrorCode, Request};

use super::{Items, Split};
use crate::client::Item;

/// The notation: whom a request is about, and what its response says.
macro_rules! single {
    ($($request:ty, |$asked:ident| $item:expr => |$answer:ident| $code:expr;)*) => {$(
        impl Split for $request {
            fn items(&self) -> Vec<Item> {
                let $asked = self;
                vec![$item]
            }

            fn part(&self, _: &Items) -> Self {
                self.clone()
            }

            fn outcomes(&self, items: &Items, response: &<Self as Request>::Response) -> Vec<(Item, ErrorCode)> {
                let $answer = response;
                let code: ErrorCode = $code;
                items.iter().map(|item| (item.clone(), code)).collect()
            }

            fn merge(into: &mut <Self as Request>::Response, from: <Self as Request>::Response, _: &Items) {
                *into = from;
            }
        }
    )*};
}

/// What codes of single partitions say of the coordinator: it says the same for all of them.
#[cfg(any(feature = "group", feature = "transaction"))]
fn of_coordinator(codes: impl IntoIterator<Item = i16>) -> ErrorCode {
    let is_it = |code: &ErrorCode| code.needs_coordinator_refresh() || *code == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    codes.into_iter().map(ErrorCode).find(is_it).unwrap_or_default()
}

#[cfg(feature = "admin")]
single! {
    kafka_protocol::messages::offset_delete::OffsetDeleteRequest, |asked| Item::Group(asked.group_id.clone())
        => |answer| ErrorCode(answer.error_code);
}

#[cfg(feature = "group")]
mod group {
    use kafka_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
    use kafka_protocol::messages::heartbeat::HeartbeatRequest;
    use kafka_protocol::messages::join_group::JoinGroupRequest;
    use kafka_protocol::messages::leave_group::LeaveGroupRequest;
    use kafka_protocol::messages::offset_commit::OffsetCommitRequest;
    use kafka_protocol::messages::sync_group::SyncGroupRequest;

    use super::*;

    single! {
        ConsumerGroupHeartbeatRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| ErrorCode(answer.error_code);
        HeartbeatRequest, |asked| Item::Group(asked.group_id.clone()) => |answer| ErrorCode(answer.error_code);
        JoinGroupRequest, |asked| Item::Group(asked.group_id.clone()) => |answer| ErrorCode(answer.error_code);
        LeaveGroupRequest, |asked| Item::Group(asked.group_id.clone()) => |answer| ErrorCode(answer.error_code);
        OffsetCommitRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| of_coordinator(answer.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code));
        SyncGroupRequest, |asked| Item::Group(asked.group_id.clone()) => |answer| ErrorCode(answer.error_code);
    }
}

#[cfg(feature = "produce")]
single! {
    kafka_protocol::messages::init_producer_id::InitProducerIdRequest,
        |asked| asked.transactional_id.clone().map_or(Item::Whole, Item::TransactionalId)
        => |answer| ErrorCode(answer.error_code);
}

#[cfg(feature = "share")]
mod share {
    use kafka_protocol::messages::alter_share_group_offsets::AlterShareGroupOffsetsRequest;
    use kafka_protocol::messages::delete_share_group_offsets::DeleteShareGroupOffsetsRequest;
    use kafka_protocol::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;

    use super::*;

    single! {
        AlterShareGroupOffsetsRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| ErrorCode(answer.error_code);
        DeleteShareGroupOffsetsRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| ErrorCode(answer.error_code);
        ShareGroupHeartbeatRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| ErrorCode(answer.error_code);
    }
}

#[cfg(feature = "streams")]
single! {
    kafka_protocol::messages::streams_group_heartbeat::StreamsGroupHeartbeatRequest,
        |asked| Item::Group(asked.group_id.clone()) => |answer| ErrorCode(answer.error_code);
}

#[cfg(feature = "transaction")]
mod transaction {
    use kafka_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
    use kafka_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnRequest;
    use kafka_protocol::messages::end_txn::EndTxnRequest;
    use kafka_protocol::messages::txn_offset_commit::TxnOffsetCommitRequest;

    use super::*;

    single! {
        AddOffsetsToTxnRequest, |asked| Item::TransactionalId(asked.transactional_id.clone())
            => |answer| ErrorCode(answer.error_code);
        AddPartitionsToTxnRequest, |asked| Item::TransactionalId(asked.v3_and_below_transactional_id.clone())
            => |answer| {
                let topics = &answer.results_by_topic_v3_and_below;
                let results = topics.iter().flat_map(|topic| &topic.results_by_partition);
                of_coordinator(results.map(|result| result.partition_error_code))
            };
        EndTxnRequest, |asked| Item::TransactionalId(asked.transactional_id.clone())
            => |answer| ErrorCode(answer.error_code);
        TxnOffsetCommitRequest, |asked| Item::Group(asked.group_id.clone())
            => |answer| of_coordinator(answer.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code));
    }
}
