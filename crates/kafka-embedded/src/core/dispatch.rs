//! From a frame to the handler of its API, and back to a frame.
//!
//! Sans-IO.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::{ApiKey, Limits, Message, Request};
use smol_str::SmolStr;

use crate::api;
use crate::core::{Answer, Call, Reply};
use crate::state::State;

/// Reads the header of a request; `None` where there is none.
pub(super) fn open(frame: Bytes, broker: i32, client_host: SmolStr) -> Option<(Call, Bytes)> {
    let [a, b, c, d] = *frame.first_chunk()?;
    let (api, version) = (ApiKey(i16::from_be_bytes([a, b])), i16::from_be_bytes([c, d]));
    let mut body = frame;
    // A version of the future is answered, if the API is ApiVersions: its header has not changed so far.
    let header_version = api.request_header_version(version);
    let header = RequestHeader::decode_prefix(header_version, &mut body, &Limits::default()).ok()?;
    let client_id = header.client_id.unwrap_or_default();
    let (correlation_id, injected) = (header.correlation_id, Default::default());
    Some((Call { api, version, correlation_id, client_id, client_host, broker, injected }, body))
}

/// Serves a request. What brokers do not speak, or cannot read, makes them close the connection.
pub(super) fn handle(state: &mut State, call: &mut Call, body: Bytes) -> Reply {
    let versions = state.config.version.versions(call.api);
    if !versions.contains(call.version) {
        return match call.api {
            ApiKey::API_VERSIONS => api::api_versions::refuse(state, call),
            _ => Reply::Close,
        };
    }
    match call.api {
        ApiKey::ADD_OFFSETS_TO_TXN => with(state, call, body, api::add_offsets_to_txn::handle),
        ApiKey::ADD_PARTITIONS_TO_TXN => with(state, call, body, api::add_partitions_to_txn::handle),
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => with(state, call, body, api::alter_partition_reassignments::handle),
        ApiKey::API_VERSIONS => with(state, call, body, api::api_versions::handle),
        ApiKey::CREATE_PARTITIONS => with(state, call, body, api::create_partitions::handle),
        ApiKey::CREATE_TOPICS => with(state, call, body, api::create_topics::handle),
        ApiKey::DELETE_GROUPS => with(state, call, body, api::delete_groups::handle),
        ApiKey::DELETE_RECORDS => with(state, call, body, api::delete_records::handle),
        ApiKey::DELETE_TOPICS => with(state, call, body, api::delete_topics::handle),
        ApiKey::DESCRIBE_CLUSTER => with(state, call, body, api::describe_cluster::handle),
        ApiKey::DESCRIBE_CONFIGS => with(state, call, body, api::describe_configs::handle),
        ApiKey::DESCRIBE_GROUPS => with(state, call, body, api::describe_groups::handle),
        ApiKey::DESCRIBE_PRODUCERS => with(state, call, body, api::describe_producers::handle),
        ApiKey::DESCRIBE_TRANSACTIONS => with(state, call, body, api::describe_transactions::handle),
        ApiKey::ELECT_LEADERS => with(state, call, body, api::elect_leaders::handle),
        ApiKey::END_TXN => with(state, call, body, api::end_txn::handle),
        ApiKey::FETCH => with(state, call, body, api::fetch::handle),
        ApiKey::FIND_COORDINATOR => with(state, call, body, api::find_coordinator::handle),
        ApiKey::HEARTBEAT => with(state, call, body, api::heartbeat::handle),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => with(state, call, body, api::alter_configs::handle),
        ApiKey::INIT_PRODUCER_ID => with(state, call, body, api::init_producer_id::handle),
        ApiKey::JOIN_GROUP => with(state, call, body, api::join_group::handle),
        ApiKey::LEAVE_GROUP => with(state, call, body, api::leave_group::handle),
        ApiKey::LIST_GROUPS => with(state, call, body, api::list_groups::handle),
        ApiKey::LIST_OFFSETS => with(state, call, body, api::list_offsets::handle),
        ApiKey::LIST_PARTITION_REASSIGNMENTS => with(state, call, body, api::list_partition_reassignments::handle),
        ApiKey::LIST_TRANSACTIONS => with(state, call, body, api::list_transactions::handle),
        ApiKey::METADATA => with(state, call, body, api::metadata::handle),
        ApiKey::OFFSET_COMMIT => with(state, call, body, api::offset_commit::handle),
        ApiKey::OFFSET_DELETE => with(state, call, body, api::offset_delete::handle),
        ApiKey::OFFSET_FETCH => with(state, call, body, api::offset_fetch::handle),
        ApiKey::OFFSET_FOR_LEADER_EPOCH => with(state, call, body, api::offset_for_leader_epoch::handle),
        ApiKey::PRODUCE => with(state, call, body, api::produce::handle),
        ApiKey::SYNC_GROUP => with(state, call, body, api::sync_group::handle),
        ApiKey::TXN_OFFSET_COMMIT => with(state, call, body, api::txn_offset_commit::handle),
        ApiKey::WRITE_TXN_MARKERS => with(state, call, body, api::write_txn_markers::handle),
        _ => Reply::Close,
    }
}

fn with<R: Request>(
    state: &mut State,
    call: &mut Call,
    body: Bytes,
    handler: fn(&mut State, &mut Call, R) -> Reply,
) -> Reply {
    match R::decode(call.version, body) {
        Ok(request) => handler(state, call, request),
        Err(_) => Reply::Close,
    }
}

/// An answer as it goes to the socket; `None` where its version cannot say it.
pub(super) fn seal(call: &Call, answer: &dyn Answer) -> Option<Bytes> {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let header = ResponseHeader { correlation_id: call.correlation_id, ..ResponseHeader::default() };
    header.encode(call.api.response_header_version(call.version), &mut frame).ok()?;
    let encoded = answer.encode(call.version, &mut frame);
    debug_assert!(encoded.is_ok(), "{} {}: {encoded:?}", call.api, call.version);
    encoded.ok()?;
    let size = i32::try_from(frame.len().saturating_sub(SIZE)).ok()?;
    if let Some(place) = frame.first_chunk_mut::<SIZE>() {
        *place = size.to_be_bytes();
    }
    Some(frame.freeze())
}

const SIZE: usize = 4;
