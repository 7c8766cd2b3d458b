//! `Fetch`: long polls, by session (KIP-227) or without.
//!
//! ```text
//!  session ─► items ─► enough bytes, an error, or time up? ─► read, in turn, up to max bytes ─► leave out what is not new
//!                          │ no
//!                          └─► wait
//! ```
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, NodeEndpoint, PartitionData,
};

use crate::api::fetch_partition::{Reader, locate, read};
use crate::api::fetch_session::{Context, Item};
use crate::core::{Call, Reply, Wait};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: FetchRequest) -> Reply {
    if let Some(code) = call.injected_whole().filter(|code| SESSION_ERRORS.contains(code)) {
        return FetchResponse { error_code: code.0, ..Default::default() }.into();
    }
    let reader = Reader::new(call, &request);
    let max_bytes = (request.max_bytes.max(0) as usize).min(MAX_BYTES);
    let min_bytes = (request.min_bytes.max(0) as usize).min(max_bytes);
    let max_wait = Duration::from_millis(request.max_wait_ms.max(0) as u64);
    let State { brokers, config, rng, now, .. } = state;
    let Some(broker) = brokers.get_mut(&call.broker) else {
        return Reply::Close;
    };
    let opened = broker.sessions.open(request, call.version, *now, &config.limits, rng);
    let (context, mut items) = match opened {
        Ok(opened) => opened,
        Err(code) => return FetchResponse { error_code: code.0, ..Default::default() }.into(),
    };
    for item in &mut items {
        if call.version >= 13 {
            item.topic = state.name_of(item.topic_id).unwrap_or_default();
        }
        item.injected = if item.topic.is_empty() { None } else { call.injected(&item.topic, item.request.partition) };
    }
    let deadline = state.now.checked_add(max_wait).unwrap_or(state.now);
    let mut poll = LongPoll { deadline, min_bytes, max_bytes, reader, context, items };
    poll.poll(state, call).unwrap_or_else(|| Reply::Wait(Box::new(poll)))
}

const SESSION_ERRORS: [ErrorCode; 3] = [
    ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    ErrorCode::INVALID_FETCH_SESSION_EPOCH,
    ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
];

/// What brokers give at most, whatever is asked for (`fetch.max.bytes`).
const MAX_BYTES: usize = 55 << 20;

/// A fetch that waits for enough bytes.
#[derive(Debug)]
struct LongPoll {
    deadline: Instant,
    min_bytes: usize,
    max_bytes: usize,
    reader: Reader,
    context: Context,
    items: Vec<Item>,
}

impl Wait for LongPoll {
    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply> {
        if state.now < self.deadline && !self.is_ready(state) {
            return None;
        }
        Some(self.answer(state, call).into())
    }
}

impl LongPoll {
    /// Whether there is something to say at once: enough bytes, or what is not to be waited with.
    fn is_ready(&self, state: &State) -> bool {
        let mut bytes = 0usize;
        for item in &self.items {
            match locate(state, &self.reader, item) {
                Ok(place) => bytes = bytes.saturating_add(place.available(state, item, self.min_bytes)),
                Err(_) => return true,
            }
            if bytes >= self.min_bytes {
                return true;
            }
        }
        self.items.is_empty()
    }

    fn answer(&self, state: &mut State, call: &Call) -> FetchResponse {
        let mut response = FetchResponse { session_id: self.context.id(), ..Default::default() };
        let mut left = self.max_bytes;
        let mut at_least_one = true;
        for item in &self.items {
            let data = match locate(state, &self.reader, item) {
                Ok(place) => {
                    let max = left.min(item.request.partition_max_bytes.max(0) as usize);
                    read(state, &self.reader, &place, item, max, at_least_one)
                }
                Err(answer) => *answer,
            };
            let bytes = data.records.as_ref().map_or(0, bytes::Bytes::len);
            left = left.saturating_sub(bytes);
            at_least_one &= bytes == 0;
            if data.current_leader.leader_id >= 0 && call.version >= 16 {
                endpoint(state, data.current_leader.leader_id, &mut response);
            }
            let sessions = state.brokers.get_mut(&call.broker).map(|broker| &mut broker.sessions);
            if sessions.is_none_or(|sessions| sessions.is_news(&self.context, item, &data)) {
                push(&mut response, item, data);
            }
        }
        response
    }
}

fn push(response: &mut FetchResponse, item: &Item, data: PartitionData) {
    match response.responses.last_mut() {
        Some(topic) if topic.topic == item.topic && topic.topic_id == item.topic_id => topic.partitions.push(data),
        _ => response.responses.push(FetchableTopicResponse {
            topic: item.topic.clone(),
            topic_id: item.topic_id,
            partitions: vec![data],
            ..Default::default()
        }),
    }
}

fn endpoint(state: &State, id: i32, response: &mut FetchResponse) {
    let named = response.node_endpoints.iter().any(|endpoint| endpoint.node_id == id);
    if let Some(broker) = state.brokers.get(&id).filter(|_| !named) {
        let (host, port, rack) = (broker.host.clone(), broker.port.into(), broker.rack.clone());
        response.node_endpoints.push(NodeEndpoint { node_id: id, host, port, rack, ..Default::default() });
    }
}
