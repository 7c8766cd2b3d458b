//! What the callers and the sender's task share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};

use crate::accumulator::Settled;
use crate::buffers::Buffers;
use crate::config::WriterConfig;
use crate::delivery::BatchResult;
use crate::error::{Error, ErrorKind};
use crate::lock::lock;
use crate::partition::Partition;
use crate::stats::{Counts, WriterStats};
use crate::topics::Topics;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) topics: Topics,
    pub(crate) buffers: Buffers,
    /// A permit for each byte of the buffer that is free.
    pub(crate) room: Semaphore,
    /// How many callers wait for room.
    waiting: AtomicUsize,
    /// Whether something was still to be written when the sender's time was over.
    pub(crate) aborted: AtomicBool,
    closing: AtomicBool,
    notes: Mutex<Notes>,
    wake: Notify,
    counts: Mutex<Counts>,
    failures: Mutex<Failures>,
    buffer_bytes: usize,
}

/// Batches that failed, and may have been nobody's concern yet.
#[derive(Debug, Default)]
struct Failures {
    /// With the number of messages that failed.
    batches: VecDeque<(Arc<BatchResult>, u32)>,
    /// How many messages of others were dropped from the list.
    dropped: u64,
}

/// Partitions that call for attention, each at most once.
#[derive(Debug, Default)]
struct Notes {
    partitions: Vec<Arc<Partition>>,
    /// Nobody reads them any more.
    closed: bool,
}

impl Shared {
    pub(crate) fn new(topics: Topics, buffers: Buffers, room: usize) -> Self {
        Self {
            topics,
            buffers,
            room: Semaphore::new(room),
            waiting: AtomicUsize::new(0),
            aborted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            notes: Mutex::default(),
            wake: Notify::new(),
            counts: Mutex::default(),
            failures: Mutex::default(),
            buffer_bytes: room,
        }
    }

    /// Messages failed: a flush tells of them, unless somebody awaits their deliveries.
    pub(crate) fn failed(&self, settled: &Settled) {
        let mut failures = lock(&self.failures);
        while let Some((oldest, messages)) = failures.batches.front() {
            let unheard = oldest.unheard(*messages);
            if unheard.is_some() && failures.batches.len() < MAX_FAILURES {
                break;
            }
            failures.dropped += unheard.map_or(0, |(messages, _)| u64::from(messages));
            failures.batches.pop_front();
        }
        failures.batches.push_back((Arc::clone(&settled.result), settled.messages));
    }

    /// What failed and was nobody's concern: the errors, each with the number of its messages, and how many messages'
    /// errors are not kept.
    pub(crate) fn take_failures(&self) -> (Vec<(Error, u32)>, u64) {
        let Failures { batches, dropped } = std::mem::take(&mut *lock(&self.failures));
        let unheard = batches.iter().filter_map(|(result, messages)| result.unheard(*messages));
        (unheard.map(|(messages, error)| (error, messages)).collect(), dropped)
    }

    pub(crate) fn count(&self, counts: Counts) {
        lock(&self.counts).add(counts);
    }

    pub(crate) fn stats(&self, config: &WriterConfig) -> WriterStats {
        let buffered = self.buffer_bytes.saturating_sub(self.room.available_permits());
        lock(&self.counts).read(config, buffered)
    }

    /// Takes no more messages.
    pub(crate) fn start_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Tells the sender about a partition, unless there is no sender any more: then what the partition has is to be
    /// [refused](Self::refuse).
    pub(crate) fn note(&self, partition: &Arc<Partition>) -> bool {
        let mut notes = lock(&self.notes);
        if notes.closed {
            return false;
        }
        notes.partitions.push(Arc::clone(partition));
        drop(notes);
        self.wake.notify_one();
        true
    }

    /// Says that a caller waits for room, until what is returned is dropped.
    pub(crate) fn wait_for_room(&self) -> impl Drop {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.wake.notify_one();
        }
        Waiting(&self.waiting)
    }

    /// Whether somebody waits for room.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for a note.
    pub(crate) async fn noted(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn take_notes(&self) -> Vec<Arc<Partition>> {
        std::mem::take(&mut lock(&self.notes).partitions)
    }

    /// Ends the taking of notes, unless there are some.
    pub(crate) fn close_notes_if_empty(&self) -> bool {
        let mut notes = lock(&self.notes);
        notes.closed |= notes.partitions.is_empty();
        notes.closed
    }

    /// Ends the taking of notes, and returns those that are left.
    pub(crate) fn close_notes(&self) -> Vec<Arc<Partition>> {
        let mut notes = lock(&self.notes);
        notes.closed = true;
        std::mem::take(&mut notes.partitions)
    }

    /// Settles what a partition has that nobody will send.
    pub(crate) fn refuse(&self, partition: &Partition) {
        for batch in partition.take_all() {
            batch.result.settle(0, Err(Error::new(ErrorKind::Closed)));
            self.room.add_permits(batch.charged);
            partition.settled();
        }
    }
}

/// Batches that failed and are kept for a flush to tell of.
const MAX_FAILURES: usize = 1000;

/// One of those who wait for room.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
