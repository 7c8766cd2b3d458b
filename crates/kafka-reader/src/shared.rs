//! What all tasks of a reader use, and what they tell each other.
//!
//! ```text
//!            Mailbox              Command
//!  Reader ───────────► Control ────────────► Fetcher, one of each broker
//!    ▲                   │  ▲                  │ │
//!    │       Event       │  └──── Returned ────┘ │
//!    └───────────────────┴───────────────────────┘
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use kafka_conn::{BrokerId, Transport};
use kafka_protocol::Uuid;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::chunk::Chunk;
use crate::config::{OutOfRange, Settings};
use crate::discovery::Found;
use crate::error::Error;
use crate::gauge::{Gauge, Held, Total};
use crate::position::Position;
use crate::stats::Counters;

/// What all tasks of a reader use.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) transport: Transport,
    pub(crate) settings: Settings,
    pub(crate) total: Arc<Total>,
    /// What bounds it is that each event counts among what its partition has fetched ahead.
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) mailbox: Mailbox,
    pub(crate) counters: Counters,
}

/// What the reader leaves for the control task: partitions to read. What is to be read no longer is
/// [stopped](Gauge::stop).
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    added: Mutex<Vec<Assigned>>,
    /// There is something new, or something was stopped.
    pub(crate) changed: Notify,
}

impl Mailbox {
    pub(crate) fn add(&self, partitions: impl IntoIterator<Item = Assigned>) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.retain(|assigned| !assigned.gauge.is_stopped());
        added.extend(partitions);
        drop(added);
        self.changed.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Assigned> {
        std::mem::take(&mut *self.added.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the tasks tell the reader.
#[derive(Debug)]
pub(crate) enum Event {
    Chunk(Box<Chunk>),
    /// Nothing is known to be lost, but the partition has been out of reach for a while. One at a time.
    Failing(Arc<Gauge>, Error),
    /// The partition has no record before this offset that was not handed over yet.
    Vacant(Held, i64),
    /// The partition is read from elsewhere.
    Reset(Held, Reset),
    /// The partition is no longer read.
    Halted(Held, Error),
    /// Partitions were added to the topics.
    Found(Found),
}

/// Where a partition is read from now on.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) to: i64,
    pub(crate) leader_epoch: i32,
    /// What the caller should know.
    pub(crate) error: Option<Error>,
}

/// A partition with its owner: a fetcher, or the control task.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) position: Position,
    pub(crate) topic_id: Uuid,
    pub(crate) leader_epoch: i32,
    /// The epoch of the leader that was asked last whether its log is what was read (KIP-320).
    pub(crate) validated: i32,
    /// An answer came since the control task had it last.
    pub(crate) fetched: bool,
    /// A follower that the leader said is nearer, and until when that is believed (KIP-392).
    pub(crate) nearer: Option<(BrokerId, Instant)>,
    /// Until when the leader itself is to serve: a follower that was nearer has failed.
    pub(crate) leader_until: Option<Instant>,
    /// What to do where there is no such offset, as long as nothing was read.
    pub(crate) otherwise: Option<OutOfRange>,
}

impl Assigned {
    pub(crate) fn error(&self, error: Error) -> Error {
        error.with_partition(&self.gauge.topic, self.gauge.partition).with_offset(self.position.offset())
    }
}

/// What the control task tells a fetcher.
#[derive(Debug)]
pub(crate) enum Command {
    Fetch(Vec<Assigned>),
    /// Return the partition in this slot: another broker leads it, or nobody reads it any longer.
    Release(usize),
}

/// Partitions that go back to the control task, all for one reason.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) partitions: Vec<Assigned>,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) enum Reason {
    /// As asked.
    Released,
    /// To be tried again after a pause.
    Failed(Error),
    OutOfRange,
    /// This broker has a replica that is nearer.
    Nearer(BrokerId),
    /// There seems to be nothing up to this offset.
    Vacant(i64),
    /// For good.
    Halted(Error),
}
