//! Members and topics as numbers, which is what the assignors calculate with.
//!
//! Sans-IO.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::{Assignment, GroupMember, GroupTopics};
use crate::topic_partition::TopicPartition;

/// The members of a group by number, in the order of their ids, and the partitions of its topics by number, in the order
/// of topic and index.
#[derive(Debug)]
pub(super) struct Roster<'a> {
    pub(super) members: Vec<&'a GroupMember>,
    /// The members in the order in which Java's assignors meet them, which decides between equals.
    pub(super) met: Vec<usize>,
    /// The topics that at least one member wants.
    pub(super) topics: Vec<RosterTopic<'a>>,
    /// The topics of each member, by number, in its order.
    pub(super) wants: Vec<Vec<usize>>,
    pub(super) partitions: usize,
}

#[derive(Debug)]
pub(super) struct RosterTopic<'a> {
    pub(super) name: &'a SmolStr,
    /// The number of its first partition.
    pub(super) first: usize,
    pub(super) partitions: usize,
}

impl<'a> Roster<'a> {
    pub(super) fn new(members: &'a [GroupMember], all: &'a GroupTopics) -> Self {
        let met = java_order(members);
        let mut by_id: Vec<usize> = (0..members.len()).collect();
        by_id.sort_by_key(|index| &members[*index].id);
        let mut number = vec![0; members.len()];
        by_id.iter().enumerate().for_each(|(position, index)| number[*index] = position);

        let wanted: BTreeSet<_> = members.iter().flat_map(|member| &member.subscription.topics).collect();
        let mut partitions = 0;
        let mut topics = Vec::new();
        for (name, racks) in all.iter().filter(|(name, _)| wanted.contains(name)) {
            topics.push(RosterTopic { name, first: partitions, partitions: racks.len() });
            partitions += racks.len();
        }
        let members: Vec<_> = by_id.into_iter().map(|index| &members[index]).collect();
        let find = |name: &SmolStr| topics.binary_search_by_key(&name, |topic| topic.name).ok();
        let wants = members.iter().map(|member| {
            let mut wanted: Vec<_> = member.subscription.topics.iter().filter_map(find).collect();
            let mut seen = BTreeSet::new();
            wanted.retain(|topic| seen.insert(*topic));
            wanted
        });
        let wants = wants.collect();
        Self { members, met: met.into_iter().map(|index| number[index]).collect(), topics, wants, partitions }
    }

    /// The number of a partition, if it exists and somebody wants its topic.
    pub(super) fn find(&self, partition: &TopicPartition) -> Option<usize> {
        let at = self.topics.binary_search_by_key(&&partition.topic, |topic| topic.name).ok()?;
        let index = usize::try_from(partition.partition).ok()?;
        let topic = &self.topics[at];
        (index < topic.partitions).then_some(topic.first + index)
    }

    /// The number of the topic of a partition.
    pub(super) fn topic_of(&self, partition: usize) -> usize {
        self.topics.partition_point(|topic| topic.first <= partition).saturating_sub(1)
    }

    /// A partition's index within its topic.
    pub(super) fn index_of(&self, partition: usize) -> usize {
        partition - self.topics[self.topic_of(partition)].first
    }

    pub(super) fn range(&self, topic: usize) -> std::ops::Range<usize> {
        let topic = &self.topics[topic];
        topic.first..topic.first + topic.partitions
    }

    pub(super) fn name(&self, partition: usize) -> TopicPartition {
        let topic = &self.topics[self.topic_of(partition)];
        // Topics have fewer than 2^22 partitions.
        TopicPartition::new(topic.name.clone(), i32::try_from(partition - topic.first).unwrap_or(i32::MAX))
    }

    /// What was assigned to each member, in words.
    pub(super) fn assignment(&self, plan: &[Vec<usize>]) -> Assignment {
        let named = self.members.iter().zip(plan);
        named.map(|(member, plan)| (member.id.clone(), plan.iter().map(|part| self.name(*part)).collect())).collect()
    }
}

/// Members in the order in which a `HashMap` of Java with their ids as keys goes over them: by buckets, and within one
/// as they were put there. Java's results depend on it where two members would do as well.
fn java_order(members: &[GroupMember]) -> Vec<usize> {
    let mut buckets = 16u32;
    // It doubles when more than three quarters are in use.
    while members.len() as u64 * 4 > u64::from(buckets) * 3 && buckets < 1 << 30 {
        buckets *= 2;
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|index| java_bucket(java_hash(&members[*index].id), buckets));
    order
}

/// `String.hashCode`.
pub(super) fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// The bucket that a `HashMap` with so many of them, a power of two, keeps a key in.
pub(super) fn java_bucket(hash: u32, buckets: u32) -> u32 {
    (hash ^ (hash >> 16)) & (buckets - 1)
}
