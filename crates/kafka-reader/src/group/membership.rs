//! A member of a consumer group: how it joins, stays, rebalances and leaves (the classic protocol).
//!
//! ```text
//!             ┌──────── answer without effect: pause ────────┐
//!             ▼                                              │
//!  Idle ─► [Revoking] ─► Joining ─► [LookingUp] ─► Syncing ──┤
//!   ▲       (eager)                  (leader)                ▼
//!   └── rebalance, or what it had was lost ─── Stable ◄─ [Revoking] (cooperative: what goes to others)
//!                                                │
//!                    Away ◄── too slow ──────────┤        Failed: will never be let in
//!                     └──► Idle when it is back  └──► Leaving ─► Left
//! ```
//!
//! Sans-IO.

mod answers;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_conn::{Backoff, Pauses};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::heartbeat::HeartbeatRequest;
use kafka_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::messages::leave_group::LeaveGroupRequest;
use kafka_protocol::messages::sync_group::SyncGroupRequest;
use smol_str::SmolStr;

use self::requests::read_member;
use crate::assignor::{Assignor, RebalanceProtocol};
use crate::topic_partition::TopicPartition;

/// What a member is, and how patient.
#[derive(Clone, Debug)]
pub(crate) struct MemberConfig {
    pub(crate) group_id: SmolStr,
    pub(crate) instance_id: Option<SmolStr>,
    pub(crate) rack: Option<SmolStr>,
    /// In the order of preference.
    pub(crate) assignors: Vec<Arc<dyn Assignor>>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) backoff: Backoff,
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Action {
    FindCoordinator,
    Join(JoinGroupRequest),
    /// Look up the partitions of these topics, for [`Membership::handle_topics`].
    LookUp(BTreeSet<SmolStr>),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    Tell(Change),
}

/// What becomes of a member's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// To be given up, and then said so by [`Membership::handle_revoked`]; they are still the member's until then.
    Revoke(Vec<TopicPartition>),
    /// They are no longer the member's; others may have them.
    Lost(Vec<TopicPartition>, LostReason),
    /// They are the member's from now on.
    Assign { generation: i32, partitions: Vec<TopicPartition> },
    /// It is no member, and will not be one again.
    Failed(ErrorCode),
}

/// Why partitions were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReason {
    /// The group went on without this member: its session ended, or it missed a rebalance.
    Expelled,
    /// Another member has the same instance id.
    Fenced,
    /// The application did not ask for messages for
    /// [`max_poll_interval`](crate::GroupConfig::max_poll_interval).
    TooSlow,
    /// They were not given up within [`rebalance_timeout`](crate::GroupConfig::rebalance_timeout).
    RevokedTooLate,
}

/// What came of a request.
pub(crate) type Answer<T> = Result<T, NoAnswer>;

/// The request was not answered, or not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer;

#[derive(Debug)]
pub(crate) struct Membership {
    config: MemberConfig,
    topics: BTreeSet<SmolStr>,
    state: State,
    coordinator: Coordinator,
    member_id: SmolStr,
    generation: i32,
    owned: BTreeSet<TopicPartition>,
    /// What was assigned last, and in which generation: what sticky assignors tell.
    last: (Vec<TopicPartition>, i32),
    heartbeat: Heartbeat,
    pauses: Pauses,
    changes: VecDeque<Change>,
    /// As the leader: the topics of the group, with as many partitions as were divided.
    watched: Option<BTreeMap<SmolStr, usize>>,
    rejoin: bool,
    /// Since when the application has not asked for anything; `None` while it waits for something.
    busy_since: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Joins as soon as that is due.
    Idle {
        not_before: Instant,
    },
    Revoking {
        gone: Vec<TopicPartition>,
        until: Instant,
        then: Then,
    },
    /// The request is to be sent, or has been.
    Joining {
        sent: bool,
    },
    LookingUp {
        join: Box<JoinGroupResponse>,
        sent: bool,
    },
    Syncing {
        request: Option<Box<SyncGroupRequest>>,
    },
    Stable,
    Away,
    /// For good, or until the application is back.
    Leaving {
        sent: bool,
        for_good: bool,
    },
    Left,
    Failed,
}

/// What follows when partitions are given up.
#[derive(Clone, Debug)]
enum Then {
    Join,
    /// The new ones are taken over, and the group told to give out the old ones.
    Stay {
        added: Vec<TopicPartition>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Coordinator {
    Unknown { not_before: Instant },
    Finding,
    Known,
}

#[derive(Debug)]
struct Heartbeat {
    next: Instant,
    in_flight: bool,
}

impl Membership {
    pub(crate) fn new(config: MemberConfig, now: Instant, seed: u64) -> Self {
        Self {
            pauses: config.backoff.pauses_from(seed),
            config,
            topics: BTreeSet::new(),
            state: State::Idle { not_before: now },
            coordinator: Coordinator::Unknown { not_before: now },
            member_id: SmolStr::default(),
            generation: NO_GENERATION,
            owned: BTreeSet::new(),
            last: (Vec::new(), NO_GENERATION),
            heartbeat: Heartbeat { next: now, in_flight: false },
            changes: VecDeque::new(),
            watched: None,
            rejoin: false,
            busy_since: Some(now),
        }
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn member_id(&self) -> &SmolStr {
        &self.member_id
    }

    /// Whether nothing will happen any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Left | State::Failed) && self.changes.is_empty()
    }

    /// Whether it is in the current generation of its group, as far as it knows.
    pub(crate) fn is_stable(&self) -> bool {
        matches!(self.state, State::Stable)
    }

    /// Whether all members keep their partitions while they rebalance: all of its assignors do.
    fn is_cooperative(&self) -> bool {
        self.config.assignors.iter().all(|assignor| assignor.protocol() == RebalanceProtocol::Cooperative)
    }

    /// Subscribes to these topics, in place of those before.
    pub(crate) fn handle_topics_wanted(&mut self, topics: BTreeSet<SmolStr>) {
        self.rejoin |= self.topics != topics;
        self.topics = topics;
    }

    /// The application asks for messages, or does no longer.
    pub(crate) fn handle_waiting(&mut self, now: Instant, waiting: bool) {
        self.busy_since = (!waiting).then_some(now);
        if waiting && matches!(self.state, State::Away) {
            self.state = State::Idle { not_before: now };
        }
    }

    /// The application has given up what it was told to.
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        let State::Revoking { gone, then, .. } = &self.state else { return };
        gone.iter().for_each(|partition| drop(self.owned.take(partition)));
        let then = then.clone();
        self.after_revoking(now, then);
    }

    /// Joins again, so that the group divides its partitions anew.
    pub(crate) fn rejoin(&mut self) {
        self.rejoin = true;
    }

    /// How many partitions topics have now: a leader has the group rebalance if that is no longer what it divided.
    pub(crate) fn handle_partitions(&mut self, count: impl Fn(&str) -> Option<usize>) {
        let Some(watched) = &self.watched else { return };
        let changed = |(topic, before): (&SmolStr, &usize)| count(topic).is_some_and(|count| count != *before);
        if self.is_stable() && watched.iter().any(changed) {
            self.rejoin = true;
        }
    }

    /// Leaves: at once, whatever it is waiting for. A static member keeps its place in the group, unless `goodbye`.
    pub(crate) fn leave(&mut self, goodbye: bool) {
        if matches!(self.state, State::Left | State::Failed | State::Leaving { for_good: true, .. }) {
            return;
        }
        let known = !self.member_id.is_empty() && (goodbye || self.config.instance_id.is_none());
        self.owned.clear();
        self.state = if known { State::Leaving { sent: false, for_good: true } } else { State::Left };
    }

    fn take_over(&mut self, partitions: Vec<TopicPartition>) {
        self.owned.extend(partitions.iter().cloned());
        self.changes.push_back(Change::Assign { generation: self.generation, partitions });
        self.state = State::Stable;
    }

    fn revoke(&mut self, now: Instant, gone: Vec<TopicPartition>, then: Then) {
        self.changes.push_back(Change::Revoke(gone.clone()));
        self.state = State::Revoking { gone, until: now + self.config.rebalance_timeout, then };
    }

    fn after_revoking(&mut self, now: Instant, then: Then) {
        match then {
            Then::Join => self.state = State::Joining { sent: false },
            Then::Stay { added } => {
                self.take_over(added);
                // So that others get what was given up.
                self.rejoin = true;
            }
        }
        self.heartbeat.next = self.heartbeat.next.min(now + self.config.heartbeat_interval);
    }

    fn lose(&mut self, reason: LostReason) {
        self.generation = NO_GENERATION;
        // What was to be revoked is lost now, and what was said of it before is void.
        self.changes.retain(|change| !matches!(change, Change::Revoke(_)));
        let lost = std::mem::take(&mut self.owned);
        if !lost.is_empty() {
            self.changes.push_back(Change::Lost(lost.into_iter().collect(), reason));
        }
    }

    /// The next thing to do; `None` until something is handed in, or the time of [`poll_timeout`](Self::poll_timeout).
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Action> {
        self.expire(now);
        if let Some(change) = self.changes.pop_front() {
            return Some(Action::Tell(change));
        }
        if self.has_nothing_to_join_for() {
            return None;
        }
        self.begin(now);
        if let Some(change) = self.changes.pop_front() {
            return Some(Action::Tell(change));
        }
        if !self.is_here() {
            return None;
        }
        match self.coordinator {
            Coordinator::Unknown { not_before } if now >= not_before => {
                self.coordinator = Coordinator::Finding;
                return Some(Action::FindCoordinator);
            }
            Coordinator::Unknown { .. } | Coordinator::Finding => return None,
            Coordinator::Known => {}
        }
        self.poll_request(now)
    }

    /// No topic is there yet that it subscribes to.
    fn has_nothing_to_join_for(&self) -> bool {
        self.topics.is_empty() && matches!(self.state, State::Idle { .. })
    }

    fn is_here(&self) -> bool {
        !matches!(self.state, State::Away | State::Left | State::Failed)
    }

    /// Begins a rebalance where one is due.
    fn begin(&mut self, now: Instant) {
        let due = match &self.state {
            State::Idle { not_before } => now >= *not_before,
            State::Stable => self.rejoin,
            _ => false,
        };
        if !due {
            return;
        }
        if self.owned.is_empty() || self.is_cooperative() {
            self.state = State::Joining { sent: false };
        } else {
            self.revoke(now, self.owned.iter().cloned().collect(), Then::Join);
        }
    }

    fn poll_request(&mut self, now: Instant) -> Option<Action> {
        let beats = matches!(self.state, State::Stable | State::Revoking { .. });
        match &mut self.state {
            State::Joining { sent: sent @ false } => *sent = true,
            State::LookingUp { join, sent: sent @ false } => {
                *sent = true;
                let topics = join.members.iter().flat_map(|member| read_member(member).subscription.topics);
                return Some(Action::LookUp(topics.collect()));
            }
            State::Syncing { request } => return Some(Action::Sync(*request.take()?)),
            State::Leaving { sent: sent @ false, .. } => {
                *sent = true;
                return Some(Action::Leave(self.leave_request()));
            }
            _ if beats && !self.heartbeat.in_flight && now >= self.heartbeat.next => {
                self.heartbeat.in_flight = true;
                return Some(Action::Heartbeat(self.heartbeat_request()));
            }
            _ => return None,
        }
        Some(Action::Join(self.join_request()))
    }

    /// When [`poll`](Self::poll) has something to do without anything being handed in.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.has_nothing_to_join_for() {
            return None;
        }
        let beat = (!self.heartbeat.in_flight).then_some(self.heartbeat.next);
        let slow = self.busy_since.map(|since| since + self.config.max_poll_interval);
        let state = match &self.state {
            State::Idle { not_before } => Some(*not_before),
            State::Revoking { until, .. } => [beat, slow, Some(*until)].into_iter().flatten().min(),
            State::Stable => [beat, slow].into_iter().flatten().min(),
            _ => None,
        };
        let find = match self.coordinator {
            Coordinator::Unknown { not_before } if self.is_here() => Some(not_before),
            _ => None,
        };
        [state, find].into_iter().flatten().min()
    }

    /// What is over because of the time.
    fn expire(&mut self, now: Instant) {
        if !matches!(self.state, State::Stable | State::Revoking { .. }) {
            return;
        }
        if self.busy_since.is_some_and(|since| now >= since + self.config.max_poll_interval) {
            self.lose(LostReason::TooSlow);
            // A static member's place is kept until its session ends.
            self.state = State::Away;
            if self.config.instance_id.is_none() {
                self.state = State::Leaving { sent: false, for_good: false };
                self.rejoin = false;
            }
            return;
        }
        if let State::Revoking { gone, until, then } = &self.state
            && now >= *until
        {
            let (gone, then) = (gone.clone(), then.clone());
            gone.iter().for_each(|partition| drop(self.owned.take(partition)));
            self.changes.retain(|change| !matches!(change, Change::Revoke(_)));
            self.changes.push_back(Change::Lost(gone, LostReason::RevokedTooLate));
            self.after_revoking(now, then);
        }
    }

    fn assignor(&self, name: &str) -> Option<Arc<dyn Assignor>> {
        self.config.assignors.iter().find(|assignor| assignor.name() == name).cloned()
    }
}

/// Of a member that has joined none.
pub(crate) const NO_GENERATION: i32 = -1;
