//! `OffsetCommit`: how far a group has come.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use smol_str::SmolStr;

use crate::api::group;
use crate::core::{Call, Reply};
use crate::group::{Committed, GroupState};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: OffsetCommitRequest) -> Reply {
    let allowed = check(state, call, &request);
    let mut response = OffsetCommitResponse::default();
    for topic in request.topics {
        let name = if call.version >= 10 { state.name_of(topic.topic_id) } else { Some(topic.name.clone()) };
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let committed = match (&name, allowed) {
                (_, Err(code)) => Err(code),
                (None, Ok(())) => Err(ErrorCode::UNKNOWN_TOPIC_ID),
                (Some(name), Ok(())) => commit(state, call, &request.group_id, name, partition),
            };
            let error_code = committed.err().unwrap_or(ErrorCode::NONE).0;
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code, ..Default::default() });
        }
        let (name, topic_id) = (topic.name, topic.topic_id);
        response.topics.push(OffsetCommitResponseTopic { name, topic_id, partitions, ..Default::default() });
    }
    response.into()
}

/// Whether who asks may commit: a member of this generation, or anybody where the group has no members.
fn check(state: &mut State, call: &Call, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    group::is_coordinator(state, call, &request.group_id)?;
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let generation = request.generation_id_or_member_epoch;
    let (now, max) = (state.now, state.config.limits.max_groups);
    let Some(group) = state.groups.get_mut(&request.group_id) else {
        // Nobody's member commits for itself; whoever says it is one, was, long ago.
        if generation >= 0 {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        return state.groups.get_or_create(&request.group_id, max).map(|_| ());
    };
    if generation < 0 && group.state() == GroupState::Empty {
        return Ok(());
    }
    if generation >= 0 || !request.member_id.is_empty() || request.group_instance_id.is_some() {
        group.check_member(&request.member_id, request.group_instance_id.as_deref(), generation)?;
    } else {
        return Err(ErrorCode::UNKNOWN_MEMBER_ID);
    }
    if group.state() == GroupState::CompletingRebalance {
        return Err(ErrorCode::REBALANCE_IN_PROGRESS);
    }
    // It counts as a heartbeat, but is not refused while others join: so members commit before they do.
    let _rebalancing = group.heartbeat(now, &request.member_id);
    Ok(())
}

fn commit(
    state: &mut State,
    call: &mut Call,
    group: &SmolStr,
    topic: &SmolStr,
    partition: OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    if let Some(code) = call.injected(topic, partition.partition_index) {
        return Err(code);
    }
    state.partition(topic, partition.partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = partition.committed_metadata.unwrap_or_default();
    if metadata.len() > MAX_METADATA {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
    let max = state.config.limits.max_group_offsets;
    let group = state.groups.get_mut(group).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    let fits =
        group.offsets.commit(topic, partition.partition_index, Committed { offset, leader_epoch, metadata }, max);
    if fits { Ok(()) } else { Err(ErrorCode::INVALID_COMMIT_OFFSET_SIZE) }
}

/// Bytes (`offset.metadata.max.bytes`).
const MAX_METADATA: usize = 4096;
