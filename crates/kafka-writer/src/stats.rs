//! What a writer has done: counted by its accumulator, read by applications.
//!
//! Sans-IO.

use std::time::Duration;

use smol_str::SmolStr;

use crate::config::{RequiredAcks, WriterConfig};

/// What a writer has done since it was last asked, and how it is configured: [`Writer::stats`](crate::Writer::stats)
/// (kafka-go `WriterStats`, and fields of the same names).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriterStats {
    /// Batches that were sent, each attempt counted.
    pub writes: u64,
    /// The messages in them.
    pub messages: u64,
    /// The bytes of them, as they went out.
    pub bytes: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Attempts that were not the first one of their batch.
    pub retries: u64,
    /// From the first message of a batch until it took no more.
    pub batch_time: Summary<Duration>,
    /// From then until it was sent first.
    pub batch_queue_time: Summary<Duration>,
    /// From an attempt until it was answered.
    pub write_time: Summary<Duration>,
    /// How long brokers asked to be left alone.
    pub wait_time: Summary<Duration>,
    /// Messages in each batch.
    pub batch_size: Summary<u64>,
    /// Bytes of each batch, before compression.
    pub batch_bytes: Summary<u64>,
    /// Messages whose delivery failed.
    pub failed_messages: u64,
    /// Bytes of messages that are queued or under way, right now.
    pub buffered_bytes: usize,
    /// Whether brokers recognise duplicates: idempotence is on, and not refused. `None` before the first write.
    pub idempotent: Option<bool>,
    /// How often a batch is sent, at most.
    pub max_attempts: u64,
    /// The first pause before a batch is sent again.
    pub write_backoff_min: Duration,
    /// The longest pause before a batch is sent again.
    pub write_backoff_max: Duration,
    /// Messages in a batch, at most.
    pub max_batch_size: usize,
    /// How long a batch waits for more messages.
    pub batch_timeout: Duration,
    /// How long to wait for a broker's answer.
    pub read_timeout: Duration,
    /// How long to wait for a broker's answer.
    pub write_timeout: Duration,
    /// Who must have a message.
    pub required_acks: RequiredAcks,
    /// Whether a callback hears of every batch.
    pub is_async: bool,
    /// The topic of a writer that is bound to one.
    pub topic: Option<SmolStr>,
}

/// The number of some values, and the smallest, largest and sum of them; zeros where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary<T> {
    /// How many there are.
    pub count: u64,
    /// The smallest.
    pub min: T,
    /// The largest.
    pub max: T,
    /// All together.
    pub sum: T,
}

impl Summary<u64> {
    /// The mean; 0 where there are none.
    pub fn avg(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or_default()
    }
}

impl Summary<Duration> {
    /// The mean; zero where there are none.
    pub fn avg(&self) -> Duration {
        self.sum.checked_div(u32::try_from(self.count).unwrap_or(u32::MAX)).unwrap_or_default()
    }
}

impl<T: Copy + Default + Ord> Summary<T> {
    fn add(&mut self, other: Self, sum: impl Fn(T, T) -> T) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.sum = sum(self.sum, other.sum);
        self.count += other.count;
    }

    fn one(value: T) -> Self {
        Self { count: 1, min: value, max: value, sum: value }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    stats: WriterStats,
    changed: bool,
}

impl Counts {
    /// A batch takes no more messages.
    pub(crate) fn closed(&mut self, messages: u32, bytes: usize, age: Duration) {
        self.stats.batch_time.add(Summary::one(age), Duration::saturating_add);
        self.stats.batch_size.add(Summary::one(messages.into()), u64::saturating_add);
        self.stats.batch_bytes.add(Summary::one(bytes as u64), u64::saturating_add);
        self.changed = true;
    }

    /// A batch is sent: for the first time, if it has been queued.
    pub(crate) fn sent(&mut self, messages: u32, bytes: usize, queued: Option<Duration>) {
        self.stats.writes += 1;
        self.stats.messages += u64::from(messages);
        self.stats.bytes += bytes as u64;
        match queued {
            Some(queued) => self.stats.batch_queue_time.add(Summary::one(queued), Duration::saturating_add),
            None => self.stats.retries += 1,
        }
        self.changed = true;
    }

    /// An attempt is answered, or never will be.
    pub(crate) fn answered(&mut self, elapsed: Duration, is_ok: bool) {
        self.stats.write_time.add(Summary::one(elapsed), Duration::saturating_add);
        self.stats.errors += u64::from(!is_ok);
        self.changed = true;
    }

    /// A broker answered, and asked for a pause.
    pub(crate) fn waited(&mut self, throttle: Duration) {
        self.stats.wait_time.add(Summary::one(throttle), Duration::saturating_add);
        self.changed = true;
    }

    /// Messages failed for good.
    pub(crate) fn failed(&mut self, messages: u32) {
        self.stats.failed_messages += u64::from(messages);
        self.changed = true;
    }

    pub(crate) fn is_idempotent(&mut self, is_idempotent: bool) {
        self.stats.idempotent = Some(is_idempotent);
        self.changed = true;
    }

    /// What was counted since the last call.
    pub(crate) fn take(&mut self) -> Option<Self> {
        self.changed.then(|| std::mem::take(self))
    }

    pub(crate) fn add(&mut self, other: Self) {
        let (ours, other) = (&mut self.stats, other.stats);
        ours.writes += other.writes;
        ours.messages += other.messages;
        ours.bytes += other.bytes;
        ours.errors += other.errors;
        ours.retries += other.retries;
        ours.failed_messages += other.failed_messages;
        ours.batch_time.add(other.batch_time, Duration::saturating_add);
        ours.batch_queue_time.add(other.batch_queue_time, Duration::saturating_add);
        ours.write_time.add(other.write_time, Duration::saturating_add);
        ours.wait_time.add(other.wait_time, Duration::saturating_add);
        ours.batch_size.add(other.batch_size, u64::saturating_add);
        ours.batch_bytes.add(other.batch_bytes, u64::saturating_add);
        ours.idempotent = other.idempotent.or(ours.idempotent);
    }

    /// What applications see; counting starts again.
    pub(crate) fn read(&mut self, config: &WriterConfig, buffered_bytes: usize) -> WriterStats {
        let idempotent = self.stats.idempotent;
        let counted = std::mem::take(&mut self.stats);
        self.stats.idempotent = idempotent;
        WriterStats {
            buffered_bytes,
            max_attempts: u64::from(config.retries) + 1,
            write_backoff_min: config.backoff.min,
            write_backoff_max: config.backoff.max,
            max_batch_size: config.batch_messages,
            batch_timeout: config.linger,
            read_timeout: config.request_timeout,
            write_timeout: config.request_timeout,
            required_acks: config.required_acks,
            is_async: config.completion.is_some(),
            topic: config.topic.clone(),
            ..counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_read_once() {
        let (mut total, mut counts) = (Counts::default(), Counts::default());
        assert!(counts.take().is_none());
        for (messages, bytes) in [(3, 100), (1, 50)] {
            counts.closed(messages, bytes, Duration::from_millis(u64::from(messages)));
            counts.sent(messages, bytes, Some(Duration::ZERO));
            total.add(counts.take().unwrap());
        }
        counts.sent(1, 50, None);
        counts.is_idempotent(true);
        total.add(counts.take().unwrap());
        let stats = total.read(&WriterConfig::default(), 7);
        assert_eq!((stats.writes, stats.messages, stats.bytes, stats.retries), (3, 5, 200, 1));
        assert_eq!(stats.batch_size, Summary { count: 2, min: 1, max: 3, sum: 4 });
        assert_eq!((stats.batch_size.avg(), stats.batch_time.avg()), (2, Duration::from_millis(2)));
        assert_eq!((stats.buffered_bytes, stats.idempotent, stats.max_attempts), (7, Some(true), 1 << 32));
        let stats = total.read(&WriterConfig::default(), 0);
        assert_eq!((stats.writes, stats.batch_time.count, stats.idempotent), (0, 0, Some(true)));
    }
}
