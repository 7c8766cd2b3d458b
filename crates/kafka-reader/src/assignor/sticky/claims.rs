//! Who had what before, where members contradict each other.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::assignor::GroupMember;
use crate::assignor::roster::Roster;
use crate::topic_partition::TopicPartition;

/// What a member says that it had, and since which generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) partitions: Vec<TopicPartition>,
    /// `None` where it does not say.
    pub(crate) generation: Option<i32>,
}

/// What members had, each partition with one of them.
#[derive(Debug)]
pub(super) struct Claims {
    /// By member.
    pub(super) owned: Vec<Vec<usize>>,
    /// Claimed by several in the same generation. Nobody can be right, so all of them have to give it up.
    pub(super) contested: BTreeSet<usize>,
    /// Who claimed a partition in an older generation than the newest one.
    pub(super) before: HashMap<usize, usize>,
}

impl Claims {
    /// Takes what members say, in the order in which they were given. The newest generation is believed.
    pub(super) fn new(roster: &Roster<'_>, members: &[GroupMember], claimed: &[Claimed]) -> Self {
        let by_id: BTreeMap<_, _> = members.iter().zip(claimed).map(|(member, said)| (&member.id, said)).collect();
        let said: Vec<_> = roster.members.iter().filter_map(|member| by_id.get(&member.id).copied()).collect();
        let newest = said.iter().filter_map(|said| said.generation).max();
        let mut claims =
            Self { owned: vec![Vec::new(); said.len()], contested: BTreeSet::new(), before: HashMap::new() };
        let mut owners: HashMap<usize, usize> = HashMap::new();
        let mut before: HashMap<usize, i32> = HashMap::new();
        for &member in &roster.met {
            let Some(Claimed { partitions, generation }) = said.get(member) else { continue };
            for partition in partitions.iter().filter_map(|partition| roster.find(partition)) {
                if *generation < newest {
                    let generation = generation.unwrap_or(-1);
                    if before.get(&partition).is_none_or(|known| generation > *known) {
                        before.insert(partition, generation);
                        claims.before.insert(partition, member);
                    }
                }
                let other = owners.get(&partition).copied();
                let rival = other.and_then(|other| said.get(other)).map(|said| said.generation);
                claims.take(partition, member, other, rival.map(|rival| rival.cmp(generation)));
                if rival.is_none_or(|rival| rival <= *generation) {
                    owners.insert(partition, member);
                }
            }
        }
        claims
    }

    /// Takes a claim, where `rival` is how the generation of the `other` one who claims the same compares.
    fn take(&mut self, partition: usize, member: usize, other: Option<usize>, rival: Option<std::cmp::Ordering>) {
        use std::cmp::Ordering;
        // A member that names a partition twice has it once.
        if other == Some(member) {
            return;
        }
        if let Some(other) = other.filter(|_| rival != Some(Ordering::Greater)) {
            self.owned[other].retain(|owned| *owned != partition);
        }
        match rival {
            None | Some(Ordering::Less) => self.owned[member].push(partition),
            Some(Ordering::Equal) => {
                self.contested.insert(partition);
            }
            Some(Ordering::Greater) => {}
        }
    }
}
