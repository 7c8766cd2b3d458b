//! Answers: now, later, or never.
//!
//! Sans-IO.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kafka_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnResponse;
use kafka_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnResponse;
use kafka_protocol::messages::alter_partition_reassignments::AlterPartitionReassignmentsResponse;
use kafka_protocol::messages::api_versions::ApiVersionsResponse;
use kafka_protocol::messages::create_partitions::CreatePartitionsResponse;
use kafka_protocol::messages::create_topics::CreateTopicsResponse;
use kafka_protocol::messages::delete_groups::DeleteGroupsResponse;
use kafka_protocol::messages::delete_records::DeleteRecordsResponse;
use kafka_protocol::messages::delete_topics::DeleteTopicsResponse;
use kafka_protocol::messages::describe_cluster::DescribeClusterResponse;
use kafka_protocol::messages::describe_configs::DescribeConfigsResponse;
use kafka_protocol::messages::describe_groups::DescribeGroupsResponse;
use kafka_protocol::messages::describe_producers::DescribeProducersResponse;
use kafka_protocol::messages::describe_transactions::DescribeTransactionsResponse;
use kafka_protocol::messages::elect_leaders::ElectLeadersResponse;
use kafka_protocol::messages::end_txn::EndTxnResponse;
use kafka_protocol::messages::fetch::FetchResponse;
use kafka_protocol::messages::find_coordinator::FindCoordinatorResponse;
use kafka_protocol::messages::heartbeat::HeartbeatResponse;
use kafka_protocol::messages::incremental_alter_configs::IncrementalAlterConfigsResponse;
use kafka_protocol::messages::init_producer_id::InitProducerIdResponse;
use kafka_protocol::messages::join_group::JoinGroupResponse;
use kafka_protocol::messages::leave_group::LeaveGroupResponse;
use kafka_protocol::messages::list_groups::ListGroupsResponse;
use kafka_protocol::messages::list_offsets::ListOffsetsResponse;
use kafka_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsResponse;
use kafka_protocol::messages::list_transactions::ListTransactionsResponse;
use kafka_protocol::messages::metadata::MetadataResponse;
use kafka_protocol::messages::offset_commit::OffsetCommitResponse;
use kafka_protocol::messages::offset_delete::OffsetDeleteResponse;
use kafka_protocol::messages::offset_fetch::OffsetFetchResponse;
use kafka_protocol::messages::offset_for_leader_epoch::OffsetForLeaderEpochResponse;
use kafka_protocol::messages::produce::ProduceResponse;
use kafka_protocol::messages::sasl_authenticate::SaslAuthenticateResponse;
use kafka_protocol::messages::sasl_handshake::SaslHandshakeResponse;
use kafka_protocol::messages::sync_group::SyncGroupResponse;
use kafka_protocol::messages::txn_offset_commit::TxnOffsetCommitResponse;
use kafka_protocol::messages::write_txn_markers::WriteTxnMarkersResponse;
use kafka_protocol::{AnyMessage, EncodeError, Message};

use crate::core::Call;
use crate::state::State;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Now(Box<dyn Answer>),
    Wait(Box<dyn Wait>),
    /// Nothing is written; the connection goes on.
    Nothing,
    /// The connection is closed, as brokers do with what they cannot answer.
    Close,
}

impl<A: Answer + 'static> From<A> for Reply {
    fn from(answer: A) -> Self {
        Self::Now(Box::new(answer))
    }
}

/// A request that is not answered yet: it is asked again whenever something happened, and at its deadline.
pub(crate) trait Wait: fmt::Debug + Send {
    /// When it ends in any case, if that is for itself to say.
    fn deadline(&self) -> Option<Instant>;

    /// The answer, if it is time for it.
    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply>;
}

/// The body of a response.
pub(crate) trait Answer: fmt::Debug + Send {
    /// Says how long the client is to pause, where the response can say so.
    fn set_throttle(&mut self, throttle: Duration);

    fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError>;
}

macro_rules! answers {
    ($($response:ty),* $(,)?) => {$(
        impl Answer for $response {
            fn set_throttle(&mut self, throttle: Duration) {
                self.throttle_time_ms = i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX);
            }

            fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError> {
                Message::encode(self, version, buffer)
            }
        }
    )*};
}

answers!(
    AddOffsetsToTxnResponse,
    AddPartitionsToTxnResponse,
    AlterPartitionReassignmentsResponse,
    ApiVersionsResponse,
    CreatePartitionsResponse,
    CreateTopicsResponse,
    DeleteGroupsResponse,
    DeleteRecordsResponse,
    DeleteTopicsResponse,
    DescribeClusterResponse,
    DescribeConfigsResponse,
    DescribeGroupsResponse,
    DescribeProducersResponse,
    DescribeTransactionsResponse,
    ElectLeadersResponse,
    EndTxnResponse,
    FetchResponse,
    FindCoordinatorResponse,
    HeartbeatResponse,
    IncrementalAlterConfigsResponse,
    InitProducerIdResponse,
    JoinGroupResponse,
    LeaveGroupResponse,
    ListGroupsResponse,
    ListOffsetsResponse,
    ListPartitionReassignmentsResponse,
    ListTransactionsResponse,
    MetadataResponse,
    OffsetCommitResponse,
    OffsetDeleteResponse,
    OffsetFetchResponse,
    OffsetForLeaderEpochResponse,
    ProduceResponse,
    SyncGroupResponse,
    TxnOffsetCommitResponse,
);

macro_rules! unthrottled_answers {
    ($($response:ty),* $(,)?) => {$(
        impl Answer for $response {
            fn set_throttle(&mut self, _: Duration) {}

            fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError> {
                Message::encode(self, version, buffer)
            }
        }
    )*};
}

unthrottled_answers!(SaslAuthenticateResponse, SaslHandshakeResponse, WriteTxnMarkersResponse);

/// What a hook answers.
#[derive(Debug)]
pub(super) struct Given(pub(super) Box<dyn AnyMessage>);

impl Answer for Given {
    fn set_throttle(&mut self, _: Duration) {}

    fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        self.0.encode(version, buffer)
    }
}

/// A request that was taken on, and what its faults want done with the answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) call: Call,
    pub(super) delay: Duration,
    pub(super) drop_answer: bool,
    pub(super) throttle: Duration,
}
