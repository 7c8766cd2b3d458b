//! `TxnOffsetCommit`: how far a group has come, if the transaction is committed.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use crate::api::group::{self, Committer};
use crate::api::offset_commit::checked_metadata;
use crate::core::{Call, Reply};
use crate::group::Committed;
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: TxnOffsetCommitRequest) -> Reply {
    let allowed = check(state, call, &request);
    let (max, room) = (state.config.limits.max_group_offsets, group::rules(state).room);
    let mut response = TxnOffsetCommitResponse::default();
    let mut held = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let checked = match (allowed, call.injected(&topic.name, partition_index)) {
                (Err(code), _) | (Ok(()), Some(code)) => Err(code),
                (Ok(()), None) => checked_metadata(state, &topic.name, partition_index, partition.committed_metadata),
            };
            let error_code = checked.as_ref().err().copied().unwrap_or(ErrorCode::NONE).0;
            if let Ok(metadata) = checked {
                let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
                let place = (response.topics.len(), partitions.len());
                held.push((topic.name.clone(), partition_index, Committed { offset, leader_epoch, metadata }, place));
            }
            partitions.push(TxnOffsetCommitResponsePartition { partition_index, error_code, ..Default::default() });
        }
        response.topics.push(TxnOffsetCommitResponseTopic { name: topic.name, partitions, ..Default::default() });
    }
    state.groups.change(&request.group_id, |group| {
        let before = group.offsets.size();
        for (topic, partition, committed, (at_topic, at_partition)) in held {
            let room = (room + before).saturating_sub(group.offsets.size());
            if group.offsets.hold(request.producer_id, &topic, partition, committed, max, room) {
                continue;
            }
            let answer = response.topics.get_mut(at_topic).and_then(|topic| topic.partitions.get_mut(at_partition));
            if let Some(answer) = answer {
                answer.error_code = ErrorCode::INVALID_COMMIT_OFFSET_SIZE.0;
            }
        }
    });
    response.into()
}

fn check(state: &mut State, call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    let committer = Committer {
        group_id: &request.group_id,
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
        in_transaction: true,
    };
    committer.check(state, call)?;
    let (id, producer_id) = (&request.transactional_id, request.producer_id);
    state.transactions.check_group(id, producer_id, request.producer_epoch, &request.group_id)
}
