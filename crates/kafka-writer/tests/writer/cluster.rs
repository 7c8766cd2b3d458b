//! A cluster of brokers that follow a script, over streams in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Stream, Transport, TransportConfig};
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::messages::init_producer_id::InitProducerIdResponse;
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::records::{Batch, BatchDecoder, Batches, Compression, Producer};
use kafka_protocol::{ApiKey, Limits, Message, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What a broker does with a Produce request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaction {
    /// Appends nothing, and answers every partition with this code.
    Refuse(i16),
    /// Appends, and closes the connection without an answer.
    AppendAndHangUp,
    /// Closes the connection.
    HangUp,
    /// Appends nothing and never answers.
    Silence,
}

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: i64,
    pub(crate) compression: Compression,
}

/// A Produce request that came.
#[derive(Clone, Debug)]
pub(crate) struct Produced {
    pub(crate) broker: i32,
    pub(crate) version: i16,
    pub(crate) acks: i16,
    pub(crate) partitions: Vec<(String, i32)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Leaders of each topic's partitions.
    pub(crate) topics: HashMap<String, Vec<i32>>,
    pub(crate) logs: HashMap<(String, i32), Vec<Appended>>,
    pub(crate) reactions: VecDeque<Reaction>,
    /// What brokers say of a topic that is not there, instead of that.
    pub(crate) topic_error: Option<i16>,
    /// A broker that answers no Produce request any more.
    pub(crate) silent: Option<i32>,
    pub(crate) produced: Vec<Produced>,
    /// What who asks for a producer id is answered; nobody can ask where that is none.
    pub(crate) init_producer_id: Option<i16>,
    /// The batches that are there: producer id, epoch, base sequence, offset.
    numbered: HashMap<(String, i32), Vec<(Producer, i64)>>,
    pub(crate) max_produce: i16,
    pub(crate) metadata_requests: usize,
}

/// Three brokers, 1 to 3.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) state: Arc<Mutex<State>>,
}

impl Cluster {
    pub(crate) fn new(topic: &str, leaders: &[i32]) -> Self {
        let topics = HashMap::from([(topic.to_owned(), leaders.to_vec())]);
        Self {
            state: Arc::new(Mutex::new(State {
                topics,
                max_produce: 13,
                init_producer_id: Some(0),
                ..State::default()
            })),
        }
    }

    pub(crate) async fn transport(&self) -> Transport {
        let dialer = Dialer { connector: Arc::new(self.clone()), ..Dialer::default() };
        let bootstrap = BrokerAddress::parse_list("broker:9001").unwrap();
        Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await.unwrap()
    }

    pub(crate) fn react(&self, reactions: &[Reaction]) {
        self.state.lock().unwrap().reactions.extend(reactions);
    }

    pub(crate) fn lead(&self, topic: &str, partition: usize, broker: i32) {
        self.state.lock().unwrap().topics.get_mut(topic).unwrap()[partition] = broker;
    }

    pub(crate) fn log(&self, topic: &str, partition: i32) -> Vec<Appended> {
        self.state.lock().unwrap().logs.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default()
    }

    pub(crate) fn values(&self, topic: &str, partition: i32) -> Vec<String> {
        let text = |record: Appended| String::from_utf8(record.value.unwrap()).unwrap();
        self.log(topic, partition).into_iter().map(text).collect()
    }

    pub(crate) fn produced(&self) -> Vec<Produced> {
        self.state.lock().unwrap().produced.clone()
    }
}

#[async_trait]
impl Connector for Cluster {
    async fn connect(&self, address: &BrokerAddress, _: &ConnectOptions) -> kafka_conn::Result<Box<dyn Stream>> {
        let (client, broker) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(self.state.clone(), i32::from(address.port()) - 9000, broker));
        Ok(Box::new(client))
    }
}

async fn serve(state: Arc<Mutex<State>>, broker: i32, mut stream: DuplexStream) {
    while let Ok(size) = stream.read_u32().await {
        let mut frame = vec![0; size as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        match answer(&state, broker, frame.into()) {
            Some(answer) => {
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}

/// The frame to send back; empty for nothing, none to hang up.
fn answer(state: &Mutex<State>, broker: i32, mut frame: Bytes) -> Option<Bytes> {
    let key = ApiKey(i16::from_be_bytes([frame[0], frame[1]]));
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let header = RequestHeader::decode_prefix(key.request_header_version(version), &mut frame, &Limits::default());
    let header = header.unwrap();
    let mut state = state.lock().unwrap();
    let mut body = BytesMut::new();
    match key {
        ApiKey::API_VERSIONS => api_versions(&state).encode(version, &mut body).unwrap(),
        ApiKey::INIT_PRODUCER_ID => {
            let error_code = state.init_producer_id.unwrap_or_default();
            let response = InitProducerIdResponse { error_code, producer_id: 77, ..Default::default() };
            response.encode(version, &mut body).unwrap();
        }
        ApiKey::METADATA => metadata(&mut state, version, frame).encode(version, &mut body).unwrap(),
        ApiKey::PRODUCE => match produce(&mut state, broker, version, frame)? {
            Some(response) => response.encode(version, &mut body).unwrap(),
            None => return Some(Bytes::new()),
        },
        other => panic!("unexpected {other}"),
    }
    let mut head = BytesMut::new();
    let response = ResponseHeader { correlation_id: header.correlation_id, ..ResponseHeader::default() };
    response.encode(key.response_header_version(version), &mut head).unwrap();
    let mut answer = BytesMut::new();
    answer.extend_from_slice(&((head.len() + body.len()) as u32).to_be_bytes());
    answer.extend_from_slice(&head);
    answer.extend_from_slice(&body);
    Some(answer.freeze())
}

fn api_versions(state: &State) -> ApiVersionsResponse {
    let range = |(key, max): (ApiKey, i16)| ApiVersion { api_key: key.0, max_version: max, ..ApiVersion::default() };
    let ranges = [(ApiKey::PRODUCE, state.max_produce), (ApiKey::METADATA, 12), (ApiKey::API_VERSIONS, 4)];
    let ids = state.init_producer_id.map(|_| (ApiKey::INIT_PRODUCER_ID, 5));
    ApiVersionsResponse {
        api_keys: ranges.into_iter().chain(ids).map(range).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn topic_id(name: &str) -> Uuid {
    let mut id = [7; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(id)
}

fn metadata(state: &mut State, version: i16, body: Bytes) -> MetadataResponse {
    state.metadata_requests += 1;
    let request = MetadataRequest::decode(version, body).unwrap();
    if request.allow_auto_topic_creation {
        for name in request.topics.iter().flatten().filter_map(|asked| asked.name.as_deref()) {
            state.topics.entry(name.to_owned()).or_insert_with(|| vec![1]);
        }
    }
    let broker = |node_id: i32| MetadataResponseBroker {
        node_id,
        host: "broker".into(),
        port: 9000 + node_id,
        ..MetadataResponseBroker::default()
    };
    let topic = |name: &str| {
        let leaders = state.topics.get(name);
        let partition = |(index, leader): (usize, &i32)| MetadataResponsePartition {
            partition_index: index as i32,
            leader_id: *leader,
            ..MetadataResponsePartition::default()
        };
        MetadataResponseTopic {
            error_code: if leaders.is_some() { 0 } else { state.topic_error.unwrap_or(3) },
            name: Some(name.into()),
            topic_id: topic_id(name),
            partitions: leaders.into_iter().flatten().enumerate().map(partition).collect(),
            ..MetadataResponseTopic::default()
        }
    };
    let asked = request.topics.unwrap_or_default();
    MetadataResponse {
        brokers: (1..=3).map(broker).collect(),
        controller_id: 1,
        topics: asked.iter().filter_map(|asked| asked.name.as_deref()).map(topic).collect(),
        ..MetadataResponse::default()
    }
}

/// The answer; nothing with acks=0 or in silence; none to hang up.
fn produce(state: &mut State, broker: i32, version: i16, body: Bytes) -> Option<Option<ProduceResponse>> {
    let request = ProduceRequest::decode(version, body).unwrap();
    let mut partitions = Vec::new();
    let is_silent = state.silent == Some(broker);
    let reaction = if is_silent { Some(Reaction::Silence) } else { state.reactions.pop_front() };
    let mut responses = Vec::new();
    for topic in &request.topic_data {
        let known = state.topics.keys().find(|name| **name == *topic.name || topic_id(name) == topic.topic_id);
        let name = known.unwrap().clone();
        let mut partition_responses = Vec::new();
        for partition in &topic.partition_data {
            partitions.push((name.clone(), partition.index));
            let leader = state.topics[&name][partition.index as usize];
            let error_code = match reaction {
                Some(Reaction::Refuse(code)) => code,
                _ if leader != broker => 6,
                _ => 0,
            };
            let log = state.logs.entry((name.clone(), partition.index)).or_default();
            let mut base_offset = log.len() as i64;
            if error_code == 0 && !matches!(reaction, Some(Reaction::HangUp | Reaction::Silence)) {
                let records = partition.records.clone().unwrap();
                let producer = producer(&records);
                let numbered = state.numbered.entry((name.clone(), partition.index)).or_default();
                match numbered.iter().find(|(known, _)| *known == producer && producer.producer_id >= 0) {
                    Some((_, offset)) => base_offset = *offset,
                    None => {
                        numbered.push((producer, base_offset));
                        append(log, records);
                    }
                }
            }
            let index = partition.index;
            let answer = PartitionProduceResponse { index, error_code, base_offset, ..Default::default() };
            partition_responses.push(answer);
        }
        responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses,
            ..TopicProduceResponse::default()
        });
    }
    state.produced.push(Produced { broker, version, acks: request.acks, partitions });
    match reaction {
        Some(Reaction::HangUp | Reaction::AppendAndHangUp) => None,
        Some(Reaction::Silence) => Some(None),
        _ if request.acks == 0 => Some(None),
        _ => Some(Some(ProduceResponse { responses, ..ProduceResponse::default() })),
    }
}

fn producer(records: &Bytes) -> Producer {
    let Some(Ok(Batch::Records(batch))) = Batches::new(records.clone()).next() else { panic!("not of format 2") };
    batch.producer()
}

fn append(log: &mut Vec<Appended>, records: Bytes) {
    let mut decoder = BatchDecoder::default();
    for batch in Batches::new(records) {
        let Batch::Records(batch) = batch.unwrap() else { panic!("not of format 2") };
        let compression = batch.compression();
        for record in batch.records(&mut decoder).unwrap() {
            let record = record.unwrap();
            let header = |header: kafka_protocol::records::Header<'_>| {
                (header.key.to_string(), header.value.map(<[u8]>::to_vec))
            };
            log.push(Appended {
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.iter().map(header).collect(),
                timestamp: record.timestamp,
                compression,
            });
        }
    }
}
