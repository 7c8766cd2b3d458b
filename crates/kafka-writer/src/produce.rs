//! Produce requests, whose sealed batches are handed on as they are, and what their answers mean.
//!
//! The request is laid out here, and not by the message's own encoder, so that megabytes of records become pieces of
//! the body instead of being copied into it. A test holds the two against each other in every version.
//!
//! Sans-IO.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_conn::{Body, Broker, LeaderHint};
use kafka_protocol::messages::produce::{NodeEndpoint, ProduceResponse};
use kafka_protocol::{ApiKey, DecodeError, ErrorCode, Message, Uuid, varint};

use crate::accumulator::{Answer, Answered, Failure, Leased, ProduceBatches};
use crate::config::RequiredAcks;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::mutation::{Mutation, is_planted};
use crate::outcome::{self, Outcome, Remedy};

/// The newest version to use for these batches: version 13 names topics by their ids (KIP-516).
pub(crate) fn max_version(batches: &[Leased]) -> i16 {
    if batches.iter().all(|batch| batch.topic_id != Uuid::ZERO) { WITH_TOPIC_IDS } else { WITH_TOPIC_IDS - 1 }
}

/// The body of a request of version 3 or newer. The batches are put in order of their topics, as they have to be
/// grouped.
pub(crate) fn encode(version: i16, acks: RequiredAcks, timeout: Duration, batches: &mut [Leased]) -> Body {
    batches.sort_by(|a, b| a.topic.cmp(&b.topic));
    let topics = || batches.chunk_by(|a, b| a.topic == b.topic);
    let flexible = ApiKey::PRODUCE.is_flexible(version);
    let mut encoder =
        Encoder { flexible, buffer: BytesMut::with_capacity(64 * (batches.len() + 1)), body: Body::default() };
    encoder.no_transaction();
    encoder.buffer.put_i16(acks.code());
    encoder.buffer.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    encoder.count(topics().count());
    for topic in topics() {
        match topic.first() {
            Some(first) if version >= WITH_TOPIC_IDS => encoder.buffer.put_slice(first.topic_id.as_bytes()),
            Some(first) => encoder.string(&first.topic),
            None => {}
        }
        encoder.count(topic.len());
        for batch in topic {
            encoder.buffer.put_i32(batch.partition);
            encoder.records(&batch.records);
            encoder.no_tags();
        }
        encoder.no_tags();
    }
    encoder.no_tags();
    encoder.finish()
}

/// A broker's answer.
#[derive(Debug)]
pub(crate) struct Read {
    /// An outcome for each batch of the request, in their order.
    pub(crate) answer: Answer,
    /// Leaders that it says have moved, and where they are reached (KIP-951).
    pub(crate) leaders: Vec<LeaderHint>,
    pub(crate) brokers: Vec<Broker>,
}

/// Reads an answer.
///
/// # Errors
/// [`DecodeError`] where it is none.
pub(crate) fn read(version: i16, body: Bytes, request: &ProduceBatches) -> Result<Read, DecodeError> {
    let response = ProduceResponse::decode(version, body)?;
    let (mut outcomes, mut leaders) = (vec![None; request.batches.len()], Vec::new());
    // Brokers mostly answer in the order of the request: the search starts behind the last one found.
    let mut next = 0;
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            let asked = |batch: &Leased| {
                let same = if version >= WITH_TOPIC_IDS {
                    batch.topic_id == topic.topic_id
                } else {
                    batch.topic == topic.name
                };
                same && batch.partition == partition.index
            };
            if let Some(found) = position_from(&request.batches, next, asked) {
                next = found + 1;
                if let Some(place) = outcomes.get_mut(found).filter(|place| place.is_none()) {
                    *place = Some(outcome(ErrorCode(partition.error_code), partition.base_offset));
                    let leader = &partition.current_leader;
                    let topic = request.batches.get(found).map(|batch| batch.topic.clone()).unwrap_or_default();
                    leaders.extend(LeaderHint::named(topic, partition.index, leader.leader_id, leader.leader_epoch));
                }
            }
        }
    }
    let throttle = Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap_or_default());
    let outcomes = request.batches.iter().zip(outcomes);
    let outcomes = outcomes.map(|(batch, outcome)| answered(batch, outcome.unwrap_or_else(|| Err(unanswered()))));
    let answer = Answer { broker: request.broker, throttle, outcomes: outcomes.collect() };
    let brokers = response.node_endpoints.into_iter().filter_map(broker).collect();
    Ok(Read { answer, leaders, brokers })
}

fn broker(endpoint: NodeEndpoint) -> Option<Broker> {
    Broker::advertised(endpoint.node_id, endpoint.host, endpoint.port, endpoint.rack)
}

/// The same outcome for all batches of a request.
pub(crate) fn all(request: &ProduceBatches, outcome: &Result<Option<i64>, Failure>) -> Answer {
    let outcomes = request.batches.iter().map(|batch| answered(batch, outcome.clone()));
    Answer { broker: request.broker, throttle: Duration::ZERO, outcomes: outcomes.collect() }
}

/// What the failure of a whole request means.
pub(crate) fn failure(error: kafka_conn::Error) -> Failure {
    let definite = error.is_unsent() || is_planted(Mutation::LossIsDefinite);
    let fate = if definite { Fate::NotPersisted } else { Fate::PossiblyPersisted };
    // A broker that went down without a word is told by silence alone, and its partitions have other leaders soon.
    let refresh = error.needs_metadata_refresh() || error.is_timeout();
    let remedy = if error.is_retriable() { Remedy::Retry } else { Remedy::Nothing };
    Failure { error: Error::new(ErrorKind::Connection).with_fate(fate).with_source(error), remedy, refresh }
}

/// What a code means for its batch, and with it the offset.
pub(crate) fn outcome(code: ErrorCode, base_offset: i64) -> Result<Option<i64>, Failure> {
    match outcome::outcome(code) {
        // A duplicate is recognised by its numbers: the broker may not know any more where it is.
        Outcome::Written => Ok(Some(base_offset).filter(|offset| code == ErrorCode::NONE && *offset >= 0)),
        Outcome::Failed { remedy, fate, refresh } => {
            Err(Failure { error: Error::new(ErrorKind::Broker(code)).with_fate(fate), remedy, refresh })
        }
    }
}

fn answered(batch: &Leased, outcome: Result<Option<i64>, Failure>) -> Answered {
    Answered { lane: batch.lane, batch: batch.batch, outcome }
}

fn unanswered() -> Failure {
    let error = Error::new(ErrorKind::Unanswered).with_fate(Fate::PossiblyPersisted);
    Failure { error, remedy: Remedy::Nothing, refresh: false }
}

/// The first element that matches, from `start` on and then from the front.
fn position_from<T>(items: &[T], start: usize, matches: impl Fn(&T) -> bool) -> Option<usize> {
    let (front, back) = items.split_at(start.min(items.len()));
    let behind = back.iter().position(&matches).map(|at| front.len() + at);
    behind.or_else(|| front.iter().position(&matches))
}

/// Lays out a request: its own few bytes in one buffer, with the batches between the pieces of it.
///
/// Lengths fit their fields: names are those of topics that exist, and [`WriterConfig`](crate::WriterConfig) and the
/// accumulator bound the rest.
struct Encoder {
    flexible: bool,
    buffer: BytesMut,
    body: Body,
}

impl Encoder {
    /// No transactional id.
    fn no_transaction(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        } else {
            self.buffer.put_i16(-1);
        }
    }

    fn count(&mut self, count: usize) {
        if self.flexible {
            self.compact(count);
        } else {
            self.buffer.put_i32(count as i32);
        }
    }

    fn string(&mut self, text: &str) {
        if self.flexible {
            self.compact(text.len());
        } else {
            self.buffer.put_i16(text.len() as i16);
        }
        self.buffer.put_slice(text.as_bytes());
    }

    fn records(&mut self, records: &Bytes) {
        self.count(records.len());
        self.body.push(self.buffer.split().freeze());
        self.body.push(records.clone());
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }

    fn compact(&mut self, len: usize) {
        varint::put_uvarint(&mut self.buffer, len as u32 + 1);
    }

    fn finish(mut self) -> Body {
        self.body.push(self.buffer.freeze());
        self.body
    }
}

/// The version from which on topics are named by their ids.
const WITH_TOPIC_IDS: i16 = 13;

#[cfg(test)]
mod tests {
    use kafka_conn::BrokerId;
    use kafka_protocol::messages::produce::{
        PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData, TopicProduceResponse,
    };

    use super::*;

    fn leased(topic: &str, partition: i32, len: usize) -> Leased {
        let topic_id = Uuid::from_bytes([topic.len() as u8; 16]);
        let batch = partition.unsigned_abs().into();
        Leased { lane: 7, batch, topic: topic.into(), topic_id, partition, records: vec![partition as u8; len].into() }
    }

    fn joined(body: &Body) -> Vec<u8> {
        body.pieces().flat_map(|piece| piece.iter().copied()).collect()
    }

    #[test]
    fn a_request_is_what_the_messages_own_encoder_makes() {
        let batches = [leased("b", 0, 5), leased("aaa", 1, 20_000), leased("b", 2, 0), leased("b", 300, 127)];
        for version in 3..=13 {
            let mut given = batches.to_vec();
            let body = encode(version, RequiredAcks::All, Duration::from_millis(22_500), &mut given);
            let topic = |name: &str, batches: &[&Leased]| TopicProduceData {
                name: if version < 13 { name.into() } else { "".into() },
                topic_id: if version < 13 { Uuid::ZERO } else { batches[0].topic_id },
                partition_data: batches
                    .iter()
                    .map(|batch| PartitionProduceData {
                        index: batch.partition,
                        records: Some(batch.records.clone()),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            };
            let [zero, one, two, three] = &batches;
            let request = ProduceRequest {
                acks: -1,
                timeout_ms: 22_500,
                topic_data: vec![topic("aaa", &[one]), topic("b", &[zero, two, three])],
                ..Default::default()
            };
            let mut expected = BytesMut::new();
            request.encode(version, &mut expected).unwrap();
            assert_eq!(joined(&body), expected, "version {version}");
            let large = one.records.as_ptr();
            assert!(body.pieces().any(|piece| piece.as_ptr() == large), "the records were copied");
        }
    }

    #[test]
    fn names_are_used_where_an_id_is_missing() {
        let named = Leased { topic_id: Uuid::ZERO, ..leased("a", 0, 1) };
        assert_eq!(max_version(&[leased("a", 0, 1)]), 13);
        assert_eq!(max_version(&[leased("a", 0, 1), named]), 12);
    }

    fn answer(version: i16, partitions: &[(i32, i16, i64)]) -> Answer {
        let request = ProduceBatches { broker: BrokerId(1), batches: (0..3).map(|at| leased("t", at, 1)).collect() };
        let partition = |&(index, error_code, base_offset): &_| PartitionProduceResponse {
            index,
            error_code,
            base_offset,
            ..Default::default()
        };
        let topic = TopicProduceResponse {
            name: if version < 13 { "t".into() } else { "".into() },
            topic_id: if version < 13 { Uuid::ZERO } else { leased("t", 0, 1).topic_id },
            partition_responses: partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        let response = ProduceResponse { responses: vec![topic], throttle_time_ms: 30, ..Default::default() };
        let mut body = BytesMut::new();
        response.encode(version, &mut body).unwrap();
        read(version, body.freeze(), &request).unwrap().answer
    }

    #[test]
    fn every_batch_gets_its_own_outcome() {
        for version in [3, 9, 13] {
            let answer = answer(version, &[(2, 6, -1), (0, 0, 500), (0, 0, 900), (77, 0, 1)]);
            assert_eq!(answer.throttle, Duration::from_millis(30));
            let [first, second, third] = &answer.outcomes[..] else { panic!("{answer:?}") };
            assert!(answer.outcomes.iter().all(|answered| answered.lane == 7));
            assert!(matches!(first, Answered { batch: 0, outcome: Ok(Some(500)), .. }));
            let Answered { batch: 1, outcome: Err(missing), .. } = second else { panic!("{second:?}") };
            assert_eq!((missing.error.kind(), missing.remedy), (&ErrorKind::Unanswered, Remedy::Nothing));
            let Answered { batch: 2, outcome: Err(moved), .. } = third else { panic!("{third:?}") };
            assert!(moved.remedy == Remedy::Retry && moved.refresh);
            assert_eq!(moved.error.fate(), Fate::PossiblyPersisted);
        }
    }

    #[test]
    fn a_duplicate_is_written_without_an_offset() {
        assert_eq!(outcome(ErrorCode::DUPLICATE_SEQUENCE_NUMBER, 5).unwrap(), None);
        assert_eq!([5, -1].map(|offset| outcome(ErrorCode::NONE, offset).unwrap()), [Some(5), None]);
    }

    #[test]
    fn a_lost_answer_leaves_it_open() {
        let lost = kafka_conn::Error::new(kafka_conn::ErrorKind::ConnectionLost);
        assert_eq!(failure(lost.clone()).error.fate(), Fate::PossiblyPersisted);
        assert_eq!(failure(lost.with_unsent()).error.fate(), Fate::NotPersisted);
    }

    #[test]
    fn silence_makes_the_leader_doubtful() {
        let step = kafka_conn::Step::Connect;
        let failure = failure(kafka_conn::Error::new(kafka_conn::ErrorKind::Timeout { step, after: None }));
        assert!(failure.remedy == Remedy::Retry && failure.refresh);
    }
}
