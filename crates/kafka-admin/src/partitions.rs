//! Partitions of topics: describe, add.

use std::collections::BTreeMap;

use kafka_conn::{BrokerId, Route};
use kafka_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use kafka_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use crate::acls::AclOperation;
use crate::admin::{Admin, Apply};
use crate::answers::Answers;
use crate::call::Attempts;
use crate::cluster::{FIRST_METADATA_WITH_OPERATIONS, operations};
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its id; zero where the broker is older than 2.8.
    pub id: Uuid,
    /// Whether Kafka keeps it for itself.
    pub is_internal: bool,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionDescription>,
    /// What this user may do to it; `None` where the broker does not tell (before Kafka 2.3).
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its index.
    pub index: i32,
    /// The broker that leads it; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// The leader's epoch; `None` from brokers before Kafka 2.1.
    pub leader_epoch: Option<i32>,
    /// The brokers that have a replica, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub in_sync: Vec<BrokerId>,
    /// Those of them that are not there.
    pub offline: Vec<BrokerId>,
    /// Those that may be elected though they are not in sync (KIP-966); `None` where the broker does not tell (before
    /// Kafka 3.7).
    pub eligible_leaders: Option<Vec<BrokerId>>,
}

/// How many partitions a topic is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MorePartitions {
    /// The topic.
    pub topic: SmolStr,
    /// How many there are to be, those that it has included.
    pub total: i32,
    /// `[new partition][replica]`: the brokers of each that is added. Empty: wherever the cluster puts them.
    pub assignment: Vec<Vec<BrokerId>>,
}

impl MorePartitions {
    /// So many in all, wherever the cluster puts the new ones.
    pub fn new(topic: impl Into<SmolStr>, total: i32) -> Self {
        Self { topic: topic.into(), total, assignment: Vec::new() }
    }

    fn to_wire(&self) -> CreatePartitionsTopic {
        let assigned = |brokers: &Vec<BrokerId>| CreatePartitionsAssignment {
            broker_ids: brokers.iter().map(|broker| broker.0).collect(),
            ..CreatePartitionsAssignment::default()
        };
        CreatePartitionsTopic {
            name: self.topic.clone(),
            count: self.total,
            assignments: (!self.assignment.is_empty()).then(|| self.assignment.iter().map(assigned).collect()),
            ..CreatePartitionsTopic::default()
        }
    }
}

impl Admin {
    /// Adds partitions to topics (CreatePartitions). Records with keys may go to other partitions from then on. The
    /// outcomes are in the order of `topics`.
    ///
    /// # Errors
    /// Per topic: [`UnknownTopic`](ErrorKind::UnknownTopic), [`InvalidPartitions`](ErrorKind::InvalidPartitions) where
    /// there are as many already, [`InvalidReplicaAssignment`](ErrorKind::InvalidReplicaAssignment),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`TimedOut`](ErrorKind::TimedOut). For all:
    /// [`Connection`](ErrorKind::Connection).
    pub async fn create_partitions(&self, topics: &[MorePartitions], apply: Apply) -> Result<Vec<Outcome<()>>> {
        let mut attempts = Attempts::new(self);
        let mut known = Answers::new();
        let mut left: Vec<_> = topics.iter().collect();
        while !left.is_empty() {
            let request = CreatePartitionsRequest {
                topics: left.iter().map(|topic| topic.to_wire()).collect(),
                timeout_ms: attempts.timeout_ms(),
                validate_only: apply.is_validation(),
                ..CreatePartitionsRequest::default()
            };
            let asked = left.iter().map(|topic| &topic.topic);
            let response = match attempts.call(&request, Route::Controller, None).await {
                Ok(response) => response,
                Err(error) => {
                    known.handle_failure(asked, error)?;
                    break;
                }
            };
            let answers = response.results.into_iter().map(|answer| (answer.name.clone(), answer));
            let undone = known.handle_answers(asked, answers, |answer| ErrorCode(answer.error_code));
            left.retain(|topic| undone.contains_key(&topic.topic));
            let Some(code) = undone.into_values().next() else { break };
            if !attempts.again(code, response.throttle_time_ms).await {
                break;
            }
        }
        let read = |answer: &kafka_protocol::messages::create_partitions::CreatePartitionsTopicResult| {
            Error::check(answer.error_code, answer.error_message.as_ref())
                .map_err(|error| error.with_topic(&answer.name))
        };
        Ok(known.outcomes(topics.iter().map(|topic| &topic.topic), read))
    }

    /// Describes topics (DescribeTopicPartitions, as many answers as it takes; Metadata of brokers before Kafka 3.7). The
    /// outcomes are in the order of `names`.
    ///
    /// # Errors
    /// Per topic: [`UnknownTopic`](ErrorKind::UnknownTopic), [`InvalidTopicName`](ErrorKind::InvalidTopicName),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized). For all: [`Connection`](ErrorKind::Connection).
    pub async fn describe_topics(&self, names: &[&str]) -> Result<Vec<Outcome<TopicDescription>>> {
        let names: Vec<_> = names.iter().copied().map(SmolStr::new).collect();
        let mut attempts = Attempts::new(self);
        let known = match attempts.version::<DescribeTopicPartitionsRequest>(Route::Any).await {
            // An empty list would be asked for as all topics.
            _ if names.is_empty() => Known::new(),
            Err(error) if *error.kind() == ErrorKind::NotOffered => by_metadata(&mut attempts, &names).await?,
            Err(error) => return Err(error),
            Ok(_) => pages(&attempts, &names).await?,
        };
        let outcome = |name: &SmolStr| {
            let result = known.get(name).cloned().unwrap_or_else(|| Err(Error::new(ErrorKind::NoAnswer)));
            Outcome::new(name.clone(), result.map_err(|error| error.with_topic(name)))
        };
        Ok(names.iter().map(outcome).collect())
    }
}

type Known = BTreeMap<SmolStr, Result<TopicDescription>>;

/// Asks page by page. A broker whose cursor stands still, or goes back, has said all that it will.
async fn pages(attempts: &Attempts<'_>, names: &[SmolStr]) -> Result<Known> {
    let mut known = Known::new();
    let mut cursor: Option<Cursor> = None;
    // They are answered in this order, each once.
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    loop {
        let from = cursor.as_ref().map(|cursor| cursor.topic_name.clone()).unwrap_or_default();
        let topic = |name: &SmolStr| TopicRequest { name: name.clone(), ..TopicRequest::default() };
        let request = DescribeTopicPartitionsRequest {
            topics: sorted.iter().filter(|name| **name >= from).map(topic).collect(),
            cursor: cursor.clone(),
            ..DescribeTopicPartitionsRequest::default()
        };
        let DescribeTopicPartitionsResponse { topics, next_cursor, .. } =
            attempts.call(&request, Route::Any, None).await?;
        let asked = |topic: &DescribeTopicPartitionsResponseTopic| {
            topic.name.as_ref().is_some_and(|name| sorted.binary_search(name).is_ok())
        };
        topics.into_iter().filter(asked).for_each(|topic| add_page(&mut known, topic));
        let place = |cursor: &Cursor| (cursor.topic_name.clone(), cursor.partition_index);
        match next_cursor {
            Some(next) if cursor.as_ref().is_none_or(|last| place(last) < place(&next)) => {
                attempts.check_time()?;
                cursor = Some(next);
            }
            _ => return Ok(known),
        }
    }
}

/// A topic with many partitions is spread over several answers.
fn add_page(known: &mut Known, topic: DescribeTopicPartitionsResponseTopic) {
    let Some(name) = topic.name else { return };
    if let Err(error) = Error::check(topic.error_code, None) {
        known.insert(name, Err(error));
        return;
    }
    let partitions = topic.partitions.into_iter().map(partition);
    match known.get_mut(&name) {
        Some(Ok(description)) => description.partitions.extend(partitions),
        _ => {
            let description = TopicDescription {
                id: topic.topic_id,
                is_internal: topic.is_internal,
                partitions: partitions.collect(),
                authorized_operations: operations(topic.topic_authorized_operations),
            };
            known.insert(name, Ok(description));
        }
    }
}

fn partition(partition: DescribeTopicPartitionsResponsePartition) -> PartitionDescription {
    PartitionDescription {
        index: partition.partition_index,
        leader: broker(partition.leader_id),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: brokers(partition.replica_nodes),
        in_sync: brokers(partition.isr_nodes),
        offline: brokers(partition.offline_replicas),
        eligible_leaders: partition.eligible_leader_replicas.map(brokers),
    }
}

async fn by_metadata(attempts: &mut Attempts<'_>, names: &[SmolStr]) -> Result<Known> {
    let topic = |name: &SmolStr| MetadataRequestTopic { name: Some(name.clone()), ..MetadataRequestTopic::default() };
    let version = attempts.version::<MetadataRequest>(Route::Any).await?;
    let request = MetadataRequest {
        topics: Some(names.iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        include_topic_authorized_operations: version >= FIRST_METADATA_WITH_OPERATIONS,
        ..MetadataRequest::default()
    };
    let response = attempts.call(&request, Route::Any, Some(version)).await?;
    let described = response.topics.into_iter().filter_map(|topic| Some((topic.name.clone()?, from_metadata(topic))));
    Ok(described.collect())
}

fn from_metadata(topic: MetadataResponseTopic) -> Result<TopicDescription> {
    Error::check(topic.error_code, None)?;
    let partition = |partition: MetadataResponsePartition| PartitionDescription {
        index: partition.partition_index,
        leader: broker(partition.leader_id),
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
        replicas: brokers(partition.replica_nodes),
        in_sync: brokers(partition.isr_nodes),
        offline: brokers(partition.offline_replicas),
        eligible_leaders: None,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    Ok(TopicDescription {
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions,
        authorized_operations: operations(topic.topic_authorized_operations),
    })
}

fn broker(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

fn brokers(ids: Vec<i32>) -> Vec<BrokerId> {
    ids.into_iter().map(BrokerId).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_topic_add_up() {
        let page = |index| DescribeTopicPartitionsResponseTopic {
            name: Some("t".into()),
            partitions: vec![DescribeTopicPartitionsResponsePartition {
                partition_index: index,
                leader_id: -1,
                ..DescribeTopicPartitionsResponsePartition::default()
            }],
            ..DescribeTopicPartitionsResponseTopic::default()
        };
        let mut known = Known::new();
        add_page(&mut known, page(0));
        add_page(&mut known, page(1));
        let description = known["t"].as_ref().unwrap();
        let indexes: Vec<_> =
            description.partitions.iter().map(|partition| (partition.index, partition.leader)).collect();
        assert_eq!(indexes, [(0, None), (1, None)]);
    }
}
