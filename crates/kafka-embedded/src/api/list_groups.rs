//! `ListGroups`: those that the broker coordinates.
//!
//! Sans-IO.

use kafka_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use smol_str::SmolStr;

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ListGroupsRequest) -> Reply {
    if let Some(code) = call.injected_whole() {
        return ListGroupsResponse { error_code: code.0, ..Default::default() }.into();
    }
    let wanted = |filter: &[SmolStr], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let here = state.groups.iter().filter(|(id, _)| state.coordinator(0, id) == Some(call.broker));
    let listed = here.filter(|(_, group)| wanted(&request.states_filter, group.state().name()));
    let listed = listed.filter(|_| wanted(&request.types_filter, CLASSIC)).map(|(id, group)| ListedGroup {
        group_id: id.clone(),
        protocol_type: group.protocol_type().clone(),
        group_state: SmolStr::new_static(group.state().name()),
        group_type: SmolStr::new_static(CLASSIC),
        ..Default::default()
    });
    ListGroupsResponse { groups: listed.collect(), ..Default::default() }.into()
}

const CLASSIC: &str = "classic";
