//! `Produce`: batches are checked, get their place, and are acknowledged when enough replicas have them.
//!
//! ```text
//!  for each partition: leader? ─► in-sync replicas? ─► record batch right? ─► sequence? ─► append ─► replicate
//!  acks=0: no answer    acks=1: at once    acks=all: when the high watermark has passed, or time is up
//! ```
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::records::{Batch, Compression, Producer, RecordBatch};
use smol_str::SmolStr;

use crate::core::{Call, KafkaVersion, Reply, Wait};
use crate::log::{Refusal, Sequenced, StoredBatch, TimestampRule, only_batch, validate};
use crate::state::{State, Topic};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ProduceRequest) -> Reply {
    // Named in the answer to ApiVersions, and yet not spoken.
    if call.version < 3 {
        return Reply::Close;
    }
    let transactional_id = request.transactional_id;
    let mut response = ProduceResponse::default();
    let mut awaited = Vec::new();
    for (at_topic, data) in request.topic_data.into_iter().enumerate() {
        let by_id = call.version >= 13;
        let name = if by_id { state.name_of(data.topic_id) } else { Some(data.name.clone()) };
        let mut topic = TopicProduceResponse { name: data.name, topic_id: data.topic_id, ..Default::default() };
        for (at_partition, partition) in data.partition_data.into_iter().enumerate() {
            let (index, place) = (partition.index, (at_topic, at_partition));
            let appended = match (&name, request.acks) {
                (_, acks) if !(-1..=1).contains(&acks) => Err(refused(ErrorCode::INVALID_REQUIRED_ACKS)),
                (None, _) => Err(refused(ErrorCode::UNKNOWN_TOPIC_ID)),
                (Some(name), acks) => {
                    let to = Destination { topic: name, index, acks, transactional_id: transactional_id.as_ref() };
                    append(state, call, to, partition.records)
                }
            };
            if let (Ok(Appended { end, .. }), Some(name), -1) = (&appended, &name, request.acks) {
                awaited.push(Awaited { topic: name.clone(), index, end: *end, place });
            }
            let answer = answer(state, call, name.as_deref(), index, appended, &mut response);
            topic.partition_responses.push(answer);
        }
        response.responses.push(topic);
    }
    let failed = response.responses.iter().flat_map(|topic| &topic.partition_responses).any(|one| one.error_code != 0);
    match request.acks {
        // There is no other way to say that something went wrong.
        0 if failed => Reply::Close,
        0 => Reply::Nothing,
        -1 => {
            let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
            let deadline = state.now.checked_add(timeout).unwrap_or(state.now);
            let mut wait = Replication { deadline, awaited, response };
            wait.poll(state, call).unwrap_or_else(|| Reply::Wait(Box::new(wait)))
        }
        _ => response.into(),
    }
}

/// What was appended.
struct Appended {
    base: i64,
    /// The offset behind it.
    end: i64,
    log_append_time: i64,
}

fn refused(code: ErrorCode) -> Refusal {
    Refusal::Code(code, code.text().to_owned())
}

/// Where a batch is to go, and how.
#[derive(Clone, Copy)]
struct Destination<'a> {
    topic: &'a SmolStr,
    index: i32,
    acks: i16,
    transactional_id: Option<&'a SmolStr>,
}

fn append(
    state: &mut State,
    call: &mut Call,
    to: Destination<'_>,
    records: Option<Bytes>,
) -> Result<Appended, Refusal> {
    let Destination { topic, index, acks, .. } = to;
    if let Some(code) = call.injected(topic, index) {
        return Err(refused(code));
    }
    let rules = Rules::of(state, topic);
    let leading = state.led_by(call.broker, topic, index, -1).map_err(refused)?;
    if acks == -1 && leading.isr.len() < rules.min_in_sync {
        return Err(refused(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let batch = read(state, call, records.unwrap_or_default(), &rules)?;
    check_transaction(state, to, &batch)?;
    let log_append_time = rules.log_append_time;
    let room = state.take_room(batch.size_in_bytes());
    let leading = state.partition_mut(topic, index).ok_or_else(|| refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    let epoch = leading.leader_epoch;
    let log = leading.leader_log_mut().ok_or_else(|| refused(ErrorCode::NOT_LEADER_OR_FOLLOWER))?;
    if let Sequenced::Duplicate { base, timestamp } = log.producers().check(&batch)? {
        let end = base + batch.last_offset() + 1;
        return Ok(Appended { base, end, log_append_time: log_append_time.map_or(-1, |_| timestamp) });
    }
    if !room {
        return Err(Refusal::Code(ErrorCode::KAFKA_STORAGE_ERROR, "the cluster's memory for logs is full".to_owned()));
    }
    let base = log.end();
    log.append(StoredBatch::place(batch, base, epoch, log_append_time)?);
    let end = log.end();
    state.replicate(topic, index);
    retain(state, topic, index);
    Ok(Appended { base, end, log_append_time: log_append_time.unwrap_or(-1) })
}

/// Whether a batch fits the transaction that its producer has open, if any.
fn check_transaction(state: &State, to: Destination<'_>, batch: &RecordBatch) -> Result<(), Refusal> {
    let Destination { topic, index, transactional_id, .. } = to;
    let Producer { producer_id, producer_epoch, .. } = batch.producer();
    if batch.is_transactional() {
        let id = transactional_id.ok_or_else(|| refused(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED))?;
        let checked = state.transactions.check_write(id, producer_id, producer_epoch, topic, index);
        return checked.map_err(refused);
    }
    let log = state.partition(topic, index).and_then(|partition| partition.leader_log());
    let open = log.is_some_and(|log| log.transactions().open_since(producer_id).is_some());
    if open { Err(refused(ErrorCode::INVALID_TXN_STATE)) } else { Ok(()) }
}

/// What a topic's configuration wants of batches.
struct Rules {
    min_in_sync: usize,
    max_bytes: usize,
    log_append_time: Option<i64>,
    times: Option<TimestampRule>,
    keys_required: bool,
}

impl Rules {
    fn of(state: &State, topic: &str) -> Self {
        let now = state.wall_clock();
        let topic = state.topic(topic);
        let number = |name| topic.map_or(0, |topic| topic.number(name));
        let is = |name, value| topic.is_some_and(|topic: &Topic| topic.config(name) == value);
        let (before, after) = (number("message.timestamp.before.max.ms"), number("message.timestamp.after.max.ms"));
        let log_append_time = is("message.timestamp.type", "LogAppendTime").then_some(now);
        let bounded = log_append_time.is_none() && before.min(after) < i64::MAX;
        Self {
            min_in_sync: number("min.insync.replicas") as usize,
            max_bytes: number("max.message.bytes") as usize,
            log_append_time,
            times: bounded.then_some(TimestampRule { now, before, after }),
            keys_required: topic.is_some_and(|topic| topic.config("cleanup.policy").contains("compact")),
        }
    }
}

fn read(state: &mut State, call: &Call, records: Bytes, rules: &Rules) -> Result<RecordBatch, Refusal> {
    let Batch::Records(batch) = only_batch(records)? else {
        return Err(Refusal::Invalid("from version 3 on, Produce takes record batches of format 2 only"));
    };
    if batch.compression() == Compression::Zstd && call.version < 7 {
        return Err(refused(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    }
    if batch.size_in_bytes() > rules.max_bytes {
        let text = format!("the record batch has {} bytes, the topic takes {}", batch.size_in_bytes(), rules.max_bytes);
        return Err(Refusal::Code(ErrorCode::MESSAGE_TOO_LARGE, text));
    }
    validate(&batch, &mut state.decoder, rules.times, rules.keys_required)?;
    Ok(batch)
}

/// Deletes what the topic's size limit does not keep. What is not replicated stays.
fn retain(state: &mut State, topic: &str, index: i32) {
    let limit = state.topic(topic).map_or(-1, |topic| topic.number("retention.bytes"));
    let Ok(limit) = usize::try_from(limit) else {
        return;
    };
    if let Some(partition) = state.partition_mut(topic, index) {
        let until = partition.high_watermark;
        if let Some(log) = partition.leader_log_mut() {
            log.delete_before(log.start_within(limit, until));
        }
        state.replicate(topic, index);
    }
}

/// The answer for a partition; who asked the wrong broker is told the right one (KIP-951).
fn answer(
    state: &State,
    call: &Call,
    topic: Option<&str>,
    index: i32,
    appended: Result<Appended, Refusal>,
    response: &mut ProduceResponse,
) -> PartitionProduceResponse {
    let partition = topic.and_then(|topic| state.partition(topic, index));
    let mut answer = PartitionProduceResponse { index, base_offset: -1, ..Default::default() };
    match appended {
        Ok(appended) => {
            answer.base_offset = appended.base;
            answer.log_append_time_ms = appended.log_append_time;
            let log = partition.and_then(|partition| partition.leader_log());
            answer.log_start_offset = log.map_or(-1, |log| log.start());
        }
        Err(refusal) => {
            answer.error_code = refusal.code().0;
            answer.error_message = Some(refusal.to_string().into());
            if refusal.code() == ErrorCode::NOT_LEADER_OR_FOLLOWER && call.version >= 10 {
                hint(state, partition, &mut answer, response);
            }
        }
    }
    answer
}

fn hint(
    state: &State,
    partition: Option<&crate::state::Partition>,
    answer: &mut PartitionProduceResponse,
    response: &mut ProduceResponse,
) {
    let hinted = state.config.version >= KafkaVersion::V3_9;
    let Some(partition) = partition.filter(|partition| hinted && partition.leader >= 0) else {
        return;
    };
    let (leader_id, leader_epoch) = (partition.leader, partition.leader_epoch);
    answer.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
    let named = response.node_endpoints.iter().any(|endpoint| endpoint.node_id == leader_id);
    if let Some(broker) = state.brokers.get(&leader_id).filter(|_| !named) {
        let (host, port, rack) = (broker.host.clone(), broker.port.into(), broker.rack.clone());
        response.node_endpoints.push(NodeEndpoint { node_id: leader_id, host, port, rack, ..Default::default() });
    }
}

/// A Produce request with `acks=all` whose batches are not everywhere yet.
#[derive(Debug)]
struct Replication {
    deadline: Instant,
    awaited: Vec<Awaited>,
    response: ProduceResponse,
}

#[derive(Debug)]
struct Awaited {
    topic: SmolStr,
    index: i32,
    end: i64,
    /// Where in the response its answer stands.
    place: (usize, usize),
}

impl Wait for Replication {
    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply> {
        let Self { awaited, response, deadline } = self;
        awaited.retain(|one| {
            let outcome = outcome(state, call, one);
            if let Some(Err(code)) = outcome {
                fail(response, one.place, code);
            }
            outcome.is_none()
        });
        if !awaited.is_empty() && state.now < *deadline {
            return None;
        }
        for one in awaited.drain(..) {
            fail(response, one.place, ErrorCode::REQUEST_TIMED_OUT);
        }
        Some(std::mem::take(response).into())
    }
}

fn outcome(state: &State, call: &Call, one: &Awaited) -> Option<Result<(), ErrorCode>> {
    let partition = match state.led_by(call.broker, &one.topic, one.index, -1) {
        Ok(partition) => partition,
        Err(code) => return Some(Err(code)),
    };
    if partition.high_watermark < one.end {
        return None;
    }
    let min_in_sync = Rules::of(state, &one.topic).min_in_sync;
    let enough = partition.isr.len() >= min_in_sync;
    Some(if enough { Ok(()) } else { Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND) })
}

fn fail(response: &mut ProduceResponse, (topic, partition): (usize, usize), code: ErrorCode) {
    let topic = response.responses.get_mut(topic);
    if let Some(answer) = topic.and_then(|topic| topic.partition_responses.get_mut(partition)) {
        *answer = PartitionProduceResponse {
            index: answer.index,
            error_code: code.0,
            base_offset: -1,
            error_message: Some(code.text().into()),
            ..Default::default()
        };
    }
}
