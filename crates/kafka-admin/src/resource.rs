//! What calls and errors are about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kafka_conn::BrokerId;
pub use kafka_conn::TopicPartition;
use kafka_protocol::Uuid;
use smol_str::SmolStr;

/// A partition of a topic that is named by its id, as in the protocols of groups that brokers balance (Java's class of
/// that name). [`describe_topics`](crate::Admin::describe_topics) tells ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicIdPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
}

impl TopicIdPartition {
    /// A partition of a topic.
    pub fn new(topic_id: Uuid, partition: i32) -> Self {
        Self { topic_id, partition }
    }
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

/// Something in a cluster that has a name, as errors tell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Resource {
    /// A topic.
    Topic(SmolStr),
    /// A partition of a topic.
    Partition(TopicPartition),
    /// A partition of a topic that only its id is known of.
    PartitionById(TopicIdPartition),
    /// A group, of whatever type.
    Group(SmolStr),
    /// A broker or controller.
    Broker(BrokerId),
    /// A user, for credentials.
    User(SmolStr),
    /// A transactional id.
    Transaction(SmolStr),
    /// A feature of the cluster, such as `metadata.version`.
    Feature(SmolStr),
    /// Anything else, described.
    Other(SmolStr),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {:?}", name.as_str()),
            Self::Partition(partition) => write!(f, "partition {partition}"),
            Self::PartitionById(partition) => write!(f, "partition {partition}"),
            Self::Group(id) => write!(f, "group {:?}", id.as_str()),
            Self::Broker(id) => write!(f, "broker {}", id.0),
            Self::User(name) => write!(f, "user {:?}", name.as_str()),
            Self::Transaction(id) => write!(f, "transactional id {:?}", id.as_str()),
            Self::Feature(name) => write!(f, "feature {:?}", name.as_str()),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Partitions by topic, each topic once, in the order of first mention.
pub(crate) fn by_topic<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Vec<(SmolStr, Vec<i32>)> {
    let mut topics: Vec<(SmolStr, Vec<i32>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for TopicPartition { topic, partition } in partitions {
        let place = *places.entry(topic).or_insert_with(|| {
            topics.push((topic.clone(), Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(*partition);
    }
    topics
}

/// Partitions by the ids of their topics.
pub(crate) fn by_topic_id<'a>(
    partitions: impl IntoIterator<Item = &'a TopicIdPartition>,
) -> BTreeMap<Uuid, BTreeSet<i32>> {
    let mut topics = BTreeMap::<_, BTreeSet<_>>::new();
    for TopicIdPartition { topic_id, partition } in partitions {
        topics.entry(*topic_id).or_default().insert(*partition);
    }
    topics
}

/// All partitions of these topics, in order.
pub(crate) fn partitions_of(topics: impl IntoIterator<Item = (SmolStr, Vec<i32>)>) -> Vec<TopicPartition> {
    let of = |(topic, indexes): (SmolStr, Vec<i32>)| {
        indexes.into_iter().map(move |index| TopicPartition::new(topic.clone(), index))
    };
    let mut partitions: Vec<_> = topics.into_iter().flat_map(of).collect();
    partitions.sort();
    partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_comes_once_with_all_its_partitions() {
        let partitions = [("b", 1), ("a", 0), ("b", 0)].map(|(topic, partition)| TopicPartition::new(topic, partition));
        assert_eq!(by_topic(&partitions), [("b".into(), vec![1, 0]), ("a".into(), vec![0])]);
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(Resource::Group("a\nb".into()).to_string(), r#"group "a\nb""#);
    }
}
