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
use crate::topic_names::TopicNames;
use crate::topic_partition::TopicPartition;

/// How a [`Reader`](crate::Reader) reads: `ReaderConfig { topic, ..ReaderConfig::default() }`.
#[derive(Clone, Debug)]
pub struct ReaderConfig {
    /// The topic. No default, and empty where `topics`, `partitions` or a `group` say what to read (kafka-go `Topic`).
    pub topic: SmolStr,
    /// Several topics in place of one, by name or by what names match: all of their partitions are read. Default: none.
    pub topics: TopicNames,
    /// Which partitions of the topic; or else single ones of several topics. Default: all, those included that are added
    /// later (kafka-go `Partition`, Java `assign`).
    pub partitions: Partitions,
    /// How often partitions that were added are looked for, and topics that match, where all are read. They are read from
    /// their first message on. Default 30 s (`metadata.max.age.ms`, there 5 min). A group has an interval
    /// [of its own](GroupConfig::topics_interval).
    pub topics_interval: Duration,
    /// Where to start, for partitions that `start_offsets` does not name. Default [`StartOffset::First`] (Java
    /// `auto.offset.reset`, kafka-go `StartOffset`).
    pub start_offset: StartOffset,
    /// Where to start, by partition. Default: none.
    pub start_offsets: BTreeMap<TopicPartition, StartOffset>,
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
    /// Read as the member of this group, what it is assigned; `topic`, `topics`, `partitions` and the start offsets are
    /// then left at their defaults. Default: none (kafka-go `GroupID`).
    pub group: Option<GroupConfig>,
    /// What a batch may decompress to, and the like. Default: [`Limits::default`], 64 MiB for a decompressed batch.
    pub limits: Limits,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self {
            topic: SmolStr::default(),
            topics: TopicNames::default(),
            partitions: Partitions::All,
            topics_interval: Duration::from_secs(30),
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

/// Which partitions to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Partitions {
    /// All that there are, and those that are added.
    #[default]
    All,
    /// A single one of the topic.
    One(i32),
    /// Several of the topic, each named once.
    Several(Vec<i32>),
    /// Several of whichever topics, each named once; [`ReaderConfig::topic`] is left empty.
    Named(Vec<TopicPartition>),
}

/// Where to start reading a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartOffset {
    /// At the oldest record there is (Java `earliest`, kafka-go `FirstOffset`).
    #[default]
    First,
    /// Behind the newest one, as it is when the reader is made (Java `latest`, kafka-go `LastOffset`). So partitions that
    /// are added later are read from their first message on.
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
        config.selection().map_err(invalid)?;
        if config.min_bytes > config.max_bytes {
            return Err(invalid("min_bytes is larger than max_bytes"));
        }
        if config.partition_max_bytes == 0 || config.max_bytes == 0 {
            return Err(invalid("max_bytes and partition_max_bytes must not be 0"));
        }
        if config.prefetch_bytes == 0 || config.prefetch_messages == 0 {
            return Err(invalid("prefetch_bytes and prefetch_messages must not be 0"));
        }
        let negative = |start: &StartOffset| matches!(start, StartOffset::At(offset) if *offset < 0);
        if config.start_offsets.values().chain([&config.start_offset]).any(negative) {
            return Err(invalid("a start offset is negative"));
        }
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

/// What to read, of all the ways to say so.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// What a group assigns.
    Group,
    /// All partitions of topics, with those that are added.
    Topics(TopicNames),
    Partitions(BTreeSet<TopicPartition>),
}

impl ReaderConfig {
    pub(crate) fn selection(&self) -> Result<Selection, &'static str> {
        let (topic, several) = (!self.topic.is_empty(), !self.topics.is_empty());
        if self.group.is_some() {
            let nothing = !topic && !several && self.partitions == Partitions::All;
            return match nothing {
                true => Ok(Selection::Group),
                false => Err("a member of a group reads what it is assigned: name the topics in the group"),
            };
        }
        let of_topic = |index: &i32| TopicPartition::new(self.topic.clone(), *index);
        let named: Vec<_> = match &self.partitions {
            Partitions::All => return self.all_partitions(),
            Partitions::Named(_) if topic || several => return Err("named partitions name their topics themselves"),
            Partitions::Named(named) => named.clone(),
            Partitions::One(_) | Partitions::Several(_) if !topic || several => {
                return Err("partitions by index are those of one topic");
            }
            Partitions::One(index) => vec![of_topic(index)],
            Partitions::Several(indexes) => indexes.iter().map(of_topic).collect(),
        };
        let distinct: BTreeSet<_> = named.iter().filter(|partition| !partition.topic.is_empty()).cloned().collect();
        match !named.is_empty() && distinct.len() == named.len() {
            true => Ok(Selection::Partitions(distinct)),
            false => Err("partitions must name one at least, and each once"),
        }
    }

    fn all_partitions(&self) -> Result<Selection, &'static str> {
        match (self.topic.is_empty(), self.topics.is_empty()) {
            (true, true) => Err("topic is empty"),
            (false, false) => Err("topic and topics exclude each other"),
            (false, true) => Ok(Selection::Topics([self.topic.clone()].into())),
            (true, false) if !self.topics.is_valid() => {
                Err("topics must be named once each, and none with an empty name")
            }
            (true, false) => Ok(Selection::Topics(self.topics.clone())),
        }
    }
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
            ReaderConfig { partitions: Partitions::Named(vec![TopicPartition::new("u", 0)]), ..config() },
            ReaderConfig { topics: ["u"].into(), ..config() },
            ReaderConfig { group: Some(GroupConfig::default()), ..config() },
        ] {
            assert!(matches!(refusal(config), ErrorKind::InvalidConfig(_)));
        }
    }

    #[test]
    fn there_is_one_way_to_say_what_to_read() {
        let part = TopicPartition::new;
        let named = |named: Vec<_>| ReaderConfig { partitions: Partitions::Named(named), ..ReaderConfig::default() };
        let topics = |topics: TopicNames| ReaderConfig { topics, ..ReaderConfig::default() };
        assert!(
            named(vec![part("a", 0), part("b", 0)]).selection().is_ok()
                && topics(["a", "b"].into()).selection().is_ok()
        );
        for wrong in [
            named(vec![]),
            named(vec![part("a", 0), part("a", 0)]),
            named(vec![part("", 0)]),
            ReaderConfig { topics: ["a"].into(), ..named(vec![part("a", 0)]) },
            topics(["a", "a"].into()),
            topics([""].into()),
            ReaderConfig { partitions: Partitions::One(0), ..topics(["a"].into()) },
            ReaderConfig { partitions: Partitions::One(0), ..ReaderConfig::default() },
        ] {
            assert!(wrong.selection().is_err(), "{wrong:?}");
        }
    }
}
