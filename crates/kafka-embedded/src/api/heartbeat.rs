//! `Heartbeat`: a member is there, and hears whether it has to join again.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::api::group;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: HeartbeatRequest) -> Reply {
    let code = heartbeat(state, call, &request).err().unwrap_or(ErrorCode::NONE);
    HeartbeatResponse { error_code: code.0, ..Default::default() }.into()
}

fn heartbeat(state: &mut State, call: &mut Call, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
    group::check(state, call, &request.group_id)?;
    let now = state.now;
    let beat = state.groups.change(&request.group_id, |group| {
        group.check_member(&request.member_id, request.group_instance_id.as_deref(), request.generation_id)?;
        group.heartbeat(now, &request.member_id)
    });
    beat.unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID))
}
