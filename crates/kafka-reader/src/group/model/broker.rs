//! A coordinator of one group, as Kafka's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::heartbeat::HeartbeatRequest;
use kafka_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::leave_group::LeaveGroupRequest;
use kafka_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use smol_str::SmolStr;

use super::world::Reply;
use super::{END, PARTITIONS};
use crate::assignor::decode_assignment;
use crate::group::commits::CommitOffset;
use crate::group::membership::{NO_GENERATION, NoAnswer};
use crate::topic_partition::TopicPartition;

pub(super) const SESSION: Duration = Duration::from_secs(6);
pub(super) const REBALANCE: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(super) enum Request {
    FindCoordinator,
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    Commit { member: SmolStr, generation: i32, offsets: Vec<(TopicPartition, CommitOffset)> },
    Offsets(u64),
}

impl Request {
    pub(super) fn unanswered(&self) -> Reply {
        match self {
            Self::FindCoordinator => Reply::Coordinator(Err(NoAnswer)),
            Self::Join(_) => Reply::Join(Err(NoAnswer)),
            Self::Sync(_) => Reply::Sync(Err(NoAnswer)),
            Self::Heartbeat(_) => Reply::Heartbeat(Err(NoAnswer)),
            Self::Leave(_) => Reply::Leave,
            Self::Commit { .. } => Reply::Commit(None),
            Self::Offsets(round) => Reply::Offsets(*round, None),
        }
    }
}

impl Reply {
    pub(super) fn unanswered(self) -> Self {
        match self {
            Self::Coordinator(_) => Self::Coordinator(Err(NoAnswer)),
            Self::Join(_) => Self::Join(Err(NoAnswer)),
            Self::Sync(_) => Self::Sync(Err(NoAnswer)),
            Self::Heartbeat(_) => Self::Heartbeat(Err(NoAnswer)),
            Self::Leave => Self::Leave,
            Self::Commit(_) => Self::Commit(None),
            Self::Offsets(round, _) => Self::Offsets(round, None),
        }
    }
}

type Replies = Vec<(usize, u64, Reply)>;

struct Member {
    client: (usize, u64),
    metadata: Bytes,
    session_until: Instant,
    /// It waits for the others to join, or for the leader's assignment.
    joining: bool,
    syncing: bool,
    assignment: Bytes,
    has: BTreeSet<TopicPartition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Preparing { until: Instant },
    Completing,
    Stable,
}

pub(super) struct Broker {
    members: BTreeMap<SmolStr, Member>,
    pending: BTreeSet<SmolStr>,
    phase: Phase,
    generation: i32,
    protocol: SmolStr,
    leader: SmolStr,
    committed: BTreeMap<TopicPartition, i64>,
    ids: u64,
    away_until: Instant,
    wrong: Option<String>,
    /// Answers to requests that waited.
    outgoing: Replies,
    /// Commits to be held against what was processed.
    news: Vec<(TopicPartition, i64)>,
}

impl Broker {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            members: BTreeMap::new(),
            pending: BTreeSet::new(),
            phase: Phase::Empty,
            generation: 0,
            protocol: SmolStr::default(),
            leader: SmolStr::default(),
            committed: BTreeMap::new(),
            ids: 0,
            away_until: now,
            wrong: None,
            outgoing: Vec::new(),
            news: Vec::new(),
        }
    }

    pub(super) fn committed(&self, partition: &TopicPartition) -> i64 {
        self.committed.get(partition).copied().unwrap_or_default()
    }

    /// The generation, where the group is at rest.
    pub(super) fn stable(&self) -> Option<i32> {
        (self.phase == Phase::Stable).then_some(self.generation)
    }

    /// What was wrong with the last request.
    pub(super) fn violation(&mut self, processed: &BTreeSet<(TopicPartition, i64)>) -> Option<String> {
        for (partition, offset) in std::mem::take(&mut self.news) {
            if let Some(missing) = (0..offset).find(|offset| !processed.contains(&(partition.clone(), *offset))) {
                return Some(format!("{partition} is committed up to {offset}, but {missing} was not processed"));
            }
        }
        self.wrong.take()
    }

    /// Another broker coordinates the group; it takes a while to find out.
    pub(super) fn move_away(&mut self, until: Instant) {
        self.away_until = until;
    }

    pub(super) fn handle(&mut self, now: Instant, client: usize, life: u64, request: Request) -> Replies {
        let away = now < self.away_until;
        let moved = ErrorCode::NOT_COORDINATOR;
        let reply = match request {
            Request::FindCoordinator if away => Reply::Coordinator(Ok(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
            Request::FindCoordinator => Reply::Coordinator(Ok(ErrorCode::NONE)),
            Request::Join(_) if away => Reply::Join(Ok(refused_join(moved, SmolStr::default()))),
            Request::Sync(_) if away => Reply::Sync(Ok(refused_sync(moved))),
            Request::Heartbeat(_) if away => Reply::Heartbeat(Ok(moved)),
            Request::Commit { offsets, .. } if away => Reply::Commit(Some(codes(&offsets, moved))),
            Request::Leave(_) if away => Reply::Leave,
            Request::Offsets(round) if away => Reply::Offsets(round, None),
            Request::Join(request) => return self.join(now, (client, life), request),
            Request::Sync(request) => return self.sync(now, (client, life), request),
            Request::Heartbeat(request) => {
                Reply::Heartbeat(Ok(self.heartbeat(now, &request.member_id, request.generation_id)))
            }
            Request::Leave(request) => {
                self.remove(now, &request.member_id);
                let mut replies = self.complete(now);
                replies.push((client, life, Reply::Leave));
                return replies;
            }
            Request::Commit { member, generation, offsets } => {
                Reply::Commit(Some(self.commit(now, &member, generation, &offsets)))
            }
            Request::Offsets(round) => {
                let all = (0..PARTITIONS).map(|index| TopicPartition::new("t", index));
                Reply::Offsets(round, Some(all.map(|part| (part.clone(), self.committed(&part))).collect()))
            }
        };
        vec![(client, life, reply)]
    }

    fn join(&mut self, now: Instant, client: (usize, u64), request: JoinGroupRequest) -> Replies {
        if request.member_id.is_empty() {
            self.ids += 1;
            let id = SmolStr::from(format!("member-{}", self.ids));
            self.pending.insert(id.clone());
            return vec![(client.0, client.1, Reply::Join(Ok(refused_join(ErrorCode::MEMBER_ID_REQUIRED, id))))];
        }
        let known = self.members.contains_key(&request.member_id) || self.pending.remove(&request.member_id);
        if !known {
            let refused = refused_join(ErrorCode::UNKNOWN_MEMBER_ID, SmolStr::default());
            return vec![(client.0, client.1, Reply::Join(Ok(refused)))];
        }
        let protocol = &request.protocols[0];
        self.protocol = protocol.name.clone();
        let before = self.members.remove(&request.member_id);
        let (assignment, has) = before.map(|member| (member.assignment, member.has)).unwrap_or_default();
        let member = Member {
            client,
            metadata: protocol.metadata.clone(),
            session_until: now + SESSION,
            joining: true,
            syncing: false,
            assignment,
            has,
        };
        self.members.insert(request.member_id, member);
        self.prepare(now);
        self.complete(now)
    }

    fn prepare(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Preparing { .. }) {
            return;
        }
        self.phase = Phase::Preparing { until: now + REBALANCE };
        for member in self.members.values_mut().filter(|member| member.syncing) {
            member.syncing = false;
            let refused = Reply::Sync(Ok(refused_sync(ErrorCode::REBALANCE_IN_PROGRESS)));
            self.outgoing.push((member.client.0, member.client.1, refused));
        }
    }

    /// Begins the next generation, where all members have joined, or the time is over.
    fn complete(&mut self, now: Instant) -> Replies {
        let mut replies = std::mem::take(&mut self.outgoing);
        let Phase::Preparing { until } = self.phase else { return replies };
        if now >= until {
            self.members.retain(|_, member| member.joining);
        }
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return replies;
        }
        if self.members.values().any(|member| !member.joining) {
            return replies;
        }
        self.generation += 1;
        self.phase = Phase::Completing;
        self.leader = self.members.keys().next().cloned().unwrap_or_default();
        let listed = self.members.iter().map(|(id, member)| JoinGroupResponseMember {
            member_id: id.clone(),
            metadata: member.metadata.clone(),
            ..Default::default()
        });
        let listed: Vec<_> = listed.collect();
        for (id, member) in &mut self.members {
            member.joining = false;
            member.session_until = now + SESSION;
            let response = JoinGroupResponse {
                generation_id: self.generation,
                protocol_name: Some(self.protocol.clone()),
                leader: self.leader.clone(),
                member_id: id.clone(),
                members: if *id == self.leader { listed.clone() } else { Vec::new() },
                ..JoinGroupResponse::default()
            };
            replies.push((member.client.0, member.client.1, Reply::Join(Ok(response))));
        }
        replies
    }

    fn sync(&mut self, now: Instant, client: (usize, u64), request: SyncGroupRequest) -> Replies {
        let answer = |reply| vec![(client.0, client.1, Reply::Sync(Ok(reply)))];
        let Some(member) = self.members.get_mut(&request.member_id) else {
            return answer(refused_sync(ErrorCode::UNKNOWN_MEMBER_ID));
        };
        if request.generation_id != self.generation {
            return answer(refused_sync(ErrorCode::ILLEGAL_GENERATION));
        }
        member.session_until = now + SESSION;
        member.client = client;
        match self.phase {
            Phase::Stable => {
                let assignment = member.assignment.clone();
                return answer(SyncGroupResponse { assignment, ..SyncGroupResponse::default() });
            }
            Phase::Completing => member.syncing = true,
            _ => return answer(refused_sync(ErrorCode::REBALANCE_IN_PROGRESS)),
        }
        if request.member_id != self.leader {
            return Vec::new();
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            (member.assignment, member.has) = (Bytes::new(), BTreeSet::new());
        }
        for assigned in request.assignments {
            if let Some(member) = self.members.get_mut(&assigned.member_id) {
                member.has = decode_assignment(&assigned.assignment).unwrap_or_default().into_iter().collect();
                member.assignment = assigned.assignment;
            }
        }
        let mut replies = Vec::new();
        for member in self.members.values_mut().filter(|member| member.syncing) {
            member.syncing = false;
            let response = SyncGroupResponse { assignment: member.assignment.clone(), ..Default::default() };
            replies.push((member.client.0, member.client.1, Reply::Sync(Ok(response))));
        }
        replies
    }

    fn heartbeat(&mut self, now: Instant, member: &SmolStr, generation: i32) -> ErrorCode {
        let Some(member) = self.members.get_mut(member) else { return ErrorCode::UNKNOWN_MEMBER_ID };
        if generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        member.session_until = now + SESSION;
        match self.phase {
            Phase::Preparing { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            _ => ErrorCode::NONE,
        }
    }

    fn commit(
        &mut self,
        now: Instant,
        member: &SmolStr,
        generation: i32,
        offsets: &[(TopicPartition, CommitOffset)],
    ) -> BTreeMap<TopicPartition, ErrorCode> {
        // What names no generation is taken from anybody, as Kafka does while a group has no members.
        if generation != NO_GENERATION {
            let Some(known) = self.members.get_mut(member) else {
                return codes(offsets, ErrorCode::UNKNOWN_MEMBER_ID);
            };
            if generation != self.generation {
                return codes(offsets, ErrorCode::ILLEGAL_GENERATION);
            }
            known.session_until = now + SESSION;
            if self.phase == Phase::Completing {
                return codes(offsets, ErrorCode::REBALANCE_IN_PROGRESS);
            }
        }
        for (partition, mark) in offsets {
            // It keeps what it had until it has given it up, also where the next generation gives it to nobody.
            let others = self.members.iter().any(|(id, other)| id != member && other.has.contains(partition));
            let before = self.committed.insert(partition.clone(), mark.offset).unwrap_or_default();
            if others {
                self.wrong.get_or_insert_with(|| format!("{member} commits for {partition}, which another member has"));
            }
            if mark.offset < before {
                self.wrong.get_or_insert_with(|| format!("{partition} goes back from {before} to {}", mark.offset));
            }
            if mark.offset > END {
                self.wrong.get_or_insert_with(|| format!("{partition} is committed beyond its end"));
            }
            self.news.push((partition.clone(), mark.offset));
        }
        codes(offsets, ErrorCode::NONE)
    }

    fn remove(&mut self, now: Instant, member: &SmolStr) {
        if self.members.remove(member).is_some() {
            self.prepare(now);
        }
    }

    /// Members whose sessions are over are gone; rebalances do not wait for ever.
    pub(super) fn expire(&mut self, now: Instant) -> Replies {
        if now < self.away_until {
            // The next coordinator gives everybody another session.
            self.members.values_mut().for_each(|member| member.session_until = now + SESSION);
            return Vec::new();
        }
        let gone = |(_, member): &(&SmolStr, &Member)| member.session_until < now && !member.joining;
        let gone: Vec<_> = self.members.iter().filter(gone).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(now, id));
        self.complete(now)
    }
}

fn refused_join(code: ErrorCode, member_id: SmolStr) -> JoinGroupResponse {
    JoinGroupResponse { error_code: code.0, member_id, ..JoinGroupResponse::default() }
}

fn refused_sync(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: code.0, ..SyncGroupResponse::default() }
}

fn codes(offsets: &[(TopicPartition, CommitOffset)], code: ErrorCode) -> BTreeMap<TopicPartition, ErrorCode> {
    offsets.iter().map(|(partition, _)| (partition.clone(), code)).collect()
}
