//! What each broker has to do for the writer, and which partitions wait for it.
//!
//! Sans-IO.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kafka_conn::BrokerId;

use super::{Leader, MAX_REQUESTS};

/// The brokers that have requests, or for which partitions wait. Looking for the next request costs a look at each
/// broker, not at each partition.
#[derive(Debug, Default)]
pub(super) struct Brokers {
    loads: BTreeMap<BrokerId, Load>,
}

#[derive(Debug, Default)]
struct Load {
    requests: usize,
    /// It asked to be left alone for so long (KIP-219).
    throttled_until: Option<Instant>,
    /// Lanes with a batch for this broker, in the order in which they became ready.
    waiting: VecDeque<(u64, Leader)>,
}

impl Brokers {
    /// A lane has a batch for this leader.
    pub(super) fn wait(&mut self, lane: u64, leader: Leader) {
        self.loads.entry(leader.broker).or_default().waiting.push_back((lane, leader));
    }

    /// The first lane is to wait a little longer.
    pub(super) fn wait_first(&mut self, lane: u64, leader: Leader) {
        self.loads.entry(leader.broker).or_default().waiting.push_front((lane, leader));
    }

    /// The lane whose turn it is.
    pub(super) fn next(&mut self, broker: BrokerId) -> Option<(u64, Leader)> {
        self.loads.get_mut(&broker)?.waiting.pop_front()
    }

    /// The brokers that have room for another request, and lanes that wait for them.
    pub(super) fn able(&self, now: Instant) -> Vec<BrokerId> {
        let able = |(_, load): &(&BrokerId, &Load)| {
            let left_alone = load.throttled_until.is_some_and(|until| until > now);
            !load.waiting.is_empty() && load.requests < MAX_REQUESTS && !left_alone
        };
        self.loads.iter().filter(able).map(|(broker, _)| *broker).collect()
    }

    /// A request goes to this broker.
    pub(super) fn start(&mut self, broker: BrokerId) {
        self.loads.entry(broker).or_default().requests += 1;
    }

    /// A request is answered.
    pub(super) fn finish(&mut self, now: Instant, broker: BrokerId, throttle: Duration) {
        let Some(load) = self.loads.get_mut(&broker) else { return };
        load.requests = load.requests.saturating_sub(1);
        if !throttle.is_zero() {
            load.throttled_until = Some(now + throttle);
        }
        self.forget_idle();
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            for load in self.loads.values_mut() {
                load.throttled_until = load.throttled_until.filter(|until| *until > now);
            }
            self.forget_idle();
        }
    }

    /// When a broker may be asked again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.loads.values().filter_map(|load| load.throttled_until).min()
    }

    /// All lanes that wait: leaders may have changed.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = u64> {
        self.loads.values_mut().flat_map(|load| load.waiting.drain(..)).map(|(lane, _)| lane)
    }

    fn forget_idle(&mut self) {
        let busy = |load: &Load| load.requests > 0 || load.throttled_until.is_some() || !load.waiting.is_empty();
        self.loads.retain(|_, load| busy(load));
    }
}
