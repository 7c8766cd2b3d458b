//! What happens to the partitions of a member.

use smol_str::SmolStr;
use tokio::sync::oneshot;

use super::membership::LostReason;
use crate::topic_partition::TopicPartition;

/// What a member of a group is told of its partitions.
#[derive(Debug)]
#[non_exhaustive]
pub enum GroupEvent {
    /// Partitions are this member's from now on, beside those that it has. It may be none: then the event tells of the
    /// generation only.
    Assigned {
        /// The generation of the group: grows with each rebalance.
        generation: i32,
        /// The id that the broker gave this member.
        member_id: SmolStr,
        /// The partitions, each with its start.
        partitions: Vec<AssignedPartition>,
    },
    /// Partitions are to be given up: stop to read them, finish what is being processed, commit it.
    Revoked(Revoked),
    /// Partitions are no longer this member's, and others may have them: what was not committed is processed again.
    Lost {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// Why.
        reason: LostReason,
    },
}

/// A partition that was assigned, and where to start to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// What the group has committed, or else the configured start, which is committed by now.
    pub offset: i64,
    /// The epoch of the leader that wrote what is before the offset, where that is known.
    pub leader_epoch: Option<i32>,
}

/// Partitions to give up. They are this member's until this is [done](Self::done), or dropped; the group waits for it,
/// up to [`rebalance_timeout`](crate::GroupConfig::rebalance_timeout). What was marked to be committed is committed
/// behind it.
#[derive(Debug)]
pub struct Revoked {
    partitions: Vec<TopicPartition>,
    done: oneshot::Sender<()>,
}

impl Revoked {
    pub(super) fn new(partitions: Vec<TopicPartition>, done: oneshot::Sender<()>) -> Self {
        Self { partitions, done }
    }

    /// The partitions.
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    /// They are given up: nothing of them is processed any more.
    pub fn done(self) {
        let _the_member_is_gone = self.done.send(());
    }
}
