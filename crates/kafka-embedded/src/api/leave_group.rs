//! `LeaveGroup`: members go, one or, from version 3 on, several (KIP-345).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use crate::api::group;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: LeaveGroupRequest) -> Reply {
    let mut response = LeaveGroupResponse::default();
    if let Err(code) = group::check(state, call, &request.group_id) {
        response.error_code = code.0;
        return response.into();
    }
    let (rules, now) = (group::rules(state), state.now);
    state.changed = true;
    let mut leave = |id: &str, instance: Option<&str>| {
        let group = state.groups.get_mut(&request.group_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID);
        group.and_then(|group| group.leave(now, id, instance, &rules)).err().unwrap_or(ErrorCode::NONE).0
    };
    if call.version < 3 {
        response.error_code = leave(&request.member_id, None);
        return response.into();
    }
    for member in request.members {
        let error_code = leave(&member.member_id, member.group_instance_id.as_deref());
        let (member_id, group_instance_id) = (member.member_id, member.group_instance_id);
        response.members.push(MemberResponse { member_id, group_instance_id, error_code, ..Default::default() });
    }
    response.into()
}
