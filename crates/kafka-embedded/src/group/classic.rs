//! A group: its members, and how they agree on who reads what.
//!
//! ```text
//!            join                    all have joined, or time is up        the leader's assignment
//!   Empty ──────────► Preparing ────────────────────────────────► Completing ──────────────────► Stable
//!     ▲                │   ▲                                          │                             │
//!     │ nobody left    │   └── a member joins, leaves, is silent ─────┴─────────────────────────────┘
//!     └────────────────┘
//! ```
//!
//! As Kafka's classic protocol: a generation is a set of members that have joined; one of them, the leader, divides the
//! work, the coordinator hands it out. Static members (KIP-345) may come back under their instance's name without any
//! of this.
//!
//! Sans-IO.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::group::{Member, Offsets, Subscription};

/// A group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: SmolStr,
    /// What the generation divides its work by.
    protocol: SmolStr,
    leader: SmolStr,
    members: BTreeMap<SmolStr, Member>,
    /// In the order in which they came, for elections.
    order: Vec<SmolStr>,
    /// The members of instances.
    instances: BTreeMap<SmolStr, SmolStr>,
    /// Ids that were given out and not come back yet (KIP-394), and until when they are good.
    pending: BTreeMap<SmolStr, Instant>,
    pub(crate) offsets: Offsets,
    last_join: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Empty,
    /// Until `deadline` members may join. The first members of an empty group wait, up to `more`, for others.
    Preparing {
        deadline: Instant,
        more: Option<Instant>,
    },
    /// Until `deadline` members have to ask for their assignment.
    Completing {
        deadline: Instant,
    },
    Stable,
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl GroupState {
    /// Kafka's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What the coordinator is configured as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) max_members: usize,
    pub(crate) initial_delay: Duration,
}

/// What comes of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It waits: ask again with the member's id and this number.
    Waiting(SmolStr, u64),
    /// It is in the generation that there is. A leader that is to leave the assignment as it is skips it (KIP-814).
    Member { member_id: SmolStr, leader: SmolStr, skip_assignment: bool },
}

impl Group {
    pub(crate) fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing { .. } => GroupState::PreparingRebalance,
            Phase::Completing { .. } => GroupState::CompletingRebalance,
            Phase::Stable => GroupState::Stable,
        }
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> &SmolStr {
        &self.protocol_type
    }

    pub(crate) fn protocol(&self) -> &SmolStr {
        &self.protocol
    }

    pub(crate) fn leader(&self) -> &SmolStr {
        &self.leader
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&SmolStr, &Member)> {
        self.order.iter().filter_map(|id| self.members.get_key_value(id))
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.phase == Phase::Empty && self.offsets.is_empty() && self.pending.is_empty()
    }

    /// Gives out an id that a new member has to come back with.
    pub(crate) fn add_pending(&mut self, id: SmolStr, until: Instant, rules: &Rules) -> Result<(), ErrorCode> {
        if self.members.len() + self.pending.len() >= rules.max_members {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        self.pending.insert(id, until);
        Ok(())
    }

    /// The member of an instance.
    pub(crate) fn instance(&self, instance_id: &str) -> Option<&SmolStr> {
        self.instances.get(instance_id)
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
        if !came_back && self.members.len() + self.pending.len() >= rules.max_members {
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
        self.prepare(now, rules);
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
        self.prepare(now, rules);
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
        self.prepare(now, rules);
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

    /// A member asks for its assignment; the leader brings everybody's. Whether it has to wait.
    pub(crate) fn sync(
        &mut self,
        now: Instant,
        id: &str,
        assignments: impl IntoIterator<Item = (SmolStr, Bytes)>,
    ) -> Result<bool, ErrorCode> {
        let leads = self.leader == id;
        let member = self.members.get_mut(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        match self.phase {
            Phase::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing { .. } => return Err(ErrorCode::REBALANCE_IN_PROGRESS),
            Phase::Stable => {
                member.heard_of(now);
                return Ok(false);
            }
            Phase::Completing { .. } => {}
        }
        (member.synced, member.syncing) = (true, !leads);
        if !leads {
            return Ok(true);
        }
        let mut given: BTreeMap<_, _> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            member.assignment = given.remove(id).unwrap_or_default();
            member.syncing = false;
            member.heard_of(now);
        }
        self.phase = Phase::Stable;
        Ok(false)
    }

    /// The assignment that a member waited for; `None` while it is not there.
    ///
    /// # Errors
    /// What became of it instead.
    pub(crate) fn poll_sync(
        &self,
        id: &str,
        generation: i32,
        instance: Option<&str>,
    ) -> Result<Option<Bytes>, ErrorCode> {
        let member = self.members.get(id).ok_or_else(|| self.gone(instance))?;
        match self.phase {
            Phase::Completing { .. } if self.generation == generation => Ok(None),
            Phase::Stable if self.generation == generation => Ok(Some(member.assignment.clone())),
            _ => Err(ErrorCode::REBALANCE_IN_PROGRESS),
        }
    }

    /// Hears of a member.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` where it has to join again.
    pub(crate) fn heartbeat(&mut self, now: Instant, id: &str) -> Result<(), ErrorCode> {
        let member = self.members.get_mut(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        member.heard_of(now);
        match self.phase {
            Phase::Preparing { .. } => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// A member goes, by its id or, where that is empty, by its instance's.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        id: &str,
        instance: Option<&str>,
        rules: &Rules,
    ) -> Result<(), ErrorCode> {
        let id = match instance {
            Some(instance) => {
                let known = self.instances.get(instance).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
                if !id.is_empty() && known != id {
                    return Err(ErrorCode::FENCED_INSTANCE_ID);
                }
                known.clone()
            }
            None => SmolStr::new(id),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_if_all_joined(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.remove(&id);
        self.rebalance_after_loss(now, rules);
        Ok(())
    }

    /// Whether who asks is the member that it says it is.
    pub(crate) fn check_member(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), ErrorCode> {
        if let Some(known) = instance.map(|instance| self.instances.get(instance)) {
            match known {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(known) if known != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        match self.members.contains_key(id) {
            false => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            true if generation != self.generation => Err(ErrorCode::ILLEGAL_GENERATION),
            true => Ok(()),
        }
    }

    pub(crate) fn is_pending(&self, id: &str) -> bool {
        self.pending.contains_key(id)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match self.phase {
            Phase::Preparing { deadline, .. } | Phase::Completing { deadline } => Some(deadline),
            Phase::Empty | Phase::Stable => None,
        };
        let members = self.members.values().filter_map(Member::expiry);
        members.chain(self.pending.values().copied()).chain(deadline).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let rules = Rules { max_members: usize::MAX, initial_delay: Duration::ZERO };
        self.pending.retain(|_, until| *until > now);
        let silent = |member: &Member| member.expiry().is_some_and(|at| at <= now);
        let gone: Vec<_> = self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| id.clone()).collect();
        if !gone.is_empty() {
            gone.iter().for_each(|id| self.remove(id));
            self.rebalance_after_loss(now, &rules);
        }
        match self.phase {
            Phase::Preparing { deadline, .. } if deadline <= now => self.complete(now),
            Phase::Completing { deadline } if deadline <= now => {
                let late: Vec<_> =
                    self.members.iter().filter(|(_, member)| !member.synced).map(|(id, _)| id.clone()).collect();
                late.iter().for_each(|id| self.remove(id));
                self.rebalance_after_loss(now, &rules);
            }
            _ => self.complete_if_all_joined(now),
        }
    }

    fn gone(&self, instance: Option<&str>) -> ErrorCode {
        let replaced = instance.is_some_and(|instance| self.instances.contains_key(instance));
        if replaced { ErrorCode::FENCED_INSTANCE_ID } else { ErrorCode::UNKNOWN_MEMBER_ID }
    }

    /// Whether a member can do what the others do.
    fn check_protocols(&self, subscription: &Subscription, except: Option<&SmolStr>) -> Result<(), ErrorCode> {
        let others = || self.members.iter().filter(|(id, _)| Some(*id) != except).map(|(_, member)| member);
        let common = |name: &str| others().all(|member| member.subscription.supports(name));
        let fits = others().next().is_none()
            || (self.protocol_type == subscription.protocol_type
                && subscription.protocols.iter().any(|(name, _)| common(name)));
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

    /// Begins a rebalance, unless one is under way.
    fn prepare(&mut self, now: Instant, rules: &Rules) {
        if let Phase::Preparing { .. } = self.phase {
            return;
        }
        let timeouts = self.members.values().map(|member| member.subscription.rebalance_timeout);
        let latest = now.checked_add(timeouts.max().unwrap_or_default()).unwrap_or(now);
        let first = self.phase == Phase::Empty && !rules.initial_delay.is_zero();
        for member in self.members.values_mut() {
            (member.syncing, member.synced) = (false, false);
            member.heard_of(now);
        }
        self.phase = Phase::Preparing { deadline: latest, more: first.then_some(latest) };
    }

    fn rebalance_after_loss(&mut self, now: Instant, rules: &Rules) {
        if self.phase == Phase::Empty {
            return;
        }
        self.prepare(now, rules);
        self.complete_if_all_joined(now);
    }

    fn complete_if_all_joined(&mut self, now: Instant) {
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
    fn vote(&self) -> SmolStr {
        let all = |name: &str| self.members.values().all(|member| member.subscription.supports(name));
        let mut votes: Vec<(SmolStr, usize)> = Vec::new();
        for (_, member) in self.members() {
            let best = member.subscription.protocols.iter().map(|(name, _)| name).find(|name| all(name));
            let Some(best) = best else { continue };
            match votes.iter_mut().find(|(name, _)| name == best) {
                Some((_, count)) => *count += 1,
                None => votes.push((best.clone(), 1)),
            }
        }
        // The first of several.
        let most = votes.iter().map(|(_, count)| *count).max().unwrap_or_default();
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name).unwrap_or_default()
    }

    fn remove(&mut self, id: &SmolStr) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        self.order.retain(|known| known != id);
        if let Some(instance) = member.subscription.instance_id {
            self.instances.remove(&instance);
        }
        if self.leader == *id {
            self.leader = SmolStr::default();
        }
    }
}
