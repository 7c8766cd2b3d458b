//! What brokers of several ages are asked for, on virtual time.

mod support;

use kafka_admin::{AclOperation, ErrorKind, OffsetSpec, TopicPartition};
use kafka_conn::IsolationLevel;
use kafka_protocol::messages::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use kafka_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{consumer_group_describe, describe_cluster::*};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use support::{Broker, encoded, metadata};

const READ: i32 = 1 << AclOperation::READ.0;

/// One that tells what a user may do to topics and to the cluster where it is asked to.
fn with_metadata(version: i16) -> Broker {
    Broker::new().on(ApiKey::METADATA, version, |version, body| {
        let asked = MetadataRequest::decode(version, body).unwrap();
        let topic = |topic: kafka_protocol::messages::metadata::MetadataRequestTopic| {
            let partitions = vec![MetadataResponsePartition { leader_id: 0, ..Default::default() }];
            let mut described = MetadataResponseTopic { name: topic.name, partitions, ..Default::default() };
            if asked.include_topic_authorized_operations {
                described.topic_authorized_operations = READ;
            }
            described
        };
        let topics = asked.topics.unwrap_or_default().into_iter().map(topic).collect();
        let mut answer = MetadataResponse { topics, ..metadata() };
        if asked.include_cluster_authorized_operations {
            answer.cluster_authorized_operations = READ;
        }
        Some(encoded(version, &answer))
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_user_may_do_is_asked_for_where_brokers_tell() {
    for (version, told) in [(7, None), (8, Some(vec![AclOperation::READ])), (12, Some(vec![AclOperation::READ]))] {
        let admin = with_metadata(version).admin().await;
        let topic = admin.describe_topics(&["t"]).await.unwrap().remove(0).result.unwrap();
        assert_eq!(topic.authorized_operations, told, "topics in version {version}");
        let cluster = admin.describe_cluster().await.unwrap();
        assert_eq!(cluster.authorized_operations, told, "the cluster in version {version}");
    }
    let broker = Broker::new().on(ApiKey::DESCRIBE_CLUSTER, 2, |version, body| {
        let asked = DescribeClusterRequest::decode(version, body).unwrap();
        let operations = if asked.include_cluster_authorized_operations { READ } else { i32::MIN };
        let answer = DescribeClusterResponse { cluster_authorized_operations: operations, ..Default::default() };
        Some(encoded(version, &answer))
    });
    let cluster = broker.admin().await.describe_cluster().await.unwrap();
    assert_eq!(cluster.authorized_operations, Some(vec![AclOperation::READ]));
}

#[tokio::test(start_paused = true)]
async fn what_a_user_may_do_to_classic_groups_is_asked_for_where_brokers_tell() {
    let classic = |version: i16, body| {
        let asked = DescribeGroupsRequest::decode(version, body).unwrap();
        let group = |id: &smol_str::SmolStr| DescribedGroup {
            group_id: id.clone(),
            group_state: "Stable".into(),
            authorized_operations: if asked.include_authorized_operations { READ } else { i32::MIN },
            ..DescribedGroup::default()
        };
        let groups = asked.groups.iter().map(group).collect();
        Some(encoded(version, &DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }))
    };
    for (version, told) in [(2, None), (5, Some(vec![AclOperation::READ]))] {
        let broker = Broker::new().on(ApiKey::DESCRIBE_GROUPS, version, classic).on(
            ApiKey::CONSUMER_GROUP_DESCRIBE,
            1,
            |version, body| {
                let asked = ConsumerGroupDescribeRequest::decode(version, body).unwrap();
                let group = |id: &smol_str::SmolStr| consumer_group_describe::DescribedGroup {
                    group_id: id.clone(),
                    error_code: ErrorCode::GROUP_ID_NOT_FOUND.0,
                    ..Default::default()
                };
                let groups = asked.group_ids.iter().map(group).collect();
                Some(encoded(version, &ConsumerGroupDescribeResponse { groups, ..Default::default() }))
            },
        );
        let admin = broker.admin().await;
        for outcome in admin.describe_groups(&["g", "h"]).await.unwrap() {
            assert_eq!(outcome.result.unwrap().authorized_operations, told, "version {version}");
        }
        assert_eq!(broker.asked(ApiKey::DESCRIBE_GROUPS), [version], "once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_too_old_for_a_place_is_not_asked_for_it() {
    let broker = with_metadata(12).on(ApiKey::LIST_OFFSETS, 6, |_, _| panic!("it would take -3 for a time"));
    let places = [(TopicPartition::new("t", 0), OffsetSpec::MaxTimestamp)];
    let outcomes = broker.admin().await.list_offsets(&places, IsolationLevel::ReadUncommitted).await.unwrap();
    let error = outcomes[0].result.as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotOffered, "{error:#}");
}
