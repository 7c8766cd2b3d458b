//! `Metadata`: brokers, topics, and who leads what.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};

use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::{NewTopic, Partition, State, Topic, check_name};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: MetadataRequest) -> Reply {
    let create = state.config.auto_create_topics && request.allow_auto_topic_creation;
    let topics = match request.topics {
        // In version 0 no topic means all of them, later null does.
        Some(topics) if !(topics.is_empty() && call.version == 0) => {
            let topics = unique(topics, |topic| (topic.name.clone(), topic.topic_id));
            topics.into_iter().map(|topic| named(state, call, topic, create)).collect()
        }
        _ => {
            let names: Vec<_> = state.topics.keys().cloned().collect();
            let known = names.iter().filter_map(|name| state.topic(name).map(|topic| (name, topic)));
            known.map(|(name, topic)| or_injected(call, name, describe(state, topic))).collect()
        }
    };
    let broker = |broker: &crate::state::Broker| MetadataResponseBroker {
        node_id: broker.id,
        host: broker.host.clone(),
        port: broker.port.into(),
        rack: broker.rack.clone(),
        ..Default::default()
    };
    MetadataResponse {
        brokers: state.alive().map(broker).collect(),
        cluster_id: Some(state.config.cluster_id.clone()),
        controller_id: state.controller(),
        topics,
        ..Default::default()
    }
    .into()
}

fn named(state: &mut State, call: &mut Call, asked: MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    if !asked.topic_id.is_zero() && asked.name.as_ref().is_none_or(|name| name.is_empty()) {
        let Some(topic) = state.name_of(asked.topic_id).and_then(|name| state.topic(&name)) else {
            let name = if call.version >= 12 { None } else { Some(Default::default()) };
            let error_code = ErrorCode::UNKNOWN_TOPIC_ID.0;
            return MetadataResponseTopic { error_code, name, topic_id: asked.topic_id, ..Default::default() };
        };
        return or_injected(call, &topic.name, describe(state, topic));
    }
    let name = asked.name.unwrap_or_default();
    if let Some(topic) = state.topic(&name) {
        return or_injected(call, &name, describe(state, topic));
    }
    let code = match check_name(&name) {
        Err((code, _)) => code,
        Ok(()) => {
            if create {
                let new = NewTopic { name: name.clone(), partitions: -1, replication_factor: -1, ..Default::default() };
                let created = state.create_topic(&new, false);
                tracing::debug!(topic = %name, ?created, "created a topic that was asked for");
            }
            // It will be there the next time, as with KRaft.
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
    };
    let missing = MetadataResponseTopic { error_code: code.0, name: Some(name.clone()), ..Default::default() };
    or_injected(call, &name, missing)
}

fn or_injected(call: &mut Call, name: &str, topic: MetadataResponseTopic) -> MetadataResponseTopic {
    match call.injected_topic(name) {
        Some(code) => MetadataResponseTopic { error_code: code.0, partitions: Vec::new(), ..topic },
        None => topic,
    }
}

fn describe(state: &State, topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..).zip(topic.partitions());
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: matches!(&*topic.name, "__consumer_offsets" | "__transaction_state"),
        partitions: partitions.map(|(index, partition)| describe_partition(state, index, partition)).collect(),
        ..Default::default()
    }
}

fn describe_partition(state: &State, partition_index: i32, partition: &Partition) -> MetadataResponsePartition {
    let led = partition.leader >= 0;
    let offline = partition.replicas.iter().copied().filter(|replica| !state.is_alive(*replica));
    MetadataResponsePartition {
        error_code: if led { 0 } else { ErrorCode::LEADER_NOT_AVAILABLE.0 },
        partition_index,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        offline_replicas: offline.collect(),
        ..Default::default()
    }
}
