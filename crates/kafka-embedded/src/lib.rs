//! A Kafka cluster in the process, in memory: for tests and demonstrations.
//!
//! ```text
//!  your client ── TCP, or streams in memory ──► shell: a task per connection ──► Core: all brokers, sans-IO
//!                                                                                 │ api/…   what each API does
//!  your test ── stop a broker, inject a fault, count requests ───────────────────►│ state/… topics, leaders, replicas
//!                                                                                 │ log/…   batches as bytes
//!                                                                                 └ fault/… what goes wrong
//! ```
//!
//! Brokers keep to what Kafka's brokers promise, and refuse what they refuse: leader epochs, high watermarks, sequences
//! and duplicates, checksums, in-sync replicas, fetch sessions. Replication takes no time unless a test wants it to.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = kafka_embedded::Cluster::builder().topic("orders", 3, 1).start().await?;
//! // Any client of any language connects to it.
//! let bootstrap: String = cluster.bootstrap();
//! assert!(bootstrap.starts_with("127.0.0.1:"));
//! # Ok(())
//! # }
//! ```
//!
//! This crate never writes anything to a disk, and is never for production. What clients can make it hold is bounded
//! ([`core::Limits`]).
// No request may panic: what may is not written here.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable, clippy::unwrap_used)
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod api;
mod builder;
mod cluster;
pub mod core;
mod fault;
mod group;
mod log;
mod sasl;
mod shell;
mod state;
mod tasks;
mod transaction;

pub use builder::{AutoCreate, ClusterBuilder, StartError};
pub use cluster::Cluster;
pub use core::{KafkaVersion, LoggedRequest, UnknownVersion};
pub use fault::{Fault, FaultId, Hook, Verdict};
pub use sasl::{Sasl, SaslMechanism};
pub use shell::MemoryConnector;
#[cfg(feature = "tls")]
pub use shell::{Tls, TlsError};
pub use state::ElectionError;
