//! Where share groups begin to read (KIP-932): describe, alter, delete.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
    AlterShareGroupOffsetsResponsePartition,
};
use kafka_protocol::messages::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::by_partition::{ByPartition, no_answer};
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, by_topic};

/// Where a share group is in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareOffset {
    /// The first record that is not settled yet; `None` where it has not begun.
    pub start: Option<i64>,
    /// The leader epoch that is known for it.
    pub leader_epoch: i32,
    /// How many records are not settled yet; `None` where the broker does not tell (before Kafka 4.2).
    pub lag: Option<i64>,
}

impl Admin {
    /// Where a share group is, in these partitions or, with `None`, in all that it reads (DescribeShareGroupOffsets).
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](ErrorKind::UnknownTopic). For all: [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn describe_share_group_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Outcome<ShareOffset, TopicPartition>>> {
        let topic = |(topic_name, partitions)| DescribeShareGroupOffsetsRequestTopic {
            topic_name,
            partitions,
            ..DescribeShareGroupOffsetsRequestTopic::default()
        };
        let id = SmolStr::new(group);
        let asked = DescribeShareGroupOffsetsRequestGroup {
            group_id: id.clone(),
            topics: partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()),
            ..DescribeShareGroupOffsetsRequestGroup::default()
        };
        let request =
            DescribeShareGroupOffsetsRequest { groups: vec![asked], ..DescribeShareGroupOffsetsRequest::default() };
        let response = self.client().call(&request).await?;
        let about = |error: Error| error.about(Resource::Group(id.clone()));
        let answer = response.groups.into_iter().find(|answer| answer.group_id == id);
        let answer = answer.ok_or_else(|| about(Error::new(ErrorKind::NoAnswer)))?;
        Error::check(answer.error_code, answer.error_message.as_ref()).map_err(about)?;
        let outcomes = answer.topics.into_iter().flat_map(|topic| {
            let name = topic.topic_name;
            topic.partitions.into_iter().map(move |answer| {
                let partition = TopicPartition::new(name.clone(), answer.partition_index);
                let result = Error::check(answer.error_code, answer.error_message.as_ref())
                    .map_err(|error| error.about(Resource::Partition(partition.clone())));
                let offset = ShareOffset {
                    start: (answer.start_offset >= 0).then_some(answer.start_offset),
                    leader_epoch: answer.leader_epoch,
                    lag: (answer.lag >= 0).then_some(answer.lag),
                };
                Outcome::new(partition, result.map(|()| offset))
            })
        });
        Ok(outcomes.collect())
    }

    /// Lets a share group that has no members begin elsewhere (AlterShareGroupOffsets). The outcomes are by partition.
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](ErrorKind::UnknownTopic). For all: [`GroupNotEmpty`](ErrorKind::GroupNotEmpty),
    /// [`GroupNotFound`](ErrorKind::GroupNotFound), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn alter_share_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let topic = |(topic_name, indexes): (SmolStr, Vec<i32>)| {
            let partition = |index| AlterShareGroupOffsetsRequestPartition {
                partition_index: index,
                start_offset: offsets.get(&TopicPartition::new(topic_name.clone(), index)).copied().unwrap_or_default(),
                ..AlterShareGroupOffsetsRequestPartition::default()
            };
            let partitions = indexes.into_iter().map(partition).collect();
            AlterShareGroupOffsetsRequestTopic {
                topic_name,
                partitions,
                ..AlterShareGroupOffsetsRequestTopic::default()
            }
        };
        let request = AlterShareGroupOffsetsRequest {
            group_id: group.into(),
            topics: by_topic(offsets.keys()).into_iter().map(topic).collect(),
            ..AlterShareGroupOffsetsRequest::default()
        };
        let response = self.client().call(&request).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| error.about(Resource::Group(group.into())))?;
        let topics = response.responses.into_iter().map(|topic| (topic.topic_name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        let read = |answer: &AlterShareGroupOffsetsResponsePartition| {
            Error::check(answer.error_code, answer.error_message.as_ref())
        };
        Ok(answers.outcomes(offsets.keys(), read, no_answer))
    }

    /// Makes a share group that has no members forget where it is in topics (DeleteShareGroupOffsets). The outcomes are
    /// in the order of `topics`.
    ///
    /// # Errors
    /// Per topic: [`UnknownTopic`](ErrorKind::UnknownTopic). For all: as
    /// [`alter_share_group_offsets`](Self::alter_share_group_offsets).
    pub async fn delete_share_group_offsets(&self, group: &str, topics: &[&str]) -> Result<Vec<Outcome<()>>> {
        let topic = |name: &&str| DeleteShareGroupOffsetsRequestTopic {
            topic_name: SmolStr::new(name),
            ..DeleteShareGroupOffsetsRequestTopic::default()
        };
        let request = DeleteShareGroupOffsetsRequest {
            group_id: group.into(),
            topics: topics.iter().map(topic).collect(),
            ..DeleteShareGroupOffsetsRequest::default()
        };
        let response = self.client().call(&request).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| error.about(Resource::Group(group.into())))?;
        let outcome = |name: &&str| {
            let name = SmolStr::new(name);
            let result = match response.responses.iter().find(|answer| answer.topic_name == name) {
                Some(answer) => Error::check(answer.error_code, answer.error_message.as_ref()),
                None => Err(Error::new(ErrorKind::NoAnswer)),
            };
            let result = result.map_err(|error| error.with_topic(&name));
            Outcome::new(name, result)
        };
        Ok(topics.iter().map(outcome).collect())
    }
}
