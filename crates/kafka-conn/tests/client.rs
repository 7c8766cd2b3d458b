//! Requests that go to several brokers, and what comes back: scripted brokers, in memory and on virtual time.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kafka_conn::{
    Answer, AnyRequest, BrokerId, CallOptions, Client, ErrorKind, Item, Result, RoundTrip, SendOptions, Transport,
};
use kafka_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};
use kafka_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use kafka_protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use kafka_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use kafka_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use kafka_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::sasl_handshake::SaslHandshakeRequest;
use kafka_protocol::{AnyMessage, ApiKey, ErrorCode};
use support::Seen;
use support::cluster::{Cluster, Reply};

const HOSTS: [(i32, &str); 3] = [(1, "one"), (2, "two"), (3, "three")];

async fn client(cluster: &Cluster) -> Client {
    Client::new(cluster.connect("one").await)
}

/// Answers each partition with the number of the broker that was asked, or the code that `refusals` has for it.
fn serve_offsets(cluster: &Cluster, refusals: &Arc<Mutex<HashMap<(String, i32), ErrorCode>>>) {
    let refusals = Arc::clone(refusals);
    cluster.on(ApiKey::LIST_OFFSETS, move |host, request| {
        let broker = HOSTS.iter().find(|(_, name)| *name == host).map_or(-1, |(id, _)| i64::from(*id));
        let asked: ListOffsetsRequest = request.decode();
        let partition = |partition: &ListOffsetsPartition| {
            let key = (host.to_owned(), partition.partition_index);
            let code = refusals.lock().unwrap().get(&key).copied().unwrap_or_default();
            ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                offset: broker,
                error_code: code.0,
                ..Default::default()
            }
        };
        let topic = |topic: &ListOffsetsTopic| ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions: topic.partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        let topics = asked.topics.iter().map(topic).collect();
        Reply::of(request, &ListOffsetsResponse { topics, ..Default::default() })
    });
}

fn offsets(topics: &[(&str, i32)]) -> ListOffsetsRequest {
    let partition = |partition_index| ListOffsetsPartition { partition_index, timestamp: -1, ..Default::default() };
    let topic = |(name, partitions): &(&str, i32)| ListOffsetsTopic {
        name: (*name).into(),
        partitions: (0..*partitions).map(partition).collect(),
        ..Default::default()
    };
    ListOffsetsRequest { replica_id: -1, topics: topics.iter().map(topic).collect(), ..Default::default() }
}

/// (topic, partition, broker that answered, error code), in order.
fn answered(response: &ListOffsetsResponse) -> Vec<(String, i32, i64, i16)> {
    let mut answered = Vec::new();
    for topic in &response.topics {
        let partition = |one: &ListOffsetsPartitionResponse| {
            (topic.name.to_string(), one.partition_index, one.offset, one.error_code)
        };
        answered.extend(topic.partitions.iter().map(partition));
    }
    answered.sort();
    answered
}

#[tokio::test(start_paused = true)]
async fn partitions_are_asked_for_at_their_leaders_and_the_answers_merged() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[1, 2, 1]);
    cluster.set_topic("b", &[3]);
    serve_offsets(&cluster, &Arc::default());
    let response = client(&cluster).await.call(&offsets(&[("a", 3), ("b", 1)])).await.unwrap();
    let a = |partition, broker| ("a".to_owned(), partition, broker, 0);
    assert_eq!(answered(&response), [a(0, 1), a(1, 2), a(2, 1), ("b".to_owned(), 0, 3, 0)]);
    let mut asked = cluster.asked(ApiKey::LIST_OFFSETS);
    asked.sort();
    assert_eq!(asked, ["one", "three", "two"], "one request each");
    assert_eq!(response.topics.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_one_broker_fails_for_its_items_only() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[1, 2, 3]);
    serve_offsets(&cluster, &Arc::default());
    let client = client(&cluster).await.with_timeout(Duration::from_secs(3));
    cluster.stop("two").await;
    let answer = client.send(&offsets(&[("a", 3), ("unknown", 1)])).await.unwrap();
    let whole = answer.clone().complete().unwrap_err();
    assert_eq!(*whole.kind(), ErrorKind::Refused);
    assert!(whole.to_string().contains("topic \"a\" partition 1"), "{whole}");
    let (response, failures) = answer.into_parts();
    assert_eq!(answered(&response), [("a".to_owned(), 0, 1, 0), ("a".to_owned(), 2, 3, 0)]);
    let failed: Vec<_> = failures.iter().map(|failure| (failure.item.to_string(), failure.error.kind())).collect();
    let expected = [
        ("topic \"a\" partition 1".to_owned(), &ErrorKind::Refused),
        ("topic \"unknown\" partition 0".to_owned(), &ErrorKind::UnknownTopic),
    ];
    assert_eq!(failed, expected);
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_leader_moved_is_asked_for_again_and_no_other() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[1, 2]);
    let refusals = Arc::new(Mutex::new(HashMap::from([(("two".to_owned(), 1), ErrorCode::NOT_LEADER_OR_FOLLOWER)])));
    serve_offsets(&cluster, &refusals);
    let client = client(&cluster).await;
    let request = offsets(&[("a", 2)]);
    let (response, ()) = tokio::join!(client.call(&request), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.set_topic("a", &[1, 3]);
    });
    assert_eq!(answered(&response.unwrap()), [("a".to_owned(), 0, 1, 0), ("a".to_owned(), 1, 3, 0)]);
    let asked = cluster.asked(ApiKey::LIST_OFFSETS);
    assert_eq!(asked.iter().filter(|host| *host == "one").count(), 1);
    assert!(asked.iter().filter(|host| *host == "two").count() > 1);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_no_other_attempt_changes_is_the_items_answer() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[1, 2]);
    let refused = HashMap::from([(("two".to_owned(), 1), ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
    serve_offsets(&cluster, &Arc::new(Mutex::new(refused)));
    let response = client(&cluster).await.call(&offsets(&[("a", 2)])).await.unwrap();
    assert_eq!(answered(&response), [("a".to_owned(), 0, 1, 0), ("a".to_owned(), 1, 2, 29)]);
    assert_eq!(cluster.asked(ApiKey::LIST_OFFSETS).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_says_nothing_keeps_nobody_from_the_answers_of_the_others() {
    let cluster = Cluster::new(&HOSTS);
    cluster.on(ApiKey::LIST_GROUPS, |host, request| match host {
        "two" => Reply::Silence,
        host => {
            let group = ListedGroup { group_id: format!("of {host}").into(), ..Default::default() };
            Reply::of(request, &ListGroupsResponse { groups: vec![group], ..Default::default() })
        }
    });
    let answer = client(&cluster).await.send(&ListGroupsRequest::default()).await.unwrap();
    let (response, failures) = answer.into_parts();
    let mut groups: Vec<_> = response.groups.iter().map(|group| group.group_id.as_str()).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["of one", "of three"]);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].item, Item::Broker(BrokerId(2)));
    assert!(failures[0].error.is_timeout(), "{}", failures[0].error);
}

/// Groups are coordinated by the broker whose id they end with, unless `moved` has another.
fn serve_groups(cluster: &Cluster, moved: &Arc<Mutex<HashMap<String, i32>>>) {
    let home = {
        let moved = Arc::clone(moved);
        move |group: &str| {
            let usual = group.chars().last().and_then(|last| last.to_digit(10)).map_or(-1, u32::cast_signed);
            moved.lock().unwrap().get(group).copied().unwrap_or(usual)
        }
    };
    let find = home.clone();
    cluster.on(ApiKey::FIND_COORDINATOR, move |_, request| {
        let asked: FindCoordinatorRequest = request.decode();
        let found = |key: &smol_str::SmolStr| {
            let node_id = find(key);
            let host = HOSTS.iter().find(|(id, _)| *id == node_id).map_or("", |(_, host)| host).into();
            Coordinator { key: key.clone(), node_id, host, port: 9092, ..Default::default() }
        };
        let coordinators = asked.coordinator_keys.iter().map(found).collect();
        Reply::of(request, &FindCoordinatorResponse { coordinators, ..Default::default() })
    });
    let code = move |host: &str, group: &str| {
        let here = HOSTS.iter().any(|(id, name)| *name == host && *id == home(group));
        if here { ErrorCode::NONE.0 } else { ErrorCode::NOT_COORDINATOR.0 }
    };
    let describe = code.clone();
    cluster.on(ApiKey::DESCRIBE_GROUPS, move |host, request| {
        let asked: DescribeGroupsRequest = request.decode();
        let described = |id: &smol_str::SmolStr| DescribedGroup {
            group_id: id.clone(),
            group_state: host.into(),
            error_code: describe(host, id),
            ..Default::default()
        };
        let groups = asked.groups.iter().map(described).collect();
        Reply::of(request, &DescribeGroupsResponse { groups, ..Default::default() })
    });
    cluster.on(ApiKey::HEARTBEAT, move |host, request| {
        let asked: HeartbeatRequest = request.decode();
        Reply::of(request, &HeartbeatResponse { error_code: code(host, &asked.group_id), ..Default::default() })
    });
}

#[tokio::test(start_paused = true)]
async fn groups_are_asked_for_at_their_coordinators_also_when_these_have_moved() {
    let cluster = Cluster::new(&HOSTS);
    let moved = Arc::default();
    serve_groups(&cluster, &moved);
    let client = client(&cluster).await;
    let describe =
        DescribeGroupsRequest { groups: ["g1", "h1", "g2", "g3"].map(Into::into).into(), ..Default::default() };
    let states = |response: DescribeGroupsResponse| {
        let mut states: Vec<_> = response
            .groups
            .iter()
            .map(|group| format!("{}@{} {}", group.group_id, group.group_state, group.error_code))
            .collect();
        states.sort();
        states
    };
    let response = client.call(&describe).await.unwrap();
    assert_eq!(states(response), ["g1@one 0", "g2@two 0", "g3@three 0", "h1@one 0"]);
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 1, "all groups in one request");
    assert_eq!(cluster.asked(ApiKey::DESCRIBE_GROUPS).len(), 3);
    moved.lock().unwrap().insert("g1".to_owned(), 3);
    let response = client.call(&describe).await.unwrap();
    assert_eq!(states(response), ["g1@three 0", "g2@two 0", "g3@three 0", "h1@one 0"]);
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 2, "only for the group that moved");
    moved.lock().unwrap().insert("g2".to_owned(), 1);
    let heartbeat = HeartbeatRequest { group_id: "g2".into(), ..Default::default() };
    assert_eq!(client.call(&heartbeat).await.unwrap().error_code, 0, "the coordinator is found again");
}

#[tokio::test(start_paused = true)]
async fn configurations_of_a_broker_are_asked_for_there() {
    let cluster = Cluster::new(&HOSTS);
    cluster.on(ApiKey::DESCRIBE_CONFIGS, |host, request| {
        let asked: DescribeConfigsRequest = request.decode();
        let result = |resource: &DescribeConfigsResource| DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            error_message: Some(host.into()),
            ..Default::default()
        };
        let results = asked.resources.iter().map(result).collect();
        Reply::of(request, &DescribeConfigsResponse { results, ..Default::default() })
    });
    let resource = |resource_type, name: &str| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        ..Default::default()
    };
    let resources = vec![resource(4, "2"), resource(2, "topic"), resource(8, "3"), resource(4, ""), resource(4, "x")];
    let request = DescribeConfigsRequest { resources, ..Default::default() };
    let (response, failures) = client(&cluster).await.send(&request).await.unwrap().into_parts();
    let host = |kind, name: &str| {
        let result = response.results.iter().find(|one| one.resource_type == kind && one.resource_name == name);
        result.and_then(|result| result.error_message.clone()).unwrap()
    };
    assert_eq!((host(4, "2").as_str(), host(8, "3").as_str()), ("two", "three"));
    assert!(!host(2, "topic").is_empty() && !host(4, "").is_empty());
    assert_eq!(failures.len(), 1);
    assert!(matches!(failures[0].error.kind(), ErrorKind::InvalidRequest(_)), "{}", failures[0].error);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_place_says_so() {
    let cluster = Cluster::new(&HOSTS);
    cluster.on(ApiKey::DESCRIBE_LOG_DIRS, |host, request| {
        let error_code = if host == "two" { 29 } else { 0 };
        Reply::of(request, &DescribeLogDirsResponse { error_code, ..Default::default() })
    });
    let client = client(&cluster).await;
    let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
    let error = client.send(&request).await.unwrap_err();
    assert!(error.to_string().contains("a broker has to be named"), "{error}");
    assert!(client.send(&SaslHandshakeRequest::default()).await.is_err());
    assert_eq!(client.send_to(BrokerId(2), &request).await.unwrap().error_code, 29);
    assert_eq!(cluster.asked(ApiKey::DESCRIBE_LOG_DIRS), ["two"]);
    let all = client.send_to_each(&request).await.unwrap();
    let codes: Vec<_> = all.into_iter().map(|(broker, answer)| (broker.0, answer.unwrap().error_code)).collect();
    assert_eq!(codes, [(1, 0), (2, 29), (3, 0)]);
    let error = client.send_to(BrokerId(9), &request).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownBroker { id: BrokerId(9) });
}

#[tokio::test(start_paused = true)]
async fn a_producer_without_transactions_asks_any_broker() {
    let cluster = Cluster::new(&HOSTS);
    cluster.on(ApiKey::INIT_PRODUCER_ID, |_, request| {
        Reply::of(request, &InitProducerIdResponse { producer_id: 7, ..Default::default() })
    });
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    assert_eq!(client(&cluster).await.call(&request).await.unwrap().producer_id, 7);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_sent_all_the_same() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[2]);
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    cluster.on(ApiKey::PRODUCE, move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Nothing
    });
    let data = PartitionProduceData { records: Some(bytes::Bytes::new()), ..Default::default() };
    let topic = TopicProduceData { name: "a".into(), partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest { acks: 0, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
    let response = client(&cluster).await.call(&request).await.unwrap();
    assert!(response.responses.is_empty());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((seen.load(Ordering::SeqCst), cluster.asked(ApiKey::PRODUCE)), (1, vec!["two".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_version_can_be_capped() {
    let cluster = Cluster::new(&HOSTS);
    let versions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&versions);
    cluster.on(ApiKey::LIST_GROUPS, move |_, request: &Seen| {
        seen.lock().unwrap().push(request.version);
        Reply::of(request, &ListGroupsResponse::default())
    });
    let call = CallOptions { max_version: Some(3), ..CallOptions::default() };
    let options = SendOptions { broker: Some(BrokerId(1)), call };
    let answer = client(&cluster).await.send_with(&ListGroupsRequest::default(), options).await.unwrap();
    assert!(answer.complete().is_ok());
    assert_eq!(*versions.lock().unwrap(), [3]);
}

/// Counts what goes through it.
#[derive(Debug)]
struct Counting {
    transport: Transport,
    count: Arc<AtomicUsize>,
}

#[async_trait]
impl RoundTrip for Counting {
    async fn round_trip(&self, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.transport.round_trip(request, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_trip_can_be_wrapped() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("a", &[1, 2, 3]);
    serve_offsets(&cluster, &Arc::default());
    let count = Arc::new(AtomicUsize::new(0));
    let client = Client::new(Counting { transport: cluster.connect("one").await, count: Arc::clone(&count) });
    client.call(&offsets(&[("a", 3)])).await.unwrap();
    client.call(&MetadataRequest::default()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2, "requests are seen whole");
}

#[tokio::test(start_paused = true)]
async fn what_one_broker_refuses_of_a_fetch_session_is_the_failure_of_its_partitions() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("t", &[1, 2, 1]);
    cluster.on(ApiKey::FETCH, |host, request| {
        let asked: FetchRequest = request.decode();
        if host == "one" {
            let error_code = ErrorCode::INVALID_FETCH_SESSION_EPOCH.0;
            return Reply::of(request, &FetchResponse { error_code, ..FetchResponse::default() });
        }
        let partition = |asked: &FetchPartition| PartitionData {
            partition_index: asked.partition,
            high_watermark: 7,
            ..PartitionData::default()
        };
        let topic = |topic: &FetchTopic| FetchableTopicResponse {
            topic: topic.topic.clone(),
            partitions: topic.partitions.iter().map(partition).collect(),
            ..FetchableTopicResponse::default()
        };
        let responses = asked.topics.iter().map(topic).collect();
        Reply::of(request, &FetchResponse { responses, ..FetchResponse::default() })
    });
    let partition = |partition| FetchPartition { partition, ..FetchPartition::default() };
    let partitions = (0..3).map(partition).collect();
    let topics = vec![FetchTopic { topic: "t".into(), partitions, ..FetchTopic::default() }];
    let request = FetchRequest { topics, ..FetchRequest::default() };
    let (response, failures) = client(&cluster).await.send(&request).await.unwrap().into_parts();
    let read: Vec<_> = response.responses[0].partitions.iter().map(|partition| partition.partition_index).collect();
    assert_eq!(read, [1]);
    let failed: Vec<_> = failures.iter().map(|failure| (failure.item.to_string(), failure.error.code())).collect();
    let code = Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(failed, [(r#"topic "t" partition 0"#.into(), code), (r#"topic "t" partition 2"#.into(), code)]);
    assert_eq!(cluster.asked(ApiKey::FETCH).len(), 2, "the same question would have the same answer");
}

/// Up to version 7, before Kafka 3.0, there is one group in a request.
#[tokio::test(start_paused = true)]
async fn offsets_of_several_groups_are_asked_for_one_by_one_where_brokers_are_old() {
    let cluster = Cluster::new(&HOSTS);
    cluster.limit(ApiKey::OFFSET_FETCH, 5);
    serve_groups(&cluster, &Arc::default());
    cluster.on(ApiKey::OFFSET_FETCH, |_, request| {
        assert_eq!(request.version, 5);
        let asked: OffsetFetchRequest = request.decode();
        let committed_offset = asked.group_id.len() as i64;
        let partition = OffsetFetchResponsePartition { committed_offset, ..Default::default() };
        let name = asked.topics.map_or_else(|| "all".into(), |topics| topics[0].name.clone());
        let topic = OffsetFetchResponseTopic { name, partitions: vec![partition], ..Default::default() };
        let error_code = if asked.group_id == "not ours1" { ErrorCode::GROUP_AUTHORIZATION_FAILED.0 } else { 0 };
        Reply::of(request, &OffsetFetchResponse { topics: vec![topic], error_code, ..Default::default() })
    });
    let group = |id: &str| OffsetFetchRequestGroup { group_id: id.into(), topics: None, ..Default::default() };
    let topic = OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
    let some = OffsetFetchRequestGroup { topics: Some(vec![topic]), ..group("some2") };
    let groups = vec![group("a1"), some, group("not ours1")];
    let request = OffsetFetchRequest { groups, ..OffsetFetchRequest::default() };
    let mut response = client(&cluster).await.call(&request).await.unwrap();
    response.groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    let told = response.groups.iter().map(|group| {
        let topic = &group.topics[0];
        (group.group_id.as_str(), topic.name.as_str(), topic.partitions[0].committed_offset, group.error_code)
    });
    assert_eq!(told.collect::<Vec<_>>(), [("a1", "all", 2, 0), ("not ours1", "all", 9, 30), ("some2", "t", 5, 0)]);
    assert_eq!(cluster.asked(ApiKey::OFFSET_FETCH).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_the_version_that_is_needed_is_not_asked() {
    let cluster = Cluster::new(&HOSTS);
    cluster.set_topic("t", &[1, 2]);
    serve_offsets(&cluster, &Arc::default());
    let client = client(&cluster).await;
    // Others are newer than the second, as while brokers are replaced one by one.
    client.send_to(BrokerId(1), &offsets(&[("t", 1)])).await.unwrap();
    cluster.limit(ApiKey::LIST_OFFSETS, 6);
    let call = CallOptions { min_version: Some(7), ..CallOptions::default() };
    let options = SendOptions { call, ..SendOptions::default() };
    let (response, failures) = client.send_with(&offsets(&[("t", 2)]), options).await.unwrap().into_parts();
    assert_eq!(response.topics[0].partitions.len(), 1);
    assert_eq!(failures.len(), 1);
    let error = &failures[0].error;
    assert!(matches!(error.kind(), ErrorKind::VersionUnsupported { .. }) && error.is_unsent(), "{error}");
    assert!(error.to_string().contains("two:9092"), "{error}");
    assert_eq!(cluster.asked(ApiKey::LIST_OFFSETS), ["one", "one"]);
}
