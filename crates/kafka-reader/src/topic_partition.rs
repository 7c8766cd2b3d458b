//! A topic and the index of one of its partitions.
//!
//! Sans-IO.

use std::fmt;

use smol_str::SmolStr;

/// A partition of a topic: what groups assign and offsets are committed for. Ordered by topic, then by index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: SmolStr,
    /// The partition's index.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of that index.
    pub fn new(topic: impl Into<SmolStr>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic.escape_debug(), self.partition)
    }
}

/// How calls of a [`Reader`](crate::Reader) name a partition: `reader.offset(3)` where it reads one
/// [topic](crate::ReaderConfig::topic), `reader.offset(&topic_partition)` also where it reads several, or is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionRef<'a> {
    /// By its index, of the reader's one topic.
    Index(i32),
    /// By its topic and index.
    Named(&'a TopicPartition),
}

impl From<i32> for PartitionRef<'_> {
    fn from(partition: i32) -> Self {
        Self::Index(partition)
    }
}

impl<'a> From<&'a TopicPartition> for PartitionRef<'a> {
    fn from(partition: &'a TopicPartition) -> Self {
        Self::Named(partition)
    }
}
