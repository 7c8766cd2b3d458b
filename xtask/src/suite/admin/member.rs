//! Members of groups of each protocol, as few heartbeats as it takes.

use kafka_admin::Admin;
use kafka_conn::{BrokerId, Client};
use kafka_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::share_acknowledge::{
    self, AcknowledgePartition, AcknowledgeTopic, ShareAcknowledgeRequest,
};
use kafka_protocol::messages::share_fetch::{self, ShareFetchRequest};
use kafka_protocol::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use kafka_protocol::messages::streams_group_heartbeat::{
    KeyValue, StreamsGroupHeartbeatRequest, Subtopology, TopicInfo, Topology,
};
use kafka_protocol::{ErrorCode, Uuid};

use super::Failure;

/// A uuid in Kafka's form, as members choose it for themselves.
const MEMBER: &str = "bWVtYmVyLW9mLWdyb3Vwcw";
/// The epoch that says goodbye.
const LEAVING: i32 = -1;

/// Joins, or stays in, a group of consumers that brokers balance (KIP-848); returns the member's epoch.
pub(super) async fn consumer(admin: &Admin, group: &str, topic: &str, epoch: i32) -> Result<i32, Failure> {
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: MEMBER.into(),
        member_epoch: epoch,
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec![topic.into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let answer = Client::new(admin.transport().clone()).call(&request).await?;
    answered(answer.error_code, answer.error_message.as_deref())?;
    Ok(answer.member_epoch)
}

pub(super) async fn consumer_leaves(admin: &Admin, group: &str) -> Result<(), Failure> {
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: MEMBER.into(),
        member_epoch: LEAVING,
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let answer = Client::new(admin.transport().clone()).call(&request).await?;
    answered(answer.error_code, answer.error_message.as_deref())
}

/// Joins a share group (KIP-932), or leaves it.
pub(super) async fn share(admin: &Admin, group: &str, topic: Option<&str>) -> Result<(), Failure> {
    let request = ShareGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: MEMBER.into(),
        member_epoch: if topic.is_some() { 0 } else { LEAVING },
        subscribed_topic_names: topic.map(|topic| vec![topic.into()]),
        ..ShareGroupHeartbeatRequest::default()
    };
    let answer = Client::new(admin.transport().clone()).call(&request).await?;
    answered(answer.error_code, answer.error_message.as_deref())
}

/// Takes records of partition 0 for a share group, until there are some, and says that all of them are done with. Returns
/// the first and the last offset.
pub(super) async fn share_reads(
    admin: &Admin,
    group: &str,
    leader: BrokerId,
    topic_id: Uuid,
) -> Result<(i64, i64), Failure> {
    let client = Client::new(admin.transport().clone());
    let mut session_epoch = 0;
    let acquired = loop {
        // The session knows its partitions from the first request on.
        let partition = share_fetch::FetchPartition::default();
        let topic = share_fetch::FetchTopic { topic_id, partitions: vec![partition], ..Default::default() };
        let request = ShareFetchRequest {
            group_id: Some(group.into()),
            member_id: Some(MEMBER.into()),
            share_session_epoch: session_epoch,
            max_wait_ms: 500,
            min_bytes: 1,
            max_records: 100,
            batch_size: 100,
            topics: if session_epoch == 0 { vec![topic] } else { Vec::new() },
            ..ShareFetchRequest::default()
        };
        let answer = client.send_to(leader, &request).await?;
        answered(answer.error_code, answer.error_message.as_deref())?;
        session_epoch += 1;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        let acquired = partitions.next().and_then(|partition| partition.acquired_records.into_iter().next());
        match acquired {
            Some(acquired) => break (acquired.first_offset, acquired.last_offset),
            None if session_epoch > 40 => return Err("no records to share".into()),
            None => {}
        }
    };
    let batch = share_acknowledge::AcknowledgementBatch {
        first_offset: acquired.0,
        last_offset: acquired.1,
        acknowledge_types: vec![ACCEPTED],
        ..Default::default()
    };
    let partition = AcknowledgePartition { acknowledgement_batches: vec![batch], ..AcknowledgePartition::default() };
    let request = ShareAcknowledgeRequest {
        group_id: Some(group.into()),
        member_id: Some(MEMBER.into()),
        share_session_epoch: session_epoch,
        topics: vec![AcknowledgeTopic { topic_id, partitions: vec![partition], ..AcknowledgeTopic::default() }],
        ..ShareAcknowledgeRequest::default()
    };
    let answer = client.send_to(leader, &request).await?;
    answered(answer.error_code, answer.error_message.as_deref())?;
    Ok(acquired)
}

const ACCEPTED: i8 = 1;

/// Joins a group of a Streams application (KIP-1071) that counts what is in `topic`.
pub(super) async fn streams(admin: &Admin, group: &str, topic: &str) -> Result<(), Failure> {
    let changelog = TopicInfo { name: format!("{group}-counts-changelog").into(), ..TopicInfo::default() };
    let part = Subtopology {
        subtopology_id: "0".into(),
        source_topics: vec![topic.into()],
        state_changelog_topics: vec![changelog],
        ..Subtopology::default()
    };
    let topology = Topology { epoch: 3, subtopologies: vec![part], ..Topology::default() };
    let request = StreamsGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: MEMBER.into(),
        rebalance_timeout_ms: 30_000,
        topology: Some(topology),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some("process".into()),
        client_tags: Some(vec![KeyValue { key: "zone".into(), value: "a".into(), ..KeyValue::default() }]),
        ..StreamsGroupHeartbeatRequest::default()
    };
    let answer = Client::new(admin.transport().clone()).call(&request).await?;
    answered(answer.error_code, answer.error_message.as_deref())
}

pub(super) async fn streams_leaves(admin: &Admin, group: &str) -> Result<(), Failure> {
    let request = StreamsGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: MEMBER.into(),
        member_epoch: LEAVING,
        ..StreamsGroupHeartbeatRequest::default()
    };
    let answer = Client::new(admin.transport().clone()).call(&request).await?;
    answered(answer.error_code, answer.error_message.as_deref())
}

fn answered(code: i16, message: Option<&str>) -> Result<(), Failure> {
    let told = |code: ErrorCode| format!("{code}: {}", message.unwrap_or_default());
    ErrorCode(code).check().map_err(|code| told(code).into())
}
