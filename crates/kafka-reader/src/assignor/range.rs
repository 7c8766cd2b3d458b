//! Of each topic a range to each member.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use super::racks::{matter, rack_of};
use super::{Assignment, Assignor, GroupMember, GroupTopics, PartitionRacks};
use crate::topic_partition::TopicPartition;

/// Gives each member a range of each topic's partitions, so that members get the same ranges of topics with as many
/// partitions; where they do not divide evenly, the first members get one more (Java `RangeAssignor`).
///
/// Where members say their racks, partitions with a replica in the rack of a member go to it first, as long as that
/// leaves the sizes as they are (KIP-881).
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
        let mut order: Vec<_> = members.iter().collect();
        order.sort_by_key(|member| member.rank());
        let mut states: Vec<_> = topics.iter().filter_map(|(topic, racks)| State::new(topic, racks, &order)).collect();
        let near = states.iter().any(|state| state.near);
        if near {
            assign_near(&mut states);
        }
        states.iter_mut().for_each(|state| state.assign_ranges(|_, _| true));
        let mut assignment: Assignment = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        for state in &states {
            for (member, partitions) in state.members.iter().zip(&state.assigned) {
                let named = partitions.iter().map(|index| state.name(*index));
                assignment.entry(member.id.clone()).or_default().extend(named);
            }
        }
        assignment.values_mut().for_each(|partitions| partitions.sort());
        assignment
    }
}

/// A topic, as far as it was divided.
struct State<'a> {
    topic: &'a str,
    /// Those who subscribe to it, in order.
    members: Vec<&'a GroupMember>,
    racks: &'a [PartitionRacks],
    /// Whether racks make a difference here.
    near: bool,
    left: BTreeSet<usize>,
    /// By member.
    assigned: Vec<Vec<usize>>,
    /// What each member gets at least.
    quota: usize,
    /// How many members may still get one more.
    extra: usize,
}

impl<'a> State<'a> {
    /// `None` where nobody subscribes to the topic.
    fn new(topic: &'a str, racks: &'a [PartitionRacks], order: &[&'a GroupMember]) -> Option<Self> {
        let subscribes = |member: &&GroupMember| member.subscription.topics.iter().any(|name| name == topic);
        let members: Vec<_> = order.iter().copied().filter(subscribes).collect();
        let (quota, extra) = (racks.len().checked_div(members.len())?, racks.len() % members.len());
        let near = matter(members.iter().copied(), racks.iter());
        let assigned = vec![Vec::new(); members.len()];
        Some(Self { topic, near, racks, left: (0..racks.len()).collect(), assigned, quota, extra, members })
    }

    fn room(&self, member: usize) -> usize {
        (self.quota + usize::from(self.extra > 0)).saturating_sub(self.assigned[member].len())
    }

    fn matches(&self, member: usize, partition: usize) -> bool {
        rack_of(self.members[member]).is_none_or(|rack| self.racks[partition].replicas.contains(rack))
    }

    fn give(&mut self, member: usize, partitions: &[usize]) {
        if partitions.is_empty() {
            return;
        }
        self.assigned[member].extend(partitions);
        self.left.retain(|partition| !partitions.contains(partition));
        if self.assigned[member].len() > self.quota {
            self.extra = self.extra.saturating_sub(1);
        }
    }

    fn assign_ranges(&mut self, may: impl Fn(&Self, (usize, usize)) -> bool) {
        for member in 0..self.members.len() {
            let open = self.left.iter().copied().filter(|partition| may(self, (member, *partition)));
            let chosen: Vec<_> = open.take(self.room(member)).collect();
            self.give(member, &chosen);
        }
    }

    fn name(&self, index: usize) -> TopicPartition {
        // Topics have fewer than 2^22 partitions.
        TopicPartition::new(self.topic, i32::try_from(index).unwrap_or(i32::MAX))
    }
}

/// Gives what may be near to members. Topics with the same members and as many partitions are divided alike.
fn assign_near(states: &mut [State<'_>]) {
    let mut alike: BTreeMap<(Vec<&str>, usize), Vec<&mut State<'_>>> = BTreeMap::new();
    for state in states {
        let members = state.members.iter().map(|member| member.id.as_str()).collect();
        alike.entry((members, state.racks.len())).or_default().push(state);
    }
    for ((members, partitions), mut states) in alike {
        match states.as_mut_slice() {
            [state] if state.near => state.assign_ranges(|state, (member, part)| state.matches(member, part)),
            [_] => {}
            several => assign_alike(members.len(), partitions, several),
        }
    }
}

fn assign_alike(members: usize, partitions: usize, states: &mut [&mut State<'_>]) {
    for partition in 0..partitions {
        let fits =
            |member: &usize| states.iter().all(|state| state.matches(*member, partition) && state.room(*member) > 0);
        let Some(member) = (0..members).find(fits) else { continue };
        states.iter_mut().for_each(|state| state.give(member, &[partition]));
    }
}
