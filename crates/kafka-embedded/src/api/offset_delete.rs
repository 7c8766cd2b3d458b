//! `OffsetDelete`: a group forgets how far it has come (KIP-496).
//!
//! Sans-IO.

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
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let code = delete(state, &request.group_id, &topic.name, partition_index).err().unwrap_or(ErrorCode::NONE);
            let error_code = code.0;
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code, ..Default::default() });
        }
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions, ..Default::default() });
    }
    response.into()
}

fn check(state: &State, call: &mut Call, id: &SmolStr) -> Result<(), ErrorCode> {
    group::check(state, call, id)?;
    let group = state.groups.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
    // Members that are no consumers could be subscribed to anything.
    let opaque = group.state() != GroupState::Empty && group.protocol_type() != "consumer";
    if opaque { Err(ErrorCode::NON_EMPTY_GROUP) } else { Ok(()) }
}

fn delete(state: &mut State, id: &SmolStr, topic: &str, index: i32) -> Result<(), ErrorCode> {
    state.partition(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let group = state.groups.get_mut(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
    if group.members().any(|(_, member)| member.is_subscribed(group.protocol(), topic)) {
        return Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    }
    group.offsets.delete(topic, index);
    Ok(())
}
