//! Batches from the moment they take no more messages until they are settled: the writer's rules of order, retries and
//! time, without the writer.
//!
//! Sans-IO.

mod batch;
mod lane;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{Backoff, BrokerId};
use kafka_protocol::Uuid;
use kafka_protocol::records::{BatchBuilder, CompressError};
use smol_str::SmolStr;

use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use lane::{Lane, Next};

/// Takes full and lingering batches from their partitions, and says what is to be sealed, sent, and settled.
///
/// ```text
///  Partition ──► Lane: batches in order ──► poll_seal ··► handle_sealed
///  (callers)      │   one in flight          poll_requests ··► handle_answer
///                 └ wait: linger, pause,     poll_settled, poll_released, poll_spent, poll_stale
///                   a leader                 poll_timeout ··► handle_timeout
/// ```
///
/// There is a lane for each partition that has something, and none for the others. To be drained after each input.
///
/// Order: a batch is sent only when the one before it is settled, so the order of the appends is that of the log,
/// whatever is retried. A partition follows its leader between two attempts, never during one.
#[derive(Debug)]
pub(crate) struct Accumulator {
    config: AccumulatorConfig,
    mode: Mode,
    /// Somebody waits for room.
    is_scarce: bool,
    lanes: HashMap<u64, Lane>,
    timers: BTreeSet<(Instant, u64)>,
    brokers: HashMap<BrokerId, Load>,
    out: Outputs,
}

#[derive(Clone, Debug)]
pub(crate) struct AccumulatorConfig {
    pub(crate) linger: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Closing,
}

/// What a broker has to do for us.
#[derive(Debug, Default)]
struct Load {
    requests: usize,
    /// It asked to be left alone for so long (KIP-219).
    throttled_until: Option<Instant>,
}

/// What is to be done outside.
#[derive(Debug)]
struct Outputs {
    /// Lane and batch.
    closed: VecDeque<(u64, u64)>,
    ready: VecDeque<u64>,
    settled: VecDeque<Settled>,
    stale: BTreeSet<SmolStr>,
    released: usize,
    spent: Vec<Bytes>,
    next_batch: u64,
    random: fastrand::Rng,
}

/// A batch whose messages' fate is known.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) result: Arc<BatchResult>,
    pub(crate) outcome: Result<Option<i64>>,
}

/// A batch that is to be compressed and checksummed.
#[derive(Debug)]
pub(crate) struct Seal {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    pub(crate) builder: BatchBuilder,
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leader {
    pub(crate) broker: BrokerId,
    pub(crate) topic_id: Uuid,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Why, and whether this attempt may have been appended.
    pub(crate) error: Error,
    /// Whether another attempt may succeed.
    pub(crate) retriable: bool,
    /// Whether what is known of the topic is stale.
    pub(crate) refresh: bool,
}

/// What became of a request: an outcome for each of its batches.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) broker: BrokerId,
    pub(crate) throttle: Duration,
    /// Lane, batch, and the base offset, where the broker tells it.
    pub(crate) outcomes: Vec<(u64, u64, Result<Option<i64>, Failure>)>,
}

impl Accumulator {
    pub(crate) fn new(config: AccumulatorConfig, seed: u64) -> Self {
        let out = Outputs {
            closed: VecDeque::new(),
            ready: VecDeque::new(),
            settled: VecDeque::new(),
            stale: BTreeSet::new(),
            released: 0,
            spent: Vec::new(),
            next_batch: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        let (lanes, timers, brokers) = (HashMap::new(), BTreeSet::new(), HashMap::new());
        Self { config, mode: Mode::Open, is_scarce: false, lanes, timers, brokers, out }
    }

    /// A partition called for attention.
    pub(crate) fn handle_note(&mut self, now: Instant, partition: Arc<Partition>) {
        partition.watch();
        let id = partition.id;
        self.lanes.entry(id).or_insert_with(|| Lane::new(partition));
        self.advance(now, id);
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.advance(now, id);
        }
        for load in self.brokers.values_mut() {
            load.throttled_until = load.throttled_until.filter(|until| *until > now);
        }
    }

    /// There is a new snapshot of the cluster: leaders may have changed.
    pub(crate) fn handle_cluster(&mut self, now: Instant, has_leader: impl Fn(&str, i32) -> bool) {
        self.each(now, |lane| lane.handle_cluster(&has_leader));
    }

    /// Whether somebody waits for room. Then nothing lingers: the room may be in batches that would.
    pub(crate) fn handle_scarcity(&mut self, now: Instant, is_scarce: bool) {
        if std::mem::replace(&mut self.is_scarce, is_scarce) != is_scarce && is_scarce {
            self.each(now, |_| ());
        }
    }

    /// A batch of [`poll_seal`](Self::poll_seal) is ready.
    pub(crate) fn handle_sealed(&mut self, now: Instant, lane: u64, batch: u64, sealed: Result<Bytes, CompressError>) {
        if let Some(found) = self.lanes.get_mut(&lane) {
            found.handle_sealed(batch, sealed, &mut self.out);
        }
        self.advance(now, lane);
    }

    /// A request of [`poll_requests`](Self::poll_requests) is answered, or never will be.
    pub(crate) fn handle_answer(&mut self, now: Instant, answer: Answer) {
        if let Some(load) = self.brokers.get_mut(&answer.broker) {
            load.requests = load.requests.saturating_sub(1);
            if !answer.throttle.is_zero() {
                load.throttled_until = Some(now + answer.throttle.min(self.config.delivery_timeout));
            }
            if load.requests == 0 && load.throttled_until.is_none() {
                self.brokers.remove(&answer.broker);
            }
        }
        for (lane, batch, outcome) in answer.outcomes {
            if let Some(found) = self.lanes.get_mut(&lane) {
                found.handle_answer(now, batch, outcome, &self.config, &mut self.out);
            }
            self.advance(now, lane);
        }
    }

    /// Closes all batches to further messages, and returns the results of all that are not settled: as many as the
    /// writer has batches.
    pub(crate) fn handle_flush(&mut self, now: Instant) -> Vec<Arc<BatchResult>> {
        let mut results = Vec::new();
        self.each(now, |lane| lane.flush(&mut results));
        results
    }

    /// Lets nothing linger any more.
    pub(crate) fn handle_close(&mut self, now: Instant) {
        self.mode = Mode::Closing;
        self.each(now, |_| ());
    }

    /// Settles everything there is with an error.
    pub(crate) fn handle_abort(&mut self, kind: &ErrorKind) {
        self.timers.clear();
        self.out.ready.clear();
        self.out.closed.clear();
        for (_, lane) in self.lanes.drain() {
            lane.abort(kind, &mut self.out);
        }
    }

    /// The next batch to compress and checksum; to be given back through [`handle_sealed`](Self::handle_sealed).
    pub(crate) fn poll_seal(&mut self) -> Option<Seal> {
        while let Some((lane, batch)) = self.out.closed.pop_front() {
            // It may have expired in the meantime.
            let builder = self.lanes.get_mut(&lane).and_then(|found| found.start_seal(batch));
            if let Some(builder) = builder {
                return Some(Seal { lane, batch, builder });
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
        let mut requests = BTreeMap::new();
        for _ in 0..self.out.ready.len() {
            let Some(id) = self.out.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            if !lane.is_ready() {
                lane.queued = false;
                continue;
            }
            let leader = match leader(&lane.partition.topic, lane.partition.index) {
                Ok(leader) => leader,
                Err(error) => {
                    lane.queued = false;
                    lane.await_leader(now, error, &self.config, &mut self.out);
                    self.advance(now, id);
                    continue;
                }
            };
            let load = self.brokers.entry(leader.broker).or_default();
            let request: &mut (usize, Vec<Leased>) = requests.entry(leader.broker).or_default();
            if !load.takes(now) || !fits(request, lane.ready_len()) {
                self.out.ready.push_back(id);
                continue;
            }
            lane.queued = false;
            if let Some((batch, records)) = lane.lease() {
                let (topic, partition) = (lane.partition.topic.clone(), lane.partition.index);
                request.0 += records.len();
                request.1.push(Leased { lane: id, batch, topic, topic_id: leader.topic_id, partition, records });
            }
        }
        self.start(requests)
    }

    /// A batch whose fate is known.
    pub(crate) fn poll_settled(&mut self) -> Option<Settled> {
        self.out.settled.pop_front()
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

    /// When to call [`handle_timeout`](Self::handle_timeout), and to drain.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let throttled = self.brokers.values().filter_map(|load| load.throttled_until);
        self.timers.first().map(|(at, _)| *at).into_iter().chain(throttled).min()
    }

    /// Whether no partition has anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    fn start(&mut self, requests: BTreeMap<BrokerId, (usize, Vec<Leased>)>) -> Vec<ProduceBatches> {
        let mut started = Vec::with_capacity(requests.len());
        for (broker, (_, batches)) in requests {
            if batches.is_empty() {
                continue;
            }
            if let Some(load) = self.brokers.get_mut(&broker) {
                load.requests += 1;
            }
            started.push(ProduceBatches { broker, batches });
        }
        started
    }

    fn each(&mut self, now: Instant, mut change: impl FnMut(&mut Lane)) {
        let ids: Vec<_> = self.lanes.keys().copied().collect();
        for id in ids {
            if let Some(lane) = self.lanes.get_mut(&id) {
                change(lane);
            }
            self.advance(now, id);
        }
    }

    fn advance(&mut self, now: Instant, id: u64) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let hurry = self.is_scarce || self.mode == Mode::Closing;
        let linger = if hurry { Duration::ZERO } else { self.config.linger };
        let next = lane.advance(now, &self.config, linger, &mut self.out);
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

impl Load {
    fn takes(&self, now: Instant) -> bool {
        self.requests < MAX_REQUESTS && self.throttled_until.is_none_or(|until| until <= now)
    }
}

fn fits((bytes, batches): &(usize, Vec<Leased>), len: usize) -> bool {
    batches.is_empty() || (bytes.saturating_add(len) <= MAX_REQUEST_BYTES && batches.len() < MAX_REQUEST_BATCHES)
}

/// Batches of one partition that are under way at a time. With more, and without sequence numbers, one that is sent
/// again would overtake its successor. An idempotent writer may have five.
const MAX_IN_FLIGHT: usize = 1;
/// Requests to one broker at a time: it takes them from a connection one by one, and the others wait in its buffers
/// (Java `max.in.flight.requests.per.connection`).
pub(crate) const MAX_REQUESTS: usize = 5;
/// Bytes of records in a request, unless a single batch has more: far below what brokers accept
/// (`socket.request.max.bytes`, 100 MiB).
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Batches in a request: one frame stays quickly written and read.
const MAX_REQUEST_BATCHES: usize = 10_000;
