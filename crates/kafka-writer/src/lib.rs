//! Writing messages to Kafka.
//!
//! ```text
//!  send ──► Balancer ──► Partition: open batch ──── full, or lingered ────► Accumulator (sans-IO, in the sender's task)
//!    │       (caller)     the record is encoded here,                          │ poll_work ──► blocking pool: compress
//!    ▼                    once, under one short lock                           │ poll_requests: per broker one request,
//!  Delivery ◄── BatchResult, shared by the messages of a batch ◄── settled ────┤    one batch of each partition in it
//!                                                                              ▼
//!                              Connection (kafka-conn) ◄── pieces, not copied ── Requests: Produce
//! ```
//!
//! A message is copied once, into its batch; a batch is compressed and checksummed once, and sent again as it is where
//! that is needed. Memory is bounded in bytes: who sends more than the brokers take waits. Order within a partition is
//! that of the sends, and nothing is doubled: the writer is idempotent (KIP-98), wherever the cluster lets it be.
//!
//! This crate never reads records, never opens a connection of its own (they are the
//! [`Transport`](kafka_conn::Transport)'s), never keeps an object for each message, never holds a lock over an `await`,
//! and never blocks in a `Drop`. Modules marked "Sans-IO" hold the rules as plain values: no socket, no clock, no task.

mod accumulator;
mod balancer;
mod buffers;
mod clock;
mod completed;
mod config;
mod delivery;
mod error;
mod init_producer_id;
mod lock;
mod mutation;
mod outcome;
mod partition;
mod produce;
mod properties;
mod requests;
mod seal;
mod sender;
mod shared;
mod stats;
mod topics;
mod writer;

pub use balancer::{
    Balancer, Candidates, Crc32, Hash, LeastBytes, Manual, Murmur2, ReferenceHash, RoundRobin, Sticky, fnv1a,
};
pub use completed::{Completed, Completion};
pub use config::{Idempotence, Ordering, RequiredAcks, TopicAutoCreation, WriterConfig};
pub use delivery::{Delivery, Written};
pub use error::{Error, ErrorKind, Fate, FlushErrors, Result, SendError, WriteErrors};
#[doc(no_inline)]
pub use kafka_conn::properties::PropertyError;
#[doc(no_inline)]
pub use kafka_conn::{Backoff, Header, Message};
#[doc(no_inline)]
pub use kafka_protocol::records::Compression;
pub use properties::Properties;
pub use stats::{Summary, WriterStats};
pub use writer::{SendOptions, Writer};

#[doc = include_str!("../produce-errors.md")]
pub mod produce_errors {}
