//! What a reader is told, and what it makes of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_conn::Backoff;
pub use kafka_conn::IsolationLevel;
use kafka_protocol::Limits;
use smol_str::SmolStr;

use crate::error::{Error, ErrorKind, Result};
use crate::group::GroupConfig;
use crate::offsets::Patience;

/// How a [`Reader`](crate::Reader) reads: `ReaderConfig { topic, ..ReaderConfig::default() }`.
#[derive(Clone, Debug)]
pub struct ReaderConfig {
    /// The topic. No default (kafka-go `Topic`).
    pub topic: SmolStr,
    /// Which of its partitions. Default: all that there are when the reader is made (kafka-go `Partition`, Java
    /// `assign`).
    pub partitions: Partitions,
    /// Where to start, for partitions that `start_offsets` does not name. Default [`StartOffset::First`] (Java
    /// `auto.offset.reset`, kafka-go `StartOffset`).
    pub start_offset: StartOffset,
    /// Where to start, by partition. Default: none.
    pub start_offsets: BTreeMap<i32, StartOffset>,
    /// How many bytes a broker waits for before it answers, up to `max_wait`. Default 1: it answers as soon as there is
    /// anything (`fetch.min.bytes`, kafka-go `MinBytes`).
    pub min_bytes: u32,
    /// The bytes of one answer, over all of its partitions; a batch that is larger comes nevertheless, alone. Default
    /// 16 MiB; the connection's [`max_frame`](kafka_conn::ConnectionLimits::max_frame) must be larger
    /// (`fetch.max.bytes`, kafka-go `MaxBytes`).
    pub max_bytes: u32,
    /// The bytes of one answer for each partition; a batch that is larger comes nevertheless. Default 1 MiB
    /// (`max.partition.fetch.bytes`).
    pub partition_max_bytes: u32,
    /// How long a broker waits for `min_bytes`, in whole milliseconds. Closing a reader does not wait for it. Default
    /// 500 ms (`fetch.max.wait.ms`, kafka-go `MaxWait`, there 10 s).
    pub max_wait: Duration,
    /// How many bytes may be fetched ahead of what was returned: of memory, so compressed as they came, for nothing but
    /// the batch that is being returned is decompressed. Half of it is divided evenly among the partitions, the other half
    /// is whoever's comes first. Beyond it there may be one answer for each broker but the first, and batches larger than
    /// what is left. Default 64 MiB (librdkafka `queued.max.messages.kbytes`).
    pub prefetch_bytes: usize,
    /// How many messages may be fetched ahead, divided as `prefetch_bytes` are. Nobody can ask a broker for a number of
    /// messages: a partition that has its share, or more, is not asked for until some of them are returned. Default: any
    /// number, since memory is what bytes count (kafka-go `QueueCapacity`, librdkafka `queued.min.messages`).
    pub prefetch_messages: usize,
    /// Whether records of transactions that are open or aborted are returned. Default
    /// [`IsolationLevel::ReadUncommitted`] (`isolation.level`, kafka-go `IsolationLevel`).
    pub isolation_level: IsolationLevel,
    /// Pauses between attempts where a broker or a leader is away. Default 100 ms growing to 1 s, with jitter
    /// (`retry.backoff.ms`, kafka-go `ReadBackoffMin` and `ReadBackoffMax`).
    pub backoff: Backoff,
    /// How long a partition may be out of reach until an error says so, each time again; it is tried for all the while.
    /// Also how long [`Reader::new`](crate::Reader::new) looks for the start offsets. Zero: each failure is told, and what
    /// was asked for is asked once. Default 30 s (`default.api.timeout.ms`; kafka-go's `MaxAttempts` counts attempts).
    pub retry_timeout: Duration,
    /// The rack this reader is in: where brokers are told to (`replica.selector.class`), replicas in the same rack serve it
    /// in place of leaders. Default: none, or that of the group (`client.rack`, KIP-392).
    pub rack: Option<SmolStr>,
    /// What to do where the partition no longer has the offset that is next: records were removed before they were read,
    /// or an election lost some. Default [`OutOfRange::Error`] (`auto.offset.reset`, kafka-go `OffsetOutOfRangeError`).
    pub out_of_range: OutOfRange,
    /// Read as the member of this group, what it is assigned; `topic`, `partitions` and the start offsets are then left at
    /// their defaults. Default: none (kafka-go `GroupID`).
    pub group: Option<GroupConfig>,
    /// What a batch may decompress to, and the like. Default: [`Limits::default`], 64 MiB for a decompressed batch.
    pub limits: Limits,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self {
            topic: SmolStr::default(),
            partitions: Partitions::All,
            start_offset: StartOffset::First,
            start_offsets: BTreeMap::new(),
            min_bytes: 1,
            max_bytes: 16 << 20,
            partition_max_bytes: 1 << 20,
            max_wait: Duration::from_millis(500),
            prefetch_bytes: 64 << 20,
            prefetch_messages: usize::MAX,
            isolation_level: IsolationLevel::ReadUncommitted,
            backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) },
            retry_timeout: Duration::from_secs(30),
            rack: None,
            out_of_range: OutOfRange::Error,
            group: None,
            limits: Limits::default(),
        }
    }
}

/// What to do where a partition has no such offset, and never will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutOfRange {
    /// Read it no further, and say so (Java `none`).
    #[default]
    Error,
    /// Go on at the first offset there is. How many offsets that skips is in the log, and counted.
    Earliest,
    /// Go on behind the last record. How many offsets that skips is in the log, and counted.
    Latest,
}

/// Which partitions of a topic to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Partitions {
    /// All that there are.
    #[default]
    All,
    /// A single one.
    One(i32),
    /// Several, each named once.
    Several(Vec<i32>),
}

/// Where to start reading a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartOffset {
    /// At the oldest record there is (Java `earliest`, kafka-go `FirstOffset`).
    #[default]
    First,
    /// Behind the newest one, as it is when the reader is made (Java `latest`, kafka-go `LastOffset`).
    Last,
    /// At this offset. Where the partition does not reach so far, or no longer begins so early, it is an error.
    At(i64),
}

/// A configuration that was checked, in the units of the wire.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) partition_max_bytes: i32,
    pub(crate) max_wait_ms: i32,
    pub(crate) prefetch_bytes: usize,
    pub(crate) prefetch_messages: usize,
    pub(crate) isolation_level: IsolationLevel,
    pub(crate) patience: Patience,
    pub(crate) limits: Limits,
    pub(crate) out_of_range: OutOfRange,
    /// Empty where it is in none.
    pub(crate) rack: SmolStr,
}

impl Settings {
    pub(crate) fn parse(config: &ReaderConfig) -> Result<Self> {
        let invalid = |what| Error::new(ErrorKind::InvalidConfig(what)).with_topic(&config.topic);
        match &config.group {
            None if config.topic.is_empty() => return Err(invalid("topic is empty")),
            Some(_) if !config.topic.is_empty() || config.partitions != Partitions::All => {
                return Err(invalid("a member of a group reads what it is assigned: name the topics in the group"));
            }
            _ => {}
        }
        if config.min_bytes > config.max_bytes {
            return Err(invalid("min_bytes is larger than max_bytes"));
        }
        if config.partition_max_bytes == 0 || config.max_bytes == 0 {
            return Err(invalid("max_bytes and partition_max_bytes must not be 0"));
        }
        if config.prefetch_bytes == 0 || config.prefetch_messages == 0 {
            return Err(invalid("prefetch_bytes and prefetch_messages must not be 0"));
        }
        check_partitions(config).map_err(invalid)?;
        let size = |bytes: u32, what| i32::try_from(bytes).map_err(|_| invalid(what));
        let max_wait_ms = i32::try_from(config.max_wait.as_millis());
        let rack = config.rack.as_ref().or_else(|| config.group.as_ref()?.rack.as_ref());
        Ok(Self {
            min_bytes: size(config.min_bytes, "min_bytes is 2 GiB or more")?,
            max_bytes: size(config.max_bytes, "max_bytes is 2 GiB or more")?,
            partition_max_bytes: size(config.partition_max_bytes, "partition_max_bytes is 2 GiB or more")?,
            max_wait_ms: max_wait_ms.map_err(|_| invalid("max_wait is longer than 2^31 - 1 ms"))?,
            prefetch_bytes: config.prefetch_bytes,
            prefetch_messages: config.prefetch_messages,
            isolation_level: config.isolation_level,
            patience: Patience {
                retry_timeout: config.retry_timeout.min(LONGEST_WAIT),
                backoff: config.backoff.clone(),
            },
            limits: config.limits.clone(),
            out_of_range: config.out_of_range,
            rack: rack.cloned().unwrap_or_default(),
        })
    }
}

/// A year: what is longer stands for never, and might not be a point in time.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

fn check_partitions(config: &ReaderConfig) -> Result<(), &'static str> {
    if let Partitions::Several(partitions) = &config.partitions {
        let distinct: BTreeSet<_> = partitions.iter().collect();
        if partitions.is_empty() || distinct.len() < partitions.len() {
            return Err("partitions must name one at least, and each once");
        }
    }
    let negative = |start: &StartOffset| matches!(start, StartOffset::At(offset) if *offset < 0);
    if config.start_offsets.values().chain([&config.start_offset]).any(negative) {
        return Err("a start offset is negative");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: ReaderConfig) -> ErrorKind {
        Settings::parse(&ReaderConfig { topic: "t".into(), ..config }).unwrap_err().kind().clone()
    }

    #[test]
    fn the_defaults_need_a_topic_only() {
        assert!(Settings::parse(&ReaderConfig::default()).is_err());
        assert!(Settings::parse(&ReaderConfig { topic: "t".into(), ..ReaderConfig::default() }).is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let config = ReaderConfig::default;
        for config in [
            ReaderConfig { min_bytes: 2, max_bytes: 1, ..config() },
            ReaderConfig { max_bytes: 1 << 31, ..config() },
            ReaderConfig { prefetch_bytes: 0, ..config() },
            ReaderConfig { prefetch_messages: 0, ..config() },
            ReaderConfig { max_wait: Duration::from_secs(1 << 32), ..config() },
            ReaderConfig { start_offset: StartOffset::At(-1), ..config() },
            ReaderConfig { partitions: Partitions::Several(vec![]), ..config() },
            ReaderConfig { partitions: Partitions::Several(vec![1, 2, 1]), ..config() },
        ] {
            assert!(matches!(refusal(config), ErrorKind::InvalidConfig(_)));
        }
    }
}
