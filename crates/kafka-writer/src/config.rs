//! How a writer behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::Backoff;
pub use kafka_conn::RequiredAcks;
use kafka_protocol::records::{Compression, Compressor};
use smol_str::SmolStr;
use tokio::sync::Semaphore;

use crate::balancer::{Balancer, Sticky};
use crate::completed::Completion;
use crate::error::{Error, ErrorKind, Result};

/// The options of a [`Writer`](crate::Writer). All have defaults that lose nothing:
/// `WriterConfig { topic: Some("orders".into()), ..WriterConfig::default() }`.
///
/// New fields may come with any release: always end with `..WriterConfig::default()`.
#[derive(Clone)]
pub struct WriterConfig {
    /// The topic that every message goes to. Default none: then each message names its own (kafka-go `Topic`). Both, or
    /// neither, is an error of the message.
    pub topic: Option<SmolStr>,
    /// What chooses each message's partition. Default [`Sticky`]: by the key's hash as Java's clients do, and without a key
    /// a partition for a while, then another (kafka-go `Balancer`, Java `partitioner.class`).
    pub balancer: Arc<dyn Balancer>,
    /// Who must have a message before it counts as written. Default [`RequiredAcks::All`] (`acks`, kafka-go
    /// `RequiredAcks`, whose default is none).
    pub required_acks: RequiredAcks,
    /// Whether brokers recognise what is sent twice, and refuse what comes out of order. Default
    /// [`Idempotence::Prefer`] (`enable.idempotence`).
    pub idempotence: Idempotence,
    /// What may overtake what where there is no idempotence. Default [`Ordering::Strict`]
    /// (`max.in.flight.requests.per.connection`).
    pub ordering: Ordering,
    /// Messages in a batch, at most. Default 10,000 (librdkafka `batch.num.messages`, kafka-go `BatchSize`).
    pub batch_messages: usize,
    /// Bytes of a batch, at most, before compression, its header of 61 bytes included; also the limit for one message.
    /// Default 1 MiB, which brokers accept by default (kafka-go `BatchBytes`, Java `max.request.size`).
    pub batch_bytes: usize,
    /// How long a batch waits for more messages. It is sent earlier when it is full, and waits longer while the one
    /// before it is under way. Zero sends at once. Default 5 ms (Java `linger.ms`, kafka-go `BatchTimeout`).
    pub linger: Duration,
    /// How batches are compressed. Default not at all (`compression.type`, kafka-go `Compression`).
    pub compression: Compression,
    /// The codec's level: 1 to 9 for gzip, -131072 to 22 for zstd; the others have none. Default the codec's own
    /// (`compression.gzip.level`, `compression.zstd.level`).
    pub compression_level: Option<i32>,
    /// How often a batch is sent again after an error that may pass. Default without limit but the delivery timeout
    /// (`retries`, kafka-go `MaxAttempts`).
    pub retries: u32,
    /// Pauses before a batch is sent again to the same broker; to one that leads the partition now, it goes at once. Default
    /// 100 ms growing to 1 s, with jitter (`retry.backoff.ms`, `retry.backoff.max.ms`, kafka-go `WriteBackoffMin`,
    /// `WriteBackoffMax`).
    pub backoff: Backoff,
    /// How long a batch has from its first message until it must be written; then its messages fail. Default 120 s
    /// (`delivery.timeout.ms`).
    pub delivery_timeout: Duration,
    /// How long to wait for a broker's answer; three quarters of it are the replicas' to follow. Default 30 s
    /// (`request.timeout.ms`, kafka-go `ReadTimeout`, `WriteTimeout`).
    pub request_timeout: Duration,
    /// Bytes of messages that are queued or under way, at most: who sends more waits. What they are kept in has some room
    /// to grow, and takes half as much again at worst. Default 32 MiB (`buffer.memory`).
    pub buffer_bytes: usize,
    /// How long a send waits for metadata and for room, in all. Default 60 s (`max.block.ms`).
    pub max_block: Duration,
    /// Whether brokers are asked to make a topic that does not exist, with their defaults; they may not allow it. Only
    /// calls that may wait ask. Default no (kafka-go `AllowAutoTopicCreation`, `allow.auto.create.topics`).
    pub topic_auto_creation: TopicAutoCreation,
    /// What is called for each batch whose fate is known, in the order of the sends of a partition: for who sends and
    /// does not await each [`Delivery`](crate::Delivery). It runs in the writer's task and should be quick. Default none
    /// (kafka-go `Completion`, Java's `Callback`).
    pub completion: Option<Completion>,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            topic: None,
            balancer: Arc::new(Sticky::default()),
            required_acks: RequiredAcks::All,
            idempotence: Idempotence::Prefer,
            ordering: Ordering::Strict,
            batch_messages: 10_000,
            batch_bytes: 1 << 20,
            linger: Duration::from_millis(5),
            compression: Compression::None,
            compression_level: None,
            retries: u32::MAX,
            backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) },
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            buffer_bytes: 32 << 20,
            max_block: Duration::from_secs(60),
            topic_auto_creation: TopicAutoCreation::Never,
            completion: None,
        }
    }
}

impl WriterConfig {
    /// Finds what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |reason| Err(Error::new(ErrorKind::InvalidConfig(reason)));
        let durations = [self.linger, self.delivery_timeout, self.request_timeout, self.max_block, self.backoff.max];
        if self.topic.as_ref().is_some_and(|topic| topic.is_empty()) {
            return invalid("the topic's name is empty");
        }
        if self.batch_messages == 0 {
            return invalid("batch_messages is 0");
        }
        if !(MIN_BATCH_BYTES..=MAX_BATCH_BYTES).contains(&self.batch_bytes) {
            return invalid("batch_bytes must be 128 bytes to 1 GiB");
        }
        if self.buffer_bytes < self.batch_bytes.saturating_mul(2) {
            return invalid("buffer_bytes must have room for two batches of batch_bytes");
        }
        if self.buffer_bytes > MAX_BUFFER_BYTES {
            return invalid("buffer_bytes is too large");
        }
        if self.delivery_timeout.is_zero() || self.request_timeout < MIN_REQUEST_TIMEOUT {
            return invalid("delivery_timeout is 0, or request_timeout less than 4 ms");
        }
        if durations.into_iter().any(|duration| duration > MAX_DURATION) {
            return invalid("a duration is longer than 24 days");
        }
        if self.idempotence == Idempotence::Require && self.required_acks != RequiredAcks::All {
            return invalid("idempotence is required, and needs required_acks to be all");
        }
        self.compressor().map(drop)
    }

    /// The idempotence that the acknowledgements allow.
    pub(crate) fn effective_idempotence(&self) -> Idempotence {
        if self.required_acks == RequiredAcks::All || self.idempotence == Idempotence::Off {
            return self.idempotence;
        }
        tracing::warn!(acks = ?self.required_acks, "without acks=all messages may be lost or doubled: idempotence is off");
        Idempotence::Off
    }

    pub(crate) fn compressor(&self) -> Result<Compressor> {
        Compressor::new(self.compression, self.compression_level)
            .map_err(|error| Error::new(ErrorKind::InvalidConfig("compression")).with_source(error))
    }
}

impl fmt::Debug for WriterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterConfig")
            .field("topic", &self.topic)
            .field("required_acks", &self.required_acks)
            .field("idempotence", &self.idempotence)
            .field("ordering", &self.ordering)
            .field("batch_messages", &self.batch_messages)
            .field("batch_bytes", &self.batch_bytes)
            .field("linger", &self.linger)
            .field("compression", &self.compression)
            .field("compression_level", &self.compression_level)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("buffer_bytes", &self.buffer_bytes)
            .field("max_block", &self.max_block)
            .field("topic_auto_creation", &self.topic_auto_creation)
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}

/// Whether brokers recognise what is sent twice (KIP-98): the writer numbers its messages, so that one whose answer is
/// lost can be sent again without being doubled, and five batches of a partition can be under way without one
/// overtaking another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Idempotence {
    /// Where the cluster allows it. Where it refuses (by an ACL, or because it is too old) the writer says so in its
    /// log and its [stats](crate::WriterStats::idempotent), and goes on without. With
    /// [`required_acks`](WriterConfig::required_acks) other than all it is off.
    #[default]
    Prefer,
    /// Or nothing is written: where the cluster refuses, messages fail.
    Require,
    /// No. An answer that is lost may double messages.
    Off,
}

/// Whether brokers are asked to make topics that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopicAutoCreation {
    /// No: a message to such a topic fails, so that a slip of the pen makes no topic.
    #[default]
    Never,
    /// Yes; they do where `auto.create.topics.enable` allows it.
    Ask,
}

/// What may overtake what in a partition where there is no idempotence; with it, nothing ever does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ordering {
    /// Nothing: one batch of a partition is under way at a time.
    #[default]
    Strict,
    /// A batch may overtake one that failed and is sent again: five are under way at a time.
    Relaxed,
}

/// A batch's header, a record's own few bytes, and something in it.
const MIN_BATCH_BYTES: usize = 128;
/// Lengths on the wire are int32, and a request has more than one batch.
const MAX_BATCH_BYTES: usize = 1 << 30;
/// Room is counted in the permits of a semaphore.
const MAX_BUFFER_BYTES: usize = Semaphore::MAX_PERMITS;
/// Milliseconds on the wire are int32.
const MAX_DURATION: Duration = Duration::from_millis(i32::MAX as u64);
const MIN_REQUEST_TIMEOUT: Duration = Duration::from_millis(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explicit_acks_turn_the_default_idempotence_off() {
        for (required_acks, idempotence, effective) in [
            (RequiredAcks::All, Idempotence::Prefer, Idempotence::Prefer),
            (RequiredAcks::All, Idempotence::Require, Idempotence::Require),
            (RequiredAcks::One, Idempotence::Prefer, Idempotence::Off),
            (RequiredAcks::None, Idempotence::Prefer, Idempotence::Off),
            (RequiredAcks::All, Idempotence::Off, Idempotence::Off),
        ] {
            let config = WriterConfig { required_acks, idempotence, ..WriterConfig::default() };
            assert_eq!(config.effective_idempotence(), effective, "{config:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let base = WriterConfig::default;
        assert!(base().check().is_ok());
        for config in [
            WriterConfig { topic: Some("".into()), ..base() },
            WriterConfig { batch_messages: 0, ..base() },
            WriterConfig { batch_bytes: 100, ..base() },
            WriterConfig { batch_bytes: 2 << 30, ..base() },
            WriterConfig { buffer_bytes: 1 << 20, ..base() },
            WriterConfig { delivery_timeout: Duration::ZERO, ..base() },
            WriterConfig { linger: Duration::MAX, ..base() },
            WriterConfig { idempotence: Idempotence::Require, required_acks: RequiredAcks::One, ..base() },
            WriterConfig { compression: Compression::Lz4, compression_level: Some(3), ..base() },
        ] {
            let error = config.check().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidConfig(_)), "{config:?}: {error}");
        }
    }
}
