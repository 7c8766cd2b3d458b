//! A rebalance from its beginning to the next generation, and what time does to a group.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::Bytes;
use smol_str::SmolStr;

use super::{Group, Phase, protocols};
use crate::group::Member;

impl Group {
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let silent = |member: &Member| member.expiry().is_some_and(|at| at <= now);
        let gone: Vec<_> = self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| id.clone()).collect();
        if !gone.is_empty() {
            gone.iter().for_each(|id| self.remove(id));
            self.rebalance_after_loss(now);
        }
        match self.phase {
            Phase::Preparing { deadline, .. } if deadline <= now => self.complete(now),
            Phase::Completing { deadline } if deadline <= now => {
                let late: Vec<_> =
                    self.members.iter().filter(|(_, member)| !member.synced).map(|(id, _)| id.clone()).collect();
                late.iter().for_each(|id| self.remove(id));
                self.rebalance_after_loss(now);
            }
            _ => self.complete_if_all_joined(now),
        }
    }

    /// Begins a rebalance, unless one is under way. The first members of a group wait for others for `initial_delay`.
    pub(super) fn prepare(&mut self, now: Instant, initial_delay: Duration) {
        if let Phase::Preparing { .. } = self.phase {
            return;
        }
        let timeouts = self.members.values().map(|member| member.subscription.rebalance_timeout);
        let latest = now.checked_add(timeouts.max().unwrap_or_default()).unwrap_or(now);
        let first = self.phase == Phase::Empty && !initial_delay.is_zero();
        for member in self.members.values_mut() {
            (member.syncing, member.synced) = (false, false);
            member.heard_of(now);
        }
        self.phase = Phase::Preparing { deadline: latest, more: first.then_some(latest) };
    }

    pub(super) fn rebalance_after_loss(&mut self, now: Instant) {
        if self.phase == Phase::Empty {
            return;
        }
        self.prepare(now, Duration::ZERO);
        self.complete_if_all_joined(now);
    }

    pub(super) fn complete_if_all_joined(&mut self, now: Instant) {
        let Phase::Preparing { more: None, .. } = self.phase else {
            return;
        };
        if self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some()) {
            self.complete(now);
        }
    }

    /// Ends the time to join: who has not is out, unless its instance may come back.
    fn complete(&mut self, now: Instant) {
        let out = |member: &Member| member.joining.is_none() && member.subscription.instance_id.is_none();
        let late: Vec<_> = self.members.iter().filter(|(_, member)| out(member)).map(|(id, _)| id.clone()).collect();
        late.iter().for_each(|id| self.remove(id));
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            (self.protocol, self.leader) = (SmolStr::default(), SmolStr::default());
            return;
        }
        let timeouts = self.members.values().map(|member| member.subscription.rebalance_timeout);
        let deadline = now.checked_add(timeouts.max().unwrap_or_default()).unwrap_or(now);
        let joined = |id: &SmolStr| self.members.get(id).is_some_and(|member| member.joining.is_some());
        let leader = Some(&self.leader).filter(|id| joined(id)).or_else(|| self.order.iter().find(|id| joined(id)));
        let Some(leader) = leader.cloned() else {
            // Only instances that are away: they have as long again.
            self.phase = Phase::Preparing { deadline, more: None };
            return;
        };
        self.leader = leader;
        self.protocol = self.vote();
        for member in self.members.values_mut() {
            (member.joining, member.syncing, member.synced) = (None, false, false);
            member.assignment = Bytes::new();
            member.heard_of(now);
        }
        self.phase = Phase::Completing { deadline };
    }

    /// Of what all can do, what most like best.
    pub(super) fn vote(&self) -> SmolStr {
        let members: Vec<_> = self.members().map(|(_, member)| &member.subscription).collect();
        protocols::vote(&members)
    }
}
