//! The batches of one partition that has any, in order.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{BrokerId, Pauses};
use kafka_protocol::records::CompressError;

use super::batch::{Batch, Stage};
use super::identity::Identity;
use super::sequence::Sequence;
use super::{AccumulatorConfig, Failure, Leader, MAX_IN_FLIGHT, Outputs, Part, Work};
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Result};
use crate::mutation::{Mutation, is_planted};
use crate::outcome::Remedy;
use crate::partition::{OpenBatch, Partition, Want};
use crate::produce;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partition: Arc<Partition>,
    /// Oldest first: those in flight, those sealed, those being sealed. At most as many as may be in flight and one
    /// more, which is sealed while they are under way; the rest waits in the partition.
    batches: VecDeque<Batch>,
    sequence: Sequence,
    /// How many batches were appended behind one that may yet have to be sent again. Brokers recognise the last five of a
    /// producer: were there more behind it, it would be out of order instead of a duplicate.
    overtaking: usize,
    /// Where those in flight are: nothing is sent elsewhere before they are back.
    leased_to: Option<Leader>,
    wait: Wait,
    pauses: Option<Pauses>,
    /// Whether it is in a list of those that are ready.
    pub(super) queued: bool,
    /// The request that it was considered for last.
    pub(super) request: u64,
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

/// What a lane works with while it has its turn.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    /// How long batches linger at the moment.
    pub(super) linger: Duration,
    pub(super) config: &'a AccumulatorConfig,
    pub(super) identity: &'a mut Identity,
    pub(super) out: &'a mut Outputs,
}

impl Turn<'_> {
    fn pause(&mut self, pauses: &mut Option<Pauses>) -> Instant {
        let pauses = pauses.get_or_insert_with(|| self.config.backoff.pauses_from(self.out.random.u64(..)));
        self.now + pauses.next_pause()
    }
}

impl Lane {
    pub(super) fn new(partition: Arc<Partition>, sequence: Sequence) -> Self {
        Self {
            partition,
            batches: VecDeque::new(),
            sequence,
            overtaking: 0,
            leased_to: None,
            wait: Wait::No,
            pauses: None,
            queued: false,
            request: 0,
            timer: None,
        }
    }

    /// Does all that time and state allow: expires, begins a new epoch, takes batches, gets ready.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) -> Next {
        self.expire(turn);
        if matches!(self.wait, Wait::Backoff(until) | Wait::Leader(until) if until <= turn.now) {
            self.wait = Wait::No;
        }
        self.restart(turn);
        let timer = self.take(turn);
        if !self.queued && self.is_ready(turn) {
            self.queued = true;
            turn.out.ready.push_back(self.partition.id);
        }
        if self.batches.is_empty() && self.partition.release(self.count_to_keep()) {
            return Next::Idle;
        }
        let wait = match self.wait {
            Wait::No => None,
            Wait::Backoff(until) | Wait::Leader(until) => Some(until),
        };
        let waiting = self.batches.iter().find(|batch| !batch.settled);
        let deadline = waiting.map(|batch| batch.deadline(turn.config.delivery_timeout));
        Next::At([timer, wait, deadline].into_iter().flatten().min())
    }

    /// Whether the next batch may be sent, and can have sequence numbers if it is to have them. Where an identity is
    /// missing, this asks for it.
    pub(super) fn is_ready(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(at) = self.next_to_send(turn) else { return false };
        let numbered = self.batches.get(at).is_some_and(Batch::is_numbered);
        if turn.identity.is_off() || numbered || self.sequence.identity().is_some() {
            return true;
        }
        if let Some(identity) = turn.identity.start(turn.now) {
            self.sequence.start(identity);
        }
        self.sequence.identity().is_some()
    }

    /// The length of the next batch, in bytes.
    pub(super) fn ready_len(&self, turn: &Turn<'_>) -> usize {
        let next = self.next_to_send(turn).and_then(|at| self.batches.get(at));
        next.map_or(0, Batch::sealed_len)
    }

    /// Whether the next batch may go to this leader: not while others are under way to another one.
    pub(super) fn may_go_to(&mut self, leader: Leader) -> bool {
        let in_flight = self.batches.iter().any(Batch::is_in_flight);
        if in_flight {
            return self.leased_to == Some(leader);
        }
        if self.leased_to.is_some_and(|before| before.topic_id != leader.topic_id) {
            self.sequence.unconfirm();
        }
        self.leased_to = Some(leader);
        true
    }

    /// Hands out the next batch: its id and its bytes.
    pub(super) fn lease(&mut self, turn: &mut Turn<'_>) -> Option<(u64, Bytes)> {
        let at = self.next_to_send(turn)?;
        let batch = self.batches.get_mut(at)?;
        if !batch.is_numbered() && !turn.identity.is_off() {
            batch.number(self.sequence.assign(batch.messages));
        }
        let bytes = batch.lease(turn.now)?;
        batch.sent_behind = at > 0;
        let queued = (batch.attempts == 1).then(|| turn.now.saturating_duration_since(batch.closed_at));
        turn.out.stats.sent(batch.messages, bytes.len(), queued);
        Some((batch.id, bytes))
    }

    /// Waits for a leader. Should none come, the batch fails with this error as the reason.
    pub(super) fn await_leader(&mut self, turn: &mut Turn<'_>, error: kafka_conn::Error) {
        if let Some(batch) = self.next_to_send(turn).and_then(|at| self.batches.get_mut(at)) {
            batch.failed(produce::failure(error).error);
        }
        self.wait = Wait::Leader(turn.pause(&mut self.pauses));
        turn.out.stale.insert(self.partition.topic.clone());
    }

    /// There is news of the cluster. A pause is for the leader that failed: where another one leads, it is over. Without a
    /// leader the wait goes on: each wait asks for metadata, and its answer must not be the next one's cause.
    pub(super) fn handle_cluster(&mut self, leader: impl Fn(&str, i32) -> Option<BrokerId>) {
        let Some(leader) = leader(&self.partition.topic, self.partition.index) else { return };
        let has_moved = self.leased_to.is_some_and(|failed| failed.broker != leader);
        if matches!(self.wait, Wait::Leader(_)) || (matches!(self.wait, Wait::Backoff(_)) && has_moved) {
            self.wait = Wait::No;
        }
    }

    /// There will be no producer id, and it is needed: what was not sent yet fails.
    pub(super) fn refuse(&mut self, turn: &mut Turn<'_>, error: &Error) {
        self.close_open(turn);
        for batch in self.batches.iter_mut().filter(|batch| !batch.settled && !batch.is_away() && !batch.is_numbered())
        {
            batch.failed(error.clone());
            batch.give_up(turn.out);
        }
        self.sweep(turn);
    }

    /// What there is to do for a batch whose turn it is to be sealed or split.
    pub(super) fn start_work(&mut self, batch: u64) -> Option<Work> {
        let batch = self.batches.iter_mut().find(|candidate| candidate.id == batch)?;
        match std::mem::replace(&mut batch.stage, Stage::Sealing) {
            Stage::Closed(builder) => Some(Work::Seal(builder)),
            Stage::Whole(bytes) => {
                batch.stage = Stage::Splitting;
                Some(Work::Split(bytes))
            }
            other => {
                batch.stage = other;
                None
            }
        }
    }

    /// A batch comes back from being sealed or split.
    pub(super) fn handle_worked(&mut self, turn: &mut Turn<'_>, batch: u64, done: Result<Vec<Part>, CompressError>) {
        let Some(at) = self.position(batch) else { return };
        let Some(batch) = self.batches.get_mut(at) else { return };
        match done.map(<[Part; 2]>::try_from) {
            Ok(Ok([front, back])) => {
                let id = turn.out.next_id();
                let (bytes, messages) = ([front.bytes, back.bytes], [front.messages, back.messages]);
                let split = batch.split_off(id, bytes, messages);
                self.partition.split();
                let place = if is_planted(Mutation::SplitOvertakes) { self.batches.len() } else { at + 1 };
                self.batches.insert(place, split);
            }
            Ok(Err(whole)) => {
                let bytes = whole.into_iter().next().map(|part| part.bytes).unwrap_or_default();
                batch.stage = Stage::Sealed(bytes);
            }
            Err(error) => {
                batch.failed(Error::new(ErrorKind::Compress).with_source(error));
                batch.stage = Stage::Sealed(Bytes::new());
                self.abandon(turn, at);
            }
        }
        self.sweep(turn);
    }

    /// An attempt is over.
    pub(super) fn handle_answer(&mut self, turn: &mut Turn<'_>, batch: u64, outcome: Result<Option<i64>, Failure>) {
        let Some(at) = self.position(batch) else { return };
        let Some(batch) = self.batches.get_mut(at).filter(|batch| batch.is_in_flight()) else { return };
        let elapsed = batch.sent_at.map_or(Duration::ZERO, |at| turn.now.saturating_duration_since(at));
        turn.out.stats.answered(elapsed, outcome.is_ok());
        match outcome {
            Ok(offset) => {
                self.pauses = None;
                self.sequence.confirm();
                batch.was_written = true;
                batch.settle(Ok(offset), turn.out);
                // A connection may be lost, and the next one have answered, before those in flight on the first are told.
                self.overtaking += usize::from(at > 0);
                self.remove(at, turn);
            }
            Err(failure) => self.handle_failure(turn, at, failure),
        }
    }

    fn handle_failure(&mut self, turn: &mut Turn<'_>, at: usize, failure: Failure) {
        let Some(batch) = self.batches.get_mut(at) else { return };
        if failure.refresh {
            turn.out.stale.insert(self.partition.topic.clone());
        }
        batch.failed(failure.error);
        if batch.settled {
            return self.abandon(turn, at);
        }
        let numbered = batch.is_numbered();
        // Of those before it one was missing, so the broker refuses it rightly.
        let was_behind = at > 0 || batch.sent_behind;
        if failure.remedy == Remedy::Order && numbered && (was_behind || self.sequence.is_broken()) {
            return;
        }
        if failure.remedy == Remedy::Split && batch.start_to_split() {
            return turn.out.closed.push_back((self.partition.id, batch.id));
        }
        batch.failures += 1;
        let helps = match failure.remedy {
            Remedy::Retry => true,
            Remedy::Order | Remedy::Identity => numbered,
            Remedy::Split | Remedy::Nothing => false,
        };
        if !helps || batch.failures > turn.config.retries {
            return self.abandon(turn, at);
        }
        if matches!(failure.remedy, Remedy::Order | Remedy::Identity) {
            self.sequence.interrupt();
        }
        if let (Remedy::Identity, Some(identity)) = (failure.remedy, self.sequence.identity()) {
            turn.identity.renew(turn.now, identity);
        }
        if !matches!(self.wait, Wait::Backoff(_)) {
            self.wait = Wait::Backoff(turn.pause(&mut self.pauses));
            turn.out.paused.push(self.partition.id);
        }
    }

    /// A batch fails for good. Its numbers will not be in the log, or nobody knows: the count is broken.
    fn abandon(&mut self, turn: &mut Turn<'_>, at: usize) {
        let Some(batch) = self.batches.get_mut(at) else { return };
        batch.give_up(turn.out);
        self.remove(at, turn);
    }

    /// Begins another epoch where the count is broken, once nothing is in flight. Nobody knows of a batch with an attempt
    /// of unknown fate whether it is in the log, and under another epoch a broker could not tell: it fails.
    fn restart(&mut self, turn: &mut Turn<'_>) {
        let away = |batch: &Batch| batch.is_in_flight() || matches!(batch.stage, Stage::Whole(_) | Stage::Splitting);
        let must_wait = self.batches.iter().any(away) && !is_planted(Mutation::RestartInFlight);
        if !self.sequence.is_broken() || must_wait {
            return;
        }
        if let Some(identity) = self.sequence.restart()
            && !is_planted(Mutation::KeepTheEpoch)
        {
            turn.identity.retire(turn.now, identity);
        }
        for batch in self.batches.iter_mut().filter(|batch| batch.is_numbered()) {
            batch.number(None);
            if batch.is_doubtful() && !is_planted(Mutation::ResendUnderANewEpoch) {
                batch.give_up(turn.out);
            }
        }
        self.sweep(turn);
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
        self.batches.extend(open.into_iter().map(|open| Batch::new(out.next_id(), open.opened_at, open)));
        for mut batch in self.batches.drain(..) {
            batch.end(kind.clone(), out);
            batch.release(out);
            self.partition.settled();
        }
    }

    fn expire(&mut self, turn: &mut Turn<'_>) {
        let after = turn.config.delivery_timeout;
        for batch in self.batches.iter_mut().take_while(|batch| batch.deadline(after) <= turn.now) {
            batch.end(ErrorKind::Expired { after }, turn.out);
        }
        self.sweep(turn);
    }

    /// Lets go of what is settled and back.
    fn sweep(&mut self, turn: &mut Turn<'_>) {
        while let Some(at) = self.batches.iter().position(|batch| batch.settled && !batch.is_away()) {
            self.remove(at, turn);
        }
    }

    /// Takes batches from the partition while there is room for them; returns when to come back for more.
    fn take(&mut self, turn: &mut Turn<'_>) -> Option<Instant> {
        let window = self.window(turn.identity, turn.config.unnumbered_in_flight);
        loop {
            let want = match self.batches.len() {
                len if len < window => Want::Due(turn.linger),
                len if len == window => Want::Full,
                _ => Want::Nothing,
            };
            let look = self.partition.look(turn.now, want);
            if let Some(open) = look.taken {
                self.push(open, turn);
                continue;
            }
            // With the partition blocked, its batches expire where they are.
            let after = turn.config.delivery_timeout;
            let deadline = look.oldest.map(|opened_at| opened_at + after);
            if deadline.is_some_and(|deadline| deadline <= turn.now) {
                self.expire_open(turn);
                continue;
            }
            let lingers =
                look.lingers_since.filter(|_| want == Want::Due(turn.linger)).map(|since| since + turn.linger);
            return [deadline, lingers].into_iter().flatten().min();
        }
    }

    fn push(&mut self, open: OpenBatch, turn: &mut Turn<'_>) {
        let batch = Batch::new(turn.out.next_id(), turn.now, open);
        let age = turn.now.saturating_duration_since(batch.opened_at);
        turn.out.stats.closed(batch.messages, batch.len(), age);
        turn.out.closed.push_back((self.partition.id, batch.id));
        self.batches.push_back(batch);
    }

    fn expire_open(&self, turn: &mut Turn<'_>) {
        let after = turn.config.delivery_timeout;
        for open in self.partition.take_older(turn.now, after) {
            let mut batch = Batch::new(turn.out.next_id(), turn.now, open);
            batch.end(ErrorKind::Expired { after }, turn.out);
            batch.release(turn.out);
            self.partition.settled();
        }
    }

    /// Takes everything from the partition.
    fn close_open(&mut self, turn: &mut Turn<'_>) {
        for open in self.partition.take_older(turn.now, Duration::ZERO) {
            self.batches.push_back(Batch::new(turn.out.next_id(), turn.now, open));
        }
    }

    /// How many batches may be in flight. Without sequence numbers one that is sent again would overtake its successor;
    /// and where the broker may not know the producer yet, it takes any number for the first.
    fn window(&self, identity: &Identity, unnumbered: usize) -> usize {
        if identity.is_off() {
            return if is_planted(Mutation::FiveWithoutNumbers) { MAX_IN_FLIGHT } else { unnumbered };
        }
        if self.sequence.is_confirmed() || is_planted(Mutation::OvertakeTheFirst) { MAX_IN_FLIGHT } else { 1 }
    }

    /// The place of the first batch that is not in flight, if it is sealed and may join those that are. After a failure
    /// those behind it come back first, so that attempts are made in order.
    fn next_to_send(&self, turn: &Turn<'_>) -> Option<usize> {
        let at = self.batches.iter().position(|batch| !batch.is_in_flight())?;
        let in_order = !self.batches.iter().skip(at).any(Batch::is_in_flight);
        let window = self.window(turn.identity, turn.config.unnumbered_in_flight);
        let in_window = at == 0 || at + self.overtaking < window;
        let may = self.wait == Wait::No && in_window && in_order && !self.sequence.is_broken();
        (may && self.batches.get(at)?.is_sealed()).then_some(at)
    }

    /// What the partition keeps of the count while it is idle. When it is back, the broker may have forgotten it
    /// (`producer.id.expiration.ms`, retention).
    fn count_to_keep(&self) -> Sequence {
        let mut count = self.sequence;
        count.unconfirm();
        if is_planted(Mutation::ForgetTheCount) { Sequence::default() } else { count }
    }

    fn position(&self, batch: u64) -> Option<usize> {
        self.batches.iter().position(|candidate| candidate.id == batch)
    }

    /// Lets go of a settled batch. Unless it was written, its numbers are a gap.
    fn remove(&mut self, at: usize, turn: &mut Turn<'_>) {
        if let Some(batch) = self.batches.remove(at) {
            if batch.is_numbered() && !batch.was_written {
                self.sequence.interrupt();
            }
            batch.release(turn.out);
            self.partition.settled();
        }
        if self.batches.front().is_none_or(|front| front.attempts == 0) {
            self.overtaking = 0;
        }
    }
}
