//! Connections to Kafka brokers: first one, then all of a cluster, with metadata and routing.
//!
//! ```text
//!  Client ── RoundTrip: requests that belong to several brokers, taken apart and put together
//!     ▼
//!  Transport ──── Route ───► pool: per broker one connection for Produce, one for the rest
//!     │  ▲                     │ Dialer: Connector (TCP, memory, …) → stream → handshake
//!     │  │ watch               ▼
//!     │  Cluster ◄── task   Connection ── bounded channel ──► connection task ─── owns ──► stream
//!     │  (snapshot)            ▲                                 │     ▲                    │  ▲
//!     ▼                        │ one-shot                 handle_*│     │poll_*       write │  │ read
//!  Result<Response> ◄──────────┴─────────────────────────────── Session (sans-IO) ◄────────┘  │
//!                                                             FrameDecoder (sans-IO) ◄─────────┘
//! ```
//!
//! A request is encoded by its caller, framed by the [`Session`](session::Session), and written by the task that owns
//! the socket; or, where it is small and the connection idle, by its caller. A frame that comes back answers the oldest
//! request in flight; its caller decodes it.
//!
//! A [`Dialer`] says how connections come about: `Tls` encrypts them, a [`Mechanism`](sasl::Mechanism) authenticates
//! them, a [`Connector`] and a [`Resolver`] may replace TCP and DNS.
//!
//! # Features
//!
//! [`Conn`] (`conn`) and its codecs (`gzip`, `snappy`, `lz4`, `zstd`) are on by default, the others are not. Who needs a
//! [`Transport`] and a [`Client`] only, and no `Conn`, turns the default features off, and compiles a fraction.
//!
//! | feature | what it adds |
//! |---|---|
//! | `conn` | [`Conn`], kafka-go's low-level API of one connection, and [`Dialer::dial_leader`] and the like |
//! | `tls` | TLS, with ring for its cryptography |
//! | `tls-aws-lc-rs` | TLS, with aws-lc-rs; where both are on, this one is used |
//! | `tls-no-provider` | TLS for those who bring a `rustls::ClientConfig` |
//! | `tls-system-roots` | trust in the authorities that this machine trusts |
//! | `tls-web-roots` | trust in the authorities that Mozilla trusts, compiled in |
//! | `client` | all requests that [`Client`] can take apart and merge; parts of it by the names of kafka-protocol's features |
//!
//! This crate never keeps the state of a consumer group, never batches records in the background, never repeats a
//! request that may have changed something, and never waits without a bound. Modules marked "Sans-IO" hold the rules as
//! plain values that take the time and bytes and say what to do: no socket, no clock, no task.
//!
//! # Features of the client
//!
//! | feature | what it adds |
//! |---|---|
//! | `produce`, `fetch`, `group`, `transaction`, `admin`, `share`, `streams`, `telemetry` | [`Client`] takes these requests apart and merges their answers; the messages come with it |
//! | `client` | all of these |
//! | `metrics` | what a [`Meter`] counts goes to the recorder of the `metrics` crate, too |

#[cfg(feature = "fetch")]
mod abort;
mod acks;
mod address;
mod authenticator;
mod backoff;
mod call;
mod client;
mod cluster;
#[cfg(feature = "conn")]
mod conn;
mod connection;
mod connector;
mod coordinator;
mod deadline;
#[cfg(feature = "conn")]
mod dial;
mod dialer;
mod driver;
mod error;
pub mod frame;
mod isolation;
mod link;
mod lookup;
mod message;
mod metadata;
mod meter;
mod pool;
pub mod properties;
mod resolve;
mod round_trip;
mod route;
pub mod sasl;
mod secret;
pub mod session;
mod stats;
mod task;
#[cfg(feature = "tls-no-provider")]
mod tls;
mod topic_partition;
mod transport;

#[cfg(feature = "fetch")]
pub use abort::AbortFilter;
pub use acks::RequiredAcks;
pub use address::{AddressError, AddressErrorKind, BrokerAddress};
pub use backoff::{Backoff, Pauses};
pub use call::{Body, CallOptions, RawRequest, RawResponse};
pub use client::{Answer, Client, Failure, Item, Routing};
pub use cluster::{Broker, BrokerId, Cluster, LeaderHint, Partition, Topic};
#[cfg(feature = "conn")]
pub use conn::{Batch, Conn, PartitionInfo, ReadBatchConfig, TopicOutcome, Whence, Written};
pub use connection::{Connection, PendingResponse};
pub use connector::{ConnectOptions, Connector, Resolver, SocketAddresses, Stream, SystemResolver, TcpConnector};
pub use coordinator::CoordinatorKind;
#[cfg(feature = "conn")]
pub use dial::LookupOptions;
pub use dialer::{ConnectionLimits, Dialer};
pub use error::{Error, ErrorContext, ErrorKind, Result, Step};
pub use isolation::IsolationLevel;
pub use kafka_protocol::records::Compression;
pub use message::{Header, Message};
pub use meter::Meter;
pub use round_trip::{AnyRequest, RoundTrip, SendOptions};
pub use route::{Lane, Route};
pub use secret::Secret;
pub use stats::{ApiStats, FailureStats, Latency, Stats};
#[cfg(feature = "tls-no-provider")]
pub use tls::{ClientCertificate, Pem, Roots, Tls, TlsConfig};
pub use topic_partition::TopicPartition;
pub use transport::{Transport, TransportConfig};
