//! `OffsetForLeaderEpoch`: where a leader's epoch ends (KIP-101, KIP-320).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: OffsetForLeaderEpochRequest) -> Reply {
    let mut response = OffsetForLeaderEpochResponse::default();
    for asked in request.topics {
        let mut partitions = Vec::new();
        for partition in asked.partitions {
            let mut answer = EpochEndOffset { partition: partition.partition, ..Default::default() };
            match find(state, call, &asked.topic, &partition) {
                Ok(Some((epoch, end))) => (answer.leader_epoch, answer.end_offset) = (epoch, end),
                Ok(None) => {}
                Err(code) => answer.error_code = code.0,
            }
            partitions.push(answer);
        }
        response.topics.push(OffsetForLeaderTopicResult { topic: asked.topic, partitions, ..Default::default() });
    }
    response.into()
}

fn find(
    state: &State,
    call: &mut Call,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    if let Some(code) = call.injected(topic, asked.partition) {
        return Err(code);
    }
    let partition = state.led_by(call.broker, topic, asked.partition, asked.current_leader_epoch)?;
    let log = partition.leader_log().ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    Ok(log.epochs().end_of(asked.leader_epoch, log.end()))
}
