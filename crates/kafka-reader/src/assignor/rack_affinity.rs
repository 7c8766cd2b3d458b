//! Members near the leaders of their partitions.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use bytes::Bytes;
use smol_str::SmolStr;

use super::{Assignment, Assignor, GroupMember, GroupTopics, PartitionRacks};
use crate::topic_partition::TopicPartition;

/// Gives members partitions whose leaders are in their rack, as far as each member gets as many as the others, or one
/// more (kafka-go `RackAffinityGroupBalancer`).
///
/// It divides each topic by itself. Members tell their rack in their user data, which no other assignor reads. Other than
/// kafka-go's, all leaders that see the same come to the same result.
#[derive(Clone, Debug, Default)]
pub struct RackAffinityAssignor {
    /// The rack of this member; empty where it is in none.
    pub rack: SmolStr,
}

impl Assignor for RackAffinityAssignor {
    fn name(&self) -> &'static str {
        "rack-affinity"
    }

    fn user_data(&self, _owned: &[TopicPartition], _generation: i32) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.rack.as_bytes()))
    }

    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
        let mut assignment: Assignment = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        let mut order: Vec<_> = members.iter().collect();
        order.sort_by_key(|member| &member.id);
        for (topic, partitions) in topics.iter() {
            let subscribes = |member: &&&GroupMember| member.subscription.topics.contains(topic);
            let members: Vec<_> = order.iter().filter(subscribes).copied().collect();
            for (member, mut indexes) in members.iter().zip(divide(&members, partitions)) {
                indexes.sort_unstable();
                let named = indexes.into_iter().map(|index| TopicPartition::new(topic.clone(), index));
                assignment.entry(member.id.clone()).or_default().extend(named);
            }
        }
        assignment
    }
}

/// The partitions of a topic, by rack, as far as they are not given to anybody.
type Left<'a> = BTreeMap<&'a [u8], Vec<i32>>;

/// Partitions for each member.
fn divide(members: &[&GroupMember], partitions: &[PartitionRacks]) -> Vec<Vec<i32>> {
    let mut given = vec![Vec::new(); members.len()];
    let Some(target) = partitions.len().checked_div(members.len()) else { return given };
    let mut extra = partitions.len() % members.len();
    let mut left: Left<'_> = BTreeMap::new();
    for (index, partition) in (0..).zip(partitions) {
        let rack = partition.leader.as_deref().unwrap_or_default();
        left.entry(rack.as_bytes()).or_default().push(index);
    }
    let mut zones: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (number, member) in members.iter().enumerate() {
        zones.entry(member.subscription.user_data.as_deref().unwrap_or_default()).or_default().push(number);
    }
    for (rack, near) in &zones {
        if let Some(partitions) = left.get_mut(rack) {
            give_near(&mut given, near, partitions, target, &mut extra);
        }
    }
    give_rest(&mut given, left, target, extra);
    given
}

/// To the members of a rack what is there: to each the same, then one more to some, as long as there are any to spare.
fn give_near(given: &mut [Vec<i32>], near: &[usize], partitions: &mut Vec<i32>, target: usize, extra: &mut usize) {
    let each = (partitions.len() / near.len()).min(target);
    for &member in near {
        given[member].extend(partitions.drain(..each));
    }
    let mut more = partitions.len();
    if each == target {
        more = more.min(*extra).min(near.len());
        *extra -= more;
    }
    for (&member, partition) in near.iter().zip(partitions.drain(..more)) {
        given[member].push(partition);
    }
}

/// What is left to those who have not got their share, wherever they are.
fn give_rest(given: &mut [Vec<i32>], left: Left<'_>, target: usize, mut extra: usize) {
    let mut left = left.into_values().flatten();
    for partitions in given {
        let mut share = target;
        if partitions.len() <= target && extra > 0 {
            share += 1;
            extra -= 1;
        }
        let missing = share.saturating_sub(partitions.len());
        partitions.extend(left.by_ref().take(missing));
    }
}
