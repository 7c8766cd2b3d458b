//! What the coordinator's answers mean to a member.
//!
//! Sans-IO.

use std::collections::BTreeSet;
use std::time::Instant;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::join_group::JoinGroupResponse;
use kafka_protocol::messages::sync_group::{SyncGroupRequestAssignment, SyncGroupResponse};
use smol_str::SmolStr;

use super::requests::read_member;
use super::{Answer, Change, Coordinator, Heartbeat, LostReason, Membership, NoAnswer, State, Then};
use crate::assignor::{GroupTopics, decode_assignment, encode_assignment};
use crate::topic_partition::TopicPartition;

impl Membership {
    pub(crate) fn handle_coordinator(&mut self, now: Instant, answer: Answer<ErrorCode>) {
        self.coordinator = Coordinator::Known;
        if answer != Ok(ErrorCode::NONE) && matches!(self.state, State::Leaving { .. }) {
            // Its session will end.
            return self.handle_leave();
        }
        match answer {
            Ok(ErrorCode::NONE) => {}
            Ok(code) if !code.is_retriable() => self.fail(code),
            Ok(_) | Err(NoAnswer) => self.lose_coordinator(now),
        }
    }

    /// The connection to the coordinator is gone, without a request that would tell.
    pub(crate) fn lose_coordinator(&mut self, now: Instant) {
        self.coordinator = Coordinator::Unknown { not_before: now + self.pauses.next_pause() };
    }

    pub(crate) fn handle_join(&mut self, now: Instant, answer: Answer<JoinGroupResponse>) {
        if !matches!(self.state, State::Joining { sent: true }) {
            // It was left meanwhile: who joined must go, and has an id to go with.
            if let (State::Leaving { sent: false, .. } | State::Left, Ok(response)) = (&self.state, answer)
                && self.config.instance_id.is_none()
                && !response.member_id.is_empty()
            {
                self.member_id = response.member_id;
                self.state = State::Leaving { sent: false, for_good: true };
            }
            return;
        }
        let Ok(response) = answer else { return self.retry(now, Coordinates::Lost) };
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => self.joined(now, response),
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.member_id = response.member_id;
                self.state = State::Idle { not_before: now };
            }
            code => self.handle_error(now, code),
        }
    }

    fn joined(&mut self, now: Instant, response: JoinGroupResponse) {
        self.member_id = response.member_id.clone();
        self.generation = response.generation_id;
        self.rejoin = false;
        self.watched = None;
        if response.leader != response.member_id {
            let request = self.sync_request(&response, Vec::new());
            self.state = State::Syncing { request: Some(Box::new(request)) };
        } else if response.protocol_name.as_ref().and_then(|name| self.assignor(name)).is_none() {
            self.handle_error(now, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        } else {
            self.state = State::LookingUp { join: Box::new(response), sent: false };
        }
    }

    /// The partitions of the group's topics, which this member divides; `None` where they could not be looked up.
    pub(crate) fn handle_topics(&mut self, now: Instant, topics: Option<&GroupTopics>) {
        let State::LookingUp { join, sent: true } = &mut self.state else { return };
        let join = std::mem::take(&mut **join);
        let Some(topics) = topics else { return self.retry(now, Coordinates::Stay) };
        let members: Vec<_> = join.members.iter().map(read_member).collect();
        let assignor = join.protocol_name.as_ref().and_then(|name| self.assignor(name));
        // It was found when the answer came.
        let Some(assignor) = assignor else { return self.handle_error(now, ErrorCode::INCONSISTENT_GROUP_PROTOCOL) };
        let wanted: BTreeSet<_> = members.iter().flat_map(|member| &member.subscription.topics).collect();
        self.watched = Some(wanted.into_iter().map(|topic| (topic.clone(), topics.partitions(topic))).collect());
        let mut assignments = Vec::new();
        // A member that came back to its place: the broker has everybody's assignment (KIP-814).
        if !join.skip_assignment {
            for (member_id, partitions) in assignor.assign(&members, topics) {
                // What could not be said would be a name that is longer than any topic's.
                let assignment = encode_assignment(&partitions).unwrap_or_default();
                assignments.push(SyncGroupRequestAssignment { member_id, assignment, ..Default::default() });
            }
        }
        let request = self.sync_request(&join, assignments);
        self.state = State::Syncing { request: Some(Box::new(request)) };
    }

    pub(crate) fn handle_sync(&mut self, now: Instant, answer: Answer<SyncGroupResponse>) {
        if !matches!(self.state, State::Syncing { request: None }) {
            return;
        }
        let Ok(response) = answer else { return self.retry(now, Coordinates::Lost) };
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => match decode_assignment(&response.assignment) {
                Ok(partitions) => self.assigned(now, partitions),
                // The leader wrote what nobody can read.
                Err(_) => self.fail(ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
            },
            code => self.handle_error(now, code),
        }
    }

    fn assigned(&mut self, now: Instant, partitions: Vec<TopicPartition>) {
        self.pauses = self.config.backoff.pauses_from(u64::from(self.pauses.taken()));
        self.heartbeat = Heartbeat { next: now + self.config.heartbeat_interval, in_flight: false };
        let assigned: BTreeSet<_> = partitions.iter().cloned().collect();
        self.last = (partitions, self.generation);
        let gone: Vec<_> = self.owned.difference(&assigned).cloned().collect();
        let added: Vec<_> = assigned.difference(&self.owned).cloned().collect();
        if gone.is_empty() {
            self.take_over(added);
        } else {
            self.revoke(now, gone, Then::Stay { added });
        }
    }

    pub(crate) fn handle_heartbeat(&mut self, now: Instant, answer: Answer<ErrorCode>) {
        self.heartbeat.in_flight = false;
        self.heartbeat.next = now + self.config.heartbeat_interval;
        match answer {
            Ok(ErrorCode::NONE) => {}
            Ok(code) => self.handle_group_error(now, code),
            Err(NoAnswer) => {
                self.heartbeat.next = now;
                self.lose_coordinator(now);
            }
        }
    }

    pub(crate) fn handle_leave(&mut self) {
        let State::Leaving { for_good, .. } = self.state else { return };
        self.member_id = SmolStr::default();
        self.state = if for_good { State::Left } else { State::Away };
    }

    /// What the coordinator answered to a heartbeat or a commit of this generation.
    pub(crate) fn handle_group_error(&mut self, now: Instant, code: ErrorCode) {
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS => self.rejoin = true,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => self.heartbeat.next = now + self.pauses.next_pause(),
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => {
                self.heartbeat.next = now;
                self.lose_coordinator(now);
            }
            _ if matches!(self.state, State::Stable | State::Revoking { .. }) => self.handle_error(now, code),
            _ => {}
        }
    }

    fn handle_error(&mut self, now: Instant, code: ErrorCode) {
        match code {
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.member_id = SmolStr::default();
                self.lose(LostReason::Expelled);
                self.state = State::Idle { not_before: now };
            }
            ErrorCode::ILLEGAL_GENERATION => {
                self.lose(LostReason::Expelled);
                self.state = State::Idle { not_before: now };
            }
            ErrorCode::REBALANCE_IN_PROGRESS => self.state = State::Idle { not_before: now },
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => self.retry(now, Coordinates::Lost),
            code if code.is_retriable() => self.retry(now, Coordinates::Stay),
            code => self.fail(code),
        }
    }

    fn retry(&mut self, now: Instant, coordinates: Coordinates) {
        let not_before = now + self.pauses.next_pause();
        if matches!(coordinates, Coordinates::Lost) {
            self.coordinator = Coordinator::Unknown { not_before };
        }
        self.state = State::Idle { not_before };
    }

    fn fail(&mut self, code: ErrorCode) {
        self.lose(if code == ErrorCode::FENCED_INSTANCE_ID { LostReason::Fenced } else { LostReason::Expelled });
        self.changes.push_back(Change::Failed(code));
        self.state = State::Failed;
    }
}

/// Whether the coordinator is still where it was.
#[derive(Clone, Copy)]
enum Coordinates {
    Stay,
    Lost,
}
