//! Deleting records from the beginning of partitions on.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::try_join;
use kafka_conn::IsolationLevel;
use kafka_protocol::ErrorCode;

use super::lines;
use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{ListedOffset, OffsetSpec};
use crate::outcome::Outcome;
use crate::records::DeleteBefore;
use crate::resource::{Resource, TopicPartition};

/// Records that are to be deleted. Printed, it has a line for each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordDeletionPlan {
    /// The partitions, and what goes of each.
    pub partitions: BTreeMap<TopicPartition, RecordDeletion>,
}

/// What goes of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordDeletion {
    /// Where the partition begins.
    pub start: i64,
    /// Where it will begin.
    pub before: i64,
    /// Where it ends.
    pub end: i64,
}

impl RecordDeletion {
    /// How many offsets go. There are no more records than that, and fewer in a topic that is compacted.
    pub fn count(&self) -> i64 {
        self.before.saturating_sub(self.start).max(0)
    }
}

impl Admin {
    /// Works out which records would be deleted, without deleting any (ListOffsets). The end is where partitions end
    /// now.
    ///
    /// # Errors
    /// The first error of a partition: as [`list_offsets`](Self::list_offsets), and [`Broker`](ErrorKind::Broker) with
    /// `OFFSET_OUT_OF_RANGE` for an offset behind the end.
    pub async fn plan_record_deletion(
        &self,
        before: &BTreeMap<TopicPartition, DeleteBefore>,
    ) -> Result<RecordDeletionPlan> {
        let places = |place| before.keys().map(|partition| (partition.clone(), place)).collect::<Vec<_>>();
        let (earliest, latest) = (places(OffsetSpec::Earliest), places(OffsetSpec::Latest));
        let (starts, ends) = try_join(
            self.list_offsets(&earliest, IsolationLevel::ReadUncommitted),
            self.list_offsets(&latest, IsolationLevel::ReadUncommitted),
        )
        .await?;
        let mut partitions = BTreeMap::new();
        for (((partition, before), start), end) in before.iter().zip(starts).zip(ends) {
            let known = |listed: Result<ListedOffset>| listed?.offset.ok_or_else(|| Error::new(ErrorKind::NoAnswer));
            let deletion = known(start.result)
                .and_then(|start| planned(*before, start, known(end.result)?))
                .map_err(|error| error.about(Resource::Partition(partition.clone())))?;
            partitions.insert(partition.clone(), deletion);
        }
        Ok(RecordDeletionPlan { partitions })
    }

    /// Deletes the records of a plan, up to its offsets (DeleteRecords): later ones are kept. It goes by the names of
    /// topics, also where one was made anew. The outcomes are the offsets where the partitions begin now, by
    /// partition; partitions of which nothing goes are not asked for, and have none.
    ///
    /// # Errors
    /// As [`delete_records`](Self::delete_records).
    pub async fn apply_record_deletion_plan(
        &self,
        plan: &RecordDeletionPlan,
    ) -> Result<Vec<Outcome<i64, TopicPartition>>> {
        let shrinking = plan.partitions.iter().filter(|(_, deletion)| deletion.count() > 0);
        let before: BTreeMap<_, _> =
            shrinking.map(|(partition, deletion)| (partition.clone(), DeleteBefore::Offset(deletion.before))).collect();
        if before.is_empty() {
            return Ok(Vec::new());
        }
        self.delete_records(&before).await
    }
}

fn planned(before: DeleteBefore, start: i64, end: i64) -> Result<RecordDeletion> {
    match before {
        DeleteBefore::Offset(offset) if offset > end => Err(Error::answered(ErrorCode::OFFSET_OUT_OF_RANGE, None)),
        // What is deleted already stays so.
        DeleteBefore::Offset(offset) => Ok(RecordDeletion { start, before: offset.max(start), end }),
        DeleteBefore::End => Ok(RecordDeletion { start, before: end, end }),
    }
}

impl fmt::Display for RecordDeletionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(partition, deletion): (&TopicPartition, &RecordDeletion)| {
            let RecordDeletion { start, before, end } = deletion;
            match deletion.count() {
                0 => format!("{partition}: delete nothing; it begins at {start}"),
                count => format!("{partition}: delete {start} to {} ({count} of {})", before - 1, end - start),
            }
        };
        lines(f, self.partitions.iter().map(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_than_there_is() {
        let before = |before| planned(before, 10, 100).map(|deletion| deletion.before).ok();
        assert_eq!((before(DeleteBefore::End), before(DeleteBefore::Offset(100))), (Some(100), Some(100)));
        assert_eq!((before(DeleteBefore::Offset(3)), before(DeleteBefore::Offset(101))), (Some(10), None));
    }

    #[test]
    fn it_says_how_much_goes() {
        let deletion = |before| planned(DeleteBefore::Offset(before), 10, 100).unwrap();
        let partitions = [(TopicPartition::new("t", 0), deletion(30)), (TopicPartition::new("t", 1), deletion(0))];
        let plan = RecordDeletionPlan { partitions: partitions.into() };
        assert_eq!(plan.to_string(), "t-0: delete 10 to 29 (20 of 90)\nt-1: delete nothing; it begins at 10");
    }
}
