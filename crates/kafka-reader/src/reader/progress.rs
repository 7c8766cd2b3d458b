//! How far a partition was returned.

use std::sync::Arc;

use crate::error::Error;
use crate::gauge::Gauge;
use crate::offsets::EndOffsets;
use crate::stats::PartitionStats;
use crate::topic_partition::TopicPartition;

/// How far a partition was returned.
pub(super) struct Progress {
    pub(super) gauge: Arc<Gauge>,
    pub(super) offset: i64,
    /// The epoch of the leader that wrote what was returned last, or -1.
    pub(super) leader_epoch: i32,
    pub(super) paused: bool,
    pub(super) halted: Option<Error>,
}

impl Progress {
    /// What they are ordered by.
    pub(super) fn key(&self) -> (&str, i32) {
        (&self.gauge.topic, self.gauge.partition)
    }

    pub(super) fn name(&self) -> TopicPartition {
        self.gauge.name()
    }

    pub(super) fn lag(&self) -> Option<i64> {
        Some(self.gauge.end()?.saturating_sub(self.offset).max(0))
    }

    pub(super) fn has_reached(&self, end: &EndOffsets) -> bool {
        let (topic, partition) = self.key();
        end.find(topic, partition).is_none_or(|end| self.offset >= end)
    }

    pub(super) fn stats(&self) -> PartitionStats {
        PartitionStats {
            partition: self.name(),
            offset: self.offset,
            lag: self.lag(),
            queue_bytes: self.gauge.buffered().bytes,
            queue_messages: self.gauge.buffered().messages,
        }
    }
}
