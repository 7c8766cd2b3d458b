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

mod join;
mod protocols;
mod rebalance;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

pub(crate) use join::Joined;

use crate::group::{Member, Offsets};

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

/// What the coordinator is configured as, and the room it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) max_members: usize,
    pub(crate) initial_delay: Duration,
    /// Bytes that all groups together may still take.
    pub(crate) room: usize,
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

    /// About the bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        let members = self.members.iter().map(|(id, member)| id.len() + member.size());
        let pending = self.pending.keys().map(|id| id.len() + PENDING_SIZE);
        members.chain(pending).sum::<usize>() + self.protocol_type.len() + self.offsets.size()
    }

    /// The member of an instance.
    pub(crate) fn instance(&self, instance_id: &str) -> Option<&SmolStr> {
        self.instances.get(instance_id)
    }

    /// A member asks for its assignment; the leader brings everybody's. Whether it has to wait.
    pub(crate) fn sync(
        &mut self,
        now: Instant,
        id: &str,
        assignments: impl IntoIterator<Item = (SmolStr, Bytes)>,
        rules: &Rules,
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
        let known = assignments.into_iter().filter(|(id, _)| self.members.contains_key(id));
        // Copies: what came are slices of a whole frame.
        let known = known.map(|(id, assignment)| (id, Bytes::copy_from_slice(&assignment)));
        let mut given: BTreeMap<_, _> = known.collect();
        if given.values().map(Bytes::len).sum::<usize>() > rules.room {
            // As brokers do that cannot store an assignment: all have to join again.
            self.prepare(now, rules.initial_delay);
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
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
    pub(crate) fn leave(&mut self, now: Instant, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
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
        self.rebalance_after_loss(now);
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

    fn gone(&self, instance: Option<&str>) -> ErrorCode {
        let replaced = instance.is_some_and(|instance| self.instances.contains_key(instance));
        if replaced { ErrorCode::FENCED_INSTANCE_ID } else { ErrorCode::UNKNOWN_MEMBER_ID }
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

/// What an id takes that was given out, without its text.
const PENDING_SIZE: usize = 64;
