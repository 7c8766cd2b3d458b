//! How a reader's calls name a partition.
//!
//! Sans-IO.

pub use kafka_conn::TopicPartition;

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
