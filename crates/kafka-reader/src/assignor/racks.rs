//! Which members are near which partitions (KIP-881).
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use super::{GroupMember, PartitionRacks};

/// The rack that a member says, if it says one.
pub(super) fn rack_of(member: &GroupMember) -> Option<&str> {
    member.subscription.rack.as_deref().filter(|rack| !rack.is_empty())
}

/// Whether racks make any difference: members are in some that have replicas, and not every partition is in all of
/// these.
pub(super) fn matter<'a>(
    members: impl Iterator<Item = &'a GroupMember>,
    partitions: impl Iterator<Item = &'a PartitionRacks> + Clone,
) -> bool {
    let all: BTreeSet<&str> = partitions.clone().flat_map(|part| &part.replicas).map(AsRef::as_ref).collect();
    let mut racks = members.filter_map(rack_of);
    racks.any(|rack| all.contains(rack)) && partitions.into_iter().any(|part| part.replicas.len() != all.len())
}

/// The racks of members and partitions, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Racks<'a> {
    /// Empty where racks make no difference.
    members: Vec<Option<&'a str>>,
    partitions: Vec<&'a PartitionRacks>,
    /// How many members are near each partition; empty where no member says its rack.
    near: Vec<usize>,
}

impl<'a> Racks<'a> {
    pub(super) fn new(members: &[&'a GroupMember], partitions: Vec<&'a PartitionRacks>) -> Self {
        let mut by_rack: BTreeMap<&str, usize> = BTreeMap::new();
        members.iter().filter_map(|member| rack_of(member)).for_each(|rack| *by_rack.entry(rack).or_default() += 1);
        if by_rack.is_empty() {
            return Self::default();
        }
        let count =
            |part: &&PartitionRacks| part.replicas.iter().filter_map(|rack| by_rack.get(rack.as_str())).sum::<usize>();
        let near = partitions.iter().map(count).collect();
        if !matter(members.iter().copied(), partitions.iter().copied()) {
            return Self { near, ..Self::default() };
        }
        Self { members: members.iter().map(|member| rack_of(member)).collect(), partitions, near }
    }

    pub(super) fn are_used(&self) -> bool {
        !self.members.is_empty()
    }

    /// Whether a member's rack is known and has no replica of a partition.
    pub(super) fn mismatch(&self, member: usize, partition: usize) -> bool {
        let Some(Some(rack)) = self.members.get(member) else { return false };
        !self.partitions.get(partition).is_some_and(|part| part.replicas.contains(*rack))
    }

    /// Whether a member's rack is known and has a replica of a partition.
    pub(super) fn matches(&self, member: usize, partition: usize) -> bool {
        matches!(self.members.get(member), Some(Some(_))) && !self.mismatch(member, partition)
    }

    /// Those first that fewest members are near to.
    pub(super) fn sort(&self, partitions: &mut [usize]) {
        partitions.sort_by_key(|partition| self.near.get(*partition).copied().unwrap_or_default());
    }
}
