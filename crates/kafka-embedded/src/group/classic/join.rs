//! Members join: for the first time, again, or in place of another one of their instance.
//!
//! Sans-IO.

use std::time::Instant;

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use super::protocols::Common;
use super::{Group, PENDING_SIZE, Phase, Rules};
use crate::group::{Member, Subscription};

/// What comes of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It waits: ask again with the member's id and this number.
    Waiting(SmolStr, u64),
    /// It is in the generation that there is. A leader that is to leave the assignment as it is skips it (KIP-814).
    Member { member_id: SmolStr, leader: SmolStr, skip_assignment: bool },
}

impl Group {
    /// Gives out an id that a new member has to come back with.
    pub(crate) fn add_pending(&mut self, id: SmolStr, until: Instant, rules: &Rules) -> Result<(), ErrorCode> {
        if self.is_full(rules) || id.len() + PENDING_SIZE > rules.room {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        self.pending.insert(id, until);
        Ok(())
    }

    /// A member that the coordinator does not know yet joins.
    pub(crate) fn join_new(
        &mut self,
        now: Instant,
        id: SmolStr,
        subscription: Subscription,
        rules: &Rules,
    ) -> Result<Joined, ErrorCode> {
        self.check_protocols(&subscription, None)?;
        let came_back = self.pending.remove(&id).is_some();
        if (!came_back && self.is_full(rules)) || subscription.size() > rules.room {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if let Some(instance) = &subscription.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = subscription.protocol_type.clone();
        }
        self.members.insert(id.clone(), Member::new(subscription, now));
        self.order.push(id.clone());
        let number = self.await_join(&id);
        self.prepare(now, rules.initial_delay);
        if let Phase::Preparing { deadline, more: Some(until) } = &mut self.phase {
            *deadline = now.checked_add(rules.initial_delay).unwrap_or(now).min(*until);
        }
        self.complete_if_all_joined(now);
        Ok(Joined::Waiting(id, number))
    }

    /// A member that is known joins again.
    pub(crate) fn join_again(
        &mut self,
        now: Instant,
        id: &SmolStr,
        subscription: Subscription,
        rules: &Rules,
    ) -> Result<Joined, ErrorCode> {
        self.check_protocols(&subscription, Some(id))?;
        let leads = self.leader == *id;
        let member = self.members.get_mut(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if subscription.size() > member.subscription.size().saturating_add(rules.room) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let same = member.subscription.protocols == subscription.protocols;
        let rebalance = match self.phase {
            Phase::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing { .. } => true,
            Phase::Completing { .. } => !same,
            // A leader that joins again wants to divide anew: topics have changed, say.
            Phase::Stable => leads || !same,
        };
        member.heard_of(now);
        if !rebalance {
            return Ok(Joined::Member { member_id: id.clone(), leader: self.leader.clone(), skip_assignment: false });
        }
        member.subscription = subscription;
        let number = self.await_join(id);
        self.prepare(now, rules.initial_delay);
        self.complete_if_all_joined(now);
        Ok(Joined::Waiting(id.clone(), number))
    }

    /// An instance that is known joins under a new member id: whoever had its old one is fenced.
    pub(crate) fn replace(
        &mut self,
        now: Instant,
        id: SmolStr,
        subscription: Subscription,
        skips: bool,
        rules: &Rules,
    ) -> Result<Joined, ErrorCode> {
        let instance = subscription.instance_id.clone().unwrap_or_default();
        let old = self.instances.get(&instance).cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        self.check_protocols(&subscription, Some(&old))?;
        let size = self.members.get(&old).map_or(0, |member| member.subscription.size());
        if subscription.size() > size.saturating_add(rules.room) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let mut member = self.members.remove(&old).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let led = self.leader.clone();
        (member.subscription, member.joining, member.syncing) = (subscription, None, false);
        member.heard_of(now);
        self.members.insert(id.clone(), member);
        self.instances.insert(instance, id.clone());
        self.order.iter_mut().filter(|known| **known == old).for_each(|known| *known = id.clone());
        let leads = led == old;
        if leads {
            self.leader = id.clone();
        }
        if self.phase == Phase::Stable && self.vote() == self.protocol {
            // Who cannot be told to leave the assignment as it is, is not told that it leads.
            let leader = if leads && !skips { led } else { self.leader.clone() };
            return Ok(Joined::Member { member_id: id, leader, skip_assignment: leads && skips });
        }
        let number = self.await_join(&id);
        self.prepare(now, rules.initial_delay);
        self.complete_if_all_joined(now);
        Ok(Joined::Waiting(id, number))
    }

    /// Whether a join that waited is through.
    ///
    /// # Errors
    /// What became of it instead.
    pub(crate) fn poll_join(&self, id: &str, number: u64, instance: Option<&str>) -> Result<bool, ErrorCode> {
        let member = self.members.get(id).ok_or_else(|| self.gone(instance))?;
        match member.joining {
            Some(current) if current == number => Ok(false),
            // It has joined once more meanwhile, on another connection.
            Some(_) => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            None => Ok(true),
        }
    }

    fn is_full(&self, rules: &Rules) -> bool {
        self.members.len() + self.pending.len() >= rules.max_members
    }

    /// Whether a member can do what the others do.
    fn check_protocols(&self, subscription: &Subscription, except: Option<&SmolStr>) -> Result<(), ErrorCode> {
        let others = self.members.iter().filter(|(id, _)| Some(*id) != except).map(|(_, member)| &member.subscription);
        let common = Common::of(others);
        let fits = common.is_of_nobody()
            || (self.protocol_type == subscription.protocol_type
                && subscription.protocols.iter().any(|(name, _)| common.has(name)));
        let says = !subscription.protocols.is_empty() && !subscription.protocol_type.is_empty();
        if fits && says { Ok(()) } else { Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) }
    }

    fn await_join(&mut self, id: &SmolStr) -> u64 {
        self.last_join += 1;
        if let Some(member) = self.members.get_mut(id) {
            member.joining = Some(self.last_join);
        }
        self.last_join
    }
}
