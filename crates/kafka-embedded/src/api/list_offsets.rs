//! `ListOffsets`: where a partition begins and ends, and where a time is.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::api::unique::repeated;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ListOffsetsRequest) -> Reply {
    let committed_only = request.isolation_level == 1;
    let partitions = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.clone(), partition.partition_index)));
    let repeated = repeated(partitions);
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let found = match repeated.contains(&(topic.name.clone(), asked.partition_index)) {
                true => Err(ErrorCode::INVALID_REQUEST),
                false => find(state, call, &topic.name, &asked, committed_only),
            };
            let mut answer =
                ListOffsetsPartitionResponse { partition_index: asked.partition_index, ..Default::default() };
            match found {
                Ok(Some((offset, timestamp, epoch))) => {
                    (answer.offset, answer.timestamp) = (offset, timestamp);
                    // Versions before 4 do not know it.
                    answer.leader_epoch = if call.version >= 4 { epoch } else { -1 };
                }
                Ok(None) => {}
                Err(code) => answer.error_code = code.0,
            }
            partitions.push(answer);
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions, ..Default::default() });
    }
    response.into()
}

/// The offset, its timestamp (-1 where none was looked for), and its epoch; `None` where there is none.
fn find(
    state: &mut State,
    call: &mut Call,
    topic: &str,
    asked: &ListOffsetsPartition,
    committed_only: bool,
) -> Result<Option<(i64, i64, i32)>, ErrorCode> {
    if let Some(code) = call.injected(topic, asked.partition_index) {
        return Err(code);
    }
    let State { topics, decoder, .. } = &mut *state;
    let partition = topics.get(topic).and_then(|topic| topic.partition(asked.partition_index));
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    partition.check_epoch(asked.current_leader_epoch)?;
    let log = partition.leader_log().filter(|_| partition.leader == call.broker);
    let log = log.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    let end = if committed_only { partition.last_stable_offset() } else { partition.high_watermark };
    let place = |offset| Some((offset, -1, log.epoch_at(offset)));
    let timed = |(offset, time)| (offset, time, log.epoch_at(offset));
    Ok(match asked.timestamp {
        LATEST => Some((end, -1, log.epochs().latest().unwrap_or(-1))),
        EARLIEST => place(log.start()),
        MAX_TIMESTAMP if call.version >= 7 => log.newest(end, decoder).map(timed),
        EARLIEST_LOCAL if call.version >= 8 => place(log.start()),
        // Nothing is tiered.
        LATEST_TIERED if call.version >= 9 => None,
        EARLIEST_PENDING_UPLOAD if call.version >= 11 => None,
        time if time >= 0 => log.offset_at_time(time, end, decoder).map(timed),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    })
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
