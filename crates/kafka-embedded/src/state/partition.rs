//! A partition: who leads it, who follows, and what each of them has.
//!
//! Sans-IO.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::ErrorCode;

use crate::log::Log;
use crate::state::reassignment::Reassignment;

/// A partition and all its replicas.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The leader's id, -1 without one.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    /// The in-sync replicas; never empty.
    pub(crate) isr: Vec<i32>,
    pub(crate) high_watermark: i64,
    /// Where it is on its way to.
    pub(crate) reassignment: Option<Reassignment>,
    logs: BTreeMap<i32, Log>,
    /// Since when replicas lag behind the leader.
    lagging: BTreeMap<i32, Instant>,
}

impl Partition {
    /// A new partition, led by the first replica that is alive.
    pub(crate) fn new(replicas: Vec<i32>, is_alive: impl Fn(i32) -> bool, max_producers: usize) -> Self {
        let isr: Vec<i32> = replicas.iter().copied().filter(|replica| is_alive(*replica)).collect();
        let leader = isr.first().copied().unwrap_or(-1);
        let mut logs: BTreeMap<_, _> = replicas.iter().map(|replica| (*replica, Log::new(max_producers))).collect();
        if let Some(log) = logs.get_mut(&leader) {
            log.begin_epoch(0);
        }
        let isr = if isr.is_empty() { replicas.clone() } else { isr };
        let (reassignment, lagging) = (None, BTreeMap::new());
        Self { leader, leader_epoch: 0, isr, replicas, high_watermark: 0, reassignment, logs, lagging }
    }

    /// Whether a client's idea of the leader's epoch is right; -1 is none.
    pub(crate) fn check_epoch(&self, current: i32) -> Result<(), ErrorCode> {
        match current {
            _ if current < 0 || current == self.leader_epoch => Ok(()),
            _ if current < self.leader_epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
            _ => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        }
    }

    pub(crate) fn log(&self, replica: i32) -> Option<&Log> {
        self.logs.get(&replica)
    }

    /// The leader's log.
    pub(crate) fn leader_log(&self) -> Option<&Log> {
        self.logs.get(&self.leader)
    }

    pub(crate) fn leader_log_mut(&mut self) -> Option<&mut Log> {
        self.logs.get_mut(&self.leader)
    }

    /// Where consumers stop that read committed records only.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let log = self.leader_log();
        log.map_or(self.high_watermark, |log| log.transactions().last_stable_offset(self.high_watermark))
    }

    /// Keeps the logs of the replicas that there are now, and forgets the others. Without one of them in sync, all are what
    /// there is to choose from.
    pub(super) fn keep_replicas(&mut self, max_producers: usize) {
        let replicas = &self.replicas;
        self.logs.retain(|replica, _| replicas.contains(replica));
        self.lagging.retain(|replica, _| replicas.contains(replica));
        self.isr.retain(|replica| replicas.contains(replica));
        if self.isr.is_empty() {
            self.isr.clone_from(replicas);
        }
        for replica in replicas {
            self.logs.entry(*replica).or_insert_with(|| Log::new(max_producers));
        }
    }

    /// The lowest of the offsets where the replicas of some brokers begin.
    pub(crate) fn start_of(&self, brokers: impl Fn(i32) -> bool) -> Option<i64> {
        self.logs.iter().filter(|(replica, _)| brokers(**replica)).map(|(_, log)| log.start()).min()
    }

    /// The bytes of the largest replica: replicas share theirs.
    pub(crate) fn size(&self) -> usize {
        self.logs.values().map(Log::size).max().unwrap_or_default()
    }

    /// Copies what followers lack, where `follows` says that they follow; who has caught up is in sync.
    pub(crate) fn replicate(
        &mut self,
        follows: &dyn Fn(i32) -> bool,
        now: Instant,
        lag_time: Duration,
        max_producers: usize,
    ) {
        let Some(leader) = self.logs.remove(&self.leader) else {
            return;
        };
        for &replica in self.replicas.iter().filter(|replica| **replica != self.leader) {
            let log = self.logs.entry(replica).or_insert_with(|| Log::new(max_producers));
            if follows(replica) {
                follow(log, &leader);
            }
            if log.end() >= leader.end() && follows(replica) {
                self.lagging.remove(&replica);
                if !self.isr.contains(&replica) {
                    self.isr.push(replica);
                }
            } else if log.end() < leader.end() {
                let since = *self.lagging.entry(replica).or_insert(now);
                if now.saturating_duration_since(since) >= lag_time {
                    self.isr.retain(|in_sync| *in_sync != replica);
                }
            }
        }
        let behind = self.isr.iter().filter_map(|replica| self.logs.get(replica)).map(Log::end).min();
        let high_watermark = behind.unwrap_or(i64::MAX).min(leader.end());
        self.high_watermark = self.high_watermark.max(high_watermark).clamp(leader.start(), leader.end());
        self.logs.insert(self.leader, leader);
    }

    /// When the first lagging replica leaves the in-sync ones.
    pub(crate) fn lag_deadline(&self, lag_time: Duration) -> Option<Instant> {
        let in_sync = self.lagging.iter().filter(|(replica, _)| self.isr.contains(replica));
        in_sync.filter_map(|(_, since)| since.checked_add(lag_time)).min()
    }

    /// Makes `leader` lead, -1 for nobody. Nothing is copied yet.
    pub(super) fn set_leader(&mut self, leader: i32) {
        self.leader = leader;
        self.leader_epoch = self.leader_epoch.saturating_add(1);
        self.lagging.clear();
        let epoch = self.leader_epoch;
        if let Some(log) = self.leader_log_mut() {
            log.begin_epoch(epoch);
            let (start, end) = (log.start(), log.end());
            // A leader that was not in sync may have less than what was once committed.
            self.high_watermark = self.high_watermark.clamp(start, end);
        }
    }
}

/// Makes a follower's log the leader's: first back to where they parted (KIP-101), then on.
fn follow(log: &mut Log, leader: &Log) {
    while let Some(latest) = log.epochs().latest() {
        let common = leader.epochs().end_of(latest, leader.end());
        let Some((epoch, end)) = common else {
            // The leader never heard of the epoch, which is beyond its own.
            let before = log.epochs().end_of(latest - 1, log.end());
            log.truncate(before.map_or_else(|| leader.start(), |(_, end)| end));
            break;
        };
        let own = log.epochs().end_of(epoch, log.end()).map_or_else(|| log.end(), |(_, end)| end);
        let parted = own.min(end);
        if parted >= log.end() {
            break;
        }
        log.truncate(parted);
        if epoch == latest {
            break;
        }
    }
    if log.end() < leader.start() || log.end() > leader.end() {
        log.restart(leader.start());
    }
    let missing: Vec<_> = leader.batches_from(log.end()).cloned().collect();
    if missing.is_empty() && log.end() < leader.end() {
        log.restart(leader.end());
    }
    for batch in missing {
        log.append(batch);
    }
    log.delete_before(leader.start());
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{Batch, Producer};

    use super::*;
    use crate::log::tests::batch;
    use crate::log::{StoredBatch, only_batch};

    fn append(partition: &mut Partition, count: i64) {
        let Batch::Records(batch) = only_batch(batch(count, Producer::NONE)).unwrap() else { panic!() };
        let epoch = partition.leader_epoch;
        let log = partition.leader_log_mut().unwrap();
        log.append(StoredBatch::place(batch, log.end(), epoch, None).unwrap());
    }

    fn replicate(partition: &mut Partition, follows: &dyn Fn(i32) -> bool) {
        partition.replicate(follows, Instant::now(), Duration::from_secs(30), 10);
    }

    #[test]
    fn the_high_watermark_waits_for_all_in_sync_replicas() {
        let mut partition = Partition::new(vec![1, 2], |_| true, 10);
        append(&mut partition, 3);
        replicate(&mut partition, &|_| false);
        assert_eq!((partition.high_watermark, &partition.isr[..]), (0, &[1, 2][..]));
        replicate(&mut partition, &|_| true);
        assert_eq!(partition.high_watermark, 3);
    }

    #[test]
    fn a_follower_goes_back_to_where_it_parted_from_an_unclean_leader() {
        let mut partition = Partition::new(vec![1, 2], |_| true, 10);
        append(&mut partition, 200);
        replicate(&mut partition, &|_| true);
        append(&mut partition, 500);
        partition.isr = vec![2];
        partition.set_leader(2);
        assert_eq!((partition.high_watermark, partition.leader_log().unwrap().end()), (200, 200));
        append(&mut partition, 500);
        append(&mut partition, 200);
        replicate(&mut partition, &|_| true);
        let (one, two) = (partition.log(1).unwrap(), partition.log(2).unwrap());
        assert_eq!((one.end(), two.end(), partition.high_watermark), (900, 900, 900));
        assert_eq!(one.epochs(), two.epochs());
        assert_eq!(two.epochs().end_of(0, 900), Some((0, 200)), "consumers of epoch 0 have parted at 200");
    }

    #[test]
    fn a_follower_that_lags_too_long_is_out_of_sync() {
        let mut partition = Partition::new(vec![1, 2], |_| true, 10);
        let begin = Instant::now();
        append(&mut partition, 1);
        let lag_time = Duration::from_secs(30);
        partition.replicate(&|_| false, begin, lag_time, 10);
        assert_eq!(partition.lag_deadline(lag_time), Some(begin + lag_time));
        partition.replicate(&|_| false, begin + lag_time, lag_time, 10);
        assert_eq!((&partition.isr[..], partition.high_watermark), (&[1][..], 1));
    }
}
