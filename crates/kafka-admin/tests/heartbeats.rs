//! Heartbeats and share sessions against a broker in memory: what is said in which version, and what each answer becomes.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_admin::{
    AcknowledgeType, Acknowledgement, ConsumerHeartbeat, ErrorKind, Membership, Resource, ShareFetch, ShareHeartbeat,
    ShareSession, StreamsHeartbeat, StreamsStatusCode, TopicIdPartition,
};
use kafka_conn::BrokerId;
use kafka_protocol::messages::consumer_group_heartbeat::{
    self, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use kafka_protocol::messages::share_acknowledge::{
    self, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};
use kafka_protocol::messages::share_fetch::{
    AcquiredRecords, PartitionData, ShareFetchRequest, ShareFetchResponse, ShareFetchableTopicResponse,
};
use kafka_protocol::messages::share_group_heartbeat::ShareGroupHeartbeatResponse;
use kafka_protocol::messages::streams_group_heartbeat::{Status, StreamsGroupHeartbeatResponse};
use kafka_protocol::{ApiKey, ErrorCode, Message, Uuid};
use support::{Broker, encoded};

const TOPIC: Uuid = Uuid::from_bytes([7; 16]);

fn place(partition: i32) -> TopicIdPartition {
    TopicIdPartition::new(TOPIC, partition)
}

fn range(partition: i32, kind: AcknowledgeType) -> Acknowledgement {
    Acknowledgement { partition: place(partition), first_offset: 3, last_offset: 4, kind }
}

/// A coordinator that has the second version only if that is the `newest`, and gives out both partitions.
fn coordinator(newest: i16) -> Broker {
    Broker::new().on(ApiKey::CONSUMER_GROUP_HEARTBEAT, newest, |version, body| {
        let asked = ConsumerGroupHeartbeatRequest::decode(version, body).unwrap();
        let partitions =
            consumer_group_heartbeat::TopicPartitions { topic_id: TOPIC, partitions: vec![1, 0], ..Default::default() };
        let assignment =
            consumer_group_heartbeat::Assignment { topic_partitions: vec![partitions], ..Default::default() };
        let answer = match asked.member_epoch {
            0 => ConsumerGroupHeartbeatResponse {
                member_id: Some(asked.member_id),
                member_epoch: 1,
                heartbeat_interval_ms: 5_000,
                assignment: Some(assignment),
                ..Default::default()
            },
            1 | -1 => ConsumerGroupHeartbeatResponse { member_epoch: asked.member_epoch, ..Default::default() },
            9 => ConsumerGroupHeartbeatResponse {
                error_code: ErrorCode::UNKNOWN_MEMBER_ID.0,
                ..ConsumerGroupHeartbeatResponse::default()
            },
            _ => ConsumerGroupHeartbeatResponse {
                error_code: ErrorCode::FENCED_MEMBER_EPOCH.0,
                error_message: Some("as the broker says it".into()),
                ..ConsumerGroupHeartbeatResponse::default()
            },
        };
        Some(encoded(version, &answer))
    })
}

#[tokio::test(start_paused = true)]
async fn a_consumer_joins_stays_and_leaves_as_the_member_that_was_answered() {
    let broker = coordinator(1);
    let admin = broker.admin().await;
    let me = Membership::joining("g");
    let joined = admin.consumer_group_heartbeat(&ConsumerHeartbeat::joining(me.clone(), ["t"])).await.unwrap();
    assert_eq!(joined.membership, Membership { epoch: 1, ..me });
    assert_eq!((joined.interval, joined.assignment), (Duration::from_secs(5), Some(vec![place(0), place(1)])));
    let stays = admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(joined.membership)).await.unwrap();
    assert_eq!((stays.membership.epoch, stays.assignment), (1, None));
    let leaving = ConsumerHeartbeat::unchanged(stays.membership.leaving());
    let left = admin.consumer_group_heartbeat(&leaving).await.unwrap();
    assert_eq!((left.membership.epoch, left.interval), (-1, Duration::ZERO));
    for epoch in [5, 9] {
        let late = ConsumerHeartbeat::unchanged(Membership { epoch, ..stays.membership.clone() });
        let error = admin.consumer_group_heartbeat(&late).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::MemberFenced);
        assert_eq!(error.context().resource, Some(Resource::Group("g".into())));
        assert!(error.to_string().contains("let go of what it has, and join again with epoch 0"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_is_not_left_out_for_a_coordinator_that_knows_none() {
    for (newest, offered) in [(0, false), (1, true)] {
        let broker = coordinator(newest);
        let heartbeat = ConsumerHeartbeat {
            topic_pattern: Some("t.*".into()),
            ..ConsumerHeartbeat::joining(Membership::joining("g"), ["t"])
        };
        let answered = broker.admin().await.consumer_group_heartbeat(&heartbeat).await;
        match answered {
            Ok(_) => assert!(offered),
            Err(error) => assert_eq!((error.kind(), offered), (&ErrorKind::NotOffered, false), "{error:#}"),
        }
        assert_eq!(broker.asked(ApiKey::CONSUMER_GROUP_HEARTBEAT).len(), usize::from(offered));
    }
}

/// A leader with share sessions up to a version; what it was asked for, session by session.
fn leader(newest: i16, epochs: &Arc<Mutex<Vec<i32>>>) -> Broker {
    let (fetches, acknowledgements) = (Arc::clone(epochs), Arc::clone(epochs));
    let fetch = move |version, body| {
        let asked = ShareFetchRequest::decode(version, body).unwrap();
        fetches.lock().unwrap().push(asked.share_session_epoch);
        let acquired = AcquiredRecords { first_offset: 3, last_offset: 4, delivery_count: 1, ..Default::default() };
        let with = |partition_index, acknowledge_error_code, error_code| PartitionData {
            partition_index,
            error_code,
            acknowledge_error_code,
            records: if error_code == 0 { "batches".into() } else { Default::default() },
            acquired_records: if error_code == 0 { vec![acquired.clone()] } else { Vec::new() },
            ..PartitionData::default()
        };
        let partitions =
            vec![with(1, ErrorCode::INVALID_RECORD_STATE.0, 0), with(0, 0, ErrorCode::NOT_LEADER_OR_FOLLOWER.0)];
        let topic = ShareFetchableTopicResponse { topic_id: TOPIC, partitions, ..Default::default() };
        let responses = vec![topic];
        let answer = ShareFetchResponse { acquisition_lock_timeout_ms: 30_000, responses, ..Default::default() };
        Some(encoded(version, &answer))
    };
    let acknowledge = move |version, body| {
        let asked = ShareAcknowledgeRequest::decode(version, body).unwrap();
        acknowledgements.lock().unwrap().push(asked.share_session_epoch);
        let error_code =
            if asked.share_session_epoch == 9 { ErrorCode::SHARE_SESSION_NOT_FOUND.0 } else { ErrorCode::NONE.0 };
        let topic = |topic: &share_acknowledge::AcknowledgeTopic| {
            let partition = |one: &share_acknowledge::AcknowledgePartition| share_acknowledge::PartitionData {
                partition_index: one.partition_index,
                ..Default::default()
            };
            // What is said of the last partition, it forgets to answer.
            let partitions = topic.partitions.iter().filter(|one| one.partition_index < 2).map(partition).collect();
            ShareAcknowledgeTopicResponse { topic_id: topic.topic_id, partitions, ..Default::default() }
        };
        let responses = asked.topics.iter().map(topic).collect();
        Some(encoded(version, &ShareAcknowledgeResponse { error_code, responses, ..Default::default() }))
    };
    let broker = Broker::new().on(ApiKey::SHARE_FETCH, newest, fetch);
    broker.on(ApiKey::SHARE_ACKNOWLEDGE, newest, acknowledge)
}

#[tokio::test(start_paused = true)]
async fn each_partition_has_an_outcome_for_its_records_and_one_for_its_acknowledgements() {
    let epochs = Arc::default();
    let admin = leader(2, &epochs).admin().await;
    let session = ShareSession::new(&Membership::joining("g"), BrokerId(0));
    let acknowledgements = vec![range(1, AcknowledgeType::Accept), range(2, AcknowledgeType::Accept)];
    let fetch = ShareFetch { partitions: vec![place(0), place(1)], acknowledgements, ..ShareFetch::default() };
    let fetched = admin.share_fetch(&session, &fetch).await.unwrap();
    assert_eq!((fetched.session.epoch, fetched.lock_timeout), (1, Duration::from_secs(30)));
    let [moved, came] = &fetched.partitions[..] else { panic!("{fetched:?}") };
    assert_eq!((moved.item, moved.result.as_ref().unwrap_err().kind()), (place(0), &ErrorKind::NotLeader));
    let records = came.result.as_ref().unwrap();
    assert_eq!((came.item, &records.records[..], records.acquired.len()), (place(1), &b"batches"[..], 1));
    let kinds: Vec<_> =
        fetched.acknowledged.iter().map(|outcome| outcome.result.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds, [&ErrorKind::InvalidRecordState, &ErrorKind::NoAnswer]);

    let ranges =
        [range(2, AcknowledgeType::Reject), records.acquired[0].acknowledge(place(1), AcknowledgeType::Accept)];
    let done = admin.share_acknowledge(&fetched.session, &ranges).await.unwrap();
    let told: Vec<_> = done.partitions.iter().map(|outcome| (outcome.item, outcome.is_ok())).collect();
    assert_eq!((told, done.lock_timeout), (vec![(place(1), true), (place(2), false)], None));
    let ended = admin.share_acknowledge(&done.session.ending(), &[]).await.unwrap();
    assert_eq!((ended.session.epoch, epochs.lock().unwrap().clone()), (0, vec![0, 1, -1]));
    let lost = admin.share_acknowledge(&ShareSession { epoch: 9, ..session }, &[]).await.unwrap_err();
    assert_eq!(lost.kind(), &ErrorKind::ShareSessionLost);
    assert!(lost.to_string().ends_with("begin another"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_not_said_to_a_leader_that_would_take_it_for_something_else() {
    let epochs = Arc::default();
    let admin = leader(1, &epochs).admin().await;
    let session = ShareSession { epoch: 1, ..ShareSession::new(&Membership::joining("g"), BrokerId(0)) };
    let renewal = [range(0, AcknowledgeType::Renew)];
    let error = admin.share_acknowledge(&session, &renewal).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotOffered);
    let fetch = ShareFetch { acknowledgements: renewal.to_vec(), ..ShareFetch::default() };
    assert_eq!(admin.share_fetch(&session, &fetch).await.unwrap_err().kind(), &ErrorKind::NotOffered);
    assert!(epochs.lock().unwrap().is_empty(), "nothing was asked");
}

#[tokio::test(start_paused = true)]
async fn what_a_group_is_not_ready_for_is_told_with_a_name() {
    let broker = Broker::new()
        .on(ApiKey::STREAMS_GROUP_HEARTBEAT, 0, |version, _| {
            let status = Status { status_code: 1, status_detail: "no topic t".into(), ..Status::default() };
            let status = Some(vec![status, Status { status_code: 99, ..Status::default() }]);
            Some(encoded(version, &StreamsGroupHeartbeatResponse { status, member_epoch: 4, ..Default::default() }))
        })
        .on(ApiKey::SHARE_GROUP_HEARTBEAT, 1, |version, _| {
            let error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED.0;
            Some(encoded(version, &ShareGroupHeartbeatResponse { error_code, ..Default::default() }))
        });
    let admin = broker.admin().await;
    let me = Membership::joining("g");
    let answer = admin.streams_group_heartbeat(&StreamsHeartbeat::unchanged(me.clone())).await.unwrap();
    assert_eq!((answer.membership, answer.tasks), (Membership { epoch: 4, ..me.clone() }, None));
    let codes: Vec<_> = answer.status.unwrap().into_iter().map(|status| status.code.to_string()).collect();
    assert_eq!(codes, [StreamsStatusCode::MISSING_SOURCE_TOPICS.to_string().as_str(), "99"]);
    let refused = admin.share_group_heartbeat(&ShareHeartbeat::joining(me, ["t"])).await.unwrap_err();
    assert!(refused.is_not_authorized(), "{refused}");
}
