//! `LeaveGroup`: members go, one or, from version 3 on, several (KIP-345).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};

use crate::api::group;
use crate::core::{Call, Reply};
use crate::group::Group;
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: LeaveGroupRequest) -> Reply {
    let mut response = LeaveGroupResponse::default();
    if let Err(code) = group::check(state, call, &request.group_id) {
        response.error_code = code.0;
        return response.into();
    }
    let now = state.now;
    state.changed = true;
    let leave = |group: &mut Group, id: &str, instance: Option<&str>| group.leave(now, id, instance);
    let code = |left: Result<(), ErrorCode>| left.err().unwrap_or(ErrorCode::NONE).0;
    if call.version < 3 {
        let left = state.groups.change(&request.group_id, |group| leave(group, &request.member_id, None));
        response.error_code = code(left.unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID)));
        return response.into();
    }
    let of = |member: &MemberIdentity, left| MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: code(left),
        ..Default::default()
    };
    let left = state.groups.change(&request.group_id, |group| {
        let leave =
            |member: &MemberIdentity| of(member, leave(group, &member.member_id, member.group_instance_id.as_deref()));
        request.members.iter().map(leave).collect()
    });
    let unknown = || request.members.iter().map(|member| of(member, Err(ErrorCode::UNKNOWN_MEMBER_ID))).collect();
    response.members = left.unwrap_or_else(unknown);
    response.into()
}
