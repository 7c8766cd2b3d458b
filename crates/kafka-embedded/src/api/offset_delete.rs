//! `OffsetDelete`: a group forgets how far it has come (KIP-496).
//!
//! Sans-IO.

use std::collections::BTreeSet;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use smol_str::SmolStr;

use crate::api::group;
use crate::core::{Call, Reply};
use crate::group::GroupState;
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: OffsetDeleteRequest) -> Reply {
    let mut response = OffsetDeleteResponse::default();
    if let Err(code) = check(state, call, &request.group_id) {
        response.error_code = code.0;
        return response.into();
    }
    let subscribed = subscribed(state, &request.group_id);
    let mut deleted = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let code = match state.partition(&topic.name, partition_index) {
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                Some(_) if subscribed.contains(&topic.name) => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
                Some(_) => {
                    deleted.push((topic.name.clone(), partition_index));
                    ErrorCode::NONE
                }
            };
            let error_code = code.0;
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code, ..Default::default() });
        }
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions, ..Default::default() });
    }
    state.groups.change(&request.group_id, |group| {
        deleted.iter().for_each(|(topic, partition)| group.offsets.delete(topic, *partition));
    });
    response.into()
}

/// The topics that members of a group are subscribed to: how far they have come is not forgotten.
fn subscribed(state: &State, id: &SmolStr) -> BTreeSet<SmolStr> {
    let topics = state
        .groups
        .get(id)
        .map(|group| group.members().flat_map(|(_, member)| member.topics(group.protocol())).collect());
    topics.unwrap_or_default()
}

fn check(state: &State, call: &mut Call, id: &SmolStr) -> Result<(), ErrorCode> {
    group::check(state, call, id)?;
    let group = state.groups.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
    // Members that are no consumers could be subscribed to anything.
    let opaque = group.state() != GroupState::Empty && group.protocol_type() != "consumer";
    if opaque { Err(ErrorCode::NON_EMPTY_GROUP) } else { Ok(()) }
}
