//! `DescribeGroups`: state and members.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use smol_str::SmolStr;

use crate::api::group;
use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::group::{Group, GroupState, Member};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DescribeGroupsRequest) -> Reply {
    let groups = unique(request.groups, SmolStr::clone).into_iter().map(|id| describe(state, call, id)).collect();
    DescribeGroupsResponse { groups, ..Default::default() }.into()
}

fn describe(state: &State, call: &mut Call, group_id: SmolStr) -> DescribedGroup {
    let checked = group::check(state, call, &group_id);
    let mut described = DescribedGroup { group_id: group_id.clone(), ..Default::default() };
    if let Err(code) = checked {
        described.error_code = code.0;
        return described;
    }
    let Some(group) = state.groups.get(&group_id) else {
        described.group_state = SmolStr::new_static("Dead");
        // Only since version 6 it is an error (KIP-1043).
        if call.version >= 6 {
            described.error_code = ErrorCode::GROUP_ID_NOT_FOUND.0;
            described.error_message = Some(format!("Group {group_id} not found.").into());
        }
        return described;
    };
    let stable = group.state() == GroupState::Stable;
    described.group_state = SmolStr::new_static(group.state().name());
    described.protocol_type = group.protocol_type().clone();
    described.protocol_data = if stable { group.protocol().clone() } else { SmolStr::default() };
    described.members = group.members().map(|(id, member)| describe_member(group, id, member, stable)).collect();
    described
}

fn describe_member(group: &Group, id: &SmolStr, member: &Member, stable: bool) -> DescribedGroupMember {
    let subscription = &member.subscription;
    let (member_metadata, member_assignment) =
        if stable { (subscription.metadata(group.protocol()), member.assignment.clone()) } else { Default::default() };
    DescribedGroupMember {
        member_id: id.clone(),
        group_instance_id: subscription.instance_id.clone(),
        client_id: subscription.client.id.clone(),
        client_host: subscription.client.host.clone(),
        member_metadata,
        member_assignment,
        ..Default::default()
    }
}
