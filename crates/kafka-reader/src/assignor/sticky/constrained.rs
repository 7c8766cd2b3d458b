//! The common case: all members subscribe to the same topics, so that each may have any partition.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::claims::Claims;
use crate::assignor::racks::Racks;
use crate::assignor::roster::Roster;

/// The partitions of each member, and those that one had and another gets.
pub(super) fn assign(roster: &Roster<'_>, racks: &Racks<'_>, claims: &Claims) -> (Vec<Vec<usize>>, BTreeSet<usize>) {
    let mut plan = Plan::new(roster, racks, claims);
    roster.met.iter().for_each(|member| plan.keep(*member));
    plan.below.sort_unstable();
    plan.at_least.make_contiguous().sort_unstable();
    let kept: BTreeSet<_> = plan.given.iter().flatten().copied().collect();
    let mut open: Vec<_> = (0..roster.partitions).filter(|partition| !kept.contains(partition)).collect();
    racks.sort(&mut open);
    if racks.are_used() {
        plan.deal_near(&mut open);
    }
    plan.deal(&open);
    (plan.given, plan.moved)
}

struct Plan<'a> {
    roster: &'a Roster<'a>,
    racks: &'a Racks<'a>,
    claims: &'a Claims,
    /// What each member gets at least, and at most.
    least: usize,
    most: usize,
    /// How many members may yet get more than the least.
    larger: usize,
    /// Those with less than the least.
    below: Vec<usize>,
    /// Those with the least, that may get one more.
    at_least: VecDeque<usize>,
    given: Vec<Vec<usize>>,
    /// Partitions, and who has to give them up.
    revoked: BTreeMap<usize, usize>,
    moved: BTreeSet<usize>,
}

impl<'a> Plan<'a> {
    fn new(roster: &'a Roster<'a>, racks: &'a Racks<'a>, claims: &'a Claims) -> Self {
        let members = roster.members.len().max(1);
        Self {
            roster,
            racks,
            claims,
            least: roster.partitions / members,
            most: roster.partitions.div_ceil(members),
            larger: roster.partitions % members,
            below: Vec::new(),
            at_least: VecDeque::new(),
            given: vec![Vec::new(); roster.members.len()],
            revoked: BTreeMap::new(),
            moved: BTreeSet::new(),
        }
    }

    /// Leaves a member what it had, as far as that is not too much.
    fn keep(&mut self, member: usize) {
        let mut owned = self.claims.owned[member].clone();
        owned.retain(|part| !self.claims.contested.contains(part));
        let far: Vec<_> = owned.extract_if(.., |part| self.racks.mismatch(member, *part)).collect();
        self.revoke(member, far);
        // The first partitions of all topics, rather than all of the first topics.
        owned.sort_by_key(|part| (self.roster.index_of(*part), *part));
        if owned.len() < self.least {
            self.below.push(member);
        } else if owned.len() >= self.most && self.larger > 0 {
            self.larger -= 1;
            if self.larger == 0 {
                self.at_least.clear();
            }
            let more = owned.drain(self.most..).collect();
            self.revoke(member, more);
        } else {
            let more = owned.drain(self.least..).collect();
            self.revoke(member, more);
            if self.larger > 0 {
                self.at_least.push_back(member);
            }
        }
        self.given[member] = owned;
    }

    fn revoke(&mut self, member: usize, partitions: Vec<usize>) {
        self.revoked.extend(partitions.into_iter().map(|partition| (partition, member)));
    }

    /// Gives partitions to members in racks that have them, as far as members may get more.
    fn deal_near(&mut self, open: &mut Vec<usize>) {
        let mut turn = 0;
        open.retain(|&partition| {
            let matches = |member: &usize| self.racks.matches(*member, partition);
            let members = self.below.len();
            let turns = (0..members).map(|step| (turn + step) % members);
            if let Some(at) = turns.into_iter().find(|at| matches(&self.below[*at])) {
                let member = self.below[at];
                let count = self.given[member].len() + 1;
                let mut next = at + 1;
                if count >= self.least {
                    self.below.remove(at);
                    next = at;
                    if count < self.most {
                        self.at_least.push_back(member);
                    }
                }
                turn = if self.below.is_empty() { 0 } else { next % self.below.len() };
                self.give(member, partition);
                return false;
            }
            let Some(at) = self.at_least.iter().position(matches).filter(|_| self.larger > 0) else { return true };
            let member = self.at_least[at];
            if self.given[member].len() + 1 == self.most {
                self.at_least.remove(at);
                self.larger -= 1;
            }
            self.give(member, partition);
            false
        });
    }

    /// Gives partitions to those with least in turn, and when they all have enough, one more to some.
    fn deal(&mut self, open: &[usize]) {
        let mut turn = 0;
        for &partition in open {
            if turn >= self.below.len() {
                turn = 0;
            }
            let Some(&member) = self.below.get(turn) else {
                let Some(member) = self.at_least.pop_front() else { break };
                self.give(member, partition);
                continue;
            };
            self.give(member, partition);
            if self.given[member].len() == self.least {
                self.below.remove(turn);
                self.at_least.push_back(member);
            } else {
                turn += 1;
            }
        }
    }

    fn give(&mut self, member: usize, partition: usize) {
        self.given[member].push(partition);
        let other = self.revoked.get(&partition).is_some_and(|owner| *owner != member);
        if other || self.claims.contested.contains(&partition) {
            self.moved.insert(partition);
        }
    }
}
