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
