//! Offsets that groups have committed: list, alter, delete; and lag.

use std::collections::BTreeMap;

use kafka_conn::IsolationLevel;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::OffsetSpec;
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, by_topic};

/// An offset that a group committed: the next record that it will read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset.
    pub offset: i64,
    /// The leader epoch of the record before it; `None` where the member did not say.
    pub leader_epoch: Option<i32>,
    /// What the member wrote beside it.
    pub metadata: SmolStr,
}

impl CommittedOffset {
    /// An offset without anything beside it.
    pub fn at(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: SmolStr::default() }
    }
}

/// How far a group is behind in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// What it committed; `None` for nothing.
    pub committed: Option<CommittedOffset>,
    /// Where the partition begins.
    pub start: i64,
    /// Where the partition ends.
    pub end: i64,
}

impl GroupLag {
    /// Records that are still to be read; `None` where nothing is committed.
    pub fn lag(&self) -> Option<i64> {
        let committed = self.committed.as_ref()?.offset;
        Some(self.end.saturating_sub(committed.max(self.start)).max(0))
    }
}

/// Where a group's offsets are moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// Where partitions begin.
    Earliest,
    /// Where partitions end.
    Latest,
    /// The first record that is not older than this, in milliseconds since 1970; where there is none, the end.
    Time(i64),
    /// This offset.
    Offset(i64),
    /// So many records on from what is committed, or back.
    Shift(i64),
}

/// A move of a group's offsets, worked out and not made yet: it can be printed, and be
/// [applied](Admin::apply_offset_plan).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetPlan {
    /// The group.
    pub group: SmolStr,
    /// What is committed, and what will be, by partition.
    pub moves: BTreeMap<TopicPartition, OffsetMove>,
}

/// One partition of an [`OffsetPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetMove {
    /// What is committed; `None` for nothing.
    pub from: Option<i64>,
    /// What will be: always between where the partition begins and ends.
    pub to: i64,
}

impl Admin {
    /// What a group has committed, for these partitions or, with `None`, for all that it has committed anything for
    /// (OffsetFetch). The value of a partition without a commit is `None`.
    ///
    /// # Errors
    /// [`GroupNotFound`](ErrorKind::GroupNotFound), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection). A partition's own error is that of the whole, as its commit would be
    /// taken for none.
    pub async fn list_group_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, Option<CommittedOffset>>> {
        let group = SmolStr::new(group);
        let response = self.client().call(&fetch_request(&group, partitions)).await?;
        committed(response).map_err(|error| error.or_about(Resource::Group(group)))
    }

    /// Commits offsets for a group that has no members (OffsetCommit). The outcomes are by partition.
    ///
    /// # Errors
    /// Per partition: [`GroupNotEmpty`](ErrorKind::GroupNotEmpty), [`UnknownTopic`](ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized). For all: [`Connection`](ErrorKind::Connection).
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let group = SmolStr::new(group);
        let topic = |(name, indexes): (SmolStr, Vec<i32>)| {
            let partition = |index| {
                let commit = offsets.get(&TopicPartition::new(name.clone(), index)).cloned();
                let commit = commit.unwrap_or_else(|| CommittedOffset::at(-1));
                OffsetCommitRequestPartition {
                    partition_index: index,
                    committed_offset: commit.offset,
                    committed_leader_epoch: commit.leader_epoch.unwrap_or(-1),
                    committed_metadata: Some(commit.metadata),
                    ..OffsetCommitRequestPartition::default()
                }
            };
            let partitions = indexes.into_iter().map(partition).collect();
            OffsetCommitRequestTopic { name, partitions, ..OffsetCommitRequestTopic::default() }
        };
        let request = OffsetCommitRequest {
            group_id: group.clone(),
            topics: by_topic(offsets.keys()).into_iter().map(topic).collect(),
            ..OffsetCommitRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let unanswered =
            |partition: &TopicPartition| failures.group(&group).about(Resource::Partition(partition.clone()));
        Ok(answers.outcomes(offsets.keys(), |answer| check(answer.error_code), unanswered))
    }

    /// Makes a group forget what it committed for these partitions (OffsetDelete, KIP-496). Its members, if it has any,
    /// must not be subscribed to their topics. The outcomes are in the order of `partitions`.
    ///
    /// # Errors
    /// Per partition: [`GroupSubscribed`](ErrorKind::GroupSubscribed), [`UnknownTopic`](ErrorKind::UnknownTopic). For
    /// all: [`GroupNotFound`](ErrorKind::GroupNotFound), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let group = SmolStr::new(group);
        let topic = |(name, indexes): (SmolStr, Vec<i32>)| {
            let partition = |partition_index| OffsetDeleteRequestPartition {
                partition_index,
                ..OffsetDeleteRequestPartition::default()
            };
            let partitions = indexes.into_iter().map(partition).collect();
            OffsetDeleteRequestTopic { name, partitions, ..OffsetDeleteRequestTopic::default() }
        };
        let request = OffsetDeleteRequest {
            group_id: group.clone(),
            topics: by_topic(partitions).into_iter().map(topic).collect(),
            ..OffsetDeleteRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        Error::check(response.error_code, None).map_err(|error| error.about(Resource::Group(group.clone())))?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let unanswered =
            |partition: &TopicPartition| failures.group(&group).about(Resource::Partition(partition.clone()));
        Ok(answers.outcomes(partitions.iter(), |answer| check(answer.error_code), unanswered))
    }

    /// How far a group is behind, by partition: of these partitions or, with `None`, of all that it has committed
    /// anything for (OffsetFetch, ListOffsets).
    ///
    /// # Errors
    /// As [`list_group_offsets`](Self::list_group_offsets); per partition, as [`list_offsets`](Self::list_offsets).
    pub async fn group_lag(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        isolation: IsolationLevel,
    ) -> Result<Vec<Outcome<GroupLag, TopicPartition>>> {
        let began = Instant::now();
        let committed = self.list_group_offsets(group, partitions).await?;
        let places = |place| committed.keys().map(|partition| (partition.clone(), place)).collect::<Vec<_>>();
        let starts =
            self.since(began).list_offsets(&places(OffsetSpec::Earliest), IsolationLevel::ReadUncommitted).await?;
        let ends = self.since(began).list_offsets(&places(OffsetSpec::Latest), isolation).await?;
        let lags = committed.into_iter().zip(starts).zip(ends).map(|(((partition, committed), start), end)| {
            let known = |offset: Option<i64>| offset.ok_or_else(|| Error::new(ErrorKind::NoAnswer));
            let result = start.result.and_then(|start| {
                let end = end.result?;
                Ok(GroupLag { committed, start: known(start.offset)?, end: known(end.offset)? })
            });
            Outcome::new(partition, result)
        });
        Ok(lags.collect())
    }

    /// Works out where a group's offsets would be moved to, without moving them (OffsetFetch, ListOffsets).
    ///
    /// # Errors
    /// As [`group_lag`](Self::group_lag), and the first error of a partition.
    pub async fn plan_offset_reset(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        to: OffsetReset,
    ) -> Result<OffsetPlan> {
        let began = Instant::now();
        let lags = self.group_lag(group, partitions, IsolationLevel::ReadUncommitted).await?;
        let mut moves = BTreeMap::new();
        let at_time = match to {
            OffsetReset::Time(millis) => {
                let places: Vec<_> = lags.iter().map(|lag| (lag.item.clone(), OffsetSpec::Time(millis))).collect();
                self.since(began).list_offsets(&places, IsolationLevel::ReadUncommitted).await?
            }
            _ => Vec::new(),
        };
        let mut at_time = at_time.into_iter();
        for Outcome { item, result } in lags {
            let lag = result?;
            let found = at_time.next().map(|outcome| outcome.result).transpose()?.and_then(|listed| listed.offset);
            if let Some(planned) = target(&lag, to, found) {
                moves.insert(item, OffsetMove { from: lag.committed.map(|commit| commit.offset), to: planned });
            }
        }
        Ok(OffsetPlan { group: group.into(), moves })
    }

    /// Makes a planned move (OffsetCommit). The outcomes are by partition.
    ///
    /// # Errors
    /// As [`alter_group_offsets`](Self::alter_group_offsets).
    pub async fn apply_offset_plan(&self, plan: &OffsetPlan) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let commit = |(partition, to): (&TopicPartition, &OffsetMove)| (partition.clone(), CommittedOffset::at(to.to));
        self.alter_group_offsets(&plan.group, &plan.moves.iter().map(commit).collect()).await
    }
}

/// Where an offset is moved to, within its partition; `None` where a shift has nothing to start from.
fn target(lag: &GroupLag, to: OffsetReset, at_time: Option<i64>) -> Option<i64> {
    let offset = match to {
        OffsetReset::Earliest => lag.start,
        OffsetReset::Latest => lag.end,
        OffsetReset::Time(_) => at_time.unwrap_or(lag.end),
        OffsetReset::Offset(offset) => offset,
        OffsetReset::Shift(by) => lag.committed.as_ref()?.offset.saturating_add(by),
    };
    Some(offset.clamp(lag.start, lag.end.max(lag.start)))
}

/// About one group, as versions up to 7 ask, which every broker has: topics have names there.
fn fetch_request(group: &SmolStr, partitions: Option<&[TopicPartition]>) -> OffsetFetchRequest {
    let topic = |(name, partition_indexes)| OffsetFetchRequestTopic {
        name,
        partition_indexes,
        ..OffsetFetchRequestTopic::default()
    };
    OffsetFetchRequest {
        group_id: group.clone(),
        topics: partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()),
        ..OffsetFetchRequest::default()
    }
}

fn committed(response: OffsetFetchResponse) -> Result<BTreeMap<TopicPartition, Option<CommittedOffset>>> {
    Error::check(response.error_code, None)?;
    let mut all = BTreeMap::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let key = TopicPartition::new(topic.name.clone(), partition.partition_index);
            Error::check(partition.error_code, None).map_err(|error| error.about(Resource::Partition(key.clone())))?;
            let commit = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: (partition.committed_leader_epoch >= 0).then_some(partition.committed_leader_epoch),
                metadata: partition.metadata.unwrap_or_default(),
            };
            all.insert(key, (commit.offset >= 0).then_some(commit));
        }
    }
    Ok(all)
}

/// To a group with members, a commit from outside is one of an unknown member.
fn check(code: i16) -> Result<()> {
    match ErrorCode(code) {
        code @ ErrorCode::UNKNOWN_MEMBER_ID => Err(Error::answered(code, None).of_kind(ErrorKind::GroupNotEmpty)),
        code => Error::check(code.0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(committed: Option<i64>) -> GroupLag {
        GroupLag { committed: committed.map(CommittedOffset::at), start: 10, end: 100 }
    }

    #[test]
    fn lag_counts_what_is_there_to_read() {
        assert_eq!(lag(Some(60)).lag(), Some(40));
        assert_eq!(lag(Some(3)).lag(), Some(90), "what is deleted is not to be read");
        assert_eq!((lag(Some(200)).lag(), lag(None).lag()), (Some(0), None));
    }

    #[test]
    fn a_reset_stays_within_the_partition() {
        let at = |to| target(&lag(Some(60)), to, None);
        assert_eq!((at(OffsetReset::Earliest), at(OffsetReset::Latest)), (Some(10), Some(100)));
        assert_eq!((at(OffsetReset::Shift(-70)), at(OffsetReset::Shift(i64::MAX))), (Some(10), Some(100)));
        assert_eq!((at(OffsetReset::Offset(70)), at(OffsetReset::Time(5))), (Some(70), Some(100)));
        assert_eq!(target(&lag(None), OffsetReset::Shift(1), None), None);
        assert_eq!(target(&lag(None), OffsetReset::Time(5), Some(50)), Some(50));
    }
}
