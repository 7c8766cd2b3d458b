//! Batches from the moment they take no more messages until they are settled: the writer's rules of order, retries and
//! time, without the writer.
//!
//! Sans-IO.

mod batch;
mod brokers;
mod identity;
mod lane;
mod sequence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{Backoff, BrokerId};
use kafka_protocol::Uuid;
use kafka_protocol::records::{BatchBuilder, CompressError};
use smol_str::SmolStr;

use crate::config::{Idempotence, Ordering};
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Remedy;
use crate::partition::Partition;
use crate::stats::Counts;
use brokers::Brokers;
use identity::Identity;
use lane::{Lane, Next, Turn};

pub(crate) use identity::{ProducerIdentity, Refusal};
pub(crate) use sequence::Sequence;

/// Takes full and lingering batches from their partitions, and says what is to be sealed, sent, and settled.
///
/// ```text
///  Partition ──► Lane: batches in order ──► poll_work ··► handle_worked      (seal, or split)
///  (callers)      │   up to five in flight  poll_requests ··► handle_answer
///                 ├ Sequence ◄─ Identity ──► poll_ask ··► handle_identity    (InitProducerId)
///                 └ wait: linger, pause,     poll_settled, poll_released, poll_spent, poll_stale
///                   a leader                 poll_timeout ··► handle_timeout
/// ```
///
/// There is a lane for each partition that has something, and none for the others. To be drained after each input.
///
/// Order: attempts are made in the order of the appends, and a broker takes sequence numbers in their order only; where
/// there are none, a batch is sent only when the one before it is settled. So the order of the appends is that of the
/// log, whatever is retried. A partition follows its leader when nothing of it is in flight.
#[derive(Debug)]
pub(crate) struct Accumulator {
    config: AccumulatorConfig,
    mode: Mode,
    /// Somebody waits for room.
    is_scarce: bool,
    lanes: BTreeMap<u64, Lane>,
    timers: BTreeSet<(Instant, u64)>,
    brokers: Brokers,
    identity: Identity,
    /// How many requests were filled.
    requests: u64,
    out: Outputs,
}

#[derive(Clone, Debug)]
pub(crate) struct AccumulatorConfig {
    pub(crate) linger: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) idempotence: Idempotence,
    /// Batches of one partition in flight without sequence numbers.
    pub(crate) unnumbered_in_flight: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Closing,
}

/// What is to be done outside.
#[derive(Debug)]
struct Outputs {
    /// Lane and batch, to be sealed or split.
    closed: VecDeque<(u64, u64)>,
    ready: VecDeque<u64>,
    /// Lanes that pause since a moment ago: what is known of the cluster by now may be news to them.
    paused: Vec<u64>,
    settled: VecDeque<Settled>,
    stale: BTreeSet<SmolStr>,
    released: usize,
    spent: Vec<Bytes>,
    stats: Counts,
    next_batch: u64,
    random: fastrand::Rng,
}

/// Messages of a batch whose fate is known: from the first one on, so many.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) result: Arc<BatchResult>,
    pub(crate) first: u32,
    pub(crate) messages: u32,
    pub(crate) outcome: Result<Option<i64>>,
}

/// A batch that is to be sealed or split.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// Compress and checksum: into one part.
    Seal(BatchBuilder),
    /// Make two batches of a sealed one: into two parts, or one where that is not possible.
    Split(Bytes),
}

/// A sealed batch.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u32,
}

/// A request that is to be sent to a broker: one batch of each of its partitions that is ready.
#[derive(Debug)]
pub(crate) struct ProduceBatches {
    pub(crate) broker: BrokerId,
    pub(crate) batches: Vec<Leased>,
}

/// A batch in a request.
#[derive(Clone, Debug)]
pub(crate) struct Leased {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    pub(crate) topic: SmolStr,
    /// Zero where it is not known.
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) records: Bytes,
}

/// Where a partition is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) broker: BrokerId,
    pub(crate) topic_id: Uuid,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Why, and whether this attempt may have been appended.
    pub(crate) error: Error,
    /// What may help.
    pub(crate) remedy: Remedy,
    /// Whether what is known of the topic is stale.
    pub(crate) refresh: bool,
}

/// What became of a request: an outcome for each of its batches.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) broker: BrokerId,
    pub(crate) throttle: Duration,
    pub(crate) outcomes: Vec<Answered>,
}

/// What became of a batch in a request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    /// The base offset, where the broker tells it.
    pub(crate) outcome: Result<Option<i64>, Failure>,
}

impl Accumulator {
    pub(crate) fn new(config: AccumulatorConfig, seed: u64) -> Self {
        let out = Outputs {
            closed: VecDeque::new(),
            ready: VecDeque::new(),
            paused: Vec::new(),
            settled: VecDeque::new(),
            stale: BTreeSet::new(),
            released: 0,
            spent: Vec::new(),
            stats: Counts::default(),
            next_batch: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        let identity = Identity::new(config.idempotence, config.backoff.clone(), seed);
        let (lanes, timers, brokers) = (BTreeMap::new(), BTreeSet::new(), Brokers::default());
        Self { config, mode: Mode::Open, is_scarce: false, lanes, timers, brokers, identity, requests: 0, out }
    }

    /// A partition called for attention.
    pub(crate) fn handle_note(&mut self, now: Instant, partition: Arc<Partition>) {
        let sequence = partition.watch();
        self.identity.want(now);
        let id = partition.id;
        self.lanes.entry(id).or_insert_with(|| Lane::new(partition, sequence));
        self.advance(now, id);
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.advance(now, id);
        }
        self.brokers.handle_timeout(now);
    }

    /// There is a new snapshot of the cluster: leaders may have changed.
    pub(crate) fn handle_cluster(&mut self, now: Instant, leader: impl Fn(&str, i32) -> Option<BrokerId>) {
        self.out.ready.extend(self.brokers.take_waiting());
        self.each(now, |lane, _| lane.handle_cluster(&leader));
    }

    /// Whether somebody waits for room. Then nothing lingers: the room may be in batches that would.
    pub(crate) fn handle_scarcity(&mut self, now: Instant, is_scarce: bool) {
        if std::mem::replace(&mut self.is_scarce, is_scarce) != is_scarce && is_scarce {
            self.each(now, |_, _| ());
        }
    }

    /// A job of [`poll_work`](Self::poll_work) is done.
    pub(crate) fn handle_worked(
        &mut self,
        now: Instant,
        lane: u64,
        batch: u64,
        done: Result<Vec<Part>, CompressError>,
    ) {
        self.turn(now, lane, |lane, turn| lane.handle_worked(turn, batch, done));
    }

    /// A request of [`poll_requests`](Self::poll_requests) is answered, or never will be.
    pub(crate) fn handle_answer(&mut self, now: Instant, answer: Answer) {
        let throttle = answer.throttle.min(self.config.delivery_timeout);
        self.brokers.finish(now, answer.broker, throttle);
        self.out.stats.waited(throttle);
        for Answered { lane, batch, outcome } in answer.outcomes {
            self.turn(now, lane, |lane, turn| lane.handle_answer(turn, batch, outcome));
        }
    }

    /// A broker was asked for a producer id.
    pub(crate) fn handle_identity(&mut self, now: Instant, answer: Result<ProducerIdentity, Refusal>) {
        let outcome = self.identity.handle_answer(now, answer);
        self.out.stats.is_idempotent(!self.identity.is_off());
        self.each(now, |lane, turn| {
            if let Err(error) = &outcome {
                lane.refuse(turn, error);
            }
        });
    }

    /// A topic was forgotten, and with it how far its partitions had counted.
    pub(crate) fn handle_forgotten(&mut self) {
        self.identity.handle_forgotten();
    }

    /// Closes all batches to further messages, and returns the results of all that are not settled: as many as the
    /// writer has batches.
    pub(crate) fn handle_flush(&mut self, now: Instant) -> Vec<Arc<BatchResult>> {
        let mut results = Vec::new();
        self.each(now, |lane, _| lane.flush(&mut results));
        results
    }

    /// Lets nothing linger any more.
    pub(crate) fn handle_close(&mut self, now: Instant) {
        self.mode = Mode::Closing;
        self.each(now, |_, _| ());
    }

    /// Settles everything there is with an error.
    pub(crate) fn handle_abort(&mut self, kind: &ErrorKind) {
        self.timers.clear();
        self.out.ready.clear();
        self.out.closed.clear();
        for (_, lane) in std::mem::take(&mut self.lanes) {
            lane.abort(kind, &mut self.out);
        }
    }

    /// The next batch to seal or to split; to be given back through [`handle_worked`](Self::handle_worked).
    pub(crate) fn poll_work(&mut self) -> Option<Job> {
        while let Some((lane, batch)) = self.out.closed.pop_front() {
            // It may have expired in the meantime.
            let work = self.lanes.get_mut(&lane).and_then(|found| found.start_work(batch));
            if let Some(work) = work {
                return Some(Job { lane, batch, work });
            }
        }
        None
    }

    /// Requests for batches that are ready, at most one for each broker: to be called until there is none. Each is
    /// answered by one [`handle_answer`](Self::handle_answer).
    pub(crate) fn poll_requests(
        &mut self,
        now: Instant,
        leader: impl Fn(&str, i32) -> kafka_conn::Result<Leader>,
    ) -> Vec<ProduceBatches> {
        for id in std::mem::take(&mut self.out.paused) {
            let broker = |topic: &str, partition| leader(topic, partition).ok().map(|leader| leader.broker);
            self.turn(now, id, |lane, _| lane.handle_cluster(broker));
        }
        for _ in 0..self.out.ready.len() {
            let Some(id) = self.out.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            match leader(&lane.partition.topic, lane.partition.index) {
                Ok(leader) => self.brokers.wait(id, leader),
                Err(error) => {
                    lane.queued = false;
                    self.turn(now, id, |lane, turn| lane.await_leader(turn, error));
                }
            }
        }
        let mut requests = Vec::new();
        for broker in self.brokers.able(now) {
            let batches = self.fill(now, broker);
            if !batches.is_empty() {
                self.brokers.start(broker);
                requests.push(ProduceBatches { broker, batches });
            }
        }
        requests
    }

    /// Whether to ask any broker for a producer id, once; the answer goes to
    /// [`handle_identity`](Self::handle_identity).
    pub(crate) fn poll_ask(&mut self, now: Instant) -> bool {
        self.identity.poll_ask(now)
    }

    /// A batch whose fate is known.
    pub(crate) fn poll_settled(&mut self) -> Option<Settled> {
        let settled = self.out.settled.pop_front()?;
        if settled.outcome.is_err() {
            self.out.stats.failed(settled.messages);
        }
        Some(settled)
    }

    /// How many bytes of the buffer are free again.
    pub(crate) fn poll_released(&mut self) -> usize {
        std::mem::take(&mut self.out.released)
    }

    /// The bytes of a batch that is no longer needed.
    pub(crate) fn poll_spent(&mut self) -> Option<Bytes> {
        self.out.spent.pop()
    }

    /// A topic of which fresh metadata is needed.
    pub(crate) fn poll_stale(&mut self) -> Option<SmolStr> {
        self.out.stale.pop_first()
    }

    /// What was counted since the last call, if anything was.
    pub(crate) fn poll_stats(&mut self) -> Option<Counts> {
        self.out.stats.take()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and to drain.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self.timers.first().map(|(at, _)| *at);
        [lanes, self.brokers.poll_timeout(), self.identity.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether no partition has anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// One batch of each lane that waits for a broker, as long as the request has room.
    fn fill(&mut self, now: Instant, broker: BrokerId) -> Vec<Leased> {
        let (mut bytes, mut batches) = (0, Vec::new());
        self.requests += 1;
        let request = self.requests;
        while let Some((id, leader)) = self.brokers.next(broker) {
            let mut has_room = true;
            self.turn(now, id, |lane, turn| {
                // A lane that was gone and is back may be in the list twice.
                if lane.request == request {
                    return;
                }
                let len = lane.ready_len(turn);
                has_room = fits(bytes, batches.len(), len);
                if !has_room {
                    return;
                }
                lane.queued = false;
                lane.request = request;
                if !lane.is_ready(turn) || !lane.may_go_to(leader) {
                    return;
                }
                if let Some((batch, records)) = lane.lease(turn) {
                    let (topic, partition) = (lane.partition.topic.clone(), lane.partition.index);
                    bytes += records.len();
                    let topic_id = leader.topic_id;
                    batches.push(Leased { lane: id, batch, topic, topic_id, partition, records });
                }
            });
            if !has_room {
                self.brokers.wait_first(id, leader);
                break;
            }
        }
        batches
    }

    fn each(&mut self, now: Instant, mut change: impl FnMut(&mut Lane, &mut Turn<'_>)) {
        let ids: Vec<_> = self.lanes.keys().copied().collect();
        for id in ids {
            self.turn(now, id, &mut change);
        }
    }

    fn advance(&mut self, now: Instant, id: u64) {
        self.turn(now, id, |_, _| ());
    }

    /// Changes a lane, and then does for it all that time and state allow.
    fn turn(&mut self, now: Instant, id: u64, change: impl FnOnce(&mut Lane, &mut Turn<'_>)) {
        let hurry = self.is_scarce || self.mode == Mode::Closing;
        let linger = if hurry { Duration::ZERO } else { self.config.linger };
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let (config, identity, out) = (&self.config, &mut self.identity, &mut self.out);
        let mut turn = Turn { now, linger, config, identity, out };
        change(lane, &mut turn);
        let next = lane.advance(&mut turn);
        let timer = if let Next::At(timer) = next { timer } else { None };
        if lane.timer != timer {
            if let Some(before) = lane.timer {
                self.timers.remove(&(before, id));
            }
            lane.timer = timer;
            self.timers.extend(timer.map(|timer| (timer, id)));
        }
        if next == Next::Idle {
            self.lanes.remove(&id);
        }
    }
}

impl Outputs {
    fn next_id(&mut self) -> u64 {
        let id = self.next_batch;
        self.next_batch += 1;
        id
    }
}

impl From<Ordering> for usize {
    /// How many batches of a partition may be under way without sequence numbers.
    fn from(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Strict => 1,
            Ordering::Relaxed => MAX_IN_FLIGHT,
        }
    }
}

fn fits(bytes: usize, batches: usize, len: usize) -> bool {
    batches == 0 || (bytes.saturating_add(len) <= MAX_REQUEST_BYTES && batches < MAX_REQUEST_BATCHES)
}

/// Batches of one partition that are under way at a time: so many of a producer's last ones a broker remembers, and
/// recognises when they come again.
const MAX_IN_FLIGHT: usize = 5;
/// Requests to one broker at a time: it takes them from a connection one by one, and the others wait in its buffers
/// (Java `max.in.flight.requests.per.connection`).
const MAX_REQUESTS: usize = 5;
/// Bytes of records in a request, unless a single batch has more: far below what brokers accept
/// (`socket.request.max.bytes`, 100 MiB).
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Batches in a request: one frame stays quickly written and read.
const MAX_REQUEST_BATCHES: usize = 10_000;
