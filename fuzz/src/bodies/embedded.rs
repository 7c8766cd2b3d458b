//! The embedded cluster: any requests, one after the other, of clients that keep to nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use bytes::{Buf, Bytes, BytesMut};
use kafka_embedded::core::{BrokerConfig, Config, ConnectionId, Core, Limits, Output};
use kafka_embedded::{KafkaVersion, Sasl, SaslMechanism};
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use kafka_protocol::versions::ApiVersionsAnswer;
use kafka_protocol::{ApiKey, Limits as DecodeLimits, Message, MessageKind, messages};

use super::memory;

/// The input: a byte that chooses the release, one for whether clients have to log in, then operations, a byte for each
/// and what it takes.
pub fn embedded(data: &[u8]) {
    memory::bounded(data.len(), MAY_HOLD, || {
        let mut input = Unstructured::new(data);
        let Ok([release, with_sasl]) = input.arbitrary::<[u8; 2]>() else { return };
        let release = KafkaVersion::ALL[usize::from(release) % KafkaVersion::ALL.len()];
        let mut run = Run::new(release, with_sasl & 1 != 0);
        while !input.is_empty() && run.operation(&mut input).is_ok() {
            run.settle();
        }
        run.check_limits();
    });
}

/// A cluster with a topic `t` and somebody who connects to it.
struct Run {
    core: Core,
    now: Instant,
    release: KafkaVersion,
    with_sasl: bool,
    connections: BTreeMap<ConnectionId, Client>,
    correlation_id: i32,
}

/// The far end of a connection.
#[derive(Default)]
struct Client {
    /// What is to be answered; nothing is known of it where its header cannot be read.
    asked: Option<Option<Asked>>,
    /// SaslHandshake 0 was sent: what is answered may be bare.
    may_be_bare: bool,
}

#[derive(Clone, Copy)]
struct Asked {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Run {
    fn new(version: KafkaVersion, with_sasl: bool) -> Self {
        let sasl = Sasl::new([SaslMechanism::Plain, SaslMechanism::ScramSha256]).user("user", "pencil");
        let sasl = with_sasl.then(|| sasl.session_lifetime(Duration::from_secs(3)));
        let brokers = (1..=BROKERS).map(BrokerConfig::new).collect();
        let now = Instant::now();
        let core = Core::new(Config { version, brokers, sasl, limits: limits(), ..Config::default() }, now);
        let connections = BTreeMap::new();
        let mut run = Self { core, now, release: version, with_sasl, connections, correlation_id: 0 };
        let topic = CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 2, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        run.ask(1, ApiKey::CREATE_TOPICS, 3, &encoded(3, &request));
        run
    }

    fn operation(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.arbitrary::<u8>()? % OPERATIONS {
            REQUEST | AGAIN => self.request(input, false)?,
            ARBITRARY => self.request(input, true)?,
            NOISE => {
                let [connection, len] = input.arbitrary::<[u8; 2]>()?;
                let frame = Bytes::copy_from_slice(input.bytes(usize::from(len).min(input.len()))?);
                self.give(connection, frame, None);
            }
            WAIT => {
                let time = Duration::from_millis(u64::from(input.arbitrary::<u8>()?).pow(2) * 4);
                self.pass(time);
            }
            CLOSE => {
                let chosen = self.connections.keys().nth(usize::from(input.arbitrary::<u8>()?)).copied();
                if let Some(id) = chosen {
                    self.connections.remove(&id);
                    self.core.handle_close(self.now, id);
                }
            }
            _ => self.control(input.arbitrary()?),
        }
        Ok(())
    }

    fn control(&mut self, choice: u8) {
        let (broker, now) = (i32::from(choice >> 4) % BROKERS + 1, self.now);
        match choice & 0x0f {
            0 => self.core.stop_broker(now, broker),
            1 | 2 => self.core.start_broker(now, broker),
            3 => self.core.freeze_broker(now, broker),
            4 | 5 => self.core.thaw_broker(now, broker),
            6 => self.core.cut_connections(now, broker),
            7 => drop(self.core.move_leader(now, "t", 0, broker)),
            8 => self.core.move_coordinator(now, "g", broker),
            other => self.core.set_lagging(now, broker, other % 2 == 0),
        }
    }

    /// A request with the header that it should have, and a body of the input's bytes or made from them.
    fn request(&mut self, input: &mut Unstructured<'_>, is_arbitrary: bool) -> Result<()> {
        let [connection, api, version] = input.arbitrary::<[u8; 3]>()?;
        let len = usize::from(input.arbitrary::<u16>()?).min(input.len());
        let body = input.bytes(len)?;
        let Some((api, version)) = self.api(api, version) else { return Ok(()) };
        let body = if is_arbitrary {
            // The last bytes change what was made of the others.
            let (source, changes) = body.split_at(body.len().saturating_sub(CHANGES));
            let facts = messages::find(api.name().unwrap_or_default(), MessageKind::Request);
            let made = facts.and_then(|facts| facts.arbitrary(version, &mut Unstructured::new(source)).ok());
            let mut bytes = BytesMut::new();
            // What the version cannot say, or does not exist, comes without a body.
            made.map(|made| made.encode(version, &mut bytes));
            change(&mut bytes, changes);
            bytes.freeze()
        } else {
            Bytes::copy_from_slice(body)
        };
        let frame = self.frame(api, version, &body);
        let correlation_id = self.correlation_id;
        self.give(connection, frame, Some(Asked { api, version, correlation_id }));
        Ok(())
    }

    /// One of the APIs that there are, in a version of the release, or one beside them.
    fn api(&self, api: u8, version: u8) -> Option<(ApiKey, i16)> {
        let api = *ApiKey::ALL.get(usize::from(api) % ApiKey::ALL.len())?;
        let versions = self.release.versions(api);
        let count = versions.max - versions.min + 3;
        Some((api, versions.min + i16::from(version) % count))
    }

    fn frame(&mut self, api: ApiKey, version: i16, body: &[u8]) -> Bytes {
        self.correlation_id += 1;
        let header = RequestHeader {
            request_api_key: api.0,
            request_api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("fuzz".into()),
            ..RequestHeader::default()
        };
        let mut frame = BytesMut::new();
        header.encode(api.request_header_version(version), &mut frame).expect("a header");
        frame.extend_from_slice(body);
        frame.freeze()
    }

    /// Hands a frame in, on the connection of that place or, behind the last one, on a new one.
    fn give(&mut self, place: u8, frame: Bytes, asked: Option<Asked>) {
        let place = usize::from(place) % MAX_CONNECTIONS;
        let broker = i32::try_from(place).unwrap_or_default() % BROKERS + 1;
        let known = self.connections.keys().nth(place).copied();
        let Some(id) = known.or_else(|| self.open(broker)) else { return };
        let client = self.connections.entry(id).or_default();
        client.asked = Some(asked);
        client.may_be_bare |= asked.is_none_or(|asked| asked.api == ApiKey::SASL_HANDSHAKE && asked.version == 0);
        self.core.handle_request(self.now, id, frame);
    }

    fn open(&mut self, broker: i32) -> Option<ConnectionId> {
        let id = self.core.handle_open(self.now, broker, "fuzz")?;
        self.connections.insert(id, Client::default());
        Some(id)
    }

    /// Takes what there is to take, each for a connection that waits for it.
    fn settle(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Answer { connection, frame } => {
                    let Some(client) = self.connections.get_mut(&connection) else { continue };
                    let asked = client.asked.take().expect("an answer that nobody waits for");
                    match asked {
                        Some(asked) if !client.may_be_bare => readable(asked, frame),
                        _ => assert_eq!(frame.clone().get_u32() as usize, frame.len() - 4),
                    }
                }
                Output::Done { connection } => {
                    let Some(client) = self.connections.get_mut(&connection) else { continue };
                    client.asked.take().expect("nothing is done");
                }
                Output::Close { connection } => drop(self.connections.remove(&connection)),
            }
        }
        assert_eq!(self.core.connection_count(), self.connections.len());
        assert!(self.connections.len() <= MAX_CONNECTIONS);
    }

    /// Lets time pass, in the steps that the core asks for. It must not ask for the same one for ever.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            steps += 1;
            assert!(steps <= MAX_STEPS, "time does not go forward");
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// What clients made the cluster hold, as it says itself.
    fn check_limits(&mut self) {
        if self.with_sasl {
            return;
        }
        for broker in 1..=BROKERS {
            self.core.start_broker(self.now, broker);
            self.core.thaw_broker(self.now, broker);
        }
        let limits = limits();
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        let answer = self.ask(1, ApiKey::METADATA, 5, &encoded(5, &request));
        let topics = MetadataResponse::decode(5, answer).expect("metadata").topics;
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        assert!(topics.len() <= limits.max_topics, "{} topics", topics.len());
        assert!(partitions <= limits.max_partitions, "{partitions} partitions");
        let mut groups = 0;
        for broker in 1..=BROKERS {
            let answer = self.ask(broker, ApiKey::LIST_GROUPS, 2, &encoded(2, &ListGroupsRequest::default()));
            groups += ListGroupsResponse::decode(2, answer).expect("groups").groups.len();
        }
        assert!(groups <= limits.max_groups, "{groups} groups");
    }

    /// Asks on a connection of its own, and takes the answer's body.
    fn ask(&mut self, broker: i32, api: ApiKey, version: i16, body: &[u8]) -> Bytes {
        self.settle();
        let oldest = self.connections.keys().next().copied();
        if let Some(oldest) = oldest.filter(|_| self.connections.len() >= MAX_CONNECTIONS) {
            self.connections.remove(&oldest);
            self.core.handle_close(self.now, oldest);
        }
        let Some(id) = self.core.handle_open(self.now, broker, "fuzz") else { panic!("nobody listens") };
        let frame = self.frame(api, version, body);
        self.core.handle_request(self.now, id, frame);
        let mut answer = Bytes::new();
        while let Some(output) = self.core.poll() {
            if let Output::Answer { connection, frame } = output
                && connection == id
            {
                answer = frame.slice(8..);
            }
        }
        self.core.handle_close(self.now, id);
        answer
    }
}

/// Clients can read an answer, and know what it answers.
fn readable(asked: Asked, mut frame: Bytes) {
    let Asked { api, version, correlation_id } = asked;
    assert_eq!(frame.get_u32() as usize, frame.len());
    let header_version = api.response_header_version(version);
    let header = ResponseHeader::decode_prefix(header_version, &mut frame, &DecodeLimits::default());
    assert_eq!(header.expect("a header").correlation_id, correlation_id);
    if api == ApiKey::API_VERSIONS {
        // May be refused, in another version.
        let version = version.min(api.versions().max);
        ApiVersionsAnswer::decode(version, frame, &DecodeLimits::default()).expect("versions");
        return;
    }
    let facts = messages::find(api.name().unwrap_or_default(), MessageKind::Response).expect("it has an answer");
    let answer = facts.decode(version, frame, &DecodeLimits::default());
    assert!(answer.is_ok(), "{api} {version}: {answer:?}");
}

/// Changes bytes: the first of three says where in hundredths, the next one how.
fn change(bytes: &mut [u8], changes: &[u8]) {
    for change in changes.chunks_exact(2).filter(|change| change[1] != 0) {
        let at = bytes.len() * usize::from(change[0]) / 256;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= change[1];
        }
    }
}

fn encoded<M: Message>(version: i16, message: &M) -> Bytes {
    let mut body = BytesMut::new();
    message.encode(version, &mut body).expect("a request of this version");
    body.freeze()
}

fn limits() -> Limits {
    Limits {
        max_frame: 4 << 10,
        max_connections: MAX_CONNECTIONS,
        max_topics: 4,
        max_partitions: 12,
        max_log_bytes: 16 << 10,
        max_fetch_sessions: 3,
        max_session_partitions: 4,
        max_fetch_session_bytes: 4 << 10,
        max_producers: 3,
        max_decompressed_len: 64 << 10,
        max_groups: 3,
        max_group_members: 3,
        max_member_protocols: 3,
        max_member_bytes: 1 << 10,
        max_group_offsets: 6,
        max_group_bytes: 8 << 10,
        max_transactional_ids: 3,
        max_transaction_parts: 6,
        max_requests_logged: 20,
        max_request_bytes_logged: 32 << 10,
        max_clients_counted: 3,
    }
}

/// The operations, as the bytes that stand for them; any other is something that a test does to a cluster.
pub const REQUEST: u8 = 0;
/// A request, whose body is made from the input.
pub const ARBITRARY: u8 = 1;
/// A frame of any bytes.
pub const NOISE: u8 = 2;
/// Time passes.
pub const WAIT: u8 = 3;
/// A client goes away.
pub const CLOSE: u8 = 4;
const AGAIN: u8 = 5;
const OPERATIONS: u8 = 7;

/// Of an arbitrary request's bytes: two for each byte of its body that is changed. Zeros change nothing.
pub const CHANGES: usize = 6;
const BROKERS: i32 = 3;
const MAX_CONNECTIONS: usize = 5;
/// Of a minute and a few connections.
const MAX_STEPS: usize = 2_000;
/// What the limits allow the cluster to hold, codecs' contexts included.
const MAY_HOLD: usize = 4 << 20;
