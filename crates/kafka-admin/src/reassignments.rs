//! Moves of partitions from brokers to brokers (KIP-455): begin, call off, list.

use std::collections::BTreeMap;

use kafka_conn::BrokerId;
use kafka_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignablePartitionResponse, ReassignableTopic,
};
use kafka_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics, OngoingPartitionReassignment,
};

use crate::admin::Admin;
use crate::by_partition::{ByPartition, no_answer};
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::resource::{TopicPartition, by_topic};

/// A move that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// All brokers that have a replica now, or will have one.
    pub replicas: Vec<BrokerId>,
    /// Those of them that are yet to have it.
    pub adding: Vec<BrokerId>,
    /// Those of them that are to lose it.
    pub removing: Vec<BrokerId>,
}

impl Admin {
    /// Moves partitions to other brokers, the preferred leader first; `None` calls off the move that is going on
    /// (AlterPartitionReassignments). The outcomes are in the order of `targets`.
    ///
    /// The move begins, and goes on for as long as the data takes:
    /// [`list_reassignments`](Self::list_reassignments).
    ///
    /// # Errors
    /// Per partition: [`InvalidReplicaAssignment`](crate::ErrorKind::InvalidReplicaAssignment),
    /// [`NoReassignment`](crate::ErrorKind::NoReassignment), [`UnknownTopic`](crate::ErrorKind::UnknownTopic). For all:
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`TimedOut`](crate::ErrorKind::TimedOut),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn alter_reassignments(
        &self,
        targets: &BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let request = |timeout_ms| AlterPartitionReassignmentsRequest {
            timeout_ms,
            topics: by_topic(targets.keys())
                .into_iter()
                .map(|(name, indexes)| reassignable(name, indexes, targets))
                .collect(),
            ..AlterPartitionReassignmentsRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let topics = response.responses.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let read =
            |answer: &ReassignablePartitionResponse| Error::check(answer.error_code, answer.error_message.as_ref());
        Ok(answers.outcomes(targets.keys(), read, no_answer))
    }

    /// The moves that are going on, of these partitions or, with `None`, of all (ListPartitionReassignments). A partition
    /// that is not moving is not in it.
    ///
    /// # Errors
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`TimedOut`](crate::ErrorKind::TimedOut),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn list_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>> {
        let topic = |(name, partition_indexes)| ListPartitionReassignmentsTopics {
            name,
            partition_indexes,
            ..ListPartitionReassignmentsTopics::default()
        };
        let request = |timeout_ms| ListPartitionReassignmentsRequest {
            timeout_ms,
            topics: partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()),
            ..ListPartitionReassignmentsRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let moves = response.topics.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |partition| {
                (TopicPartition::new(name.clone(), partition.partition_index), reassignment(partition))
            })
        });
        Ok(moves.collect())
    }
}

fn reassignable(
    name: smol_str::SmolStr,
    indexes: Vec<i32>,
    targets: &BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
) -> ReassignableTopic {
    let partition = |index| {
        let brokers = targets.get(&TopicPartition::new(name.clone(), index)).cloned().flatten();
        ReassignablePartition {
            partition_index: index,
            replicas: brokers.map(|brokers| brokers.into_iter().map(|broker| broker.0).collect()),
            ..ReassignablePartition::default()
        }
    };
    let partitions = indexes.into_iter().map(partition).collect();
    ReassignableTopic { name, partitions, ..ReassignableTopic::default() }
}

fn reassignment(partition: OngoingPartitionReassignment) -> Reassignment {
    let brokers = |ids: Vec<i32>| ids.into_iter().map(BrokerId).collect();
    Reassignment {
        replicas: brokers(partition.replicas),
        adding: brokers(partition.adding_replicas),
        removing: brokers(partition.removing_replicas),
    }
}
