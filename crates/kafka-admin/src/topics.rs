//! Topics: create, delete, list.

use std::collections::BTreeMap;

use kafka_conn::{BrokerId, Cluster, Partition, Route};
use kafka_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest,
};
use kafka_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponseTopic};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::admin::{Admin, Apply};
use crate::answers::Answers;
use crate::call::{Attempts, deadline};
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;

/// A topic to be created.
///
/// ```
/// use kafka_admin::{NewTopic, Replicas};
/// use kafka_conn::BrokerId;
///
/// let compacted = NewTopic::new("users", 6, 3).with_config("cleanup.policy", "compact");
/// let placed = NewTopic {
///     name: "orders".into(),
///     replicas: Replicas::Assigned(vec![vec![BrokerId(1), BrokerId(2)], vec![BrokerId(2), BrokerId(1)]]),
///     ..NewTopic::default()
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name: 1 to 249 of the letters a-z and A-Z, digits, `.`, `_` and `-`.
    pub name: SmolStr,
    /// How many partitions it has, and where they are. Default: the broker's defaults for both.
    pub replicas: Replicas,
    /// Its settings, by Kafka's names. Default: none, so the cluster's hold.
    pub configs: BTreeMap<SmolStr, SmolStr>,
}

/// How many partitions a topic has, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// So many partitions with so many replicas each, wherever the cluster puts them. `None`: the broker's defaults
    /// (`num.partitions`, `default.replication.factor`), which brokers before Kafka 2.4 refuse.
    Counted {
        /// The number of partitions.
        partitions: Option<i32>,
        /// The number of replicas of each.
        replication_factor: Option<i16>,
    },
    /// `[partition][replica]`: the brokers of each partition, its preferred leader first.
    Assigned(Vec<Vec<BrokerId>>),
}

impl Default for Replicas {
    fn default() -> Self {
        Self::Counted { partitions: None, replication_factor: None }
    }
}

impl NewTopic {
    /// A topic with so many partitions and replicas, and the cluster's settings.
    pub fn new(name: impl Into<SmolStr>, partitions: i32, replication_factor: i16) -> Self {
        let replicas = Replicas::Counted { partitions: Some(partitions), replication_factor: Some(replication_factor) };
        Self { name: name.into(), replicas, configs: BTreeMap::new() }
    }

    /// The same with one more setting.
    pub fn with_config(mut self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    fn to_wire(&self) -> CreatableTopic {
        let config = |(name, value): (&SmolStr, &SmolStr)| CreatableTopicConfig {
            name: name.clone(),
            value: Some(value.clone()),
            ..CreatableTopicConfig::default()
        };
        let configs = self.configs.iter().map(config).collect();
        let topic = CreatableTopic { name: self.name.clone(), configs, ..CreatableTopic::default() };
        match &self.replicas {
            Replicas::Counted { partitions, replication_factor } => CreatableTopic {
                num_partitions: partitions.unwrap_or(-1),
                replication_factor: replication_factor.unwrap_or(-1),
                ..topic
            },
            // Both counts must be -1 then.
            Replicas::Assigned(assignment) => CreatableTopic {
                num_partitions: -1,
                replication_factor: -1,
                assignments: (0..).zip(assignment).map(assigned).collect(),
                ..topic
            },
        }
    }
}

fn assigned((partition_index, brokers): (i32, &Vec<BrokerId>)) -> CreatableReplicaAssignment {
    let broker_ids = brokers.iter().map(|broker| broker.0).collect();
    CreatableReplicaAssignment { partition_index, broker_ids, ..CreatableReplicaAssignment::default() }
}

/// A topic that was created, or could be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero where the broker is older than 2.8, and where it was only checked.
    pub id: Uuid,
    /// How many partitions it has; `None` where the broker does not tell (before 2.4, or without permission to describe
    /// its configuration).
    pub partitions: Option<i32>,
    /// How many replicas each of them has; `None` as above.
    pub replication_factor: Option<i16>,
}

/// A topic as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: SmolStr,
    /// Its id; zero where the broker is older than 2.8.
    pub id: Uuid,
    /// Whether Kafka keeps it for itself, as `__consumer_offsets`.
    pub is_internal: bool,
    /// How many partitions it has.
    pub partitions: usize,
}

impl Admin {
    /// Creates topics (CreateTopics). The outcomes are in the order of `topics`.
    ///
    /// A topic that was created takes a moment to be known to all brokers and to have leaders:
    /// [`wait_for_leaders`](Self::wait_for_leaders). Where another broker has become the controller, its topics are asked
    /// of that one, within the timeout.
    ///
    /// # Errors
    /// Per topic: [`TopicAlreadyExists`](ErrorKind::TopicAlreadyExists),
    /// [`InvalidTopicName`](ErrorKind::InvalidTopicName), [`InvalidPartitions`](ErrorKind::InvalidPartitions),
    /// [`InvalidReplicationFactor`](ErrorKind::InvalidReplicationFactor), [`InvalidConfig`](ErrorKind::InvalidConfig),
    /// [`PolicyViolation`](ErrorKind::PolicyViolation), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`TimedOut`](ErrorKind::TimedOut), … For all: [`Connection`](ErrorKind::Connection).
    pub async fn create_topics(&self, topics: &[NewTopic], apply: Apply) -> Result<Vec<Outcome<CreatedTopic>>> {
        let mut attempts = Attempts::new(self);
        let mut known = Answers::new();
        let mut left: Vec<_> = topics.iter().collect();
        while !left.is_empty() {
            let request = CreateTopicsRequest {
                topics: left.iter().map(|topic| topic.to_wire()).collect(),
                timeout_ms: attempts.timeout_ms(),
                validate_only: apply.is_validation(),
                ..CreateTopicsRequest::default()
            };
            let asked = left.iter().map(|topic| &topic.name);
            let response = match attempts.call(&request, Route::Controller, None).await {
                Ok(response) => response,
                Err(error) => {
                    known.handle_failure(asked, error)?;
                    break;
                }
            };
            let answers = response.topics.into_iter().map(|answer| (answer.name.clone(), answer));
            let undone = known.handle_answers(asked, answers, |answer| ErrorCode(answer.error_code));
            left.retain(|topic| undone.contains_key(&topic.name));
            let Some(code) = undone.into_values().next() else { break };
            if !attempts.again(code, response.throttle_time_ms).await {
                break;
            }
        }
        Ok(known.outcomes(topics.iter().map(|topic| &topic.name), created))
    }

    /// Deletes topics by name (DeleteTopics). The outcomes are in the order of `names`.
    ///
    /// # Errors
    /// Per topic: [`UnknownTopic`](ErrorKind::UnknownTopic), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`TopicDeletionDisabled`](ErrorKind::TopicDeletionDisabled), [`TimedOut`](ErrorKind::TimedOut), … For all:
    /// [`Connection`](ErrorKind::Connection).
    pub async fn delete_topics(&self, names: &[&str]) -> Result<Vec<Outcome<()>>> {
        let mut attempts = Attempts::new(self);
        let mut known = Answers::new();
        let names: Vec<_> = names.iter().copied().map(SmolStr::new).collect();
        let mut left = names.clone();
        while !left.is_empty() {
            let response = match delete(&mut attempts, &left).await {
                Ok(response) => response,
                Err(error) => {
                    known.handle_failure(left.iter(), error)?;
                    break;
                }
            };
            let named = |answer: DeletableTopicResult| answer.name.clone().map(|name| (name, answer));
            let answers = response.responses.into_iter().filter_map(named);
            let undone = known.handle_answers(left.iter(), answers, |answer| ErrorCode(answer.error_code));
            left.retain(|name| undone.contains_key(name));
            let Some(code) = undone.into_values().next() else { break };
            if !attempts.again(code, response.throttle_time_ms).await {
                break;
            }
        }
        Ok(known.outcomes(names.iter(), deleted))
    }

    /// Lists the topics that this user may see, by name, internal ones among them (Metadata).
    ///
    /// # Errors
    /// Per topic: what the broker finds wrong with it. For all: [`Connection`](ErrorKind::Connection).
    pub async fn list_topics(&self) -> Result<Vec<Outcome<TopicListing>>> {
        let everything =
            MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
        let response = self.ask_any(&everything).await?;
        let mut topics: Vec<_> = response.topics.into_iter().filter_map(listing).collect();
        topics.sort_by(|one, other| one.item.cmp(&other.item));
        Ok(topics)
    }

    /// Waits until all partitions of these topics have a leader that this client knows, within the timeout.
    ///
    /// # Errors
    /// [`LeadersUnknown`](ErrorKind::LeadersUnknown) or [`UnknownTopic`](ErrorKind::UnknownTopic), with the topic, when
    /// time is up, or [`Connection`](ErrorKind::Connection) if the cluster could not be asked then; at once what waiting
    /// does not change, as [`NotAuthorized`](ErrorKind::NotAuthorized).
    pub async fn wait_for_leaders(&self, names: &[&str]) -> Result<()> {
        let deadline = deadline(self.timeout());
        let mut pauses = self.transport().config().backoff.pauses();
        loop {
            let error = match timeout_at(deadline, self.transport().refresh(names)).await {
                Ok(Ok(cluster)) => match names.iter().find_map(|name| without_leaders(&cluster, name)) {
                    Some(error) => error,
                    None => return Ok(()),
                },
                Ok(Err(error)) => error.into(),
                Err(_) => Error::new(ErrorKind::LeadersUnknown),
            };
            let pause = Instant::now() + pauses.next_pause();
            if !error.is_retriable() || pause >= deadline {
                return Err(error);
            }
            sleep_until(pause).await;
        }
    }
}

async fn delete(attempts: &mut Attempts<'_>, names: &[SmolStr]) -> Result<DeleteTopicsResponse> {
    let version = attempts.version::<DeleteTopicsRequest>(Route::Controller).await?;
    let request = delete_request(names, version, attempts.timeout_ms());
    // Never in a newer one than it was made for: that would not see the names.
    attempts.call(&request, Route::Controller, Some(version)).await
}

/// Version 6 names topics in another place than those before.
fn delete_request(names: &[SmolStr], version: i16, timeout_ms: i32) -> DeleteTopicsRequest {
    let topic = |name: &SmolStr| DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() };
    let (topics, topic_names) =
        if version >= 6 { (names.iter().map(topic).collect(), Vec::new()) } else { (Vec::new(), names.to_vec()) };
    DeleteTopicsRequest { topics, topic_names, timeout_ms, ..DeleteTopicsRequest::default() }
}

fn created(answer: &CreatableTopicResult) -> Result<CreatedTopic> {
    match ErrorCode(answer.error_code) {
        ErrorCode::NONE => Ok(CreatedTopic {
            id: answer.topic_id,
            partitions: Some(answer.num_partitions).filter(|count| *count >= 0),
            replication_factor: Some(answer.replication_factor).filter(|count| *count >= 0),
        }),
        code => Err(Error::answered(code, answer.error_message.clone()).with_topic(&answer.name)),
    }
}

fn deleted(answer: &DeletableTopicResult) -> Result<()> {
    let about = |error: Error| match &answer.name {
        Some(name) => error.with_topic(name),
        None => error,
    };
    Error::check(answer.error_code, answer.error_message.as_ref()).map_err(about)
}

fn listing(topic: MetadataResponseTopic) -> Option<Outcome<TopicListing>> {
    let name = topic.name?;
    let result = match ErrorCode(topic.error_code) {
        ErrorCode::NONE => Ok(TopicListing {
            name: name.clone(),
            id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions: topic.partitions.len(),
        }),
        code => Err(Error::answered(code, None).with_topic(&name)),
    };
    Some(Outcome::new(name, result))
}

/// Why the leaders of a topic are not all known; `None` if they are.
fn without_leaders(cluster: &Cluster, name: &str) -> Option<Error> {
    let about = |error: Error| error.with_topic(&name.into());
    let unknown = || about(Error::answered(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
    let Some(topic) = cluster.topic(name) else { return Some(unknown()) };
    if topic.error.is_error() {
        return Some(about(Error::answered(topic.error, None)));
    }
    // A leader that the cluster does not have is none: it just went down.
    let led = |partition: &Partition| cluster.leader(name, partition.index).is_ok();
    let led = !topic.partitions.is_empty() && topic.partitions.iter().all(led);
    (!led).then(|| about(Error::new(ErrorKind::LeadersUnknown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_assignments_never_mix_on_the_wire() {
        let counted = NewTopic::new("t", 3, 2).with_config("a", "b").to_wire();
        assert_eq!((counted.num_partitions, counted.replication_factor, counted.assignments.len()), (3, 2, 0));
        assert_eq!(counted.configs[0].value.as_deref(), Some("b"));
        let replicas = Replicas::Assigned(vec![vec![BrokerId(4), BrokerId(5)], vec![BrokerId(5)]]);
        let assigned = NewTopic { name: "t".into(), replicas, ..NewTopic::default() }.to_wire();
        assert_eq!((assigned.num_partitions, assigned.replication_factor), (-1, -1));
        let expected = [(0, vec![4, 5]), (1, vec![5])];
        let found = assigned.assignments.into_iter().map(|replicas| (replicas.partition_index, replicas.broker_ids));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let default = NewTopic::default().to_wire();
        assert_eq!((default.num_partitions, default.replication_factor), (-1, -1));
    }
}
