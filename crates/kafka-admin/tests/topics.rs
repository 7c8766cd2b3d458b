//! Topics against a controller in memory, on virtual time: an outcome per topic, moves of the controller, waits.

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use kafka_admin::{Admin, Apply, ErrorKind, NewTopic, Resource};
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Stream};
use kafka_protocol::messages::api_versions::ApiVersionsResponse;
use kafka_protocol::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use support::{admin_of, api_versions, encoded, serve};
use tokio::time::Instant;

/// Two brokers, one of them the controller.
#[derive(Clone, Debug, Default)]
struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    controller: i32,
    /// The number of partitions by name.
    topics: BTreeMap<String, i32>,
    /// From when on partitions have leaders.
    leaders_from: Option<Instant>,
    /// Codes for all topics of the next requests, before anything is done.
    refusals: VecDeque<ErrorCode>,
    max_delete_version: i16,
    /// Whether brokers take requests and do not answer.
    silent: bool,
    /// (broker, topics) of each request to create or delete.
    requests: Vec<(i32, Vec<String>)>,
}

impl World {
    async fn admin(&self) -> Admin {
        admin_of(self.clone(), 9000).await
    }

    fn answer(&self, broker: i32, api: ApiKey, version: i16, request: Bytes) -> Option<BytesMut> {
        let mut state = self.0.lock().unwrap();
        let answers = api == ApiKey::API_VERSIONS || !state.silent;
        answers.then(|| state.answer(broker, api, version, request))
    }
}

#[async_trait]
impl Connector for World {
    async fn connect(&self, address: &BrokerAddress, _: &ConnectOptions) -> kafka_conn::Result<Box<dyn Stream>> {
        let (client, broker) = tokio::io::duplex(1 << 16);
        let (this, id) = (self.clone(), i32::from(address.port()) - 9000);
        tokio::spawn(serve(broker, move |api, version, request| this.answer(id, api, version, request)));
        Ok(Box::new(client))
    }
}

impl State {
    fn answer(&mut self, broker: i32, api: ApiKey, version: i16, request: Bytes) -> BytesMut {
        match api {
            ApiKey::API_VERSIONS => encoded(version, &self.api_versions()),
            ApiKey::METADATA => encoded(version, &self.metadata(&MetadataRequest::decode(version, request).unwrap())),
            ApiKey::CREATE_TOPICS => {
                encoded(version, &self.create(broker, &CreateTopicsRequest::decode(version, request).unwrap()))
            }
            ApiKey::DELETE_TOPICS => {
                encoded(version, &self.delete(broker, &DeleteTopicsRequest::decode(version, request).unwrap()))
            }
            other => panic!("{other} is not expected"),
        }
    }

    fn api_versions(&self) -> ApiVersionsResponse {
        api_versions([
            (ApiKey::API_VERSIONS, 3),
            (ApiKey::METADATA, 12),
            (ApiKey::CREATE_TOPICS, 7),
            (ApiKey::DELETE_TOPICS, self.max_delete_version),
            (ApiKey::FETCH, 17),
            (ApiKey::PRODUCE, 11),
        ])
    }

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let broker = |node_id: i32| MetadataResponseBroker {
            node_id,
            host: "broker".into(),
            port: 9000 + node_id,
            ..Default::default()
        };
        let names: Vec<String> = match &request.topics {
            None => self.topics.keys().cloned().collect(),
            Some(topics) => topics.iter().filter_map(|topic| Some(topic.name.as_ref()?.to_string())).collect(),
        };
        MetadataResponse {
            brokers: (0..2).map(broker).collect(),
            controller_id: self.controller,
            topics: names.iter().map(|name| self.topic(name)).collect(),
            ..Default::default()
        }
    }

    fn topic(&self, name: &str) -> MetadataResponseTopic {
        let led = self.leaders_from.is_none_or(|from| Instant::now() >= from);
        let partition = |partition_index| MetadataResponsePartition {
            partition_index,
            leader_id: if led || partition_index == 0 { 0 } else { -1 },
            leader_epoch: i32::from(led),
            ..Default::default()
        };
        let code = if self.topics.contains_key(name) { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        MetadataResponseTopic {
            error_code: code.0,
            name: Some(name.into()),
            is_internal: name.starts_with("__"),
            partitions: (0..self.topics.get(name).copied().unwrap_or(0)).map(partition).collect(),
            ..Default::default()
        }
    }

    /// The code for every topic of a request, if there is one.
    fn refusal(&mut self, broker: i32, names: impl Iterator<Item = String>) -> Option<ErrorCode> {
        self.requests.push((broker, names.collect()));
        let moved = (broker != self.controller).then_some(ErrorCode::NOT_CONTROLLER);
        moved.or_else(|| self.refusals.pop_front())
    }

    fn create(&mut self, broker: i32, request: &CreateTopicsRequest) -> CreateTopicsResponse {
        let refusal = self.refusal(broker, request.topics.iter().map(|topic| topic.name.to_string()));
        let mut topics = Vec::new();
        for topic in &request.topics {
            let code = match refusal {
                Some(code) => code,
                None if self.topics.contains_key(topic.name.as_str()) => ErrorCode::TOPIC_ALREADY_EXISTS,
                None if topic.name.contains(' ') => ErrorCode::INVALID_TOPIC_EXCEPTION,
                None if topic.replication_factor > 2 => ErrorCode::INVALID_REPLICATION_FACTOR,
                None => ErrorCode::NONE,
            };
            if code == ErrorCode::NONE && !request.validate_only {
                self.topics.insert(topic.name.to_string(), topic.num_partitions.max(1));
            }
            topics.push(CreatableTopicResult {
                name: topic.name.clone(),
                error_code: code.0,
                error_message: code.is_error().then(|| "as the broker says it".into()),
                num_partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
                ..Default::default()
            });
        }
        CreateTopicsResponse { topics, ..Default::default() }
    }

    fn delete(&mut self, broker: i32, request: &DeleteTopicsRequest) -> DeleteTopicsResponse {
        let by_state = request.topics.iter().filter_map(|topic| topic.name.clone());
        let names: Vec<_> = request.topic_names.iter().cloned().chain(by_state).collect();
        let refusal = self.refusal(broker, names.iter().map(ToString::to_string));
        let mut responses = Vec::new();
        for name in names {
            let code = match refusal {
                Some(code) => code,
                None if self.topics.remove(name.as_str()).is_some() => ErrorCode::NONE,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            responses.push(DeletableTopicResult { name: Some(name), error_code: code.0, ..Default::default() });
        }
        DeleteTopicsResponse { responses, ..Default::default() }
    }
}

fn world() -> World {
    let world = World::default();
    world.0.lock().unwrap().max_delete_version = 6;
    world
}

#[tokio::test(start_paused = true)]
async fn each_topic_has_an_outcome_of_its_own() {
    let admin = world().admin().await;
    let topics = [
        NewTopic::new("one", 3, 1),
        NewTopic::new("two words", 1, 1),
        NewTopic::new("three", 1, 3),
        NewTopic::new("__four", 1, 1),
    ];
    let outcomes = admin.create_topics(&topics, Apply::Now).await.unwrap();
    assert!(outcomes.iter().zip(&topics).all(|(outcome, topic)| outcome.item == topic.name));
    let kinds: Vec<_> =
        outcomes.iter().map(|outcome| outcome.result.as_ref().err().map(|e| e.kind().clone())).collect();
    let (name, factor) = (ErrorKind::InvalidTopicName, ErrorKind::InvalidReplicationFactor);
    assert_eq!(kinds, [None, Some(name), Some(factor), None]);
    assert_eq!(outcomes[0].result.as_ref().unwrap().partitions, Some(3));
    let text = outcomes[1].result.as_ref().unwrap_err().to_string();
    assert!(text.contains("two words") && text.contains("as the broker says it") && text.contains("249"), "{text}");

    let again = admin.create_topics(&topics[..1], Apply::Now).await.unwrap();
    assert!(again[0].result.as_ref().unwrap_err().is_already_exists());

    let listed = admin.list_topics().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|outcome| outcome.result.unwrap()).collect();
    let brief: Vec<_> = listed.iter().map(|t| (t.name.as_str(), t.is_internal, t.partitions)).collect();
    assert_eq!(brief, [("__four", true, 1), ("one", false, 3)]);
}

#[tokio::test(start_paused = true)]
async fn topics_are_deleted_by_name_in_old_and_new_versions() {
    for max_delete_version in [6, 5, 1] {
        let world = world();
        {
            let mut state = world.0.lock().unwrap();
            state.max_delete_version = max_delete_version;
            state.topics = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
        }
        let outcomes = world.admin().await.delete_topics(&["b", "none"]).await.unwrap();
        assert!(outcomes[0].is_ok());
        assert!(outcomes[1].result.as_ref().unwrap_err().is_unknown_topic());
        assert_eq!(world.0.lock().unwrap().topics.keys().collect::<Vec<_>>(), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn another_controller_is_asked_and_only_for_what_is_left() {
    let world = world();
    let admin = world.admin().await;
    world.0.lock().unwrap().controller = 1;
    let outcomes = admin.create_topics(&[NewTopic::new("a", 1, 1)], Apply::Now).await.unwrap();
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    let asked: Vec<_> = world.0.lock().unwrap().requests.iter().map(|(broker, _)| *broker).collect();
    assert_eq!(asked, [0, 1]);
    world.0.lock().unwrap().refusals.push_back(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    let outcomes = admin.delete_topics(&["a", "b"]).await.unwrap();
    assert!(outcomes[0].is_ok() && !outcomes[1].is_ok(), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_nowhere_is_an_error_in_time() {
    let world = world();
    world.0.lock().unwrap().refusals.extend([ErrorCode::NOT_CONTROLLER; 1000]);
    let admin = world.admin().await.with_timeout(Duration::from_secs(3));
    let started = Instant::now();
    let outcomes = admin.create_topics(&[NewTopic::new("a", 1, 1)], Apply::Now).await.unwrap();
    assert_eq!(outcomes[0].result.as_ref().unwrap_err().code(), Some(ErrorCode::NOT_CONTROLLER));
    assert!(started.elapsed() <= Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_only_checked_is_not_done() {
    let world = world();
    let outcomes = world.admin().await.create_topics(&[NewTopic::new("a", 2, 1)], Apply::Validate).await.unwrap();
    assert!(outcomes[0].is_ok() && world.0.lock().unwrap().topics.is_empty());
}

#[tokio::test(start_paused = true)]
async fn leaders_are_waited_for_but_not_for_ever() {
    let world = world();
    {
        let mut state = world.0.lock().unwrap();
        state.topics.insert("a".to_owned(), 2);
        state.leaders_from = Some(Instant::now() + Duration::from_secs(5));
    }
    let admin = world.admin().await;
    let error = admin.clone().with_timeout(Duration::from_secs(1)).wait_for_leaders(&["a"]).await.unwrap_err();
    assert_eq!(
        (error.kind(), &error.context().resource),
        (&ErrorKind::LeadersUnknown, &Some(Resource::Topic("a".into())))
    );
    admin.clone().with_timeout(Duration::from_secs(10)).wait_for_leaders(&["a"]).await.unwrap();
    assert!(
        admin
            .clone()
            .with_timeout(Duration::from_secs(1))
            .wait_for_leaders(&["b"])
            .await
            .unwrap_err()
            .is_unknown_topic()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_leaders_ends_in_time_and_outlives_a_broker_that_does_not_answer() {
    let world = world();
    world.0.lock().unwrap().topics.insert("a".to_owned(), 2);
    let admin = world.admin().await;
    world.0.lock().unwrap().silent = true;
    let started = Instant::now();
    assert!(admin.clone().with_timeout(Duration::from_secs(3)).wait_for_leaders(&["a"]).await.is_err());
    assert!(started.elapsed() <= Duration::from_secs(3), "{:?}", started.elapsed());
    let speak = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.0.lock().unwrap().silent = false;
    };
    let patient = admin.with_timeout(Duration::MAX);
    let (waited, ()) = tokio::join!(patient.wait_for_leaders(&["a"]), speak);
    waited.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_timeout_bounds_the_whole_call_whatever_is_silent() {
    let world = world();
    world.0.lock().unwrap().topics.insert("a".to_owned(), 1);
    let admin = world.admin().await.with_timeout(Duration::from_secs(3));
    world.0.lock().unwrap().silent = true;
    let begin = Instant::now();
    assert!(admin.create_topics(&[NewTopic::new("b", 1, 1)], Apply::Now).await.is_err());
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    let begin = Instant::now();
    assert!(admin.list_topics().await.is_err());
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    let begin = Instant::now();
    assert!(admin.delete_topics(&["a"]).await.is_err());
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    let begin = Instant::now();
    assert!(admin.describe_topics(&["a"]).await.is_err());
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
}
