//! Where a member starts to read what it was assigned: looked up, and committed where the group had nothing, before the
//! application is told.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_conn::{BrokerId, Transport};
use kafka_protocol::ErrorCode;
use tokio::time::{Instant, sleep};

use super::super::calls;
use super::super::commits::CommitOffset;
use super::super::config::GroupConfig;
use super::super::event::{AssignedPartition, GroupEvent};
use super::{Done, Task, Waits, lock};
use crate::config::{IsolationLevel, LONGEST_WAIT, StartOffset};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{self, FIRST, LAST, Listed, Patience};
use crate::topic_partition::TopicPartition;

/// Where partitions start, and whether that is what the group has committed.
pub(super) type Positions = BTreeMap<TopicPartition, (Listed, bool)>;

impl Task {
    pub(super) fn assign(&mut self, generation: i32, partitions: Vec<TopicPartition>) {
        self.rounds += 1;
        if partitions.is_empty() {
            self.hand_over(generation, Vec::new());
            return;
        }
        self.arriving.extend(partitions.iter().map(|partition| (partition.clone(), self.rounds)));
        self.look_up_positions(self.rounds, partitions, Duration::ZERO);
    }

    pub(super) fn hand_over(&mut self, generation: i32, partitions: Vec<AssignedPartition>) {
        let member_id = self.membership.member_id().clone();
        self.outbox.push_back(Ok(GroupEvent::Assigned { generation, member_id, partitions }));
    }

    fn look_up_positions(&mut self, round: u64, partitions: Vec<TopicPartition>, pause: Duration) {
        let coordinator = self.coordinator.as_ref().map(|(id, _)| *id);
        let (transport, config) = (self.transport.clone(), self.config.clone());
        self.calls.spawn(async move {
            sleep(pause).await;
            let Some(coordinator) = coordinator else {
                let kind = ErrorKind::Broker(ErrorCode::COORDINATOR_NOT_AVAILABLE);
                return Done::Positions(round, Err(Error::new(kind)));
            };
            Done::Positions(round, positions(&transport, coordinator, &config, &partitions).await)
        });
    }

    /// Starts of partitions are known. Those that the group had none for are committed first, so that whoever takes over
    /// starts there as well.
    pub(super) fn handle_positions(&mut self, round: u64, result: Result<Positions>) {
        let wanted = self.arriving.iter().filter(|(_, of)| **of == round).map(|(partition, _)| partition.clone());
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        let positions = match result {
            Ok(positions) => positions,
            Err(error) => {
                if !error.is_retriable() {
                    self.outbox.push_back(Err(error));
                }
                return self.look_up_positions(round, wanted, self.config.backoff.max);
            }
        };
        let now = Instant::now();
        let (mut assigned, mut starts) = (Vec::new(), BTreeMap::new());
        let mut commits = lock(&self.commits);
        for partition in wanted {
            let Some((Listed { offset, leader_epoch }, is_committed)) = positions.get(&partition).copied() else {
                continue;
            };
            let leader_epoch = Some(leader_epoch).filter(|epoch| *epoch >= 0);
            commits.commits.own(partition.clone(), if is_committed { offset } else { -1 });
            if !is_committed {
                let start = CommitOffset { offset, leader_epoch, ..CommitOffset::default() };
                starts.insert(partition.clone(), start);
            }
            assigned.push(AssignedPartition { partition, offset, leader_epoch });
        }
        let until = now + self.config.commit_timeout.min(LONGEST_WAIT);
        let ticket = commits.commits.commit(now.into_std(), starts, until.into_std());
        drop(commits);
        self.waits.insert(ticket, Waits::Start(round, assigned));
    }
}

/// What the group has committed, or else where it starts.
async fn positions(
    transport: &Transport,
    coordinator: BrokerId,
    config: &GroupConfig,
    partitions: &[TopicPartition],
) -> Result<Positions> {
    let committed = calls::committed(transport, coordinator, &config.group_id, partitions).await?;
    let mut positions = Positions::new();
    let mut open = BTreeMap::new();
    let timestamp = if config.start_offset == StartOffset::Last { LAST } else { FIRST };
    for (partition, listed) in committed {
        if listed.offset >= 0 {
            positions.insert(partition, (listed, true));
        } else {
            open.insert(partition, timestamp);
        }
    }
    let patience = Patience { retry_timeout: config.commit_timeout, backoff: config.backoff.clone() };
    let listed = offsets::list(transport, &patience, &open, IsolationLevel::ReadUncommitted).await?;
    positions.extend(listed.into_iter().map(|(partition, listed)| (partition, (listed, false))));
    Ok(positions)
}
