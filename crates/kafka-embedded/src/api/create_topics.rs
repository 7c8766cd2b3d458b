//! `CreateTopics`.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};

use crate::api::unique::repeated;
use crate::core::{Call, Reply};
use crate::state::configs::TOPIC_CONFIGS;
use crate::state::{NewTopic, State, TopicError};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: CreateTopicsRequest) -> Reply {
    let repeated = repeated(request.topics.iter().map(|topic| topic.name.clone()));
    let mut response = CreateTopicsResponse::default();
    for topic in request.topics {
        let name = topic.name.clone();
        let twice = repeated.contains(&name);
        let (partitions, replicas) = sizes(state, &topic);
        let created = match (twice, call.injected_topic(&name)) {
            (_, Some(code)) => Err((code, code.text().to_owned())),
            (true, _) => Err((ErrorCode::INVALID_REQUEST, "Duplicate topic name.".to_owned())),
            (false, None) => create(state, topic, request.validate_only),
        };
        let mut result = CreatableTopicResult { name: name.clone(), error_message: None, ..Default::default() };
        match created {
            Ok(id) => {
                result.topic_id = id;
                if call.version >= 5 {
                    (result.num_partitions, result.replication_factor) = (partitions, replicas);
                    result.configs = Some(configs(state, &name));
                }
            }
            Err((code, text)) => (result.error_code, result.error_message) = (code.0, Some(text.into())),
        }
        response.topics.push(result);
    }
    response.into()
}

fn create(state: &mut State, topic: CreatableTopic, validate_only: bool) -> Result<kafka_protocol::Uuid, TopicError> {
    let mut assignments: Vec<_> =
        topic.assignments.into_iter().map(|one| (one.partition_index, one.broker_ids)).collect();
    assignments.sort();
    if (0..).zip(&assignments).any(|(expected, (index, _))| *index != expected) {
        let text = "partitions should be a consecutive 0-based integer sequence".to_owned();
        return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, text));
    }
    let new = NewTopic {
        name: topic.name,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.into_iter().map(|(_, replicas)| replicas).collect(),
        configs: topic.configs.into_iter().map(|config| (config.name, config.value)).collect(),
    };
    state.create_topic(&new, validate_only)
}

/// The numbers of partitions and replicas that a topic is to have.
fn sizes(state: &State, topic: &CreatableTopic) -> (i32, i16) {
    if let Some(first) = topic.assignments.first() {
        return (topic.assignments.len() as i32, first.broker_ids.len() as i16);
    }
    let or = |given, default| if given == -1 { default } else { given };
    let replicas =
        if topic.replication_factor == -1 { state.config.default_replication_factor } else { topic.replication_factor };
    (or(topic.num_partitions, state.config.default_partitions), replicas)
}

/// What a new topic is configured as; nothing where it was only checked.
fn configs(state: &State, name: &str) -> Vec<CreatableTopicConfigs> {
    let Some(topic) = state.topic(name) else {
        return Vec::new();
    };
    let config = |facts: &crate::state::configs::ConfigFacts| CreatableTopicConfigs {
        name: facts.name.into(),
        value: Some(topic.config(facts.name).into()),
        config_source: if topic.configs.contains_key(facts.name) { DYNAMIC_TOPIC } else { DEFAULT },
        ..Default::default()
    };
    TOPIC_CONFIGS.iter().map(config).collect()
}

/// Set for the topic.
pub(crate) const DYNAMIC_TOPIC: i8 = 1;
/// Set for the broker while it runs.
pub(crate) const DYNAMIC_BROKER: i8 = 2;
/// Set for all brokers while they run.
pub(crate) const DYNAMIC_DEFAULT_BROKER: i8 = 3;
/// Set nowhere.
pub(crate) const DEFAULT: i8 = 5;
