//! What is known of a partition on both sides of the channel, and how much of it waits there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use smol_str::SmolStr;
use tokio::sync::Notify;

/// The bytes that all partitions of a reader have fetched ahead, and the call to fetch more.
#[derive(Debug, Default)]
pub(crate) struct Total {
    buffered: AtomicUsize,
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

    /// All bytes that wait to be returned.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }
}

/// One partition: its name, and numbers that its fetcher writes and its reader reads. Each number stands for itself, so
/// none needs an order.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) topic: SmolStr,
    pub(crate) partition: i32,
    /// Its number: no other partition of this reader has it, nor this one when it is read from elsewhere.
    pub(crate) slot: usize,
    buffered: AtomicUsize,
    total: Arc<Total>,
    /// The offset that readers of this isolation level get to, or -1.
    end: AtomicI64,
    /// How many offsets were passed over because they were out of range.
    skipped: AtomicI64,
    /// Nobody reads it any longer: whoever has it lets go of it.
    stopped: AtomicBool,
}

impl Gauge {
    pub(crate) fn new(topic: SmolStr, partition: i32, slot: usize, total: Arc<Total>) -> Self {
        Self {
            topic,
            partition,
            slot,
            buffered: AtomicUsize::new(0),
            total,
            end: AtomicI64::new(-1),
            skipped: AtomicI64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// The bytes of this partition, and those of all, that wait to be returned.
    pub(crate) fn buffered(&self) -> (usize, usize) {
        (self.buffered.load(Ordering::Relaxed), self.total.buffered.load(Ordering::Relaxed))
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

    /// Counts `bytes` as waiting, for as long as the result lives.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.buffered.fetch_add(bytes, Ordering::Relaxed);
        self.total.buffered.fetch_add(bytes, Ordering::Relaxed);
        Held { gauge: Arc::clone(self), bytes }
    }
}

/// Bytes that wait to be returned.
#[derive(Debug)]
pub(crate) struct Held {
    gauge: Arc<Gauge>,
    bytes: usize,
}

impl Held {
    pub(crate) fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
        self.gauge.total.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
        self.gauge.total.freed.notify_waiters();
    }
}
