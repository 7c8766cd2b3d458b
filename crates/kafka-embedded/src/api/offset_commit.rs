//! `OffsetCommit`: how far a group has come.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use smol_str::SmolStr;

use crate::api::group::{self, Committer};
use crate::core::{Call, Reply};
use crate::group::Committed;
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: OffsetCommitRequest) -> Reply {
    let committer = Committer {
        group_id: &request.group_id,
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
        in_transaction: false,
    };
    let allowed = committer.check(state, call);
    let mut response = OffsetCommitResponse::default();
    let mut commits = Vec::new();
    for topic in request.topics {
        let name = if call.version >= 10 { state.name_of(topic.topic_id) } else { Some(topic.name.clone()) };
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let checked = match (&name, allowed) {
                (_, Err(code)) => Err(code),
                (None, Ok(())) => Err(ErrorCode::UNKNOWN_TOPIC_ID),
                (Some(name), Ok(())) => committed(state, call, name, partition).map(|committed| (name, committed)),
            };
            let error_code = checked.as_ref().err().copied().unwrap_or(ErrorCode::NONE).0;
            if let Ok((name, committed)) = checked {
                let place = (response.topics.len(), partitions.len());
                commits.push(Commit { topic: name.clone(), partition: partition_index, committed, place });
            }
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code, ..Default::default() });
        }
        let (name, topic_id) = (topic.name, topic.topic_id);
        response.topics.push(OffsetCommitResponseTopic { name, topic_id, partitions, ..Default::default() });
    }
    commit(state, &request.group_id, commits, &mut response);
    response.into()
}

/// An offset that may be committed, and where in the response its answer stands.
struct Commit {
    topic: SmolStr,
    partition: i32,
    committed: Committed,
    place: (usize, usize),
}

/// What is to be committed for a partition, if it may be.
fn committed(
    state: &State,
    call: &mut Call,
    topic: &SmolStr,
    partition: OffsetCommitRequestPartition,
) -> Result<Committed, ErrorCode> {
    if let Some(code) = call.injected(topic, partition.partition_index) {
        return Err(code);
    }
    let metadata = checked_metadata(state, topic, partition.partition_index, partition.committed_metadata)?;
    let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
    Ok(Committed { offset, leader_epoch, metadata })
}

/// What is to be remembered with an offset, if the partition is there and it is not too long.
pub(crate) fn checked_metadata(
    state: &State,
    topic: &str,
    partition: i32,
    metadata: Option<SmolStr>,
) -> Result<SmolStr, ErrorCode> {
    state.partition(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = metadata.unwrap_or_default();
    if metadata.len() > MAX_METADATA { Err(ErrorCode::OFFSET_METADATA_TOO_LARGE) } else { Ok(metadata) }
}

/// Commits as many as there is room for; the others are refused in the response.
fn commit(state: &mut State, group: &SmolStr, commits: Vec<Commit>, response: &mut OffsetCommitResponse) {
    let (max, mut room) = (state.config.limits.max_group_offsets, group::rules(state).room);
    state.groups.change(group, |group| {
        for Commit { topic, partition, committed, place: (at_topic, at_partition) } in commits {
            let before = group.offsets.size();
            if group.offsets.commit(&topic, partition, committed, max, room) {
                room = (room + before).saturating_sub(group.offsets.size());
                continue;
            }
            let answer = response.topics.get_mut(at_topic).and_then(|topic| topic.partitions.get_mut(at_partition));
            if let Some(answer) = answer {
                answer.error_code = ErrorCode::INVALID_COMMIT_OFFSET_SIZE.0;
            }
        }
    });
}

/// Bytes (`offset.metadata.max.bytes`).
const MAX_METADATA: usize = 4096;
