//! A topic and the number of one of its partitions.
//!
//! Sans-IO.

use std::fmt;

use smol_str::SmolStr;

/// A partition of a topic: what has a leader and offsets, and what groups assign. Ordered by topic, then by number.
///
/// ```
/// use kafka_conn::TopicPartition;
///
/// assert_eq!(TopicPartition::new("orders", 3).to_string(), "orders-3");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: SmolStr,
    /// The partition's number, from 0 on.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<SmolStr>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// As Kafka writes it; what would not stay on its line is escaped.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic.escape_debug(), self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(TopicPartition::new("a\nb", 3).to_string(), r"a\nb-3");
    }
}
