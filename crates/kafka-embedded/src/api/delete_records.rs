//! `DeleteRecords`: a partition begins later.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use smol_str::SmolStr;

use crate::core::{Call, Reply, Wait};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DeleteRecordsRequest) -> Reply {
    let mut response = DeleteRecordsResponse::default();
    let mut awaited = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let (low_watermark, code) = match delete(state, call, &topic.name, &asked) {
                Ok(start) => {
                    let place = (response.topics.len(), partitions.len());
                    awaited.push(Awaited { topic: topic.name.clone(), index: asked.partition_index, start, place });
                    (start, ErrorCode::NONE)
                }
                Err(code) => (-1, code),
            };
            let (partition_index, error_code) = (asked.partition_index, code.0);
            let result =
                DeleteRecordsPartitionResult { partition_index, low_watermark, error_code, ..Default::default() };
            partitions.push(result);
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions, ..Default::default() });
    }
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    let deadline = state.now.checked_add(timeout).unwrap_or(state.now);
    let mut wait = Deletion { deadline, awaited, response };
    wait.poll(state, call).unwrap_or_else(|| Reply::Wait(Box::new(wait)))
}

/// A request whose records are not gone from all replicas that are there.
#[derive(Debug)]
struct Deletion {
    deadline: Instant,
    awaited: Vec<Awaited>,
    response: DeleteRecordsResponse,
}

#[derive(Debug)]
struct Awaited {
    topic: SmolStr,
    index: i32,
    start: i64,
    /// Where in the response its answer stands.
    place: (usize, usize),
}

impl Wait for Deletion {
    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply> {
        let Self { awaited, response, deadline } = self;
        let late = state.now >= *deadline;
        awaited.retain(|one| {
            let timed_out = || late.then_some(Err(ErrorCode::REQUEST_TIMED_OUT));
            let outcome = outcome(state, call, one).or_else(timed_out);
            if let Some(Err(code)) = outcome {
                fail(response, one.place, code);
            }
            outcome.is_none()
        });
        awaited.is_empty().then(|| std::mem::take(response).into())
    }
}

fn outcome(state: &State, call: &Call, one: &Awaited) -> Option<Result<(), ErrorCode>> {
    match state.led_by(call.broker, &one.topic, one.index, -1) {
        Err(code) => Some(Err(code)),
        Ok(partition) => {
            let start = partition.start_of(|broker| state.is_alive(broker));
            start.is_none_or(|start| start >= one.start).then_some(Ok(()))
        }
    }
}

fn fail(response: &mut DeleteRecordsResponse, (topic, partition): (usize, usize), code: ErrorCode) {
    let topic = response.topics.get_mut(topic);
    if let Some(answer) = topic.and_then(|topic| topic.partitions.get_mut(partition)) {
        (answer.low_watermark, answer.error_code) = (-1, code.0);
    }
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
