//! A batch on its way: closed to messages, then sealed, then in flight, until it is settled.
//!
//! Sans-IO.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::records::BatchBuilder;

use super::{Outputs, Settled};
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::partition::OpenBatch;

/// ```text
///  Closed ──► Sealing ──► Sealed ◄──────────┐ an error that may pass
///    (its turn to be        │   lease       │
///      compressed)          └────────► InFlight ──► gone: acknowledged, or failed for good
/// ```
///
/// A batch that is out of the accumulator's hands (`Sealing`, `InFlight`) and expires there is settled at once, and
/// keeps its place until it is back, so that nothing overtakes it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    pub(super) stage: Stage,
    result: Arc<BatchResult>,
    opened_at: Instant,
    charged: usize,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Whether an attempt may have been appended.
    fate: Fate,
    last_error: Option<Error>,
    pub(super) settled: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Closed(BatchBuilder),
    Sealing,
    /// The bytes are those of every attempt. An idempotent writer stamps producer id, epoch and base sequence into them
    /// when it leases them for the first time.
    Sealed(Bytes),
    InFlight(Bytes),
}

impl Batch {
    pub(super) fn new(id: u64, open: OpenBatch) -> Self {
        let OpenBatch { builder, result, opened_at, charged } = open;
        Self {
            id,
            stage: Stage::Closed(builder),
            result,
            opened_at,
            charged,
            attempts: 0,
            fate: Fate::NotPersisted,
            last_error: None,
            settled: false,
        }
    }

    pub(super) fn result(&self) -> &Arc<BatchResult> {
        &self.result
    }

    pub(super) fn deadline(&self, delivery_timeout: Duration) -> Instant {
        self.opened_at + delivery_timeout
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.stage, Stage::Sealing | Stage::InFlight(_))
    }

    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.stage, Stage::InFlight(_))
    }

    /// Hands out the bytes to be sent.
    pub(super) fn lease(&mut self) -> Option<Bytes> {
        let Stage::Sealed(bytes) = &self.stage else { return None };
        let bytes = bytes.clone();
        self.stage = Stage::InFlight(bytes.clone());
        self.attempts += 1;
        Some(bytes)
    }

    /// Takes note of a failed attempt.
    pub(super) fn failed(&mut self, error: Error) {
        if error.fate() == Fate::PossiblyPersisted {
            self.fate = Fate::PossiblyPersisted;
        }
        self.last_error = Some(error);
        if let Stage::InFlight(bytes) = &mut self.stage {
            self.stage = Stage::Sealed(std::mem::take(bytes));
        }
    }

    /// Settles it, if it is not yet.
    pub(super) fn settle(&mut self, outcome: Result<Option<i64>>, out: &mut Outputs) {
        if !self.settled {
            self.settled = true;
            out.settled.push_back(Settled { result: Arc::clone(&self.result), outcome });
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
        let fate = if self.is_in_flight() { Fate::PossiblyPersisted } else { self.fate };
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
        if let Stage::Sealed(bytes) | Stage::InFlight(bytes) = self.stage {
            out.spent.push(bytes);
        }
    }
}
