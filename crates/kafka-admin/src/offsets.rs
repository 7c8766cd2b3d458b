//! Where partitions begin and end, and where a time is.

use std::collections::HashMap;

use kafka_conn::IsolationLevel;
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::resource::{TopicPartition, by_topic};

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// Its first record.
    Earliest,
    /// Behind its last record: of all, or with [`IsolationLevel::ReadCommitted`] of those that are settled.
    Latest,
    /// The first record that is not older than this, in milliseconds since 1970.
    Time(i64),
    /// The record with the greatest timestamp (KIP-734, Kafka 3.0 and later).
    MaxTimestamp,
    /// The first record that is on the brokers' own disks (KIP-405, Kafka 3.5 and later).
    EarliestLocal,
    /// The last record that is in tiered storage (KIP-1005, Kafka 3.8 and later).
    LatestTiered,
    /// The first record that is not in tiered storage yet (KIP-1023, Kafka 4.2 and later).
    EarliestPendingUpload,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
            // Below 0 it would mean something else.
            Self::Time(millis) => millis.max(0),
        }
    }

    /// The first version of the request in which brokers understand it; older ones take it for a time.
    fn least_version(self) -> i16 {
        match self {
            Self::Earliest | Self::Latest | Self::Time(_) => 1,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
            Self::EarliestPendingUpload => 11,
        }
    }
}

/// What is at a place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` where there is no such record.
    pub offset: Option<i64>,
    /// The record's timestamp, in milliseconds since 1970; `None` where it is not asked for by time, or there is none.
    pub timestamp: Option<i64>,
    /// The leader epoch in which it was written; `None` where that is not known.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// Looks up offsets, each with the leader of its partition (ListOffsets). The outcomes are in the order of
    /// `places`; a partition may be in it once.
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](crate::ErrorKind::UnknownTopic), [`NotAuthorized`](crate::ErrorKind::NotAuthorized),
    /// [`Connection`](crate::ErrorKind::Connection) where it has no leader that can be asked,
    /// [`NotOffered`](crate::ErrorKind::NotOffered) where its leader is too old for one of the places.
    pub async fn list_offsets(
        &self,
        places: &[(TopicPartition, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Result<Vec<Outcome<ListedOffset, TopicPartition>>> {
        let least = places.iter().map(|(_, place)| place.least_version()).max().unwrap_or_default();
        let (response, failures) = self.send_from(least, &request(places, isolation)).await?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let asked = places.iter().map(|(partition, _)| partition);
        Ok(answers.outcomes(asked, read, |partition| failures.partition(partition)))
    }
}

fn request(places: &[(TopicPartition, OffsetSpec)], isolation: IsolationLevel) -> ListOffsetsRequest {
    let specs: HashMap<_, _> = places.iter().map(|(partition, place)| (partition, *place)).collect();
    let topic = |(name, indexes): (smol_str::SmolStr, Vec<i32>)| {
        let partition = |index| ListOffsetsPartition {
            partition_index: index,
            timestamp: specs
                .get(&TopicPartition::new(name.clone(), index))
                .map_or_else(|| OffsetSpec::Latest.timestamp(), |place| place.timestamp()),
            ..ListOffsetsPartition::default()
        };
        let partitions = indexes.into_iter().map(partition).collect();
        ListOffsetsTopic { name, partitions, ..ListOffsetsTopic::default() }
    };
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.code(),
        topics: by_topic(specs.keys().copied()).into_iter().map(topic).collect(),
        ..ListOffsetsRequest::default()
    }
}

fn read(answer: &ListOffsetsPartitionResponse) -> Result<ListedOffset> {
    Error::check(answer.error_code, None)?;
    Ok(ListedOffset {
        offset: (answer.offset >= 0).then_some(answer.offset),
        timestamp: (answer.timestamp >= 0).then_some(answer.timestamp),
        leader_epoch: (answer.leader_epoch >= 0).then_some(answer.leader_epoch),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_no_other_place() {
        assert_eq!(OffsetSpec::Time(-3).timestamp(), 0);
    }

    #[test]
    fn each_partition_is_asked_for_its_own_place() {
        let places = [
            (TopicPartition::new("a", 1), OffsetSpec::Earliest),
            (TopicPartition::new("a", 0), OffsetSpec::Time(5)),
            (TopicPartition::new("b", 0), OffsetSpec::MaxTimestamp),
        ];
        let request = request(&places, IsolationLevel::ReadUncommitted);
        let mut asked: Vec<_> = request
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.as_str(), p.partition_index, p.timestamp)))
            .collect();
        asked.sort_unstable();
        assert_eq!(asked, [("a", 0, 5), ("a", 1, -2), ("b", 0, -3)]);
        assert_eq!(request.replica_id, -1);
    }
}
