//! What the cluster knows: brokers, topics, and the time.
//!
//! All brokers share it: what Kafka's controller tells them over the network, they know here at once.
//!
//! Sans-IO.

mod broker;
pub(crate) mod configs;
mod elections;
mod partition;
mod reassignment;
mod topic;

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use kafka_protocol::records::BatchDecoder;
use kafka_protocol::{ErrorCode, Limits as DecodeLimits, Uuid};
use smol_str::SmolStr;

pub(crate) use broker::{Broker, Status};
pub(crate) use elections::Election;
pub use elections::ElectionError;
pub(crate) use partition::Partition;
pub(crate) use topic::{NewTopic, Topic, TopicError, check_name};

use crate::core::Config;
use crate::group::Groups;
use crate::transaction::Transactions;

/// The state of a cluster.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
    pub(crate) brokers: BTreeMap<i32, Broker>,
    /// Dynamic configurations of all brokers that do not say otherwise.
    pub(crate) broker_defaults: BTreeMap<SmolStr, SmolStr>,
    pub(crate) topics: BTreeMap<SmolStr, Topic>,
    /// The names of topics by their ids.
    ids: BTreeMap<Uuid, SmolStr>,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    /// Coordinators that were moved: key type and key.
    pub(crate) coordinators: BTreeMap<(i8, SmolStr), i32>,
    pub(crate) next_producer_id: i64,
    pub(crate) rng: Rng,
    pub(crate) decoder: BatchDecoder,
    /// Whether something happened that a waiting request may have waited for.
    pub(crate) changed: bool,
    room: Room,
}

/// How much the logs hold: counted now and then, and what was appended since.
#[derive(Debug, Default)]
struct Room {
    counted: usize,
    appended: usize,
}

impl State {
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        let brokers = config.brokers.iter().map(|broker| (broker.id, Broker::new(broker))).collect();
        let limits = DecodeLimits { max_decompressed_len: config.limits.max_decompressed_len, ..Default::default() };
        Self {
            brokers,
            broker_defaults: BTreeMap::new(),
            started: now,
            now,
            topics: BTreeMap::new(),
            ids: BTreeMap::new(),
            groups: Groups::default(),
            transactions: Transactions::default(),
            coordinators: BTreeMap::new(),
            next_producer_id: 1_000,
            rng: Rng::with_seed(config.seed),
            decoder: BatchDecoder::new(limits),
            changed: false,
            room: Room::default(),
            config,
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn wall_clock(&self) -> i64 {
        let since = self.now.saturating_duration_since(self.started).as_millis();
        self.config.start_time_ms.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// The brokers that are there, in ascending order of their ids.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values().filter(|broker| broker.is_alive())
    }

    pub(crate) fn is_alive(&self, broker: i32) -> bool {
        self.brokers.get(&broker).is_some_and(Broker::is_alive)
    }

    /// The broker that clients are told is the controller: with KRaft any broker passes requests on.
    pub(crate) fn controller(&self) -> i32 {
        self.alive().next().map_or(-1, |broker| broker.id)
    }

    /// The broker that coordinates a group (key type 0) or a transactional id (1).
    pub(crate) fn coordinator(&self, key_type: i8, key: &SmolStr) -> Option<i32> {
        let moved = self.coordinators.get(&(key_type, key.clone())).copied();
        if let Some(moved) = moved.filter(|moved| self.is_alive(*moved)) {
            return Some(moved);
        }
        let alive: Vec<i32> = self.alive().map(|broker| broker.id).collect();
        let hash = key.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let index = (hash as usize & i32::MAX as usize).checked_rem(alive.len())?;
        alive.get(index).copied()
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// The name of a topic's id.
    pub(crate) fn name_of(&self, id: Uuid) -> Option<SmolStr> {
        self.ids.get(&id).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partition(index)
    }

    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partition_mut(index)
    }

    /// The partition, if `broker` leads it and the client's idea of the leader's epoch is right.
    ///
    /// # Errors
    /// What a broker answers.
    pub(crate) fn led_by(
        &self,
        broker: i32,
        topic: &str,
        index: i32,
        current_epoch: i32,
    ) -> Result<&Partition, ErrorCode> {
        let partition = self.partition(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        partition.check_epoch(current_epoch)?;
        if partition.leader == broker { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }

    /// Copies what followers lack from the leader of a partition, and moves the high watermark.
    pub(crate) fn replicate(&mut self, topic: &str, index: i32) {
        let Self { brokers, topics, now, config, .. } = self;
        let Some(partition) = topics.get_mut(topic).and_then(|topic| topic.partition_mut(index)) else {
            return;
        };
        let follows = |broker: i32| brokers.get(&broker).is_some_and(|broker| broker.is_alive() && !broker.lags);
        partition.replicate(&follows, *now, config.replica_lag_time, config.limits.max_producers);
        self.changed = true;
        if self.arrive(topic, index) {
            self.replicate(topic, index);
        }
    }

    /// As [`replicate`](Self::replicate), for all partitions.
    pub(crate) fn replicate_all(&mut self) {
        for (topic, index) in self.all_partitions() {
            self.replicate(&topic, index);
        }
    }

    /// Every partition that there is.
    pub(crate) fn all_partitions(&self) -> Vec<(SmolStr, i32)> {
        let of =
            |topic: &Topic| (0..topic.partition_count()).map(|index| (topic.name.clone(), index)).collect::<Vec<_>>();
        self.topics.values().flat_map(of).collect()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.groups.poll_timeout(), self.transactions.poll_timeout(), self.lag_deadline()];
        timeouts.into_iter().flatten().min()
    }

    /// Lets time pass: for silent members of groups, open transactions, and replicas that lag.
    pub(crate) fn handle_timeout(&mut self) {
        self.changed |= self.groups.handle_timeout(self.now);
        self.abort_late_transactions();
        if self.lag_deadline().is_some_and(|at| at <= self.now) {
            self.replicate_all();
        }
    }

    /// When a lagging replica leaves the in-sync ones.
    fn lag_deadline(&self) -> Option<Instant> {
        if !self.brokers.values().any(|broker| broker.lags) {
            return None;
        }
        let partitions = self.topics.values().flat_map(Topic::partitions);
        partitions.filter_map(|partition| partition.lag_deadline(self.config.replica_lag_time)).min()
    }

    /// Whether the logs have room for so many bytes more; if so, they are taken.
    pub(crate) fn take_room(&mut self, bytes: usize) -> bool {
        let limit = self.config.limits.max_log_bytes;
        if self.room.counted.saturating_add(self.room.appended).saturating_add(bytes) > limit {
            let partitions = self.topics.values().flat_map(Topic::partitions);
            self.room = Room { counted: partitions.map(Partition::size).sum(), appended: 0 };
        }
        let fits = self.room.counted.saturating_add(self.room.appended).saturating_add(bytes) <= limit;
        if fits {
            self.room.appended = self.room.appended.saturating_add(bytes);
        }
        fits
    }

    /// A uuid that no topic has.
    pub(crate) fn new_uuid(&mut self) -> Uuid {
        loop {
            let id = Uuid::from_bytes(self.rng.u128(..).to_be_bytes());
            if !id.is_zero() && self.name_of(id).is_none() {
                return id;
            }
        }
    }
}
