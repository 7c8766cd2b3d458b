//! Brokers in memory that keep logs: enough of Kafka for one connection at a time to be tried against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_conn::{Dialer, Message as Content};
use kafka_protocol::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use kafka_protocol::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::records::{Batch, BatchBuilder, BatchDecoder, BatchOptions, Batches, Compressor, stamp_offset};
use kafka_protocol::{ApiKey, ErrorCode};
use smol_str::SmolStr;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Network, Peer, Seen, api_versions};

/// Brokers that share their logs; clones are handles on the same ones.
#[derive(Clone)]
pub struct Brokers {
    pub network: Network,
    state: Arc<Mutex<State>>,
    /// Counts changes, for fetches that wait.
    changes: Arc<watch::Sender<u64>>,
    /// Connections that are open.
    open: Arc<watch::Sender<usize>>,
}

#[derive(Default)]
pub struct State {
    pub brokers: BTreeMap<i32, &'static str>,
    pub topics: BTreeMap<String, Vec<Log>>,
    /// Answers to these requests are this code instead, so many times.
    pub refusals: BTreeMap<ApiKey, (ErrorCode, usize)>,
    /// Whether topics are made by asking for them.
    pub auto_create: bool,
    /// Requests so far, ApiVersions left out.
    pub seen: Vec<(ApiKey, i16)>,
    /// The largest time that a client allowed for a fetch, a write, …, in milliseconds.
    pub timeouts: Vec<(ApiKey, i32)>,
}

/// A partition.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The leader's id, or -1.
    pub leader: i32,
    pub start: i64,
    pub end: i64,
    batches: Vec<(i64, Bytes)>,
    pub aborted: Vec<AbortedTransaction>,
}

impl Log {
    pub fn led_by(leader: i32) -> Self {
        Self { leader, ..Self::default() }
    }

    /// Appends a sealed batch, which has its offsets already; the log goes on at `end`.
    pub fn append(&mut self, batch: Bytes, end: i64) {
        self.batches.push((end - 1, batch));
        self.end = end;
    }

    /// Appends values, each in a batch of its own.
    pub fn append_values(&mut self, values: impl IntoIterator<Item = String>) {
        for value in values {
            let mut builder = BatchBuilder::new(BatchOptions { base_offset: self.end, ..BatchOptions::default() });
            builder.append(self.end, None, Some(value.as_bytes()), []).unwrap();
            let end = self.end + 1;
            self.append(builder.seal(&mut Compressor::default()).unwrap(), end);
        }
    }

    /// Everything from `offset` on, the first batch whole and others up to `max` bytes; the last may be cut short.
    fn read(&self, offset: i64, max: usize) -> Bytes {
        let mut bytes = BytesMut::new();
        for (_, batch) in self.batches.iter().filter(|(last, _)| *last >= offset) {
            let room = if bytes.is_empty() { batch.len() } else { max.saturating_sub(bytes.len()).min(batch.len()) };
            bytes.extend_from_slice(&batch[..room]);
        }
        bytes.freeze()
    }

    fn produce(&mut self, records: Bytes) -> i64 {
        let Some(Ok(Batch::Records(batch))) = Batches::new(records.clone()).next() else {
            panic!("not one batch: {records:?}")
        };
        let (base, count) = (self.end, batch.last_offset() + 1);
        self.append(stamp_offset(records, base, 0).unwrap(), base + count);
        base
    }

    fn offset_at(&self, timestamp: i64) -> i64 {
        match timestamp {
            -2 => self.start,
            -1 => self.end,
            timestamp => {
                let all = self.contents();
                let time = |content: &&Content| {
                    content.timestamp.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
                        >= timestamp as u128
                };
                all.iter().find(time).map_or(-1, |content| content.offset)
            }
        }
    }

    /// What was written.
    pub fn contents(&self) -> Vec<Content> {
        let mut decoder = BatchDecoder::default();
        let mut all = Vec::new();
        for batch in Batches::new(self.read(0, usize::MAX)) {
            for record in batch.unwrap().owned_records(&mut decoder).unwrap() {
                let record = record.unwrap();
                let since = Duration::from_millis(record.timestamp.try_into().unwrap());
                let headers = record.headers.iter();
                all.push(Content {
                    offset: record.offset,
                    key: record.key.clone(),
                    value: record.value.clone(),
                    timestamp: Some(std::time::UNIX_EPOCH + since),
                    headers: headers.map(|h| kafka_conn::Header { key: h.key, value: h.value }).collect(),
                    ..Content::default()
                });
            }
        }
        all
    }
}

impl Brokers {
    /// Starts brokers with these ids and hosts.
    pub fn start(brokers: &[(i32, &'static str)]) -> Self {
        let all = Self {
            network: Network::default(),
            state: Arc::default(),
            changes: Arc::new(watch::Sender::new(0)),
            open: Arc::new(watch::Sender::new(0)),
        };
        for (id, host) in brokers {
            all.change(|state| state.brokers.insert(*id, host));
            let (broker, mut listener) = (all.clone(), all.network.listen(host));
            let id = *id;
            tokio::spawn(async move {
                while let Some(peer) = listener.recv().await {
                    broker.open.send_modify(|open| *open += 1);
                    tokio::spawn(broker.clone().serve(id, peer));
                }
            });
        }
        all
    }

    /// One broker, `one`, that leads both partitions of the topic `t`.
    pub fn one() -> Self {
        let all = Self::start(&[(1, "one")]);
        all.change(|state| state.topics.insert("t".into(), vec![Log::led_by(1), Log::led_by(1)]));
        all
    }

    pub fn dialer(&self) -> Dialer {
        self.network.dialer()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// Changes partition 0 of `t`.
    pub fn change_log<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        self.change(|state| change(&mut state.topics.get_mut("t").unwrap()[0]))
    }

    pub fn count(&self, api: ApiKey) -> usize {
        self.state().seen.iter().filter(|(seen, _)| *seen == api).count()
    }

    /// Waits until only so many connections are open.
    pub async fn until_open(&self, count: usize) {
        let wait = async { self.open.subscribe().wait_for(|open| *open == count).await.map(drop) };
        let waited = tokio::time::timeout(Duration::from_secs(3600), wait).await;
        assert!(waited.is_ok(), "{} connections are open, expected {count}", *self.open.borrow());
    }

    async fn serve(self, id: i32, mut peer: Peer) {
        while let Some(request) = peer.recv().await {
            if request.api == ApiKey::API_VERSIONS {
                peer.answer(&request, &api_versions()).await;
                continue;
            }
            self.state().seen.push((request.api, request.version));
            self.answer(id, &mut peer, &request).await;
        }
        self.open.send_modify(|open| *open -= 1);
    }

    async fn answer(&self, id: i32, peer: &mut Peer, request: &Seen) {
        match request.api {
            ApiKey::METADATA => peer.answer(request, &self.metadata(&request.decode())).await,
            ApiKey::LIST_OFFSETS => peer.answer(request, &self.list_offsets(id, &request.decode())).await,
            ApiKey::FETCH => {
                let answer = self.fetch(id, &request.decode()).await;
                peer.answer(request, &answer).await;
            }
            ApiKey::PRODUCE => {
                let asked: ProduceRequest = request.decode();
                let answer = self.produce(id, &asked);
                if asked.acks != 0 {
                    peer.answer(request, &answer).await;
                }
            }
            ApiKey::CREATE_TOPICS => peer.answer(request, &self.create_topics(&request.decode())).await,
            ApiKey::DELETE_TOPICS => peer.answer(request, &self.delete_topics(&request.decode())).await,
            ApiKey::FIND_COORDINATOR => peer.answer(request, &self.coordinators(&request.decode())).await,
            other => panic!("no broker here answers {other}"),
        }
    }

    fn metadata(&self, asked: &MetadataRequest) -> MetadataResponse {
        let mut state = self.state();
        let code = state.refused(ApiKey::METADATA);
        let names: Vec<String> = match &asked.topics {
            Some(topics) => topics.iter().filter_map(|topic| topic.name.as_ref().map(ToString::to_string)).collect(),
            None => state.topics.keys().cloned().collect(),
        };
        let broker = |(id, host): (&i32, &&str)| MetadataResponseBroker {
            node_id: *id,
            host: (*host).into(),
            port: 9092,
            ..Default::default()
        };
        let brokers: Vec<_> = state.brokers.iter().map(broker).collect();
        let controller_id = state.brokers.keys().next().copied().unwrap_or(-1);
        let topics = names.iter().map(|name| state.topic(name, asked.allow_auto_topic_creation, code)).collect();
        MetadataResponse { brokers, controller_id, topics, ..Default::default() }
    }

    /// The first broker coordinates everything.
    fn coordinators(&self, asked: &FindCoordinatorRequest) -> FindCoordinatorResponse {
        let state = self.state();
        let (node_id, host) = state.brokers.first_key_value().unwrap();
        let coordinator = |key: &SmolStr| Coordinator {
            key: key.clone(),
            node_id: *node_id,
            host: (*host).into(),
            port: 9092,
            ..Default::default()
        };
        let coordinators = asked.coordinator_keys.iter().map(coordinator).collect();
        FindCoordinatorResponse { coordinators, ..Default::default() }
    }

    fn list_offsets(&self, id: i32, asked: &ListOffsetsRequest) -> ListOffsetsResponse {
        let mut state = self.state();
        state.timeouts.push((ApiKey::LIST_OFFSETS, asked.timeout_ms));
        let refused = state.refused(ApiKey::LIST_OFFSETS);
        let mut answer = ListOffsetsResponse::default();
        for topic in &asked.topics {
            let mut answered = ListOffsetsTopicResponse { name: topic.name.clone(), ..Default::default() };
            for partition in &topic.partitions {
                let log = state.log(&topic.name, partition.partition_index, id).ok();
                answered.partitions.push(ListOffsetsPartitionResponse {
                    partition_index: partition.partition_index,
                    error_code: refused.0,
                    offset: log.map_or(-1, |log| log.offset_at(partition.timestamp)),
                    ..Default::default()
                });
            }
            answer.topics.push(answered);
        }
        answer
    }

    async fn fetch(&self, id: i32, asked: &FetchRequest) -> FetchResponse {
        let (topic, partition) = (&asked.topics[0], &asked.topics[0].partitions[0]);
        self.state().timeouts.push((ApiKey::FETCH, asked.max_wait_ms));
        let until = Instant::now() + Duration::from_millis(asked.max_wait_ms.try_into().unwrap());
        let mut changes = self.changes.subscribe();
        let max = usize::try_from(partition.partition_max_bytes).unwrap();
        loop {
            changes.borrow_and_update();
            let (data, enough) = {
                let mut state = self.state();
                let refused = state.refused(ApiKey::FETCH);
                let mut data = state.partition_data(&topic.topic, partition.partition, id, partition.fetch_offset, max);
                if refused != ErrorCode::NONE {
                    data.error_code = refused.0;
                }
                if asked.isolation_level == 0 {
                    data.aborted_transactions = None;
                }
                let got = data.records.as_ref().map_or(0, Bytes::len);
                let enough = data.error_code != 0 || got >= usize::try_from(asked.min_bytes).unwrap();
                (data, enough)
            };
            if enough || timeout_at(until, changes.changed()).await.is_err() {
                let topic =
                    FetchableTopicResponse { topic: topic.topic.clone(), partitions: vec![data], ..Default::default() };
                return FetchResponse { throttle_time_ms: 7, responses: vec![topic], ..Default::default() };
            }
        }
    }

    fn produce(&self, id: i32, asked: &ProduceRequest) -> ProduceResponse {
        let (topic, partition) = (&asked.topic_data[0], &asked.topic_data[0].partition_data[0]);
        let mut answer = PartitionProduceResponse { index: partition.index, ..Default::default() };
        self.change(|state| {
            state.timeouts.push((ApiKey::PRODUCE, asked.timeout_ms));
            let refused = state.refused(ApiKey::PRODUCE);
            match state.log(&topic.name, partition.index, id) {
                _ if refused != ErrorCode::NONE => {
                    answer.error_code = refused.0;
                    answer.error_message = Some("no\nreason".into());
                }
                Ok(log) => answer.base_offset = log.produce(partition.records.clone().unwrap()),
                Err(code) => answer.error_code = code.0,
            }
        });
        let topic =
            TopicProduceResponse { name: topic.name.clone(), partition_responses: vec![answer], ..Default::default() };
        ProduceResponse { responses: vec![topic], ..Default::default() }
    }

    fn create_topics(&self, asked: &CreateTopicsRequest) -> CreateTopicsResponse {
        let create = |topic: &kafka_protocol::messages::create_topics::CreatableTopic| {
            let result = |code: ErrorCode| CreatableTopicResult {
                name: topic.name.clone(),
                error_code: code.0,
                error_message: Some("as I said".into()),
                ..Default::default()
            };
            self.change(|state| match usize::try_from(topic.num_partitions) {
                _ if state.topics.contains_key(topic.name.as_str()) => result(ErrorCode::TOPIC_ALREADY_EXISTS),
                Ok(count) if count > 0 => {
                    state.topics.insert(topic.name.to_string(), vec![Log::led_by(1); count]);
                    result(ErrorCode::NONE)
                }
                _ => result(ErrorCode::INVALID_PARTITIONS),
            })
        };
        CreateTopicsResponse { topics: asked.topics.iter().map(create).collect(), ..Default::default() }
    }

    fn delete_topics(&self, asked: &DeleteTopicsRequest) -> DeleteTopicsResponse {
        let delete = |name: &SmolStr| {
            let gone = self.change(|state| state.topics.remove(name.as_str()).is_some());
            let code = if gone { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
            DeletableTopicResult { name: Some(name.clone()), error_code: code.0, ..Default::default() }
        };
        DeleteTopicsResponse { responses: asked.topic_names.iter().map(delete).collect(), ..Default::default() }
    }
}

impl State {
    /// The code to answer with instead, counted down.
    fn refused(&mut self, api: ApiKey) -> ErrorCode {
        match self.refusals.get_mut(&api) {
            Some((code, left)) if *left > 0 => {
                *left -= 1;
                *code
            }
            _ => ErrorCode::NONE,
        }
    }

    fn topic(&mut self, name: &str, create: bool, refused: ErrorCode) -> MetadataResponseTopic {
        let partition = |(index, log): (usize, &Log)| MetadataResponsePartition {
            partition_index: index.try_into().unwrap(),
            leader_id: log.leader,
            replica_nodes: vec![1, 9],
            isr_nodes: vec![1],
            offline_replicas: vec![9],
            error_code: if log.leader < 0 { ErrorCode::LEADER_NOT_AVAILABLE.0 } else { 0 },
            ..Default::default()
        };
        let mut answer = MetadataResponseTopic { name: Some(name.into()), ..Default::default() };
        match self.topics.get(name) {
            _ if refused != ErrorCode::NONE => answer.error_code = refused.0,
            Some(logs) => answer.partitions = logs.iter().enumerate().map(partition).collect(),
            None if create && self.auto_create => {
                // As brokers do: the answer that has the topic made does not have its leaders.
                self.topics.insert(name.into(), vec![Log::led_by(1)]);
                answer.error_code = ErrorCode::LEADER_NOT_AVAILABLE.0;
            }
            None => answer.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
        }
        answer
    }

    fn log(&mut self, topic: &str, partition: i32, broker: i32) -> Result<&mut Log, ErrorCode> {
        let log = self.topics.get_mut(topic).and_then(|logs| logs.get_mut(usize::try_from(partition).ok()?));
        match log {
            None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Some(log) if log.leader != broker => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            Some(log) => Ok(log),
        }
    }

    fn partition_data(&mut self, topic: &str, partition: i32, broker: i32, offset: i64, max: usize) -> PartitionData {
        let mut data = PartitionData { partition_index: partition, ..Default::default() };
        match self.log(topic, partition, broker) {
            Err(code) => data.error_code = code.0,
            Ok(log) if !(log.start..=log.end).contains(&offset) => data.error_code = ErrorCode::OFFSET_OUT_OF_RANGE.0,
            Ok(log) => {
                data.high_watermark = log.end;
                data.last_stable_offset = log.end;
                data.log_start_offset = log.start;
                data.aborted_transactions = Some(log.aborted.clone());
                data.records = Some(log.read(offset, max));
            }
        }
        data
    }
}
