//! The topics of a group, as its leader sees them.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

/// The topics that members of a group subscribe to, those that exist, with their partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTopics {
    topics: BTreeMap<SmolStr, Vec<PartitionRacks>>,
}

/// Where the replicas of a partition are. Without racks nothing is known of them, and nothing depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionRacks {
    /// The rack of its leader.
    pub leader: Option<SmolStr>,
    /// The racks of all its replicas.
    pub replicas: BTreeSet<SmolStr>,
}

impl GroupTopics {
    /// No topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a topic with so many partitions, of whose racks nothing is known.
    pub fn insert(&mut self, topic: impl Into<SmolStr>, partitions: usize) {
        self.insert_with_racks(topic, vec![PartitionRacks::default(); partitions]);
    }

    /// Adds a topic with the racks of its partitions, which are in the order of their indexes. One without partitions
    /// is as one that does not exist.
    pub fn insert_with_racks(&mut self, topic: impl Into<SmolStr>, mut partitions: Vec<PartitionRacks>) {
        partitions.truncate(MAX_PARTITIONS);
        let topic = topic.into();
        if partitions.is_empty() {
            self.topics.remove(&topic);
        } else {
            self.topics.insert(topic, partitions);
        }
    }

    /// The number of a topic's partitions, 0 where it does not exist.
    pub fn partitions(&self, topic: &str) -> usize {
        self.topics.get(topic).map_or(0, Vec::len)
    }

    /// Topics and their partitions, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&SmolStr, &[PartitionRacks])> {
        self.topics.iter().map(|(topic, partitions)| (topic, partitions.as_slice()))
    }
}

impl<T: Into<SmolStr>> FromIterator<(T, usize)> for GroupTopics {
    fn from_iter<I: IntoIterator<Item = (T, usize)>>(topics: I) -> Self {
        let mut all = Self::new();
        topics.into_iter().for_each(|(topic, partitions)| all.insert(topic, partitions));
        all
    }
}

/// Partitions of one topic that are divided at most: several times what whole clusters have.
const MAX_PARTITIONS: usize = 1 << 22;
