//! The batches of one partition that has any, in order.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::Pauses;
use kafka_protocol::records::CompressError;

use super::batch::{Batch, Stage};
use super::{AccumulatorConfig, Failure, MAX_IN_FLIGHT, Outputs};
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::{OpenBatch, Partition, Want};
use crate::produce;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partition: Arc<Partition>,
    /// Oldest first: those in flight, those sealed, those being sealed. At most [`MAX_IN_FLIGHT`] and one more, which
    /// is sealed while they are under way; the rest waits in the partition.
    batches: VecDeque<Batch>,
    wait: Wait,
    pauses: Option<Pauses>,
    /// Whether it is in the list of those that are ready.
    pub(super) queued: bool,
    /// Where it is among the timers.
    pub(super) timer: Option<Instant>,
}

/// Why a sealed batch is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    No,
    /// A pause before another attempt.
    Backoff(Instant),
    /// The partition has no leader; metadata is asked for, and asked for again at this time.
    Leader(Instant),
}

/// What comes next for a lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing is left: the lane can go.
    Idle,
    /// Look again at this time.
    At(Option<Instant>),
}

impl Lane {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        Self { partition, batches: VecDeque::new(), wait: Wait::No, pauses: None, queued: false, timer: None }
    }

    /// Does all that time and state allow: expires, takes batches, gets ready.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        config: &AccumulatorConfig,
        linger: Duration,
        out: &mut Outputs,
    ) -> Next {
        self.expire(now, config, out);
        if matches!(self.wait, Wait::Backoff(until) | Wait::Leader(until) if until <= now) {
            self.wait = Wait::No;
        }
        let timer = self.take(now, linger, config, out);
        if !self.queued && self.is_ready() {
            self.queued = true;
            out.ready.push_back(self.partition.id);
        }
        if self.batches.is_empty() && self.partition.release() {
            return Next::Idle;
        }
        let wait = match self.wait {
            Wait::No => None,
            Wait::Backoff(until) | Wait::Leader(until) => Some(until),
        };
        let waiting = self.batches.iter().find(|batch| !batch.settled);
        let deadline = waiting.map(|batch| batch.deadline(config.delivery_timeout));
        Next::At([timer, wait, deadline].into_iter().flatten().min())
    }

    /// Whether the next batch may be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.wait == Wait::No && self.next_to_send().is_some()
    }

    /// The bytes of the next batch.
    pub(super) fn ready_len(&self) -> usize {
        let next = self.next_to_send().and_then(|at| self.batches.get(at));
        next.map_or(0, |batch| if let Stage::Sealed(bytes) = &batch.stage { bytes.len() } else { 0 })
    }

    /// Hands out the next batch.
    pub(super) fn lease(&mut self) -> Option<(u64, Bytes)> {
        let at = self.next_to_send()?;
        let batch = self.batches.get_mut(at)?;
        batch.lease().map(|bytes| (batch.id, bytes))
    }

    /// Waits for a leader. Should none come, the batch fails with this error as the reason.
    pub(super) fn await_leader(
        &mut self,
        now: Instant,
        error: kafka_conn::Error,
        config: &AccumulatorConfig,
        out: &mut Outputs,
    ) {
        if let Some(batch) = self.next_to_send().and_then(|at| self.batches.get_mut(at)) {
            batch.failed(produce::failure(error).error);
        }
        self.wait = Wait::Leader(now + self.pause(config, out));
        out.stale.insert(self.partition.topic.clone());
    }

    /// There is news of the cluster. Without a leader in it the wait goes on: each wait asks for metadata, and its
    /// answer must not be the next one's cause.
    pub(super) fn handle_cluster(&mut self, has_leader: impl Fn(&str, i32) -> bool) {
        if matches!(self.wait, Wait::Leader(_)) && has_leader(&self.partition.topic, self.partition.index) {
            self.wait = Wait::No;
        }
    }

    /// The builder of a batch whose turn it is to be sealed.
    pub(super) fn start_seal(&mut self, batch: u64) -> Option<kafka_protocol::records::BatchBuilder> {
        let batch = self.batches.iter_mut().find(|candidate| candidate.id == batch)?;
        match std::mem::replace(&mut batch.stage, Stage::Sealing) {
            Stage::Closed(builder) => Some(builder),
            other => {
                batch.stage = other;
                None
            }
        }
    }

    /// A batch comes back from being sealed.
    pub(super) fn handle_sealed(&mut self, batch: u64, sealed: Result<Bytes, CompressError>, out: &mut Outputs) {
        let Some(at) = self.position(batch) else { return };
        let Some(batch) = self.batches.get_mut(at) else { return };
        match sealed {
            Ok(bytes) => batch.stage = Stage::Sealed(bytes),
            Err(error) => batch.settle(Err(Error::new(ErrorKind::Compress).with_source(error)), out),
        }
        if batch.settled {
            self.remove(at, out);
        }
    }

    /// An attempt is over.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        batch: u64,
        outcome: Result<Option<i64>, Failure>,
        config: &AccumulatorConfig,
        out: &mut Outputs,
    ) {
        let Some(at) = self.position(batch) else { return };
        let Some(batch) = self.batches.get_mut(at).filter(|batch| batch.is_in_flight()) else { return };
        match outcome {
            Ok(offset) => {
                self.pauses = None;
                batch.settle(Ok(offset), out);
            }
            Err(failure) => {
                if failure.refresh {
                    out.stale.insert(self.partition.topic.clone());
                }
                batch.failed(failure.error);
                if !failure.retriable || batch.attempts > config.retries {
                    batch.give_up(out);
                } else if !batch.settled {
                    self.wait = Wait::Backoff(now + self.pause(config, out));
                    return;
                }
            }
        }
        self.remove(at, out);
    }

    /// The results of all batches that are not settled, and no more messages for any of them.
    pub(super) fn flush(&self, results: &mut Vec<Arc<BatchResult>>) {
        let waiting = self.batches.iter().filter(|batch| !batch.settled);
        results.extend(waiting.map(|batch| Arc::clone(batch.result())));
        self.partition.flush(results);
    }

    /// Settles everything: the writer's time is over.
    pub(super) fn abort(mut self, kind: &ErrorKind, out: &mut Outputs) {
        let open = self.partition.take_all();
        self.batches.extend(open.into_iter().map(|open| numbered(open, &mut out.next_batch)));
        for mut batch in self.batches.drain(..) {
            batch.end(kind.clone(), out);
            batch.release(out);
        }
    }

    fn expire(&mut self, now: Instant, config: &AccumulatorConfig, out: &mut Outputs) {
        let after = config.delivery_timeout;
        for batch in self.batches.iter_mut().take_while(|batch| batch.deadline(after) <= now) {
            batch.end(ErrorKind::Expired { after }, out);
        }
        while let Some(at) = self.batches.iter().position(|batch| batch.settled && !batch.is_away()) {
            self.remove(at, out);
        }
    }

    /// Takes batches from the partition while there is room for them; returns when to come back for more.
    fn take(
        &mut self,
        now: Instant,
        linger: Duration,
        config: &AccumulatorConfig,
        out: &mut Outputs,
    ) -> Option<Instant> {
        loop {
            let want = match self.batches.len() {
                len if len < MAX_IN_FLIGHT => Want::Due(linger),
                MAX_IN_FLIGHT => Want::Full,
                _ => Want::Nothing,
            };
            let look = self.partition.look(now, want);
            if let Some(open) = look.taken {
                let batch = numbered(open, &mut out.next_batch);
                out.closed.push_back((self.partition.id, batch.id));
                self.batches.push_back(batch);
                continue;
            }
            // With the partition blocked, its batches expire where they are.
            let deadline = look.oldest.map(|opened_at| opened_at + config.delivery_timeout);
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.expire_open(now, config, out);
                continue;
            }
            let lingers = look.lingers_since.filter(|_| want == Want::Due(linger)).map(|since| since + linger);
            return [deadline, lingers].into_iter().flatten().min();
        }
    }

    fn expire_open(&self, now: Instant, config: &AccumulatorConfig, out: &mut Outputs) {
        let after = config.delivery_timeout;
        for open in self.partition.take_older(now, after) {
            let mut batch = numbered(open, &mut out.next_batch);
            batch.end(ErrorKind::Expired { after }, out);
            batch.release(out);
        }
    }

    /// The place of the first batch that is not in flight, if it is sealed and may join those that are.
    fn next_to_send(&self) -> Option<usize> {
        let at = self.batches.iter().position(|batch| !batch.is_in_flight())?;
        let sealed = matches!(self.batches.get(at)?.stage, Stage::Sealed(_));
        (sealed && at < MAX_IN_FLIGHT).then_some(at)
    }

    fn position(&self, batch: u64) -> Option<usize> {
        self.batches.iter().position(|candidate| candidate.id == batch)
    }

    fn remove(&mut self, at: usize, out: &mut Outputs) {
        if let Some(batch) = self.batches.remove(at) {
            batch.release(out);
        }
    }

    fn pause(&mut self, config: &AccumulatorConfig, out: &mut Outputs) -> Duration {
        let pauses = self.pauses.get_or_insert_with(|| config.backoff.pauses_from(out.random.u64(..)));
        pauses.next_pause()
    }
}

fn numbered(open: OpenBatch, next_id: &mut u64) -> Batch {
    let id = *next_id;
    *next_id += 1;
    Batch::new(id, open)
}
