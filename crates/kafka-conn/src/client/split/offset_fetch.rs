//! OffsetFetch, which asks about one group or about many, by version.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::{Items, Split};
use crate::client::Item;

/// One group, as versions up to 7 ask, or a list of them, as later ones do. A list goes to older brokers one by one.
impl Split for OffsetFetchRequest {
    fn items(&self) -> Vec<Item> {
        if self.groups.is_empty() {
            return vec![Item::Group(self.group_id.clone())];
        }
        self.groups.iter().map(|group| Item::Group(group.group_id.clone())).collect()
    }

    fn part(&self, items: &Items) -> Self {
        let mut part = self.clone();
        part.groups.retain(|group| items.contains(&Item::Group(group.group_id.clone())));
        part
    }

    fn outcomes(&self, items: &Items, response: &Self::Response) -> Vec<(Item, ErrorCode)> {
        if self.groups.is_empty() {
            return items.iter().map(|item| (item.clone(), ErrorCode(response.error_code))).collect();
        }
        response.groups.iter().map(|group| (Item::Group(group.group_id.clone()), ErrorCode(group.error_code))).collect()
    }

    fn merge(into: &mut Self::Response, mut from: Self::Response, items: &Items) {
        if from.groups.is_empty() {
            *into = from;
            return;
        }
        into.throttle_time_ms = into.throttle_time_ms.max(from.throttle_time_ms);
        from.groups.retain(|group| items.contains(&Item::Group(group.group_id.clone())));
        into.groups.append(&mut from.groups);
    }

    fn max_version(&self) -> Option<i16> {
        self.groups.is_empty().then_some(BATCHED - 1)
    }

    fn min_version(&self) -> Option<i16> {
        (!self.groups.is_empty()).then_some(BATCHED)
    }

    fn one(&self, item: &Item) -> Option<Self> {
        let group = self.groups.iter().find(|group| Item::Group(group.group_id.clone()) == *item)?;
        let topic = |topic: &OffsetFetchRequestTopics| OffsetFetchRequestTopic {
            name: topic.name.clone(),
            partition_indexes: topic.partition_indexes.clone(),
            ..OffsetFetchRequestTopic::default()
        };
        Some(Self {
            group_id: group.group_id.clone(),
            topics: group.topics.as_ref().map(|topics| topics.iter().map(topic).collect()),
            groups: Vec::new(),
            ..self.clone()
        })
    }

    fn widen(item: &Item, response: Self::Response) -> Self::Response {
        let Item::Group(group_id) = item else { return response };
        let partition = |partition: OffsetFetchResponsePartition| OffsetFetchResponsePartitions {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
            ..OffsetFetchResponsePartitions::default()
        };
        let topic = |topic: OffsetFetchResponseTopic| OffsetFetchResponseTopics {
            name: topic.name,
            partitions: topic.partitions.into_iter().map(partition).collect(),
            ..OffsetFetchResponseTopics::default()
        };
        let group = OffsetFetchResponseGroup {
            group_id: group_id.clone(),
            topics: response.topics.into_iter().map(topic).collect(),
            error_code: response.error_code,
            ..OffsetFetchResponseGroup::default()
        };
        Self::Response { topics: Vec::new(), error_code: 0, groups: vec![group], ..response }
    }
}

/// The first version with a list of groups (KIP-709, Kafka 3.0).
const BATCHED: i16 = 8;
