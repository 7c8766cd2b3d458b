//! `AddPartitionsToTxn`: what a producer is about to write to (versions of clients; brokers have their own).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
};
use smol_str::SmolStr;

use crate::api::transaction;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::{MARKER_SIZE, Part};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: AddPartitionsToTxnRequest) -> Reply {
    let topics = &request.v3_and_below_topics;
    let unknown = |topic: &str, index: i32| state.partition(topic, index).is_none();
    let asked = topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (topic.name.clone(), *index)));
    let asked: Vec<_> = asked.collect();
    // All or nothing.
    let incomplete = asked.iter().any(|(topic, index)| unknown(topic, *index));
    let added = if incomplete { Err(ErrorCode::OPERATION_NOT_ATTEMPTED) } else { add(state, call, &request, asked) };
    let code = added.err().unwrap_or(ErrorCode::NONE);
    let mut response = AddPartitionsToTxnResponse::default();
    for topic in request.v3_and_below_topics {
        let result = |partition_index| {
            let missing = state.partition(&topic.name, partition_index).is_none();
            let code = if missing { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { code };
            AddPartitionsToTxnPartitionResult { partition_index, partition_error_code: code.0, ..Default::default() }
        };
        let results_by_partition = topic.partitions.iter().copied().map(result).collect();
        let result = AddPartitionsToTxnTopicResult { name: topic.name, results_by_partition, ..Default::default() };
        response.results_by_topic_v3_and_below.push(result);
    }
    response.into()
}

fn add(
    state: &mut State,
    call: &mut Call,
    request: &AddPartitionsToTxnRequest,
    asked: Vec<(SmolStr, i32)>,
) -> Result<(), ErrorCode> {
    let id = &request.v3_and_below_transactional_id;
    transaction::check(state, call, id)?;
    let producer = (request.v3_and_below_producer_id, request.v3_and_below_producer_epoch);
    state.transactions.check(id, producer.0, producer.1).map_err(|code| fenced(call, code))?;
    // Each will get a marker, whatever is written: an end cannot be refused.
    if !state.take_room(asked.len().saturating_mul(MARKER_SIZE)) {
        return Err(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    let parts = asked.into_iter().map(|(topic, index)| Part::Partition(topic, index));
    let moment = transaction::moment(state);
    state.transactions.add(id, producer, moment, parts, &state.config.limits).map_err(|code| fenced(call, code))
}

/// Who is fenced was told so otherwise before version 2 (KIP-588).
fn fenced(call: &Call, code: ErrorCode) -> ErrorCode {
    if code == ErrorCode::PRODUCER_FENCED && call.version < 2 { ErrorCode::INVALID_PRODUCER_EPOCH } else { code }
}
