//! Heartbeats of members of groups that brokers balance: of consumers (KIP-848) and in share groups (KIP-932).
//!
//! A heartbeat joins a group, stays in it and leaves it; its answer says what is the member's, and when the next one is
//! due. Those of Kafka Streams are [another's](Admin::streams_group_heartbeat).

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_conn::CallOptions;
use kafka_protocol::Uuid;
use kafka_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use kafka_protocol::messages::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::{duration, millis};
use crate::error::{Error, Result};
use crate::membership::{DEFAULT_REBALANCE_TIMEOUT, Membership};
use crate::resource::{Resource, TopicIdPartition, by_topic_id};

/// What a member of a consumer group tells its coordinator. `None`: as it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeat {
    /// Who it is, and at which epoch.
    pub membership: Membership,
    /// Where it stands.
    pub rack: Option<SmolStr>,
    /// How long it may take to let go of partitions (`max.poll.interval.ms`).
    pub rebalance_timeout: Option<Duration>,
    /// The topics that it reads.
    pub topics: Option<Vec<SmolStr>>,
    /// A regular expression of RE2 for the topics that it reads (Kafka 4.0 and later).
    pub topic_pattern: Option<SmolStr>,
    /// The broker's assignor that it prefers, such as `uniform` or `range` (`group.remote.assignor`).
    pub assignor: Option<SmolStr>,
    /// The partitions that it has.
    pub owned: Option<Vec<TopicIdPartition>>,
}

impl ConsumerHeartbeat {
    /// Of a member that [joins](Membership::joining), to read these topics. Its rebalance timeout is 5 minutes, as
    /// Java's is by default.
    pub fn joining(membership: Membership, topics: impl IntoIterator<Item = impl Into<SmolStr>>) -> Self {
        Self {
            rebalance_timeout: Some(DEFAULT_REBALANCE_TIMEOUT),
            topics: Some(topics.into_iter().map(Into::into).collect()),
            owned: Some(Vec::new()),
            ..Self::unchanged(membership)
        }
    }

    /// Of a member that has nothing new to say, or [leaves](Membership::leaving).
    pub fn unchanged(membership: Membership) -> Self {
        Self {
            membership,
            rack: None,
            rebalance_timeout: None,
            topics: None,
            topic_pattern: None,
            assignor: None,
            owned: None,
        }
    }
}

/// What a member of a share group tells its coordinator. `None`: as it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareHeartbeat {
    /// Who it is, and at which epoch.
    pub membership: Membership,
    /// Where it stands.
    pub rack: Option<SmolStr>,
    /// The topics that it reads.
    pub topics: Option<Vec<SmolStr>>,
}

impl ShareHeartbeat {
    /// Of a member that [joins](Membership::joining), to read these topics.
    pub fn joining(membership: Membership, topics: impl IntoIterator<Item = impl Into<SmolStr>>) -> Self {
        let topics = Some(topics.into_iter().map(Into::into).collect());
        Self { topics, ..Self::unchanged(membership) }
    }

    /// Of a member that has nothing new to say, or [leaves](Membership::leaving).
    pub fn unchanged(membership: Membership) -> Self {
        Self { membership, rack: None, topics: None }
    }
}

/// What a member is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// Who it is, and at which epoch: the next heartbeat says so.
    pub membership: Membership,
    /// When the next heartbeat is due; zero where it has left.
    pub interval: Duration,
    /// The partitions that it shall have, in order; `None` for the same as before. A consumer lets go of others, and says
    /// so with [`owned`](ConsumerHeartbeat::owned).
    pub assignment: Option<Vec<TopicIdPartition>>,
}

impl Admin {
    /// Joins a consumer group that brokers balance, stays in it, or leaves it (ConsumerGroupHeartbeat, Kafka 4.0 and
    /// later).
    ///
    /// ```no_run
    /// # async fn example(admin: kafka_admin::Admin) -> kafka_admin::Result<()> {
    /// use kafka_admin::{ConsumerHeartbeat, Membership};
    ///
    /// let hello = ConsumerHeartbeat::joining(Membership::joining("billing"), ["orders"]);
    /// let mut answer = admin.consumer_group_heartbeat(&hello).await?;
    /// while answer.assignment.is_none() {
    ///     tokio::time::sleep(answer.interval).await;
    ///     answer = admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(answer.membership)).await?;
    /// }
    /// let goodbye = ConsumerHeartbeat::unchanged(answer.membership.leaving());
    /// admin.consumer_group_heartbeat(&goodbye).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MemberFenced`](crate::ErrorKind::MemberFenced), [`NotAuthorized`](crate::ErrorKind::NotAuthorized), for the
    /// group or a topic, [`InvalidRequest`](crate::ErrorKind::InvalidRequest), [`Broker`](crate::ErrorKind::Broker) with
    /// `UNSUPPORTED_ASSIGNOR`, `UNRELEASED_INSTANCE_ID`, `GROUP_MAX_SIZE_REACHED` or `INVALID_REGULAR_EXPRESSION`,
    /// [`NotOffered`](crate::ErrorKind::NotOffered), [`Connection`](crate::ErrorKind::Connection).
    pub async fn consumer_group_heartbeat(&self, heartbeat: &ConsumerHeartbeat) -> Result<HeartbeatAnswer> {
        let with_pattern = heartbeat.topic_pattern.as_ref().map(|_| FIRST_WITH_PATTERN);
        let options = CallOptions { min_version: with_pattern, ..CallOptions::default() };
        let membership = &heartbeat.membership;
        let answered = self.call_with(&consumer_request(heartbeat), options).await;
        let answered = answered.and_then(|response: ConsumerGroupHeartbeatResponse| {
            Error::check_member(response.error_code, response.error_message.as_ref())?;
            let assignment = response.assignment.map(|assigned| {
                partitions_of(assigned.topic_partitions.into_iter().map(|topic| (topic.topic_id, topic.partitions)))
            });
            Ok(HeartbeatAnswer {
                membership: membership.answered(response.member_id, response.member_epoch),
                interval: duration(response.heartbeat_interval_ms),
                assignment,
            })
        });
        answered.map_err(|error| error.about(Resource::Group(membership.group.clone())))
    }

    /// Joins a share group, stays in it, or leaves it (ShareGroupHeartbeat, Kafka 4.1 and later). Its members
    /// [fetch](Self::share_fetch) from the leaders of what they are assigned.
    ///
    /// # Errors
    /// [`MemberFenced`](crate::ErrorKind::MemberFenced), [`NotAuthorized`](crate::ErrorKind::NotAuthorized), for the
    /// group or a topic, [`InvalidRequest`](crate::ErrorKind::InvalidRequest), [`Broker`](crate::ErrorKind::Broker) with
    /// `GROUP_MAX_SIZE_REACHED`, [`NotOffered`](crate::ErrorKind::NotOffered),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn share_group_heartbeat(&self, heartbeat: &ShareHeartbeat) -> Result<HeartbeatAnswer> {
        let membership = &heartbeat.membership;
        let request = ShareGroupHeartbeatRequest {
            group_id: membership.group.clone(),
            member_id: membership.member_id.clone(),
            member_epoch: membership.epoch,
            rack_id: heartbeat.rack.clone(),
            subscribed_topic_names: heartbeat.topics.clone(),
            ..ShareGroupHeartbeatRequest::default()
        };
        let answered = self.call_with(&request, CallOptions::default()).await;
        let answered = answered.and_then(|response: ShareGroupHeartbeatResponse| {
            Error::check_member(response.error_code, response.error_message.as_ref())?;
            let assignment = response.assignment.map(|assigned| {
                partitions_of(assigned.topic_partitions.into_iter().map(|topic| (topic.topic_id, topic.partitions)))
            });
            Ok(HeartbeatAnswer {
                membership: membership.answered(response.member_id, response.member_epoch),
                interval: duration(response.heartbeat_interval_ms),
                assignment,
            })
        });
        answered.map_err(|error| error.about(Resource::Group(membership.group.clone())))
    }
}

fn consumer_request(heartbeat: &ConsumerHeartbeat) -> ConsumerGroupHeartbeatRequest {
    let membership = &heartbeat.membership;
    let topic = |(topic_id, partitions): (Uuid, BTreeSet<i32>)| TopicPartitions {
        topic_id,
        partitions: partitions.into_iter().collect(),
        ..TopicPartitions::default()
    };
    let owned = heartbeat.owned.as_ref();
    ConsumerGroupHeartbeatRequest {
        group_id: membership.group.clone(),
        member_id: membership.member_id.clone(),
        member_epoch: membership.epoch,
        instance_id: membership.instance_id.clone(),
        rack_id: heartbeat.rack.clone(),
        rebalance_timeout_ms: heartbeat.rebalance_timeout.map_or(-1, millis),
        subscribed_topic_names: heartbeat.topics.clone(),
        subscribed_topic_regex: heartbeat.topic_pattern.clone(),
        server_assignor: heartbeat.assignor.clone(),
        topic_partitions: owned.map(|owned| by_topic_id(owned).into_iter().map(topic).collect()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// Partitions of topics, in order.
fn partitions_of(topics: impl Iterator<Item = (Uuid, Vec<i32>)>) -> Vec<TopicIdPartition> {
    let of = |(topic_id, partitions): (Uuid, Vec<i32>)| {
        partitions.into_iter().map(move |partition| TopicIdPartition::new(topic_id, partition))
    };
    let mut partitions: Vec<_> = topics.flat_map(of).collect();
    partitions.sort_unstable();
    partitions
}

/// The version that has regular expressions.
const FIRST_WITH_PATTERN: i16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_unchanged_and_an_empty_list_is_not_that() {
        let member = Membership::joining("g");
        let joining = consumer_request(&ConsumerHeartbeat::joining(member.clone(), ["a", "b"]));
        assert_eq!((joining.member_epoch, joining.rebalance_timeout_ms), (0, 300_000));
        assert_eq!(joining.subscribed_topic_names.map(|topics| topics.len()), Some(2));
        assert_eq!(joining.topic_partitions, Some(Vec::new()));
        let leaving = consumer_request(&ConsumerHeartbeat::unchanged(member.leaving()));
        assert_eq!((leaving.member_epoch, leaving.rebalance_timeout_ms, leaving.topic_partitions), (-1, -1, None));
    }

    #[test]
    fn partitions_go_by_topic_and_come_back_in_order() {
        let id = |byte| Uuid::from_bytes([byte; 16]);
        let owned = [(2, 1), (1, 0), (2, 0)].map(|(topic, partition)| TopicIdPartition::new(id(topic), partition));
        let heartbeat =
            ConsumerHeartbeat { owned: Some(owned.to_vec()), ..ConsumerHeartbeat::unchanged(Membership::joining("g")) };
        let topics = consumer_request(&heartbeat).topic_partitions.unwrap();
        let topics: Vec<_> = topics.into_iter().map(|topic| (topic.topic_id, topic.partitions)).collect();
        assert_eq!(topics, [(id(1), vec![0]), (id(2), vec![0, 1])]);
        let mut sorted = owned.to_vec();
        sorted.sort_unstable();
        assert_eq!(partitions_of(topics.into_iter().rev()), sorted);
    }
}
