//! What a reader has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smol_str::SmolStr;

use crate::topic_partition::TopicPartition;

/// What a [`Reader`](crate::Reader) has done since it was asked last, and where it stands (kafka-go `ReaderStats`).
///
/// Counters and summaries begin anew with each [`Reader::stats`](crate::Reader::stats), the rest is as of now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReaderStats {
    /// Connections that were opened.
    pub dials: u64,
    /// Answers to requests for messages.
    pub fetches: u64,
    /// Messages in them; compacted or aborted ones of their batches included.
    pub messages: u64,
    /// Bytes of the batches in them, compressed as they are.
    pub bytes: u64,
    /// Assignments by the group.
    pub rebalances: u64,
    /// Requests that were not answered in time.
    pub timeouts: u64,
    /// Requests that failed, those of `timeouts` included.
    pub errors: u64,
    /// Offsets that were passed over because they were out of range, since the partitions are read.
    pub skipped: u64,
    /// How long it took to open a connection.
    pub dial_time: Summary<Duration>,
    /// How long it took to read an answer: to find its batches, check them, and hand them over.
    pub read_time: Summary<Duration>,
    /// How long brokers took to answer; where there is nothing to read, up to
    /// [`max_wait`](crate::ReaderConfig::max_wait).
    pub wait_time: Summary<Duration>,
    /// Messages in an answer.
    pub fetch_size: Summary<u64>,
    /// Bytes of the batches in an answer.
    pub fetch_bytes: Summary<u64>,
    /// Each partition that is read now.
    pub partitions: Vec<PartitionStats>,
    /// As configured.
    pub min_bytes: u32,
    /// As configured.
    pub max_bytes: u32,
    /// As configured.
    pub max_wait: Duration,
    /// Bytes that were fetched ahead and wait to be returned, with what it takes to keep them.
    pub queue_bytes: usize,
    /// How many of them there may be, as configured.
    pub queue_capacity_bytes: usize,
    /// Messages that were fetched ahead and wait to be returned; a compressed set of an old format counts as one
    /// (kafka-go `QueueLength`).
    pub queue_messages: usize,
    /// How many of them there may be, as configured (kafka-go `QueueCapacity`).
    pub queue_capacity_messages: usize,
    /// The name that the client tells brokers.
    pub client_id: SmolStr,
}

/// One partition of [`ReaderStats`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStats {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next message that will be returned.
    pub offset: i64,
    /// How many offsets it is ahead of that, as of its last answer; `None` before the first.
    pub lag: Option<i64>,
    /// Bytes of it that wait to be returned, with what it takes to keep them.
    pub queue_bytes: usize,
    /// Messages of it that wait to be returned.
    pub queue_messages: usize,
}

/// How often something was measured, and what came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary<T> {
    /// How often.
    pub count: u64,
    /// All of it together.
    pub sum: T,
    /// The least.
    pub min: T,
    /// The most.
    pub max: T,
    /// On average.
    pub avg: T,
}

/// What the tasks count. Each number stands for itself, so none needs an order.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) dials: Counter,
    pub(crate) messages: Counter,
    pub(crate) bytes: Counter,
    pub(crate) rebalances: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) errors: Counter,
    pub(crate) dial_time: Measured,
    pub(crate) read_time: Measured,
    pub(crate) wait_time: Measured,
    pub(crate) fetch_size: Measured,
    pub(crate) fetch_bytes: Measured,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Measured {
    count: Counter,
    sum: Counter,
    max: AtomicU64,
    /// The complement of the least, so that it may begin with 0.
    not_min: AtomicU64,
}

impl Measured {
    pub(crate) fn add(&self, value: u64) {
        self.count.add(1);
        self.sum.add(value);
        self.max.fetch_max(value, Ordering::Relaxed);
        self.not_min.fetch_max(!value, Ordering::Relaxed);
    }

    pub(crate) fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    fn take<T: Default>(&self, of: impl Fn(u64) -> T) -> Summary<T> {
        let (count, sum) = (self.count.take(), self.sum.take());
        let (max, not_min) = (self.max.swap(0, Ordering::Relaxed), self.not_min.swap(0, Ordering::Relaxed));
        match sum.checked_div(count) {
            Some(avg) => Summary { count, sum: of(sum), min: of(!not_min), max: of(max), avg: of(avg) },
            None => Summary::default(),
        }
    }
}

impl Counters {
    /// What was counted since this was called last.
    pub(crate) fn take(&self) -> ReaderStats {
        let wait_time = self.wait_time.take(Duration::from_nanos);
        ReaderStats {
            dials: self.dials.take(),
            fetches: wait_time.count,
            messages: self.messages.take(),
            bytes: self.bytes.take(),
            rebalances: self.rebalances.take(),
            timeouts: self.timeouts.take(),
            errors: self.errors.take(),
            dial_time: self.dial_time.take(Duration::from_nanos),
            read_time: self.read_time.take(Duration::from_nanos),
            wait_time,
            fetch_size: self.fetch_size.take(|value| value),
            fetch_bytes: self.fetch_bytes.take(|value| value),
            ..ReaderStats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_begin_anew_when_they_are_read() {
        let counters = Counters::default();
        counters.messages.add(3);
        [7, 1, 4].into_iter().for_each(|value| counters.fetch_bytes.add(value));
        let stats = counters.take();
        assert_eq!(stats.messages, 3);
        assert_eq!(stats.fetch_bytes, Summary { count: 3, sum: 12, min: 1, max: 7, avg: 4 });
        assert_eq!(counters.take(), ReaderStats::default());
    }
}
