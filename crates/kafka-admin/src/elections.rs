//! Elections of leaders (KIP-183, KIP-460).

use kafka_conn::Route;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, TopicPartitions,
};

use crate::admin::Admin;
use crate::by_partition::{ByPartition, no_answer};
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{TopicPartition, by_topic};

/// Who is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The replica that comes first in the partition's list.
    Preferred,
    /// Any replica that is up, even one that lacks acknowledged records, where no other is: **what it lacks is lost**
    /// (Kafka 2.4 and later).
    Unclean,
}

impl Admin {
    /// Elects leaders of these partitions or, with `None`, of all that need it (ElectLeaders). The outcomes are by
    /// partition; with `None` those where there was something to do.
    ///
    /// # Errors
    /// Per partition: [`ElectionNotNeeded`](ErrorKind::ElectionNotNeeded),
    /// [`LeaderNotAvailable`](ErrorKind::LeaderNotAvailable), [`UnknownTopic`](ErrorKind::UnknownTopic). For all:
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`NotOffered`](ErrorKind::NotOffered),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn elect_leaders(
        &self,
        election: Election,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let mut attempts = Attempts::new(self);
        loop {
            let version = attempts.version::<ElectLeadersRequest>(Route::Controller).await?;
            if version == 0 && election == Election::Unclean {
                return Err(Error::new(ErrorKind::NotOffered));
            }
            let request = request(election, partitions, attempts.timeout_ms());
            let response = attempts.call(&request, Route::Controller, Some(version)).await?;
            if !attempts.again(ErrorCode(response.error_code), response.throttle_time_ms).await {
                return outcomes(partitions, response);
            }
        }
    }
}

fn request(election: Election, partitions: Option<&[TopicPartition]>, timeout_ms: i32) -> ElectLeadersRequest {
    let topic = |(topic, partitions)| TopicPartitions { topic, partitions, ..TopicPartitions::default() };
    ElectLeadersRequest {
        election_type: if election == Election::Unclean { 1 } else { 0 },
        topic_partitions: partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()),
        timeout_ms,
        ..ElectLeadersRequest::default()
    }
}

fn outcomes(
    asked: Option<&[TopicPartition]>,
    response: ElectLeadersResponse,
) -> Result<Vec<Outcome<(), TopicPartition>>> {
    Error::check(response.error_code, None)?;
    let topics = response.replica_election_results.into_iter().map(|topic| (topic.topic, topic.partition_result));
    let answers = ByPartition::new(topics, |answer| answer.partition_id);
    let read = |answer: &PartitionResult| Error::check(answer.error_code, answer.error_message.as_ref());
    Ok(match asked {
        Some(partitions) => answers.outcomes(partitions, read, no_answer),
        None => answers.outcomes(answers.partitions(), read, no_answer),
    })
}
