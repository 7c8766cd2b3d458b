//! Requests with items, taken apart for the brokers that have to answer, and their answers put together.
//!
//! Sans-IO.
#![cfg_attr(not(feature = "client"), allow(dead_code, reason = "what no feature that is compiled in has any use for"))]

#[cfg(feature = "admin")]
mod everyone;
#[cfg(any(feature = "admin", feature = "share", feature = "streams"))]
mod lists;
#[cfg(feature = "group")]
mod offset_fetch;
#[cfg(any(feature = "admin", feature = "fetch", feature = "produce"))]
mod partitions;
#[cfg(any(
    feature = "admin",
    feature = "group",
    feature = "produce",
    feature = "share",
    feature = "streams",
    feature = "transaction"
))]
mod single;

use std::any::Any;
use std::collections::HashSet;
use std::marker::PhantomData;

use kafka_protocol::{AnyMessage, ApiKey, ErrorCode, Request};

use super::answer::Item;
use crate::cluster::{Broker, LeaderHint};
use crate::round_trip::{AnyRequest, downcast};

/// Items of one request.
pub(crate) type Items = HashSet<Item>;

/// Leaders that an answer names, and where they are reached.
pub(crate) type Hints = (Vec<LeaderHint>, Vec<Broker>);

/// A request with items. What is not about an item goes into every part as it is.
pub(crate) trait Split: Request {
    /// The items that it asks about.
    fn items(&self) -> Vec<Item>;

    /// The same request, for these items only.
    fn part(&self, items: &Items) -> Self;

    /// What `response`, to the part for `items`, says of each of them.
    fn outcomes(&self, items: &Items, response: &Self::Response) -> Vec<(Item, ErrorCode)>;

    /// Moves what `from` says of `items` into `into`.
    fn merge(into: &mut Self::Response, from: Self::Response, items: &Items);

    /// What a broker says of its part as a whole, in place of all outcomes: the merged response has no place for it.
    fn refusal(_: &Self::Response) -> ErrorCode {
        ErrorCode::NONE
    }

    /// The oldest version that can carry what it has set.
    fn min_version(&self) -> Option<i16> {
        None
    }

    /// The same about one item, for brokers that are older than that, and take them one at a time only.
    fn one(&self, _: &Item) -> Option<Self> {
        None
    }

    /// The answer to that, as if it were to the whole.
    fn widen(_: &Item, response: Self::Response) -> Self::Response {
        response
    }

    /// What `response` tells of leaders that have moved (KIP-951).
    fn hints(_: &Self::Response) -> Hints {
        Hints::default()
    }

    /// Whether brokers answer it.
    fn is_answered(&self) -> bool {
        true
    }

    /// The newest version that can carry what it has set.
    fn max_version(&self) -> Option<i16> {
        None
    }
}

/// [`Split`] for a type that is only known while running. A message of another type has no items.
pub(crate) trait Splitter: Sync {
    fn items(&self, request: &dyn AnyRequest) -> Vec<Item>;
    fn part(&self, request: &dyn AnyRequest, items: &Items) -> Option<Box<dyn AnyRequest>>;
    fn outcomes(&self, request: &dyn AnyRequest, items: &Items, response: &dyn AnyMessage) -> Vec<(Item, ErrorCode)>;
    fn merge(&self, into: &mut dyn AnyMessage, from: Box<dyn AnyMessage>, items: &Items);
    fn refusal(&self, response: &dyn AnyMessage) -> ErrorCode;
    fn min_version(&self, request: &dyn AnyRequest) -> Option<i16>;
    fn one(&self, request: &dyn AnyRequest, item: &Item) -> Option<Box<dyn AnyRequest>>;
    fn widen(&self, item: &Item, response: Box<dyn AnyMessage>) -> Box<dyn AnyMessage>;
    fn hints(&self, response: &dyn AnyMessage) -> Hints;
    fn is_answered(&self, request: &dyn AnyRequest) -> bool;
    fn max_version(&self, request: &dyn AnyRequest) -> Option<i16>;
}

struct Of<R>(PhantomData<fn() -> R>);

impl<R: Split> Splitter for Of<R> {
    fn items(&self, request: &dyn AnyRequest) -> Vec<Item> {
        request.downcast_ref::<R>().map(R::items).unwrap_or_default()
    }

    fn part(&self, request: &dyn AnyRequest, items: &Items) -> Option<Box<dyn AnyRequest>> {
        Some(Box::new(request.downcast_ref::<R>()?.part(items)))
    }

    fn outcomes(&self, request: &dyn AnyRequest, items: &Items, response: &dyn AnyMessage) -> Vec<(Item, ErrorCode)> {
        match (request.downcast_ref::<R>(), response.downcast_ref()) {
            (Some(request), Some(response)) => request.outcomes(items, response),
            _ => Vec::new(),
        }
    }

    fn merge(&self, into: &mut dyn AnyMessage, from: Box<dyn AnyMessage>, items: &Items) {
        if let (Some(into), Some(from)) = ((into as &mut dyn Any).downcast_mut(), downcast(from)) {
            R::merge(into, from, items);
        }
    }

    fn refusal(&self, response: &dyn AnyMessage) -> ErrorCode {
        (response as &dyn Any).downcast_ref().map(R::refusal).unwrap_or_default()
    }

    fn min_version(&self, request: &dyn AnyRequest) -> Option<i16> {
        request.downcast_ref::<R>().and_then(R::min_version)
    }

    fn one(&self, request: &dyn AnyRequest, item: &Item) -> Option<Box<dyn AnyRequest>> {
        Some(Box::new(request.downcast_ref::<R>()?.one(item)?))
    }

    fn widen(&self, item: &Item, response: Box<dyn AnyMessage>) -> Box<dyn AnyMessage> {
        match (response as Box<dyn Any>).downcast::<R::Response>() {
            Ok(response) => Box::new(R::widen(item, *response)),
            Err(_) => Box::new(R::Response::default()),
        }
    }

    fn hints(&self, response: &dyn AnyMessage) -> Hints {
        (response as &dyn Any).downcast_ref().map(R::hints).unwrap_or_default()
    }

    fn is_answered(&self, request: &dyn AnyRequest) -> bool {
        request.downcast_ref::<R>().is_none_or(R::is_answered)
    }

    fn max_version(&self, request: &dyn AnyRequest) -> Option<i16> {
        request.downcast_ref::<R>().and_then(R::max_version)
    }
}

/// Lines of (feature, API, request type): a match over the APIs whose messages are compiled in.
macro_rules! splitters {
    ($api:expr; $($feature:literal $key:ident $module:ident :: $request:ident,)*) => {
        match $api {
            $(#[cfg(feature = $feature)]
            ApiKey::$key => Some(&Of::<kafka_protocol::messages::$module::$request>(PhantomData)),)*
            _ => None,
        }
    };
}

/// How requests of an API are taken apart; `None` for those without items, and those of features that are not compiled
/// in.
pub(crate) fn splitter(api: ApiKey) -> Option<&'static dyn Splitter> {
    splitters! { api;
        "admin" CONSUMER_GROUP_DESCRIBE consumer_group_describe::ConsumerGroupDescribeRequest,
        "admin" CREATE_PARTITIONS create_partitions::CreatePartitionsRequest,
        "admin" CREATE_TOPICS create_topics::CreateTopicsRequest,
        "admin" ALTER_CONFIGS alter_configs::AlterConfigsRequest,
        "admin" DELETE_GROUPS delete_groups::DeleteGroupsRequest,
        "admin" DELETE_RECORDS delete_records::DeleteRecordsRequest,
        "admin" DESCRIBE_CONFIGS describe_configs::DescribeConfigsRequest,
        "admin" DESCRIBE_GROUPS describe_groups::DescribeGroupsRequest,
        "admin" DESCRIBE_PRODUCERS describe_producers::DescribeProducersRequest,
        "admin" DESCRIBE_TRANSACTIONS describe_transactions::DescribeTransactionsRequest,
        "admin" INCREMENTAL_ALTER_CONFIGS incremental_alter_configs::IncrementalAlterConfigsRequest,
        "admin" LIST_GROUPS list_groups::ListGroupsRequest,
        "admin" LIST_TRANSACTIONS list_transactions::ListTransactionsRequest,
        "admin" OFFSET_DELETE offset_delete::OffsetDeleteRequest,
        "fetch" FETCH fetch::FetchRequest,
        "fetch" LIST_OFFSETS list_offsets::ListOffsetsRequest,
        "fetch" OFFSET_FOR_LEADER_EPOCH offset_for_leader_epoch::OffsetForLeaderEpochRequest,
        "group" CONSUMER_GROUP_HEARTBEAT consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
        "group" HEARTBEAT heartbeat::HeartbeatRequest,
        "group" JOIN_GROUP join_group::JoinGroupRequest,
        "group" LEAVE_GROUP leave_group::LeaveGroupRequest,
        "group" OFFSET_COMMIT offset_commit::OffsetCommitRequest,
        "group" OFFSET_FETCH offset_fetch::OffsetFetchRequest,
        "group" SYNC_GROUP sync_group::SyncGroupRequest,
        "produce" INIT_PRODUCER_ID init_producer_id::InitProducerIdRequest,
        "produce" PRODUCE produce::ProduceRequest,
        "share" ALTER_SHARE_GROUP_OFFSETS alter_share_group_offsets::AlterShareGroupOffsetsRequest,
        "share" DELETE_SHARE_GROUP_OFFSETS delete_share_group_offsets::DeleteShareGroupOffsetsRequest,
        "share" DESCRIBE_SHARE_GROUP_OFFSETS describe_share_group_offsets::DescribeShareGroupOffsetsRequest,
        "share" SHARE_GROUP_DESCRIBE share_group_describe::ShareGroupDescribeRequest,
        "share" SHARE_GROUP_HEARTBEAT share_group_heartbeat::ShareGroupHeartbeatRequest,
        "streams" STREAMS_GROUP_DESCRIBE streams_group_describe::StreamsGroupDescribeRequest,
        "streams" STREAMS_GROUP_HEARTBEAT streams_group_heartbeat::StreamsGroupHeartbeatRequest,
        "transaction" ADD_OFFSETS_TO_TXN add_offsets_to_txn::AddOffsetsToTxnRequest,
        "transaction" ADD_PARTITIONS_TO_TXN add_partitions_to_txn::AddPartitionsToTxnRequest,
        "transaction" END_TXN end_txn::EndTxnRequest,
        "transaction" TXN_OFFSET_COMMIT txn_offset_commit::TxnOffsetCommitRequest,
    }
}
