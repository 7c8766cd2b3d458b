//! `OffsetFetch`: where a group, or from version 8 on several, go on.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::Uuid;
use kafka_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use smol_str::SmolStr;

use crate::api::group;
use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: OffsetFetchRequest) -> Reply {
    if call.version >= 8 {
        // Each once: a few bytes would ask for all that a group has, again and again.
        let groups = unique(request.groups, |group| group.group_id.clone());
        let stable = request.require_stable;
        let groups = groups.into_iter().map(|group| fetch(state, call, group, stable)).collect();
        return OffsetFetchResponse { groups, ..Default::default() }.into();
    }
    let topics = request.topics.map(|topics| {
        let modern = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        });
        modern.collect()
    });
    let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    let fetched = fetch(state, call, group, request.require_stable);
    let topics = fetched.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
            ..Default::default()
        });
        OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect(), ..Default::default() }
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: fetched.error_code, ..Default::default() }.into()
}

fn fetch(state: &State, call: &mut Call, asked: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchResponseGroup {
    let by_id = call.version >= 10;
    let refused = group::check(state, call, &asked.group_id).err();
    let mut response = OffsetFetchResponseGroup { group_id: asked.group_id.clone(), ..Default::default() };
    response.error_code = refused.unwrap_or(ErrorCode::NONE).0;
    if refused.is_some() && call.version >= 2 {
        return response;
    }
    let topics = asked.topics.unwrap_or_else(|| everything(state, &asked.group_id, by_id));
    for topic in topics {
        let name = if by_id { state.name_of(topic.topic_id) } else { Some(topic.name.clone()) };
        let code = refused.or_else(|| name.is_none().then_some(ErrorCode::UNKNOWN_TOPIC_ID));
        let name = name.unwrap_or_default();
        let group = state.groups.get(&asked.group_id).filter(|_| stable);
        let partition = |index| {
            // What a transaction decides is not to be gone by (KIP-447).
            let undecided = group.is_some_and(|group| group.offsets.is_held(&name, index));
            let code = code.or_else(|| undecided.then_some(ErrorCode::UNSTABLE_OFFSET_COMMIT));
            partition(state, &asked.group_id, &name, index, code.unwrap_or(ErrorCode::NONE))
        };
        let partitions = topic.partition_indexes.into_iter().map(partition).collect();
        let (name, topic_id) = (topic.name, topic.topic_id);
        response.topics.push(OffsetFetchResponseTopics { name, topic_id, partitions, ..Default::default() });
    }
    response
}

/// All that the group has committed.
fn everything(state: &State, group: &SmolStr, by_id: bool) -> Vec<OffsetFetchRequestTopics> {
    let topics = state.groups.get(group).map(|group| group.offsets.by_topic()).unwrap_or_default();
    let asked = topics.into_iter().map(|(name, partition_indexes)| {
        let topic_id = state.topic(&name).map_or(Uuid::ZERO, |topic| topic.id);
        let (name, topic_id) = if by_id { (SmolStr::default(), topic_id) } else { (name, Uuid::ZERO) };
        OffsetFetchRequestTopics { name, topic_id, partition_indexes, ..Default::default() }
    });
    asked.collect()
}

fn partition(
    state: &State,
    group: &str,
    topic: &str,
    partition_index: i32,
    code: ErrorCode,
) -> OffsetFetchResponsePartitions {
    let committed = state.groups.get(group).and_then(|group| group.offsets.get(topic, partition_index));
    let committed = committed.filter(|_| !code.is_error());
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(committed.map(|committed| committed.metadata.clone()).unwrap_or_default()),
        error_code: code.0,
        ..Default::default()
    }
}
