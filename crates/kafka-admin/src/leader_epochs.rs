//! Where the records of a leader's epoch end (KIP-101, KIP-320).

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::resource::{TopicPartition, by_topic};

/// Where the records of an epoch end in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The newest epoch that has records and is not newer than what was asked for; `None` where the leader knows none.
    pub leader_epoch: Option<i32>,
    /// The offset behind the last record of that epoch; `None` as above.
    pub offset: Option<i64>,
}

impl Admin {
    /// Where the records of leader epochs end, each as the leader of its partition has it (OffsetForLeaderEpoch). Who
    /// has read further than that, in an epoch, has read what is lost. The outcomes are by partition.
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`Connection`](crate::ErrorKind::Connection) where it has no
    /// leader that can be asked.
    pub async fn epoch_ends(
        &self,
        epochs: &BTreeMap<TopicPartition, i32>,
    ) -> Result<Vec<Outcome<EpochEnd, TopicPartition>>> {
        let (response, failures) = self.send(&request(epochs)).await?;
        let topics = response.topics.into_iter().map(|topic| (topic.topic, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition);
        Ok(answers.outcomes(epochs.keys(), read, |partition| failures.partition(partition)))
    }
}

fn request(epochs: &BTreeMap<TopicPartition, i32>) -> OffsetForLeaderEpochRequest {
    let topic = |(topic, indexes): (SmolStr, Vec<i32>)| {
        let partition = |index| OffsetForLeaderPartition {
            partition: index,
            leader_epoch: epochs.get(&TopicPartition::new(topic.clone(), index)).copied().unwrap_or(-1),
            ..OffsetForLeaderPartition::default()
        };
        let partitions = indexes.into_iter().map(partition).collect();
        OffsetForLeaderTopic { topic, partitions, ..OffsetForLeaderTopic::default() }
    };
    OffsetForLeaderEpochRequest {
        // A client, not a replica.
        replica_id: -1,
        topics: by_topic(epochs.keys()).into_iter().map(topic).collect(),
        ..OffsetForLeaderEpochRequest::default()
    }
}

fn read(answer: &EpochEndOffset) -> Result<EpochEnd> {
    Error::check(answer.error_code, None)?;
    Ok(EpochEnd {
        leader_epoch: (answer.leader_epoch >= 0).then_some(answer.leader_epoch),
        offset: (answer.end_offset >= 0).then_some(answer.end_offset),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_is_asked_for_its_own_epoch() {
        let epochs = [(TopicPartition::new("a", 1), 7), (TopicPartition::new("a", 0), 5)].into();
        let request = request(&epochs);
        let partitions = request.topics[0].partitions.iter();
        assert_eq!(partitions.map(|asked| (asked.partition, asked.leader_epoch)).collect::<Vec<_>>(), [(0, 5), (1, 7)]);
        assert_eq!(request.replica_id, -1);
    }

    #[test]
    fn an_epoch_that_nobody_knows_has_no_end() {
        assert_eq!(read(&EpochEndOffset::default()).unwrap(), EpochEnd { leader_epoch: None, offset: None });
    }
}
