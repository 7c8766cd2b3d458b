//! `DeleteRecords`: a partition begins later.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DeleteRecordsRequest) -> Reply {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let (low_watermark, code) = match delete(state, call, &topic.name, &asked) {
                Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
                Err(code) => (-1, code),
            };
            let (partition_index, error_code) = (asked.partition_index, code.0);
            let result =
                DeleteRecordsPartitionResult { partition_index, low_watermark, error_code, ..Default::default() };
            partitions.push(result);
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions, ..Default::default() });
    }
    response.into()
}

fn delete(state: &mut State, call: &mut Call, topic: &str, asked: &DeleteRecordsPartition) -> Result<i64, ErrorCode> {
    if let Some(code) = call.injected(topic, asked.partition_index) {
        return Err(code);
    }
    let policy = state.topic(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.config("cleanup.policy");
    if !policy.contains("delete") {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let partition = state.led_by(call.broker, topic, asked.partition_index, -1)?;
    let high_watermark = partition.high_watermark;
    let offset = if asked.offset == HIGH_WATERMARK { high_watermark } else { asked.offset };
    if !(0..=high_watermark).contains(&offset) {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let log = state.partition_mut(topic, asked.partition_index).and_then(|partition| partition.leader_log_mut());
    let log = log.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    log.delete_before(offset);
    let start = log.start();
    state.replicate(topic, asked.partition_index);
    Ok(start)
}

/// Everything that is replicated.
const HIGH_WATERMARK: i64 = -1;
