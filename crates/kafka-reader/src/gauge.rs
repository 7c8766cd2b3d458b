//! What is known of a partition on both sides of the channel, and how much of it waits there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use smol_str::SmolStr;
use tokio::sync::Notify;

use crate::topic_partition::TopicPartition;

/// What all partitions of a reader have fetched ahead, and the call to fetch more.
#[derive(Debug, Default)]
pub(crate) struct Total {
    bytes: AtomicUsize,
    messages: AtomicUsize,
    pub(crate) freed: Notify,
    /// How many partitions are read.
    partitions: AtomicUsize,
}

impl Total {
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }

    pub(crate) fn set_partitions(&self, partitions: usize) {
        self.partitions.store(partitions, Ordering::Relaxed);
    }

    /// All that waits to be returned.
    pub(crate) fn buffered(&self) -> Amount {
        Amount { bytes: self.bytes.load(Ordering::Relaxed), messages: self.messages.load(Ordering::Relaxed) }
    }
}

/// So much waits to be returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

/// One partition: its name, and numbers that its fetcher writes and its reader reads. Each number stands for itself, so
/// none needs an order.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) topic: SmolStr,
    pub(crate) partition: i32,
    /// Its number: no other partition of this reader has it, nor this one when it is read from elsewhere.
    pub(crate) slot: usize,
    bytes: AtomicUsize,
    messages: AtomicUsize,
    total: Arc<Total>,
    /// The offset that readers of this isolation level get to, or -1.
    end: AtomicI64,
    /// How many offsets were passed over because they were out of range.
    skipped: AtomicI64,
    /// The reader has yet to hear that it is out of reach.
    told: AtomicBool,
    /// Nobody reads it any longer: whoever has it lets go of it.
    stopped: AtomicBool,
}

impl Gauge {
    pub(crate) fn new(topic: SmolStr, partition: i32, slot: usize, total: Arc<Total>) -> Self {
        Self {
            topic,
            partition,
            slot,
            bytes: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            total,
            end: AtomicI64::new(-1),
            skipped: AtomicI64::new(0),
            told: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), self.partition)
    }

    /// What waits to be returned of this partition.
    pub(crate) fn buffered(&self) -> Amount {
        Amount { bytes: self.bytes.load(Ordering::Relaxed), messages: self.messages.load(Ordering::Relaxed) }
    }

    /// Whether the reader may be told that this is out of reach: not while it has yet to hear that.
    pub(crate) fn may_tell(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// The reader was told.
    pub(crate) fn heard(&self) {
        self.told.store(false, Ordering::Relaxed);
    }

    /// The end, as the last answer told it; `None` before the first.
    pub(crate) fn end(&self) -> Option<i64> {
        Some(self.end.load(Ordering::Relaxed)).filter(|end| *end >= 0)
    }

    pub(crate) fn set_end(&self, end: i64) {
        self.end.store(end, Ordering::Relaxed);
    }

    pub(crate) fn skipped(&self) -> i64 {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_skipped(&self, offsets: i64) {
        self.skipped.fetch_add(offsets.max(0), Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Counts something as waiting, for as long as the result lives: so many bytes, and a place in the queue.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize, messages: usize) -> Held {
        let amount = Amount { bytes: bytes.saturating_add(PLACE_BYTES), messages };
        self.bytes.fetch_add(amount.bytes, Ordering::Relaxed);
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.total.bytes.fetch_add(amount.bytes, Ordering::Relaxed);
        self.total.messages.fetch_add(messages, Ordering::Relaxed);
        Held { gauge: Arc::clone(self), amount }
    }
}

/// What a place in the queue takes, and a little more: what bounds the bytes bounds the places, too.
const PLACE_BYTES: usize = 512;

/// Something that waits to be returned.
#[derive(Debug)]
pub(crate) struct Held {
    gauge: Arc<Gauge>,
    amount: Amount,
}

impl Held {
    pub(crate) fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Self { gauge, amount } = self;
        gauge.bytes.fetch_sub(amount.bytes, Ordering::Relaxed);
        gauge.messages.fetch_sub(amount.messages, Ordering::Relaxed);
        gauge.total.bytes.fetch_sub(amount.bytes, Ordering::Relaxed);
        gauge.total.messages.fetch_sub(amount.messages, Ordering::Relaxed);
        gauge.total.freed.notify_waiters();
    }
}
