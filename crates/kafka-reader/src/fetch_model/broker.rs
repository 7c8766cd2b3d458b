//! A broker's fetch sessions, as Kafka keeps them.

use std::collections::BTreeMap;

use bytes::BytesMut;
use fastrand::Rng;
use kafka_protocol::messages::fetch::{FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use super::log::Log;
use crate::session::{Naming, Parts};

/// A partition as requests name it: one of name and id says nothing.
pub(super) type Key = (SmolStr, Uuid, i32);

pub(super) struct Broker {
    pub(super) logs: Vec<Log>,
    sessions: BTreeMap<i32, Session>,
    next_id: i32,
    /// Whether it has room for sessions.
    pub(super) full: bool,
}

struct Session {
    epoch: i32,
    naming: Naming,
    /// The offset to fetch, and what the client was told of the partition's end.
    partitions: BTreeMap<Key, (i64, i64)>,
}

/// The topic's name.
pub(super) const TOPIC: &str = "t";

impl Broker {
    pub(super) fn new(logs: Vec<Log>) -> Self {
        Self { logs, sessions: BTreeMap::new(), next_id: 0, full: false }
    }

    /// It forgets its sessions: it was restarted, or others needed the room.
    pub(super) fn evict(&mut self) {
        self.sessions.clear();
    }

    /// Answers a request; `check` is told what would be fetched.
    pub(super) fn handle(
        &mut self,
        random: &mut Rng,
        parts: &Parts,
        naming: Naming,
        throttled: bool,
        check: impl FnOnce(&BTreeMap<Key, i64>),
    ) -> FetchResponse {
        let (mut session, id) = match parts.session_epoch {
            0 => {
                self.sessions.remove(&parts.session_id);
                (Session { epoch: 1, naming, partitions: BTreeMap::new() }, None)
            }
            epoch => match self.sessions.remove(&parts.session_id) {
                None => return refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
                Some(session) if session.epoch != epoch => {
                    self.sessions.insert(parts.session_id, session);
                    return refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                Some(session) if session.naming != naming => return refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR),
                Some(session) => (Session { epoch: session.epoch % i32::MAX + 1, ..session }, Some(parts.session_id)),
            },
        };
        session.update(parts);
        check(&session.partitions.iter().map(|(key, (offset, _))| (key.clone(), *offset)).collect());
        if throttled {
            let session_id = id.unwrap_or(0);
            id.map(|id| self.sessions.insert(id, session));
            return FetchResponse { session_id, throttle_time_ms: 100, ..FetchResponse::default() };
        }
        let responses = self.read(random, &mut session, id.is_none());
        let session_id = match id {
            Some(id) => id,
            None if self.full => 0,
            None => {
                self.next_id += 1;
                self.next_id
            }
        };
        if session_id != 0 {
            self.sessions.insert(session_id, session);
        }
        FetchResponse { session_id, responses, ..FetchResponse::default() }
    }

    /// What there is to say of the partitions of a session: of all of them, or of those that have something new.
    fn read(&self, random: &mut Rng, session: &mut Session, all: bool) -> Vec<FetchableTopicResponse> {
        let mut responses = Vec::new();
        for ((topic, topic_id, index), (offset, told)) in &mut session.partitions {
            let log = &self.logs[index.unsigned_abs() as usize];
            let mut data = PartitionData { partition_index: *index, high_watermark: log.end, ..Default::default() };
            data.last_stable_offset = log.end;
            if !topic_id.is_zero() && *topic_id != log.topic_id {
                data.error_code = ErrorCode::UNKNOWN_TOPIC_ID.0;
            } else {
                let (batches, aborted) = log.read(*offset, random.usize(1..4));
                data.aborted_transactions = Some(aborted);
                let mut records: BytesMut = batches.iter().flat_map(|batch| batch.iter().copied()).collect();
                if batches.len() > 1 && random.bool() {
                    // The last one is cut short, at the limit of the request.
                    records.truncate(records.len() - 1);
                }
                data.records = Some(records.freeze());
            }
            let news = data.error_code != 0 || *told != log.end || data.records.as_ref().is_some_and(|r| !r.is_empty());
            *told = log.end;
            if all || news {
                let (topic, topic_id) = (topic.clone(), *topic_id);
                responses.push(FetchableTopicResponse {
                    topic,
                    topic_id,
                    partitions: vec![data],
                    ..Default::default()
                });
            }
        }
        responses
    }
}

impl Session {
    fn update(&mut self, parts: &Parts) {
        for topic in &parts.forgotten {
            for index in &topic.partitions {
                self.partitions.remove(&(topic.topic.clone(), topic.topic_id, *index));
            }
        }
        for FetchTopic { topic, topic_id, partitions, .. } in &parts.topics {
            for wanted in partitions {
                let key = (topic.clone(), *topic_id, wanted.partition);
                let told = self.partitions.get(&key).map_or(-1, |(_, told)| *told);
                self.partitions.insert(key, (wanted.fetch_offset, told));
            }
        }
    }
}

fn refused(code: ErrorCode) -> FetchResponse {
    FetchResponse { error_code: code.0, ..FetchResponse::default() }
}
