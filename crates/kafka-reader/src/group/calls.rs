//! What a member asks brokers: where its coordinator is, what is committed, which topics there are.

use std::collections::{BTreeMap, BTreeSet};

use kafka_conn::{BrokerId, CallOptions, Cluster, Connection, Route, Transport};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use kafka_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use smol_str::SmolStr;

use super::commits::CommitOffset;
use crate::assignor::{GroupTopics, PartitionRacks};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::Listed;
use crate::topic_partition::TopicPartition;

/// The last version that names topics; later ones use ids only.
const LAST_VERSION_WITH_NAMES: i16 = 9;

/// The coordinator of a group, and a connection of this member's own to it.
pub(super) async fn find_coordinator(transport: &Transport, group_id: &SmolStr) -> Result<(BrokerId, Connection)> {
    let key = group_id.clone();
    let request = FindCoordinatorRequest { key: key.clone(), coordinator_keys: vec![key], ..Default::default() };
    let connection = transport.connection(Route::Any, kafka_conn::Lane::General).await?;
    let version = connection.version_for::<FindCoordinatorRequest>(None)?;
    // One key, or a list of them: each version has a field of its own for it.
    let request = match version {
        ..4 => FindCoordinatorRequest { coordinator_keys: Vec::new(), ..request },
        _ => FindCoordinatorRequest { key: SmolStr::default(), ..request },
    };
    let response = connection.call(&request).await?;
    let (code, id) = read_coordinator(&response, group_id);
    code.check().map_err(|code| Error::new(ErrorKind::Broker(code)))?;
    if transport.cluster().broker(id).is_none() {
        transport.refresh(&[]).await?;
    }
    Ok((id, transport.dedicated(id).await?))
}

fn read_coordinator(response: &FindCoordinatorResponse, group_id: &SmolStr) -> (ErrorCode, BrokerId) {
    match response.coordinators.iter().find(|coordinator| coordinator.key == *group_id) {
        Some(coordinator) => (ErrorCode(coordinator.error_code), BrokerId(coordinator.node_id)),
        None if response.coordinators.is_empty() => (ErrorCode(response.error_code), BrokerId(response.node_id)),
        None => (ErrorCode::COORDINATOR_NOT_AVAILABLE, BrokerId(-1)),
    }
}

/// Who commits.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    pub(super) group_id: SmolStr,
    pub(super) instance_id: Option<SmolStr>,
    pub(super) member_id: SmolStr,
    pub(super) generation: i32,
}

/// Commits offsets; the answer has a code for each.
pub(super) async fn commit(
    transport: &Transport,
    coordinator: BrokerId,
    committer: Committer,
    offsets: &[(TopicPartition, CommitOffset)],
) -> Result<BTreeMap<TopicPartition, ErrorCode>> {
    let mut topics: BTreeMap<&SmolStr, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (TopicPartition { topic, partition }, mark) in offsets {
        topics.entry(topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: mark.offset,
            committed_leader_epoch: mark.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(mark.metadata.clone()),
            ..Default::default()
        });
    }
    let topic = |(name, partitions): (&SmolStr, _)| OffsetCommitRequestTopic {
        name: name.clone(),
        partitions,
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: committer.group_id,
        generation_id_or_member_epoch: committer.generation,
        member_id: committer.member_id,
        group_instance_id: committer.instance_id,
        topics: topics.into_iter().map(topic).collect(),
        ..OffsetCommitRequest::default()
    };
    let options = CallOptions { max_version: Some(LAST_VERSION_WITH_NAMES), ..CallOptions::default() };
    let response: OffsetCommitResponse = transport.call_with(&request, Route::Broker(coordinator), options).await?;
    let codes = response.topics.iter().flat_map(|topic| {
        let name = &topic.name;
        topic.partitions.iter().map(move |partition| {
            (TopicPartition::new(name.clone(), partition.partition_index), ErrorCode(partition.error_code))
        })
    });
    Ok(codes.collect())
}

/// The offsets that a group has committed; -1 where it has none.
pub(super) async fn committed(
    transport: &Transport,
    coordinator: BrokerId,
    group_id: &SmolStr,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Listed>> {
    let mut topics: BTreeMap<&SmolStr, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let connection = transport.connection(Route::Broker(coordinator), kafka_conn::Lane::General).await?;
    let version = connection.version_for::<OffsetFetchRequest>(Some(LAST_VERSION_WITH_NAMES))?;
    let request = match version {
        ..8 => OffsetFetchRequest {
            group_id: group_id.clone(),
            topics: Some(
                topics
                    .into_iter()
                    .map(|(name, indexes)| OffsetFetchRequestTopic {
                        name: name.clone(),
                        partition_indexes: indexes,
                        ..Default::default()
                    })
                    .collect(),
            ),
            require_stable: version >= 7,
            ..OffsetFetchRequest::default()
        },
        _ => {
            let topics = topics.into_iter().map(|(name, indexes)| OffsetFetchRequestTopics {
                name: name.clone(),
                partition_indexes: indexes,
                ..Default::default()
            });
            let group = OffsetFetchRequestGroup {
                group_id: group_id.clone(),
                topics: Some(topics.collect()),
                ..OffsetFetchRequestGroup::default()
            };
            OffsetFetchRequest { groups: vec![group], require_stable: true, ..OffsetFetchRequest::default() }
        }
    };
    let options = CallOptions { max_version: Some(LAST_VERSION_WITH_NAMES), ..CallOptions::default() };
    let response = connection.call_with(&request, options).await?;
    read_committed(&response, partitions)
}

fn read_committed(
    response: &OffsetFetchResponse,
    wanted: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Listed>> {
    let group = response.groups.first();
    ErrorCode(group.map_or(response.error_code, |group| group.error_code)).check().map_err(broker)?;
    let old = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            (
                topic.name.clone(),
                partition.partition_index,
                partition.error_code,
                partition.committed_offset,
                partition.committed_leader_epoch,
            )
        })
    });
    let new = group.iter().flat_map(|group| &group.topics).flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            (
                topic.name.clone(),
                partition.partition_index,
                partition.error_code,
                partition.committed_offset,
                partition.committed_leader_epoch,
            )
        })
    });
    let mut found = BTreeMap::new();
    for (topic, index, code, offset, leader_epoch) in old.chain(new) {
        let partition = TopicPartition::new(topic, index);
        ErrorCode(code).check().map_err(|code| broker(code).with_partition(&partition.topic, index))?;
        found.insert(partition, Listed { offset, leader_epoch });
    }
    match wanted.iter().find(|partition| !found.contains_key(*partition)) {
        Some(missing) => Err(broker(ErrorCode::OFFSET_NOT_AVAILABLE).with_partition(&missing.topic, missing.partition)),
        None => Ok(found),
    }
}

fn broker(code: ErrorCode) -> Error {
    Error::new(ErrorKind::Broker(code))
}

/// The partitions of topics, with the racks of their replicas. Topics that do not exist are left out.
pub(super) async fn partitions(transport: &Transport, topics: &BTreeSet<SmolStr>) -> Result<GroupTopics> {
    let names: Vec<_> = topics.iter().map(SmolStr::as_str).collect();
    let cluster = transport.refresh(&names).await?;
    let mut all = GroupTopics::new();
    for topic in topics.iter().filter_map(|name| cluster.topic(name)) {
        match topic.error {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => continue,
            // Without it nobody would get its partitions.
            code if code.is_retriable() => return Err(broker(code).with_topic(&topic.name)),
            _ => continue,
        }
        let racks = topic.partitions.iter().map(|partition| racks(&cluster, partition)).collect();
        all.insert_with_racks(topic.name.clone(), racks);
    }
    Ok(all)
}

fn racks(cluster: &Cluster, partition: &kafka_conn::Partition) -> PartitionRacks {
    let rack = |id: &BrokerId| cluster.broker(*id).and_then(|broker| broker.rack.clone());
    PartitionRacks {
        leader: partition.leader.as_ref().and_then(rack),
        replicas: partition.replicas.iter().filter_map(rack).collect(),
    }
}
