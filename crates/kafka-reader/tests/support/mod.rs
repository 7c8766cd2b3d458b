//! A cluster in memory, just enough of one to be read from: brokers behind `duplex` streams, logs of real batches, fetch
//! sessions, and faults that a test asks for.
#![allow(dead_code, reason = "each file of tests needs a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Result, Stream, Transport, TransportConfig};
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::fetch::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::fetch::{FetchRequest, FetchResponse};
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Batches, Compression, Compressor, stamp_offset};
use kafka_protocol::{ApiKey, ErrorCode, Message, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

pub(crate) const TOPIC: &str = "t";

/// The cluster, as its brokers see it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    /// Wakes fetches that wait.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) topic_id: Uuid,
    pub(crate) logs: Vec<Log>,
    pub(crate) sessions: BTreeMap<i32, Session>,
    pub(crate) max_fetch_version: i16,
    /// (version, session epoch, partitions named) of each Fetch.
    pub(crate) fetches: Vec<(i16, i32, usize)>,
    pub(crate) bytes_sent: usize,
    /// Brokers that take requests and never answer.
    pub(crate) silent: Vec<i32>,
    /// Brokers to which no connection comes about, nor an error.
    pub(crate) unreachable: Vec<i32>,
    /// How many of the next fetches are answered empty, with a throttle time of a second.
    pub(crate) throttled: usize,
    /// Top-level errors of the next fetches.
    pub(crate) session_errors: VecDeque<ErrorCode>,
    /// How many of the next fetches end with the connection.
    pub(crate) cuts: usize,
    /// Sessions that the client has ended.
    pub(crate) sessions_ended: usize,
    /// Fetches that are being served.
    pub(crate) waiting: usize,
}

/// One partition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) leader: i32,
    /// A follower that serves reads, and the rack it is in.
    pub(crate) follower: Option<(i32, &'static str)>,
    /// How often the follower was asked.
    pub(crate) asked_follower: usize,
    pub(crate) epoch: i32,
    pub(crate) start: i64,
    /// What is before this would be in tiered storage.
    pub(crate) local_start: i64,
    pub(crate) end: i64,
    pub(crate) batches: Vec<Bytes>,
    pub(crate) aborted: Vec<AbortedTransaction>,
    /// The first batch as it is from the next but one fetch on.
    pub(crate) healed: Option<Bytes>,
    /// Whether fetches are answered with the first batches, whatever they ask for.
    pub(crate) stale: bool,
    /// Errors of the next fetches of this partition.
    pub(crate) errors: VecDeque<ErrorCode>,
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Partition → (fetch offset, leader epoch, max bytes), in the order of the requests.
    partitions: BTreeMap<i32, (i64, i32, i32)>,
    epoch: i32,
    rack: String,
}

impl World {
    /// A topic with a partition per leader.
    pub(crate) fn new(leaders: &[i32]) -> Self {
        let log = |&leader: &i32| Log { leader, epoch: 1, ..Log::default() };
        let state = State {
            topic_id: Uuid::from_bytes([7; 16]),
            logs: leaders.iter().map(log).collect(),
            max_fetch_version: 17,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::channel(0).0 }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the state and wakes fetches that wait.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_modify(|generation| *generation += 1);
        result
    }

    /// Appends one batch with these values, whose keys are their offsets.
    pub(crate) fn append(&self, partition: usize, values: &[&str]) {
        self.append_with(partition, values, BatchOptions::default(), Compression::None);
    }

    pub(crate) fn append_with(
        &self,
        partition: usize,
        values: &[&str],
        options: BatchOptions,
        compression: Compression,
    ) {
        let (mut builder, base) = (BatchBuilder::new(options), self.state().logs[partition].end);
        for (offset, value) in (base..).zip(values) {
            let (key, header) = (offset.to_string(), [("h", Some(&b"v"[..]))]);
            builder.append(1_700_000_000_000 + offset, Some(key.as_bytes()), Some(value.as_bytes()), header).unwrap();
        }
        let batch = builder.seal(&mut Compressor::new(compression, None).unwrap()).unwrap();
        self.append_batch(partition, batch);
    }

    /// Appends a sealed batch as a leader does.
    pub(crate) fn append_batch(&self, partition: usize, batch: Bytes) {
        self.change(|state| {
            let log = &mut state.logs[partition];
            let batch = stamp_offset(batch, log.end, log.epoch).unwrap();
            log.end = Batches::new(batch.clone()).next().unwrap().unwrap().last_offset() + 1;
            log.batches.push(batch);
        });
    }

    pub(crate) fn move_leader(&self, partition: usize, leader: i32) {
        self.change(|state| {
            let log = &mut state.logs[partition];
            (log.leader, log.epoch) = (leader, log.epoch + 1);
        });
    }

    pub(crate) async fn transport(&self) -> Transport {
        self.transport_with(TransportConfig::default().metadata_ttl).await
    }

    pub(crate) async fn transport_with(&self, metadata_ttl: Duration) -> Transport {
        let dialer =
            Dialer { connector: Arc::new(self.clone()), call_timeout: Duration::from_secs(5), ..Dialer::default() };
        let bootstrap = vec![address(0)];
        Transport::connect(TransportConfig { bootstrap, dialer, metadata_ttl, ..TransportConfig::default() })
            .await
            .unwrap()
    }

    async fn serve(self, broker: i32, mut stream: DuplexStream) -> std::io::Result<()> {
        loop {
            let size = stream.read_i32().await?;
            let mut frame = vec![0; usize::try_from(size).unwrap()];
            stream.read_exact(&mut frame).await?;
            let mut frame = Bytes::from(frame);
            let (api, version, correlation_id) = (ApiKey(frame.get_i16()), frame.get_i16(), frame.get_i32());
            let client_id = frame.get_i16();
            frame.advance(usize::try_from(client_id).unwrap_or(0));
            if api.request_header_version(version) == 2 {
                frame.advance(1);
            }
            let Some(body) = self.answer(broker, api, version, frame).await else { return Ok(()) };
            let mut answer = BytesMut::new();
            let header = usize::try_from(api.response_header_version(version)).unwrap();
            answer.extend_from_slice(&i32::try_from(4 + header + body.len()).unwrap().to_be_bytes());
            answer.extend_from_slice(&correlation_id.to_be_bytes());
            answer.extend_from_slice(&[0][..header]);
            answer.extend_from_slice(&body);
            stream.write_all(&answer).await?;
        }
    }

    async fn answer(&self, broker: i32, api: ApiKey, version: i16, body: Bytes) -> Option<BytesMut> {
        if api != ApiKey::API_VERSIONS && self.state().silent.contains(&broker) {
            std::future::pending::<()>().await;
        }
        let mut answer = BytesMut::new();
        match api {
            ApiKey::API_VERSIONS => self.api_versions().encode(version, &mut answer),
            ApiKey::METADATA => {
                MetadataRequest::decode(version, body).unwrap();
                self.metadata().encode(version, &mut answer)
            }
            ApiKey::LIST_OFFSETS => {
                self.list_offsets(&ListOffsetsRequest::decode(version, body).unwrap()).encode(version, &mut answer)
            }
            ApiKey::OFFSET_FOR_LEADER_EPOCH => self
                .epoch_ends(&OffsetForLeaderEpochRequest::decode(version, body).unwrap())
                .encode(version, &mut answer),
            ApiKey::FETCH => {
                let request = FetchRequest::decode(version, body).unwrap();
                self.fetch(broker, version, &request).await?.encode(version, &mut answer)
            }
            other => panic!("{other} is not expected"),
        }
        .unwrap();
        Some(answer)
    }

    fn api_versions(&self) -> ApiVersionsResponse {
        let api = |(key, max_version): (ApiKey, i16)| ApiVersion {
            api_key: key.0,
            min_version: if key == ApiKey::FETCH { 4 } else { 0 },
            max_version,
            ..ApiVersion::default()
        };
        let fetch = self.state().max_fetch_version;
        let keys =
            [(ApiKey::API_VERSIONS, 3), (ApiKey::METADATA, 12), (ApiKey::LIST_OFFSETS, 9), (ApiKey::FETCH, fetch)];
        // What a client may look for in order to tell how old the broker is.
        let others = [(ApiKey::PRODUCE, 11), (ApiKey::OFFSET_FOR_LEADER_EPOCH, 4)];
        ApiVersionsResponse { api_keys: keys.into_iter().chain(others).map(api).collect(), ..Default::default() }
    }

    fn metadata(&self) -> MetadataResponse {
        let state = self.state();
        let broker = |node_id: i32| MetadataResponseBroker {
            node_id,
            host: "broker".into(),
            port: i32::from(address(node_id).port()),
            ..Default::default()
        };
        let partition = |(partition_index, log): (i32, &Log)| MetadataResponsePartition {
            partition_index,
            leader_id: log.leader,
            leader_epoch: log.epoch,
            ..Default::default()
        };
        let topic = MetadataResponseTopic {
            name: Some(TOPIC.into()),
            topic_id: if state.max_fetch_version >= 13 { state.topic_id } else { Uuid::ZERO },
            partitions: (0..).zip(&state.logs).map(partition).collect(),
            ..Default::default()
        };
        MetadataResponse { brokers: (0..3).map(broker).collect(), topics: vec![topic], ..Default::default() }
    }

    /// An unclean election: the new leader has nothing from this offset on.
    pub(crate) fn truncate(&self, partition: usize, to: i64, leader: i32) {
        self.change(|state| {
            let log = &mut state.logs[partition];
            log.batches.retain(|batch| batch.slice(..8).get_i64() < to);
            (log.end, log.leader, log.epoch) = (to, leader, log.epoch + 1);
        });
    }

    fn epoch_ends(&self, request: &OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
        let state = self.state();
        let mut partitions = Vec::new();
        for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let log = &state.logs[usize::try_from(asked.partition).unwrap()];
            let epoch = |batch: &Bytes| batch.slice(12..16).get_i32();
            let later = log.batches.iter().find(|batch| epoch(batch) > asked.leader_epoch);
            let end_offset = later.map_or(log.end, |batch| batch.slice(..8).get_i64());
            let known = log.batches.iter().map(epoch).filter(|epoch| *epoch <= asked.leader_epoch).max();
            partitions.push(EpochEndOffset {
                partition: asked.partition,
                leader_epoch: known.unwrap_or(-1),
                end_offset,
                ..EpochEndOffset::default()
            });
        }
        let topic = OffsetForLeaderTopicResult { topic: TOPIC.into(), partitions, ..Default::default() };
        OffsetForLeaderEpochResponse { topics: vec![topic], ..Default::default() }
    }

    fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let state = self.state();
        let mut partitions = Vec::new();
        for wanted in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let log = &state.logs[usize::try_from(wanted.partition_index).unwrap()];
            let offset = match wanted.timestamp {
                -2 => log.start,
                -4 => log.local_start,
                -1 => log.end,
                time => {
                    let at = log.start.max(time - 1_700_000_000_000);
                    if at < log.end { at } else { -1 }
                }
            };
            let partition_index = wanted.partition_index;
            partitions.push(ListOffsetsPartitionResponse { partition_index, offset, ..Default::default() });
        }
        let topic = ListOffsetsTopicResponse { name: TOPIC.into(), partitions, ..Default::default() };
        ListOffsetsResponse { topics: vec![topic], ..Default::default() }
    }

    /// `None` cuts the connection.
    async fn fetch(&self, broker: i32, version: i16, request: &FetchRequest) -> Option<FetchResponse> {
        let mut changed = self.changed.subscribe();
        if let Some(throttled) = self.state().throttle() {
            return Some(throttled);
        }
        let session_id = match self.change(|state| state.begin(broker, version, request)) {
            Begun::Refused(code) => return Some(FetchResponse { error_code: code.0, ..Default::default() }),
            Begun::Cut => return None,
            Begun::Session(id) => id,
        };
        let deadline = tokio::time::Instant::now() + Duration::from_millis(request.max_wait_ms.try_into().unwrap());
        self.state().waiting += 1;
        let full = request.session_epoch <= 0;
        let once = request.session_epoch < 0;
        let response = loop {
            let response = self.state().read(broker, version, session_id, request.max_bytes, full);
            let useful =
                |data: &PartitionData| data.error_code != 0 || data.records.as_ref().is_some_and(|r| !r.is_empty());
            let has_data = response.responses.iter().flat_map(|topic| &topic.partitions).any(useful);
            if has_data || tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
                break response;
            }
        };
        self.state().waiting -= 1;
        if once {
            self.state().sessions.remove(&session_id);
            return Some(FetchResponse { session_id: 0, ..response });
        }
        Some(response)
    }
}

enum Begun {
    Session(i32),
    Refused(ErrorCode),
    Cut,
}

impl State {
    fn throttle(&mut self) -> Option<FetchResponse> {
        self.throttled = self.throttled.checked_sub(1)?;
        self.fetches.push((0, 0, 0));
        Some(FetchResponse { throttle_time_ms: 1000, ..Default::default() })
    }

    fn begin(&mut self, broker: i32, version: i16, request: &FetchRequest) -> Begun {
        let named = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        self.fetches.push((version, request.session_epoch, named));
        if let Some(cuts) = self.cuts.checked_sub(1) {
            self.cuts = cuts;
            return Begun::Cut;
        }
        if let Some(code) = self.session_errors.pop_front() {
            return Begun::Refused(code);
        }
        let id = if request.session_epoch == -1 {
            // The end of a session, or a request that is part of none.
            if self.sessions.remove(&request.session_id).is_some() {
                self.sessions_ended += 1;
            }
            let id = -i32::try_from(self.fetches.len()).unwrap();
            self.sessions.insert(id, Session { epoch: -1, ..Session::default() });
            id
        } else if request.session_epoch == 0 {
            self.sessions.remove(&request.session_id);
            let id = 100 * (broker + 1) + i32::try_from(self.fetches.len()).unwrap();
            self.sessions.insert(id, Session::default());
            id
        } else {
            request.session_id
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return Begun::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.epoch != request.session_epoch {
            return Begun::Refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        session.epoch += 1;
        session.rack = request.rack_id.to_string();
        for topic in &request.topics {
            let name = if version >= 13 { topic.topic_id == self.topic_id } else { topic.topic == TOPIC };
            assert!(name, "{topic:?}");
            for wanted in &topic.partitions {
                let entry = (wanted.fetch_offset, wanted.current_leader_epoch, wanted.partition_max_bytes);
                session.partitions.insert(wanted.partition, entry);
            }
        }
        for partition in request.forgotten_topics_data.iter().flat_map(|topic| &topic.partitions) {
            assert!(session.partitions.remove(partition).is_some(), "forgotten twice");
        }
        Begun::Session(id)
    }

    fn read(&mut self, broker: i32, version: i16, session_id: i32, max_bytes: i32, full: bool) -> FetchResponse {
        let Some(session) = self.sessions.get(&session_id) else { return FetchResponse::default() };
        let mut left = usize::try_from(max_bytes).unwrap();
        let mut partitions = Vec::new();
        for (&partition, &(offset, epoch, most)) in &session.partitions {
            let log = &mut self.logs[usize::try_from(partition).unwrap()];
            let most = left.min(usize::try_from(most).unwrap());
            let data = log.read(broker, partition, (offset, epoch), most, &mut left, &session.rack);
            self.bytes_sent += data.records.as_ref().map_or(0, Bytes::len);
            if full
                || data.error_code != 0
                || data.preferred_read_replica >= 0
                || data.records.as_ref().is_some_and(|records| !records.is_empty())
            {
                partitions.push(data);
            }
        }
        let (topic, topic_id) = if version >= 13 { ("", self.topic_id) } else { (TOPIC, Uuid::ZERO) };
        let topic = FetchableTopicResponse { topic: topic.into(), topic_id, partitions, ..Default::default() };
        FetchResponse { session_id, responses: vec![topic], ..Default::default() }
    }
}

impl Log {
    fn read(
        &mut self,
        broker: i32,
        partition_index: i32,
        (offset, epoch): (i64, i32),
        most: usize,
        left: &mut usize,
        rack: &str,
    ) -> PartitionData {
        let refused = |code: ErrorCode| PartitionData { partition_index, error_code: code.0, ..Default::default() };
        if let Some(code) = self.errors.pop_front() {
            return refused(code);
        }
        let followed = self.follower.is_some_and(|(follower, _)| follower == broker);
        self.asked_follower += usize::from(followed);
        if self.leader != broker && !followed {
            return refused(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        if let Some((follower, near)) = self.follower.filter(|_| !followed)
            && near == rack
        {
            return PartitionData { partition_index, preferred_read_replica: follower, ..Default::default() };
        }
        if epoch < self.epoch {
            return refused(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if offset < self.start || offset > self.end {
            return refused(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let mut records = BytesMut::new();
        for bytes in &self.batches {
            // A batch whose checksum a test has spoilt has a header all the same.
            let base = bytes.slice(..8).get_i64();
            let last = base + i64::from(bytes.slice(23..27).get_i32());
            if (last < offset && !self.stale) || (!records.is_empty() && records.len() + bytes.len() > most) {
                continue;
            }
            records.extend_from_slice(bytes);
            if records.len() > most {
                break;
            }
        }
        *left = left.saturating_sub(records.len());
        if let Some(healed) = self.healed.take() {
            self.batches[0] = healed;
        }
        PartitionData {
            partition_index,
            high_watermark: self.end,
            last_stable_offset: self.end,
            log_start_offset: self.start,
            aborted_transactions: Some(self.aborted.clone()),
            records: Some(records.freeze()),
            ..Default::default()
        }
    }
}

#[async_trait]
impl Connector for World {
    async fn connect(&self, address: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let (client, broker) = tokio::io::duplex(1 << 20);
        let id = i32::from(address.port()) - 9000;
        if self.state().unreachable.contains(&id) {
            std::future::pending::<()>().await;
        }
        tokio::spawn(self.clone().serve(id, broker));
        Ok(Box::new(client))
    }
}

fn address(broker: i32) -> BrokerAddress {
    BrokerAddress::new("broker", u16::try_from(9000 + broker).unwrap()).unwrap()
}
