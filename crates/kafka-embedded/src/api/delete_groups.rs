//! `DeleteGroups`: those without members.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::api::group;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DeleteGroupsRequest) -> Reply {
    let mut results = Vec::new();
    for group_id in request.groups_names {
        let deleted = group::check(state, call, &group_id).and_then(|()| state.groups.delete(&group_id));
        let error_code = deleted.err().unwrap_or(ErrorCode::NONE).0;
        results.push(DeletableGroupResult { group_id, error_code, ..Default::default() });
    }
    DeleteGroupsResponse { results, ..Default::default() }.into()
}
