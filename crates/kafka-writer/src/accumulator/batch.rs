//! A batch on its way: closed to messages, then sealed, then in flight, until it is settled.
//!
//! Sans-IO.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::records::{BatchBuilder, Producer, stamp_producer};

use super::{Outputs, Settled};
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::mutation::{Mutation, is_planted};
use crate::partition::OpenBatch;

/// ```text
///  Closed ──► Sealing ──► Sealed ◄──────────┐ an error that may pass
///    (its turn to be        │   lease       │
///      compressed)          └────────► InFlight ──► gone: acknowledged, or failed for good
///                                           │ too large
///             two batches ◄── Splitting ◄── Whole
/// ```
///
/// A batch that is out of the accumulator's hands (`Sealing`, `Splitting`, `InFlight`) and expires there is settled at
/// once, and keeps its place until it is back, so that nothing overtakes it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    pub(super) stage: Stage,
    result: Arc<BatchResult>,
    /// Its messages within the result: the first one, and how many.
    pub(super) first: u32,
    pub(super) messages: u32,
    pub(super) opened_at: Instant,
    /// When it took no more messages.
    pub(super) closed_at: Instant,
    charged: usize,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Whether others were before it when it was sent last. A broker that gets it first, on a new connection perhaps,
    /// refuses it rightly, whatever has become of them when the answer is here.
    pub(super) sent_behind: bool,
    /// How often it failed for a reason of its own.
    pub(super) failures: u32,
    /// When it was sent last.
    pub(super) sent_at: Option<Instant>,
    /// Its sequence numbers, from the first attempt on.
    producer: Option<Producer>,
    /// Whether they are in its bytes.
    stamped: bool,
    /// Whether an attempt may have been appended.
    fate: Fate,
    last_error: Option<Error>,
    pub(super) settled: bool,
    /// Whether a broker has said that it is in the log.
    pub(super) was_written: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Closed(BatchBuilder),
    Sealing,
    /// The bytes are those of every attempt, but for producer id, epoch and base sequence, which are stamped into them
    /// when they are leased.
    Sealed(Bytes),
    InFlight(Bytes),
    /// Too large for the broker.
    Whole(Bytes),
    Splitting,
}

impl Batch {
    pub(super) fn new(id: u64, closed_at: Instant, open: OpenBatch) -> Self {
        let OpenBatch { builder, result, tags, opened_at, charged, .. } = open;
        result.tag(tags);
        let messages = u32::try_from(builder.count()).unwrap_or(u32::MAX);
        Self {
            id,
            stage: Stage::Closed(builder),
            result,
            first: 0,
            messages,
            opened_at,
            closed_at,
            charged,
            attempts: 0,
            sent_behind: false,
            failures: 0,
            sent_at: None,
            producer: None,
            stamped: false,
            fate: Fate::NotPersisted,
            last_error: None,
            settled: false,
            was_written: false,
        }
    }

    /// Takes the last messages, as a batch of their own. Their numbers, and what is unknown of them, are those that
    /// they had.
    pub(super) fn split_off(&mut self, id: u64, bytes: [Bytes; 2], messages: [u32; 2]) -> Self {
        let [front, back] = bytes;
        self.result.split();
        self.messages = messages[0];
        self.stage = Stage::Sealed(front);
        self.stamped = false;
        Self {
            id,
            stage: Stage::Sealed(back),
            result: Arc::clone(&self.result),
            first: self.first.saturating_add(messages[0]),
            messages: messages[1],
            charged: 0,
            attempts: 0,
            sent_behind: false,
            failures: 0,
            producer: self.producer.map(|producer| Producer {
                base_sequence: super::sequence::following(producer.base_sequence, messages[0]),
                ..producer
            }),
            last_error: self.last_error.clone(),
            ..*self
        }
    }

    pub(super) fn result(&self) -> &Arc<BatchResult> {
        &self.result
    }

    pub(super) fn deadline(&self, delivery_timeout: Duration) -> Instant {
        self.opened_at + delivery_timeout
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.stage, Stage::Sealing | Stage::Splitting | Stage::InFlight(_))
    }

    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.stage, Stage::InFlight(_))
    }

    pub(super) fn is_sealed(&self) -> bool {
        matches!(self.stage, Stage::Sealed(_))
    }

    /// What it takes before it is sealed, in bytes.
    pub(super) fn len(&self) -> usize {
        if let Stage::Closed(builder) = &self.stage { builder.len() } else { 0 }
    }

    /// What is to be sent, in bytes.
    pub(super) fn sealed_len(&self) -> usize {
        if let Stage::Sealed(bytes) = &self.stage { bytes.len() } else { 0 }
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.producer.is_some()
    }

    pub(super) fn number(&mut self, producer: Option<Producer>) {
        self.producer = producer;
        self.stamped = false;
    }

    /// Whether nobody knows what became of an attempt.
    pub(super) fn is_doubtful(&self) -> bool {
        self.fate == Fate::PossiblyPersisted
    }

    /// Hands out the bytes to be sent.
    pub(super) fn lease(&mut self, now: Instant) -> Option<Bytes> {
        let Stage::Sealed(bytes) = &mut self.stage else { return None };
        let mut bytes = std::mem::take(bytes);
        if let Some(producer) = self.producer.filter(|_| !self.stamped) {
            // What was sealed has a header, so this does not fail; if it did, the broker would refuse the nothing.
            let stamped = stamp_producer(bytes, producer);
            debug_assert!(stamped.is_ok(), "{stamped:?}");
            bytes = stamped.unwrap_or_default();
            self.stamped = true;
        }
        self.stage = Stage::InFlight(bytes.clone());
        self.attempts += 1;
        self.sent_at = Some(now);
        Some(bytes)
    }

    /// Takes note of a failed attempt.
    pub(super) fn failed(&mut self, error: Error) {
        if error.fate() == Fate::PossiblyPersisted || is_planted(Mutation::ForgetDoubt) {
            self.fate = error.fate();
        }
        self.last_error = Some(error);
        if let Stage::InFlight(bytes) = &mut self.stage {
            self.stage = Stage::Sealed(std::mem::take(bytes));
        }
    }

    /// Its turn to be split, where it has more than one message.
    pub(super) fn start_to_split(&mut self) -> bool {
        let Stage::Sealed(bytes) = &mut self.stage else { return false };
        if self.messages < 2 {
            return false;
        }
        self.stage = Stage::Whole(std::mem::take(bytes));
        true
    }

    /// Settles it, if it is not yet.
    pub(super) fn settle(&mut self, outcome: Result<Option<i64>>, out: &mut Outputs) {
        if !self.settled {
            self.settled = true;
            let (result, first, messages) = (Arc::clone(&self.result), self.first, self.messages);
            out.settled.push_back(Settled { result, first, messages, outcome });
        }
    }

    /// Settles it with what went wrong last.
    pub(super) fn give_up(&mut self, out: &mut Outputs) {
        let error = self.last_error.take().unwrap_or_else(|| Error::new(ErrorKind::Closed));
        let error = error.with_fate(self.fate);
        self.settle(Err(error), out);
    }

    /// Settles it because its time is over, or the writer's is.
    pub(super) fn end(&mut self, kind: ErrorKind, out: &mut Outputs) {
        let in_flight = self.is_in_flight() && !is_planted(Mutation::ExpiryIsDefinite);
        let fate = if in_flight { Fate::PossiblyPersisted } else { self.fate };
        let error = Error::new(kind).with_fate(fate);
        let error = match self.last_error.take() {
            Some(source) => error.with_source(source),
            None => error,
        };
        self.settle(Err(error), out);
    }

    /// Gives back what it took of the buffer.
    pub(super) fn release(self, out: &mut Outputs) {
        debug_assert!(self.settled, "a batch is gone, and nobody knows how it ended");
        out.released += self.charged;
        if let Stage::Sealed(bytes) | Stage::InFlight(bytes) | Stage::Whole(bytes) = self.stage {
            out.spent.push(bytes);
        }
    }
}
