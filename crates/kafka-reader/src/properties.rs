//! Configurations of Java's and librdkafka's clients: names and values as text.

use std::sync::Arc;

use kafka_conn::TransportConfig;
use kafka_conn::properties::{self, PropertyError, Setter, boolean, millis, number, put};

use crate::assignor::{Assignor, CooperativeStickyAssignor, RangeAssignor, RoundRobinAssignor, StickyAssignor};
use crate::config::{IsolationLevel, OutOfRange, ReaderConfig, StartOffset};
use crate::group::GroupConfig;

/// What properties say, as the two configurations that a reader needs. The rest of both are the defaults of this
/// crate, not those of Java's or librdkafka's. Topics are no properties: they are named afterwards.
///
/// ```
/// use kafka_reader::Properties;
///
/// let properties = [("bootstrap.servers", "kafka-1"), ("group.id", "billing"), ("auto.offset.reset", "latest")];
/// let mut properties = Properties::parse(properties)?;
/// let group = properties.reader.group.as_mut().expect("group.id is given");
/// group.topics = ["orders"].into();
///
/// let error = Properties::parse([("group", "billing")]).unwrap_err();
/// assert_eq!(error.to_string(), "there is no property `group`: did you mean `group.id`?");
/// # Ok::<(), kafka_reader::PropertyError>(())
/// ```
///
/// Properties of connections, TLS and SASL among them, are those of [`TransportConfig::from_properties`]. The reader's
/// own, where those of groups are only heeded beside `group.id`:
///
/// | property | also | sets |
/// |---|---|---|
/// | `auto.commit.interval.ms` | | [`commit_interval`](GroupConfig::commit_interval) |
/// | `auto.offset.reset` | | `earliest` or `latest`: [`start_offset`](ReaderConfig::start_offset), of the reader or its group, and [`out_of_range`](ReaderConfig::out_of_range); librdkafka's names, too |
/// | `client.rack` | | [`rack`](ReaderConfig::rack), of reader and group |
/// | `default.api.timeout.ms` | | [`retry_timeout`](ReaderConfig::retry_timeout), [`commit_timeout`](GroupConfig::commit_timeout) |
/// | `enable.auto.commit` | | nothing: [`read_message`](crate::Reader::read_message) commits, [`fetch_message`](crate::Reader::fetch_message) does not |
/// | `fetch.max.bytes` | | [`max_bytes`](ReaderConfig::max_bytes) |
/// | `fetch.max.wait.ms` | `fetch.wait.max.ms` | [`max_wait`](ReaderConfig::max_wait) |
/// | `fetch.min.bytes` | | [`min_bytes`](ReaderConfig::min_bytes) |
/// | `group.id` | | [`group_id`](GroupConfig::group_id): it makes the reader a member |
/// | `group.instance.id` | | [`instance_id`](GroupConfig::instance_id) |
/// | `heartbeat.interval.ms` | | [`heartbeat_interval`](GroupConfig::heartbeat_interval) |
/// | `isolation.level` | | [`isolation_level`](ReaderConfig::isolation_level): `read_uncommitted`, `read_committed` |
/// | `max.partition.fetch.bytes` | `fetch.message.max.bytes` | [`partition_max_bytes`](ReaderConfig::partition_max_bytes) |
/// | `max.poll.interval.ms` | | [`max_poll_interval`](GroupConfig::max_poll_interval), and, as in Java, [`rebalance_timeout`](GroupConfig::rebalance_timeout) |
/// | `partition.assignment.strategy` | | [`assignors`](GroupConfig::assignors): librdkafka's names, Java's classes |
/// | `queued.max.messages.kbytes` | | [`prefetch_bytes`](ReaderConfig::prefetch_bytes) |
/// | `retry.backoff.ms` | `retry.backoff.max.ms` | [`backoff`](ReaderConfig::backoff), of reader and group |
/// | `session.timeout.ms` | | [`session_timeout`](GroupConfig::session_timeout) |
#[derive(Clone, Debug, Default)]
pub struct Properties {
    /// For [`Transport::connect`](kafka_conn::Transport::connect).
    pub transport: TransportConfig,
    /// For [`Reader::new`](crate::Reader::new). It has no topic yet, nor has its group.
    pub reader: ReaderConfig,
}

impl Properties {
    /// Reads properties. Of two that set the same, the later one counts. Files with certificates are read, which blocks for
    /// as long as that takes.
    ///
    /// # Errors
    /// [`PropertyError`], for the first one that has an unknown name or an impossible value, then for those that do not
    /// fit together.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, PropertyError> {
        let mut parsed = Parsed::default();
        let transport = properties::parse(properties, &PROPERTIES, &mut parsed)?;
        Ok(Self { transport, reader: parsed.finish() })
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Parsed {
    reader: ReaderConfig,
    group: GroupConfig,
}

impl Parsed {
    fn finish(self) -> ReaderConfig {
        let Self { mut reader, group } = self;
        if !group.group_id.is_empty() {
            // A member's start is its group's affair.
            reader.start_offset = ReaderConfig::default().start_offset;
            reader.group = Some(group);
        }
        reader
    }
}

/// The names that are not the transport's, and what they set.
const PROPERTIES: [(&str, Setter<Parsed>); 21] = [
    ("auto.commit.interval.ms", |parsed, value| put(&mut parsed.group.commit_interval, millis(value)?)),
    ("auto.offset.reset", offset_reset),
    ("client.rack", |parsed, value| {
        parsed.reader.rack = Some(value.into());
        put(&mut parsed.group.rack, Some(value.into()))
    }),
    ("default.api.timeout.ms", |parsed, value| {
        parsed.reader.retry_timeout = millis(value)?;
        put(&mut parsed.group.commit_timeout, millis(value)?)
    }),
    ("enable.auto.commit", |_, value| boolean(value).map(drop)),
    ("fetch.max.bytes", |parsed, value| put(&mut parsed.reader.max_bytes, number(value)?)),
    ("fetch.max.wait.ms", |parsed, value| put(&mut parsed.reader.max_wait, millis(value)?)),
    ("fetch.wait.max.ms", |parsed, value| put(&mut parsed.reader.max_wait, millis(value)?)),
    ("fetch.min.bytes", |parsed, value| put(&mut parsed.reader.min_bytes, number(value)?)),
    ("group.id", |parsed, value| match value {
        "" => Err("it is empty".to_owned()),
        id => put(&mut parsed.group.group_id, id.into()),
    }),
    ("group.instance.id", |parsed, value| put(&mut parsed.group.instance_id, Some(value.into()))),
    ("heartbeat.interval.ms", |parsed, value| put(&mut parsed.group.heartbeat_interval, millis(value)?)),
    ("isolation.level", |parsed, value| {
        parsed.reader.isolation_level = match value.to_ascii_lowercase().as_str() {
            "read_uncommitted" => IsolationLevel::ReadUncommitted,
            "read_committed" => IsolationLevel::ReadCommitted,
            _ => return Err("it is `read_uncommitted` or `read_committed`".to_owned()),
        };
        Ok(())
    }),
    ("max.partition.fetch.bytes", |parsed, value| put(&mut parsed.reader.partition_max_bytes, number(value)?)),
    ("fetch.message.max.bytes", |parsed, value| put(&mut parsed.reader.partition_max_bytes, number(value)?)),
    ("max.poll.interval.ms", |parsed, value| {
        parsed.group.rebalance_timeout = millis(value)?;
        put(&mut parsed.group.max_poll_interval, millis(value)?)
    }),
    ("partition.assignment.strategy", |parsed, value| {
        let assignors = value.split(',').map(|name| assignor(name.trim())).collect::<Result<_, _>>()?;
        put(&mut parsed.group.assignors, assignors)
    }),
    ("queued.max.messages.kbytes", |parsed, value| {
        put(&mut parsed.reader.prefetch_bytes, number::<usize>(value)?.saturating_mul(1024))
    }),
    ("retry.backoff.ms", |parsed, value| {
        parsed.reader.backoff.min = millis(value)?;
        put(&mut parsed.group.backoff.min, millis(value)?)
    }),
    ("retry.backoff.max.ms", |parsed, value| {
        parsed.reader.backoff.max = millis(value)?;
        put(&mut parsed.group.backoff.max, millis(value)?)
    }),
    ("session.timeout.ms", |parsed, value| put(&mut parsed.group.session_timeout, millis(value)?)),
];

fn offset_reset(parsed: &mut Parsed, value: &str) -> Result<(), String> {
    let (start, out_of_range) = match value.to_ascii_lowercase().as_str() {
        "earliest" | "smallest" | "beginning" => (StartOffset::First, OutOfRange::Earliest),
        "latest" | "largest" | "end" => (StartOffset::Last, OutOfRange::Latest),
        // Java's `none` also refuses to start, which nothing here does.
        _ => return Err("it is `earliest` or `latest`; without it, an offset out of range is an error".to_owned()),
    };
    (parsed.reader.start_offset, parsed.group.start_offset) = (start, start);
    put(&mut parsed.reader.out_of_range, out_of_range)
}

fn assignor(name: &str) -> Result<Arc<dyn Assignor>, String> {
    Ok(match name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name) {
        "range" | "RangeAssignor" => Arc::new(RangeAssignor),
        "roundrobin" | "RoundRobinAssignor" => Arc::new(RoundRobinAssignor),
        "sticky" | "StickyAssignor" => Arc::new(StickyAssignor),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Arc::new(CooperativeStickyAssignor),
        _ => return Err("it is a list of `range`, `roundrobin`, `sticky` and `cooperative-sticky`".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_property_is_documented_and_sets_something() {
        let documented = include_str!("properties.rs");
        let shown = |properties: &[(&str, &str)]| {
            format!("{:?}", Properties::parse(properties.iter().copied()).unwrap().reader)
        };
        for (name, _) in PROPERTIES {
            let row = documented.lines().find(|line| line.starts_with("/// |") && line.contains(&format!("`{name}`")));
            assert!(row.is_some(), "{name}");
            let value = match name {
                "auto.offset.reset" => "latest",
                "enable.auto.commit" => "false",
                "group.id" => "h",
                "isolation.level" => "READ_COMMITTED",
                "partition.assignment.strategy" => "sticky",
                _ => "7",
            };
            let sets = shown(&[("group.id", "g"), (name, value)]) != shown(&[("group.id", "g")]);
            assert_eq!(sets, name != "enable.auto.commit", "{name}");
        }
    }

    #[test]
    fn a_group_gets_what_is_said_before_and_after_it() {
        let parsed = Properties::parse([
            ("auto.offset.reset", "largest"),
            ("max.poll.interval.ms", "600000"),
            ("group.id", "g"),
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, range"),
            ("fetch.min.bytes", "100000"),
        ]);
        let reader = parsed.unwrap().reader;
        assert_eq!(
            (reader.min_bytes, reader.start_offset, reader.out_of_range),
            (100_000, StartOffset::First, OutOfRange::Latest)
        );
        let group = reader.group.unwrap();
        assert_eq!((group.group_id.as_str(), group.start_offset), ("g", StartOffset::Last));
        assert_eq!([group.max_poll_interval, group.rebalance_timeout], [Duration::from_secs(600); 2]);
        let names: Vec<_> = group.assignors.iter().map(|assignor| assignor.name()).collect();
        assert_eq!(names, ["cooperative-sticky", "range"]);
        let alone =
            Properties::parse([("auto.offset.reset", "latest"), ("session.timeout.ms", "6000")]).unwrap().reader;
        assert!(alone.group.is_none() && alone.start_offset == StartOffset::Last);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let unknown = Properties::parse([("fetch.min.byte", "1")]).unwrap_err().to_string();
        assert!(unknown.ends_with("did you mean `fetch.min.bytes`?"), "{unknown}");
        for (name, value) in [
            ("auto.offset.reset", "none"),
            ("enable.auto.commit", "maybe"),
            ("fetch.max.bytes", "-1"),
            ("group.id", ""),
            ("isolation.level", "serializable"),
            ("partition.assignment.strategy", "range,mine"),
        ] {
            let error = Properties::parse([(name, value)]).unwrap_err();
            assert!(matches!(error, PropertyError::Invalid { .. }), "{name}: {error}");
        }
    }
}
