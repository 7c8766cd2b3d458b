//! The general case: members subscribe to different topics, so that no formula gives the most even division.
//!
//! Everything that may stay stays; what is open goes to whoever has least; then partitions are moved from those with more
//! to those with less, until no move makes it more even.
//!
//! Sans-IO.

use std::collections::BTreeSet;

use super::claims::Claims;
use super::movements::Movements;
use crate::assignor::racks::Racks;
use crate::assignor::roster::Roster;

/// The partitions of each member.
///
/// Java takes from members whatever is far from their racks, also where nothing comes of it. With the cooperative
/// assignor each such move opens another round, which may move something else back, and so on for ever. Here they give it
/// up only if the whole is the better for it, or no fewer partitions stay where they were.
pub(super) fn assign(roster: &Roster<'_>, racks: &Racks<'_>, claims: &Claims) -> Vec<Vec<usize>> {
    let near = Plan::divide(roster, racks, claims, |member, partition| !racks.mismatch(member, partition));
    if !(racks.are_used() && near.revoked) {
        return near.given;
    }
    let same = Plan::divide(roster, racks, claims, |_, _| true);
    let better = near.cost() < same.cost();
    if better || near.kept(claims) >= same.kept(claims) { near.given } else { same.given }
}

struct Plan<'a> {
    roster: &'a Roster<'a>,
    racks: &'a Racks<'a>,
    /// The members that subscribe to each topic.
    subscribers: Vec<Vec<usize>>,
    /// How many partitions each member could have.
    possible: Vec<usize>,
    given: Vec<Vec<usize>>,
    /// By partition.
    owner: Vec<Option<usize>>,
    /// Members by how much they have; those that nothing can change are not in it.
    load: BTreeSet<(usize, usize)>,
    movements: Movements,
    /// A member had something that it may no longer have.
    revoked: bool,
}

impl<'a> Plan<'a> {
    fn new(roster: &'a Roster<'a>, racks: &'a Racks<'a>) -> Self {
        let mut subscribers = vec![Vec::new(); roster.topics.len()];
        for &member in &roster.met {
            roster.wants[member].iter().for_each(|topic| subscribers[*topic].push(member));
        }
        let size = |wants: &Vec<usize>| wants.iter().map(|topic| roster.topics[*topic].partitions).sum();
        Self {
            roster,
            racks,
            subscribers,
            possible: roster.wants.iter().map(size).collect(),
            given: vec![Vec::new(); roster.members.len()],
            owner: vec![None; roster.partitions],
            load: BTreeSet::new(),
            movements: Movements::default(),
            revoked: false,
        }
    }

    /// Divides all partitions, where members keep what they had, still want and `may` keep.
    fn divide(
        roster: &'a Roster<'a>,
        racks: &'a Racks<'a>,
        claims: &Claims,
        may: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let mut plan = Self::new(roster, racks);
        plan.keep(&claims.owned, may);
        let mut open: Vec<_> = plan.sorted().into_iter().filter(|part| plan.owner[*part].is_none()).collect();
        plan.load = (0..plan.given.len()).map(|member| (plan.given[member].len(), member)).collect();
        let initial = plan.given.iter().all(Vec::is_empty);
        if racks.are_used() {
            plan.deal(&mut open.clone(), |member, partition| !racks.mismatch(member, partition));
        }
        plan.deal(&mut open.clone(), |_, _| true);
        plan.balance(&mut open, &claims.before, initial);
        plan
    }

    fn wants(&self, member: usize, partition: usize) -> bool {
        self.roster.wants[member].contains(&self.roster.topic_of(partition))
    }

    fn keep(&mut self, owned: &[Vec<usize>], may: impl Fn(usize, usize) -> bool) {
        for (member, owned) in owned.iter().enumerate() {
            for &partition in owned {
                if self.wants(member, partition) && may(member, partition) {
                    self.given[member].push(partition);
                    self.owner[partition] = Some(member);
                } else {
                    self.revoked = true;
                }
            }
        }
    }

    /// All partitions, those that fewest members can have first.
    fn sorted(&self) -> Vec<usize> {
        let mut topics: Vec<_> = (0..self.roster.topics.len()).collect();
        topics.sort_by_key(|topic| self.subscribers[*topic].len());
        topics.into_iter().flat_map(|topic| self.roster.range(topic)).collect()
    }

    /// Gives what nobody has to whoever has least, of those that want it and may have it.
    fn deal(&mut self, open: &mut Vec<usize>, may: impl Fn(usize, usize) -> bool) {
        open.retain(|part| self.owner[*part].is_none());
        for &mut partition in open {
            let fits = |(_, member): &&(usize, usize)| self.wants(*member, partition) && may(*member, partition);
            let Some(&(count, member)) = self.load.iter().find(fits) else { continue };
            self.load.remove(&(count, member));
            self.load.insert((count + 1, member));
            self.given[member].push(partition);
            self.owner[partition] = Some(member);
        }
    }

    /// Moves partitions until it is as even as it gets; if that is no better than what was kept, nothing is moved.
    fn balance(&mut self, open: &mut Vec<usize>, before: &std::collections::HashMap<usize, usize>, initial: bool) {
        let shared = |plan: &Self, part: &usize| plan.subscribers[plan.roster.topic_of(*part)].len() > 1;
        let mut all = self.sorted();
        all.retain(|part| shared(self, part));
        open.retain(|part| shared(self, part));
        let fixed = |plan: &Self, member: usize| {
            let given = &plan.given[member];
            given.len() >= plan.possible[member] && !given.iter().any(|part| shared(plan, part))
        };
        let load: BTreeSet<_> = self.load.iter().copied().filter(|(_, member)| !fixed(self, *member)).collect();
        self.load = load;
        let (given, owner) = (self.given.clone(), self.owner.clone());
        let score = self.score();
        if !self.revoked {
            self.level(open, before);
        }
        let moved = self.level(&all, before);
        if !initial && moved && self.score() >= score {
            (self.given, self.owner) = (given, owner);
        }
    }

    /// How uneven it is among those that something can change.
    fn score(&self) -> u64 {
        unevenness(self.load.iter().map(|(_, member)| self.given[*member].len() as u64).collect())
    }

    /// What a plan is judged by: how uneven it is, then how many partitions are far from their members.
    fn cost(&self) -> (u64, usize) {
        let far = |(member, given): (usize, &Vec<usize>)| {
            given.iter().filter(|partition| self.racks.mismatch(member, **partition)).count()
        };
        let counts = self.given.iter().map(|given| given.len() as u64).collect();
        (unevenness(counts), self.given.iter().enumerate().map(far).sum())
    }

    /// How many partitions stay where they were.
    fn kept(&self, claims: &Claims) -> usize {
        let stays = |(member, owned): (usize, &Vec<usize>)| {
            owned.iter().filter(|partition| self.owner[**partition] == Some(member)).count()
        };
        claims.owned.iter().enumerate().map(stays).sum()
    }

    /// Whether no partition can move to a member that would still have less than the one it came from.
    fn is_level(&self) -> bool {
        let (Some((least, _)), Some((most, _))) = (self.load.first(), self.load.last()) else { return true };
        if least + 1 >= *most {
            return true;
        }
        let most_of = |topic: usize| {
            let owners = self.roster.range(topic).filter_map(|partition| self.owner[partition]);
            owners.map(|owner| self.given[owner].len()).max().unwrap_or_default()
        };
        let largest: Vec<_> = (0..self.roster.topics.len()).map(most_of).collect();
        self.load.iter().all(|(count, member)| {
            let wants = &self.roster.wants[*member];
            *count == self.possible[*member] || wants.iter().all(|topic| largest[*topic] <= count + 1)
        })
    }

    /// Moves what can make it more even, until nothing can. Whether anything was moved.
    fn level(&mut self, partitions: &[usize], before: &std::collections::HashMap<usize, usize>) -> bool {
        let mut any = false;
        // Each round makes it more even; this bounds what members could contrive.
        for _ in 0..=self.roster.partitions {
            let mut moved = false;
            for &partition in partitions {
                if self.is_level() {
                    break;
                }
                if let Some(to) = self.better(partition, before) {
                    self.move_one(partition, to);
                    moved = true;
                }
            }
            any |= moved;
            if !moved {
                break;
            }
        }
        any
    }

    /// A member with at least two less that a partition should move to: one that had it before, or the one with least.
    fn better(&self, partition: usize, before: &std::collections::HashMap<usize, usize>) -> Option<usize> {
        let count = self.given[self.owner[partition]?].len();
        let less = |member: &usize| self.given[*member].len() + 1 < count;
        let previous = before.get(&partition).copied().filter(|member| self.wants(*member, partition));
        if let Some(previous) = previous.filter(less) {
            return Some(previous);
        }
        let least = self.load.iter().map(|(_, member)| *member).find(|member| self.wants(*member, partition));
        least.filter(less)
    }

    fn move_one(&mut self, partition: usize, to: usize) {
        let Some(from) = self.owner[partition] else { return };
        let partition = self.movements.instead(self.roster, partition, from, to);
        let Some(from) = self.owner[partition].filter(|from| *from != to) else { return };
        self.movements.record(self.roster, partition, from, to);
        for member in [from, to] {
            self.load.remove(&(self.given[member].len(), member));
        }
        self.given[from].retain(|part| *part != partition);
        self.given[to].push(partition);
        self.owner[partition] = Some(to);
        for member in [from, to] {
            self.load.insert((self.given[member].len(), member));
        }
    }
}

/// The differences of all pairs.
fn unevenness(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    let (mut score, mut sum) = (0, 0);
    for (position, count) in (0u64..).zip(counts) {
        score += position * count - sum;
        sum += count;
    }
    score
}
