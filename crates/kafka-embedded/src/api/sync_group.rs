//! `SyncGroup`: the leader brings what it divided, everybody gets their part.
//!
//! Sans-IO.

use std::time::Instant;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use smol_str::SmolStr;

use crate::api::group;
use crate::core::{Call, Reply, Wait};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: SyncGroupRequest) -> Reply {
    let mut wait = Syncing {
        group_id: request.group_id.clone(),
        member_id: request.member_id.clone(),
        generation: request.generation_id,
        instance: request.group_instance_id.clone(),
    };
    match sync(state, call, request) {
        Ok(()) => wait.poll(state, call).unwrap_or_else(|| Reply::Wait(Box::new(wait))),
        Err(code) => SyncGroupResponse { error_code: code.0, ..Default::default() }.into(),
    }
}

fn sync(state: &mut State, call: &mut Call, request: SyncGroupRequest) -> Result<(), ErrorCode> {
    group::check(state, call, &request.group_id)?;
    let (rules, now) = (group::rules(state), state.now);
    let synced = state.groups.change(&request.group_id, |group| {
        group.check_member(&request.member_id, request.group_instance_id.as_deref(), request.generation_id)?;
        let other_type = request.protocol_type.is_some_and(|name| name != *group.protocol_type());
        let other_name = request.protocol_name.is_some_and(|name| name != *group.protocol());
        if other_type || other_name {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let assignments = request.assignments.into_iter().map(|one| (one.member_id, one.assignment));
        group.sync(now, &request.member_id, assignments, &rules).map(|_| ())
    });
    // Whatever came of it, others may wait for it.
    state.changed = true;
    synced.unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID))
}

/// A member that waits for the leader.
#[derive(Debug)]
struct Syncing {
    group_id: SmolStr,
    member_id: SmolStr,
    generation: i32,
    instance: Option<SmolStr>,
}

impl Wait for Syncing {
    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn poll(&mut self, state: &mut State, call: &mut Call) -> Option<Reply> {
        let coordinated = group::is_coordinator(state, call, &self.group_id);
        let group = coordinated.and_then(|()| state.groups.get(&self.group_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID));
        let polled = group.and_then(|group| {
            let assignment = group.poll_sync(&self.member_id, self.generation, self.instance.as_deref())?;
            Ok(assignment.map(|assignment| (group, assignment)))
        });
        match polled {
            Ok(None) => None,
            Ok(Some((group, assignment))) => {
                let named = |name: &SmolStr| (call.version >= 5).then(|| name.clone());
                let (protocol_type, protocol_name) = (named(group.protocol_type()), named(group.protocol()));
                Some(SyncGroupResponse { protocol_type, protocol_name, assignment, ..Default::default() }.into())
            }
            Err(code) => Some(SyncGroupResponse { error_code: code.0, ..Default::default() }.into()),
        }
    }
}
