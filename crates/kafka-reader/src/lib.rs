//! Reading: from the partitions of topics to messages, in order, each one, at the caller's pace.
//!
//! ```text
//!  Reader ◄──────────── chunks: checked batches, in order per partition ◄───────────┐ a queue
//!    │ decompresses and iterates in the caller's call → Message, FetchedBatch       │
//!    │                                                                              │
//!    └─► control task ── places each partition with its leader's ──► fetcher task, one per broker
//!          │   ▲                                                        │ owns a connection, the fetch session,
//!          │   └── partitions that need a new leader or a pause ◄───────┤ and the positions of its partitions
//!          ▼                                                            ▼
//!        Transport: metadata, ListOffsets                             Fetch requests
//! ```
//!
//! A partition has one owner at any time, a fetcher or the control task, and its [position](Reader::offset) travels with
//! it: when a leader moves, reading goes on where it was. Where that is impossible (the offset is out of range, a batch
//! is corrupt, the topic was replaced by another) the partition *halts*, with an error that says where. Positions carry
//! the epoch of the leader that wrote what was read: a new leader is asked whether it has that too (KIP-320), and where
//! it does not, the error says which offsets were lost, and reading goes on with what is there now.
//!
//! In a [group](GroupConfig) the partitions are those that the group assigns to this member, and come and go:
//!
//! ```text
//!  Reader ◄── assigned, revoked, lost ── ConsumerGroup ◄──► coordinator: join, sync, heartbeat, commit, leave
//!    └── offsets that were processed ──────────►┘
//! ```
//!
//! [`ConsumerGroup`] does that alone, for those who read by other means, and [`Generations`] is kafka-go's view of it. The
//! [`Assignor`]s come to the same results as Java's.
//!
//! This crate never skips a record that is in the log without an error, never hands over a record whose batch failed its
//! checksum or of a partition that it has given up, never commits for a partition that is not this member's, never
//! writes to a topic, and never waits for anything in `Drop`. What is prefetched is bounded in bytes of memory, and in
//! messages if wanted, and each partition has a share of that bound of its own, so that none keeps another from being read:
//! where one has room again while a request for the others is held back by the broker, another request asks for it.

mod around;
mod assignor;
mod batch;
mod chunk;
mod config;
mod control;
mod discovery;
mod epochs;
mod error;
#[cfg(test)]
mod fetch_model;
mod fetcher;
mod gauge;
mod group;
mod offsets;
mod position;
mod prefetch;
mod properties;
mod reader;
#[cfg(test)]
mod schedules;
mod session;
mod shared;
mod stats;
mod stream;
mod topic_names;
mod topic_partition;

pub use assignor::{
    Assignment, Assignor, CooperativeStickyAssignor, GroupMember, GroupTopics, PartitionRacks, RackAffinityAssignor,
    RangeAssignor, RebalanceProtocol, RoundRobinAssignor, StickyAssignor, Subscription,
};
pub use batch::{BatchRecords, FetchedBatch};
pub use config::{IsolationLevel, OutOfRange, Partitions, ReaderConfig, StartOffset};
pub use error::{Error, ErrorContext, ErrorKind, Result};
pub use group::{
    AssignedPartition, CommitHandle, CommitOffset, Committing, ConsumerGroup, Ended, Generation, Generations,
    GroupConfig, GroupEvent, LostReason, Revoked,
};
#[doc(no_inline)]
pub use kafka_conn::properties::PropertyError;
/// What to decode the records of a [`FetchedBatch`] with, and what comes out.
pub use kafka_protocol::records::{BatchDecoder, Record};
pub use offsets::EndOffsets;
pub use properties::Properties;
pub use reader::Reader;
pub use stats::{PartitionStats, ReaderStats, Summary};
pub use stream::Messages;
pub use topic_names::TopicNames;
pub use topic_partition::{PartitionRef, TopicPartition};
