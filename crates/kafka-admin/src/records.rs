//! Records: delete them from the beginning of partitions on.

use std::collections::BTreeMap;

use kafka_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsTopic,
};

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::call::millis;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::resource::{TopicPartition, by_topic};

/// Up to where records are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    /// Those before this offset.
    Offset(i64),
    /// All that there are now (the high watermark).
    End,
}

impl Admin {
    /// Deletes the records before an offset of each partition (DeleteRecords, KIP-107). The outcomes are the offsets
    /// where the partitions begin now, by partition.
    ///
    /// # Errors
    /// Per partition: [`Broker`](crate::ErrorKind::Broker) with `OFFSET_OUT_OF_RANGE` for an offset behind the end, or with
    /// `POLICY_VIOLATION` for a topic that is compacted only, [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`Connection`](crate::ErrorKind::Connection) where its leader could not be
    /// asked.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, DeleteBefore>,
    ) -> Result<Vec<Outcome<i64, TopicPartition>>> {
        let topic = |(name, indexes): (smol_str::SmolStr, Vec<i32>)| {
            let partition = |index| DeleteRecordsPartition {
                partition_index: index,
                offset: before.get(&TopicPartition::new(name.clone(), index)).map_or(0, wire_offset),
                ..DeleteRecordsPartition::default()
            };
            let partitions = indexes.into_iter().map(partition).collect();
            DeleteRecordsTopic { name, partitions, ..DeleteRecordsTopic::default() }
        };
        // Its answer, that followers are late perhaps, has to be here in time.
        let for_broker = self.timeout() * 3 / 4;
        let request = DeleteRecordsRequest {
            topics: by_topic(before.keys()).into_iter().map(topic).collect(),
            timeout_ms: millis(for_broker),
            ..DeleteRecordsRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let read = |answer: &DeleteRecordsPartitionResult| {
            Error::check(answer.error_code, None).map(|()| answer.low_watermark)
        };
        Ok(answers.outcomes(before.keys(), read, |partition| failures.partition(partition)))
    }
}

fn wire_offset(before: &DeleteBefore) -> i64 {
    match before {
        DeleteBefore::End => -1,
        // Below 0 it would mean the end.
        DeleteBefore::Offset(offset) => (*offset).max(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_below_zero_never_deletes_everything() {
        assert_eq!(wire_offset(&DeleteBefore::Offset(-1)), 0);
        assert_eq!((wire_offset(&DeleteBefore::Offset(7)), wire_offset(&DeleteBefore::End)), (7, -1));
    }
}
