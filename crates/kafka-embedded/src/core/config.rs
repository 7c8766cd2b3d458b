//! What a cluster shall be.
//!
//! Sans-IO.

use std::time::Duration;

use smol_str::SmolStr;

use crate::core::versions::KafkaVersion;
use crate::sasl::Sasl;

/// What a cluster is like. All fields have defaults: one broker, as Kafka 4.3 is when nobody configures it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The brokers; their ids must differ. Default: one, with id 1.
    pub brokers: Vec<BrokerConfig>,
    /// Which release's versions the brokers speak. Default: [`KafkaVersion::NEWEST`].
    pub version: KafkaVersion,
    /// The cluster's id. Default `embedded-kafka-cluster`.
    pub cluster_id: SmolStr,
    /// Whether asking for a topic's metadata creates it (`auto.create.topics.enable`). Default true, as Kafka's.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose maker names no number (`num.partitions`). Default 1.
    pub default_partitions: i32,
    /// Replicas of a topic whose maker names no number (`default.replication.factor`). Default 1.
    pub default_replication_factor: i16,
    /// How long a replica may lag before it is no longer in sync (`replica.lag.time.max.ms`). Default 30 s.
    pub replica_lag_time: Duration,
    /// Whether consumers that name their rack are sent to a replica in it (KIP-392). Default true.
    pub rack_aware_reads: bool,
    /// How long the first members of an empty group wait for more (`group.initial.rebalance.delay.ms`). Default zero;
    /// Kafka's is 3 s.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout of a group's member (`group.min.session.timeout.ms`). Default 6 s.
    pub min_session_timeout: Duration,
    /// The longest session timeout of a group's member (`group.max.session.timeout.ms`). Default 30 min.
    pub max_session_timeout: Duration,
    /// What the cluster's own choices are made from: topic ids, session ids, shares of faults. Default 0.
    pub seed: u64,
    /// The wall clock when the cluster starts, in milliseconds since 1970: what log-append times count from.
    /// Default: 1 January 2026, so that a run can be repeated; the builder of a cluster over TCP sets the real time.
    pub start_time_ms: i64,
    /// Who may log in. Default: nobody has to.
    pub sasl: Option<Sasl>,
    /// What clients can make the cluster hold.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: vec![BrokerConfig::new(1)],
            version: KafkaVersion::NEWEST,
            cluster_id: SmolStr::new_static("embedded-kafka-cluster"),
            auto_create_topics: true,
            default_partitions: 1,
            default_replication_factor: 1,
            replica_lag_time: Duration::from_secs(30),
            rack_aware_reads: true,
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(1_800),
            seed: 0,
            start_time_ms: 1_767_225_600_000,
            sasl: None,
            limits: Limits::default(),
        }
    }
}

/// A broker: its id, and what metadata tells clients of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// The id, not negative.
    pub id: i32,
    /// The host that clients are told.
    pub host: SmolStr,
    /// The port that clients are told.
    pub port: u16,
    /// The rack, if it is in one (`broker.rack`).
    pub rack: Option<SmolStr>,
}

impl BrokerConfig {
    /// A broker at `broker-ID:9092`, in no rack.
    pub fn new(id: i32) -> Self {
        Self { id, host: format!("broker-{id}").into(), port: 9092, rack: None }
    }
}

/// What clients can make a cluster hold, at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request (`socket.request.max.bytes`). Default 100 MiB. A longer one closes its connection.
    pub max_frame: usize,
    /// Connections to all brokers together, those that still shake hands (TLS) among them. Default 2,000. One more is
    /// closed at once.
    pub max_connections: usize,
    /// Topics. Default 10,000. One more is a `POLICY_VIOLATION`.
    pub max_topics: usize,
    /// Partitions of all topics together. Default 100,000. One more is a `POLICY_VIOLATION`.
    pub max_partitions: usize,
    /// Bytes of all partitions' logs, replicas counted once. Default 2 GiB. What would exceed it is a
    /// `KAFKA_STORAGE_ERROR`: the disk is full, nothing is dropped silently.
    pub max_log_bytes: usize,
    /// Fetch sessions of one broker (`max.incremental.fetch.session.cache.slots`). Default 1,000. The oldest makes room.
    pub max_fetch_sessions: usize,
    /// Partitions of one fetch session. Default 2,000. One that would hold more is not kept.
    pub max_session_partitions: usize,
    /// Bytes of what all fetch sessions of one broker ask for. Default 64 MiB. The oldest makes room; one that would hold
    /// more alone is not kept.
    pub max_fetch_session_bytes: usize,
    /// Idempotent producers that a partition remembers. Default 10,000. The one that wrote least recently makes room.
    pub max_producers: usize,
    /// Bytes that one record batch may decompress to. Default 64 MiB.
    pub max_decompressed_len: usize,
    /// Consumer groups. Default 10,000.
    pub max_groups: usize,
    /// Members of one group. Default 1,000 (`group.max.size`).
    pub max_group_members: usize,
    /// Protocols (assignors) that a member of a group can name. Default 64. More are an `INVALID_REQUEST`.
    pub max_member_protocols: usize,
    /// Bytes of what a member says of itself when it joins. Default 4 MiB. More are an `INVALID_REQUEST`.
    pub max_member_bytes: usize,
    /// Committed offsets of one group. Default 100,000. One more is an `INVALID_COMMIT_OFFSET_SIZE`.
    pub max_group_offsets: usize,
    /// Bytes of all groups together: what members say of themselves, assignments, committed offsets. Default 256 MiB.
    /// Beyond it nobody joins (`GROUP_MAX_SIZE_REACHED`), no assignment is stored (`UNKNOWN_SERVER_ERROR`, and all join
    /// again), and nothing new is committed (`INVALID_COMMIT_OFFSET_SIZE`).
    pub max_group_bytes: usize,
    /// Transactional ids. Default 10,000. One that has nothing open makes room; else one more is a `POLICY_VIOLATION`.
    pub max_transactional_ids: usize,
    /// Partitions and groups of all open transactions together. Default 100,000. One more is a `POLICY_VIOLATION`.
    pub max_transaction_parts: usize,
    /// Requests that the log remembers; older ones are still counted. Default 10,000.
    pub max_requests_logged: usize,
    /// Bytes of requests (bodies, and clients' names) that the log remembers. Default 16 MiB.
    pub max_request_bytes_logged: usize,
    /// Clients whose requests are counted by their names, of up to 256 bytes each. Default 1,000. The requests of others
    /// are counted with those of everybody.
    pub max_clients_counted: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 100 << 20,
            max_connections: 2_000,
            max_topics: 10_000,
            max_partitions: 100_000,
            max_log_bytes: 2 << 30,
            max_fetch_sessions: 1_000,
            max_session_partitions: 2_000,
            max_fetch_session_bytes: 64 << 20,
            max_producers: 10_000,
            max_decompressed_len: 64 << 20,
            max_groups: 10_000,
            max_group_members: 1_000,
            max_member_protocols: 64,
            max_member_bytes: 4 << 20,
            max_group_offsets: 100_000,
            max_group_bytes: 256 << 20,
            max_transactional_ids: 10_000,
            max_transaction_parts: 100_000,
            max_requests_logged: 10_000,
            max_request_bytes_logged: 16 << 20,
            max_clients_counted: 1_000,
        }
    }
}
