//! Partitions move to other brokers (KIP-455): their new replicas catch up, then the old ones go.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;

use crate::state::{Partition, State, TopicError};

/// Replicas that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reassignment {
    /// The replicas that there were.
    before: Vec<i32>,
    /// The replicas that there are to be.
    target: Vec<i32>,
}

impl Reassignment {
    pub(crate) fn adding(&self) -> Vec<i32> {
        self.target.iter().filter(|replica| !self.before.contains(replica)).copied().collect()
    }

    pub(crate) fn removing(&self) -> Vec<i32> {
        self.before.iter().filter(|replica| !self.target.contains(replica)).copied().collect()
    }
}

impl Partition {
    /// Begins to move to other replicas, from wherever it was on its way before.
    fn reassign(&mut self, target: Vec<i32>, max_producers: usize) {
        let before = self.reassignment.take().map_or_else(|| self.replicas.clone(), |under_way| under_way.before);
        let reassignment = Reassignment { before, target };
        self.replicas = [&reassignment.target[..], &reassignment.removing()].concat();
        self.keep_replicas(max_producers);
        self.reassignment = Some(reassignment);
    }

    /// Whether all of the new replicas are in sync.
    pub(super) fn has_arrived(&self) -> bool {
        let target = self.reassignment.as_ref().map(|reassignment| &reassignment.target);
        target.is_some_and(|target| target.iter().all(|replica| self.isr.contains(replica)))
    }

    /// Ends a reassignment, with the replicas that it was for or those that there were.
    fn settle(&mut self, replicas: impl FnOnce(Reassignment) -> Vec<i32>, max_producers: usize) {
        if let Some(reassignment) = self.reassignment.take() {
            self.replicas = replicas(reassignment);
            self.keep_replicas(max_producers);
        }
    }
}

impl State {
    /// Moves a partition to these replicas.
    ///
    /// # Errors
    /// What a controller answers.
    pub(crate) fn reassign(
        &mut self,
        topic: &str,
        index: i32,
        target: Vec<i32>,
        may_change_factor: bool,
    ) -> Result<(), TopicError> {
        let partition = self.partition(topic, index).ok_or_else(|| unknown(topic, index))?;
        self.check_replicas(&target)?;
        let before = partition.reassignment.as_ref().map_or(&partition.replicas, |under_way| &under_way.before);
        if !may_change_factor && before.len() != target.len() {
            let text = format!("The replication factor is {}, and is not to change to {}.", before.len(), target.len());
            return Err((ErrorCode::INVALID_REPLICATION_FACTOR, text));
        }
        let max_producers = self.config.limits.max_producers;
        if let Some(partition) = self.partition_mut(topic, index) {
            partition.reassign(target, max_producers);
        }
        self.lead_by_replica(topic, index);
        self.replicate(topic, index);
        Ok(())
    }

    /// Leaves a partition where it was before it began to move.
    ///
    /// # Errors
    /// `NO_REASSIGNMENT_IN_PROGRESS`, and what else a controller answers.
    pub(crate) fn cancel_reassignment(&mut self, topic: &str, index: i32) -> Result<(), TopicError> {
        let max_producers = self.config.limits.max_producers;
        let partition = self.partition_mut(topic, index).ok_or_else(|| unknown(topic, index))?;
        if partition.reassignment.is_none() {
            let code = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
            return Err((code, code.text().to_owned()));
        }
        partition.settle(|reassignment| reassignment.before, max_producers);
        self.lead_by_replica(topic, index);
        self.replicate(topic, index);
        Ok(())
    }

    /// Ends a reassignment whose replicas have all caught up. Whether one ended.
    pub(super) fn arrive(&mut self, topic: &str, index: i32) -> bool {
        let max_producers = self.config.limits.max_producers;
        let Some(partition) = self.partition_mut(topic, index).filter(|partition| partition.has_arrived()) else {
            return false;
        };
        partition.settle(|reassignment| reassignment.target, max_producers);
        self.lead_by_replica(topic, index);
        true
    }

    /// Has another one lead where the leader is no replica any more.
    fn lead_by_replica(&mut self, topic: &str, index: i32) {
        if self.partition(topic, index).is_some_and(|partition| !partition.replicas.contains(&partition.leader)) {
            self.elect_in_sync(topic, index);
        }
    }
}

fn unknown(topic: &str, index: i32) -> TopicError {
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("There is no partition {index} of a topic '{topic}'."))
}
