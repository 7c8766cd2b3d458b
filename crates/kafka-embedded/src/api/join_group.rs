//! `JoinGroup`: a member wants to be in the next generation.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use smol_str::SmolStr;

use crate::api::group;
use crate::api::unique::unique;
use crate::core::{Call, Reply, Wait};
use crate::group::{Client, Group, Joined, Rules, Subscription, member_id};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: JoinGroupRequest) -> Reply {
    let (group_id, instance) = (request.group_id.clone(), request.group_instance_id.clone());
    let asked = request.member_id.clone();
    match join(state, call, request) {
        Ok(Joined::Waiting(member_id, number)) => {
            state.changed = true;
            let mut wait = Joining { group_id, member_id, number, instance };
            wait.poll(state, call).unwrap_or_else(|| Reply::Wait(Box::new(wait)))
        }
        Ok(Joined::Member { member_id, leader, skip_assignment }) => {
            state.changed = true;
            let group = state.groups.get(&group_id);
            group.map_or(Reply::Close, |group| response(call, group, member_id, leader, skip_assignment).into())
        }
        Err((code, member_id)) => refused(call, code, member_id.unwrap_or(asked)).into(),
    }
}

/// Why not, and which id the member is to come back with.
type Refused = (ErrorCode, Option<SmolStr>);

fn join(state: &mut State, call: &mut Call, request: JoinGroupRequest) -> Result<Joined, Refused> {
    let refused = |code| (code, None);
    group::check(state, call, &request.group_id).map_err(refused)?;
    if request.group_id.is_empty() {
        return Err(refused(ErrorCode::INVALID_GROUP_ID));
    }
    let range = state.config.min_session_timeout..=state.config.max_session_timeout;
    let session_timeout = millis(request.session_timeout_ms);
    if !range.contains(&session_timeout) {
        return Err(refused(ErrorCode::INVALID_SESSION_TIMEOUT));
    }
    let rebalance_timeout = millis(request.rebalance_timeout_ms);
    let protocols = unique(request.protocols, |protocol| protocol.name.clone());
    let bytes: usize = protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
    let limits = &state.config.limits;
    if protocols.len() > limits.max_member_protocols || bytes > limits.max_member_bytes {
        return Err(refused(ErrorCode::INVALID_REQUEST));
    }
    // Copies: what came are slices of a whole frame.
    let protocols = protocols.into_iter().map(|protocol| (protocol.name, Bytes::copy_from_slice(&protocol.metadata)));
    let subscription = Subscription {
        client: Client { id: call.client_id.clone(), host: format!("/{}", call.client_host).into() },
        instance_id: request.group_instance_id,
        session_timeout,
        // Version 0 has one timeout for both.
        rebalance_timeout: if call.version == 0 {
            session_timeout
        } else {
            rebalance_timeout.max(MIN_REBALANCE_TIMEOUT)
        },
        protocol_type: request.protocol_type,
        protocols: protocols.collect(),
    };
    if state.groups.get(&request.group_id).is_none() && !request.member_id.is_empty() {
        return Err(refused(ErrorCode::UNKNOWN_MEMBER_ID));
    }
    state.groups.create(&request.group_id, &state.config.limits).map_err(refused)?;
    let (rules, now) = (group::rules(state), state.now);
    let State { groups, rng, .. } = state;
    let joined = groups.change(&request.group_id, |group| {
        let joiner = Joiner { now, call, id: request.member_id, subscription, rules };
        joiner.join(group, rng)
    });
    joined.unwrap_or_else(|| Err(refused(ErrorCode::UNKNOWN_MEMBER_ID)))
}

/// Who joins, with all that is known of it.
struct Joiner<'a> {
    now: Instant,
    call: &'a Call,
    id: SmolStr,
    subscription: Subscription,
    rules: Rules,
}

impl Joiner<'_> {
    fn join(self, group: &mut Group, rng: &mut Rng) -> Result<Joined, Refused> {
        let Self { now, call, id, subscription, rules } = self;
        let refused = |code| (code, None);
        let instance = subscription.instance_id.clone();
        let known = instance.as_ref().map(|instance| group.instance(instance).cloned());
        let joined = match known {
            // A static member whose instance is known: back under another id, or the old one again.
            Some(Some(_)) if id.is_empty() => {
                let id = member_id(instance.as_deref().unwrap_or_default(), rng);
                group.replace(now, id, subscription, call.version >= 9, &rules)
            }
            Some(Some(known)) if known != id => Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(Some(_)) => group.join_again(now, &id, subscription, &rules),
            Some(None) if id.is_empty() => {
                let id = member_id(instance.as_deref().unwrap_or_default(), rng);
                group.join_new(now, id, subscription, &rules)
            }
            Some(None) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            None if id.is_empty() => {
                let id = member_id(&call.client_id, rng);
                if call.version < 4 {
                    group.join_new(now, id, subscription, &rules)
                } else {
                    // It has to come back with the id, so that members that never do cost nothing (KIP-394).
                    let until = now.checked_add(subscription.session_timeout).unwrap_or(now);
                    group.add_pending(id.clone(), until, &rules).map_err(refused)?;
                    return Err((ErrorCode::MEMBER_ID_REQUIRED, Some(id)));
                }
            }
            None if group.is_pending(&id) => group.join_new(now, id, subscription, &rules),
            None => group.join_again(now, &id, subscription, &rules),
        };
        joined.map_err(refused)
    }
}

fn millis(time: i32) -> Duration {
    Duration::from_millis(time.max(0) as u64)
}

fn refused(call: &Call, code: ErrorCode, member_id: SmolStr) -> JoinGroupResponse {
    // From version 7 on there may be none.
    let protocol_name = if call.version >= 7 { None } else { Some(SmolStr::default()) };
    JoinGroupResponse { error_code: code.0, generation_id: -1, protocol_name, member_id, ..Default::default() }
}

fn response(
    call: &Call,
    group: &Group,
    member_id: SmolStr,
    leader: SmolStr,
    skip_assignment: bool,
) -> JoinGroupResponse {
    let protocol = group.protocol();
    let mut members = Vec::new();
    if leader == member_id {
        members.extend(group.members().map(|(id, member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.subscription.instance_id.clone(),
            metadata: member.subscription.metadata(protocol),
            ..Default::default()
        }));
    }
    JoinGroupResponse {
        generation_id: group.generation(),
        protocol_type: (call.version >= 7).then(|| group.protocol_type().clone()),
        protocol_name: Some(protocol.clone()),
        leader,
        skip_assignment,
        member_id,
        members,
        ..Default::default()
    }
}

/// A member that waits for the others.
#[derive(Debug)]
struct Joining {
    group_id: SmolStr,
    member_id: SmolStr,
    number: u64,
    instance: Option<SmolStr>,
}

impl Wait for Joining {
    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply> {
        let coordinated = group::is_coordinator(state, call, &self.group_id);
        let group = coordinated.and_then(|()| state.groups.get(&self.group_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID));
        let polled = group.and_then(|group| {
            let through = group.poll_join(&self.member_id, self.number, self.instance.as_deref())?;
            Ok(through.then_some(group))
        });
        match polled {
            Ok(None) => None,
            Ok(Some(group)) => {
                let leader = group.leader().clone();
                Some(response(call, group, self.member_id.clone(), leader, false).into())
            }
            Err(code) => Some(refused(call, code, self.member_id.clone()).into()),
        }
    }
}

/// In no time nobody could join.
const MIN_REBALANCE_TIMEOUT: Duration = Duration::from_secs(1);
