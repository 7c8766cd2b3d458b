//! Configurations of Java's and librdkafka's clients: names and values as text.
//!
//! Sans-IO.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::{BrokerAddress, TransportConfig};
use kafka_protocol::records::Compression;

use crate::balancer::{Balancer, Crc32, Hash, Murmur2, RoundRobin, Sticky};
use crate::config::{Idempotence, Ordering, RequiredAcks, TopicAutoCreation, WriterConfig};

/// What properties say, as the two configurations that a writer needs. The rest of both are the defaults of this
/// crate, not those of Java's or librdkafka's.
///
/// ```
/// use kafka_writer::{Properties, RequiredAcks};
///
/// let properties = [("bootstrap.servers", "kafka-1,kafka-2"), ("linger.ms", "20"), ("acks", "all")];
/// let properties = Properties::parse(properties)?;
/// assert_eq!(properties.transport.bootstrap.len(), 2);
/// assert_eq!(properties.writer.required_acks, RequiredAcks::All);
///
/// let error = Properties::parse([("liger.ms", "20")]).unwrap_err();
/// assert_eq!(error.to_string(), "there is no property `liger.ms`: did you mean `linger.ms`?");
/// # Ok::<(), kafka_writer::PropertyError>(())
/// ```
///
/// | property | also | sets |
/// |---|---|---|
/// | `acks` | `request.required.acks` | [`required_acks`](WriterConfig::required_acks): `all`, `-1`, `1`, `0` |
/// | `allow.auto.create.topics` | | [`topic_auto_creation`](WriterConfig::topic_auto_creation) |
/// | `batch.num.messages` | | [`batch_messages`](WriterConfig::batch_messages) |
/// | `batch.size` | | [`batch_bytes`](WriterConfig::batch_bytes), if it is more: it limits messages too |
/// | `bootstrap.servers` | `metadata.broker.list` | [`bootstrap`](TransportConfig::bootstrap) |
/// | `buffer.memory` | | [`buffer_bytes`](WriterConfig::buffer_bytes) |
/// | `client.id` | | the dialer's `client_id` |
/// | `compression.type` | `compression.codec` | [`compression`](WriterConfig::compression) |
/// | `compression.level` | `compression.gzip.level`, `compression.zstd.level` | [`compression_level`](WriterConfig::compression_level) |
/// | `delivery.timeout.ms` | `message.timeout.ms` | [`delivery_timeout`](WriterConfig::delivery_timeout) |
/// | `enable.idempotence` | | [`idempotence`](WriterConfig::idempotence): required or off |
/// | `linger.ms` | `queue.buffering.max.ms` | [`linger`](WriterConfig::linger) |
/// | `max.block.ms` | | [`max_block`](WriterConfig::max_block) |
/// | `max.in.flight.requests.per.connection` | `max.in.flight` | [`ordering`](WriterConfig::ordering): strict for 1 |
/// | `max.request.size` | `message.max.bytes` | [`batch_bytes`](WriterConfig::batch_bytes) |
/// | `metadata.max.age.ms` | | [`metadata_ttl`](TransportConfig::metadata_ttl) |
/// | `metadata.max.idle.ms` | | [`topic_idle`](TransportConfig::topic_idle) |
/// | `partitioner` | `partitioner.class` | [`balancer`](WriterConfig::balancer): librdkafka's names, Java's classes |
/// | `queue.buffering.max.kbytes` | | [`buffer_bytes`](WriterConfig::buffer_bytes) |
/// | `reconnect.backoff.ms`, `reconnect.backoff.max.ms` | | the transport's [`backoff`](TransportConfig::backoff) |
/// | `request.timeout.ms` | | [`request_timeout`](WriterConfig::request_timeout) |
/// | `retries` | `message.send.max.retries` | [`retries`](WriterConfig::retries) |
/// | `retry.backoff.ms`, `retry.backoff.max.ms` | | [`backoff`](WriterConfig::backoff) |
#[derive(Clone, Debug, Default)]
pub struct Properties {
    /// For [`Transport::connect`](kafka_conn::Transport::connect).
    pub transport: TransportConfig,
    /// For [`Writer::new`](crate::Writer::new).
    pub writer: WriterConfig,
}

/// A property that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// No property has this name.
    #[error("there is no property `{name}`{}", nearest.as_ref().map_or(String::new(), |nearest| format!(": did you mean `{nearest}`?")))]
    Unknown {
        /// The name.
        name: String,
        /// The most similar one, if one is similar.
        nearest: Option<&'static str>,
    },
    /// The value is not one of the property's.
    #[error("property `{name}` cannot be `{value}`: {reason}")]
    Invalid {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// What is wrong.
        reason: String,
    },
}

impl Properties {
    /// Reads properties. Of two that set the same, the later one counts.
    ///
    /// # Errors
    /// [`PropertyError`], for the first one that has an unknown name or an impossible value.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, PropertyError> {
        let mut parsed = Self::default();
        for (name, value) in properties {
            let (name, value) = (name.as_ref().trim(), value.as_ref().trim());
            let Some((_, set)) = PROPERTIES.iter().find(|(known, _)| *known == name) else {
                return Err(PropertyError::Unknown { name: name.to_owned(), nearest: nearest(name) });
            };
            let invalid = |reason| PropertyError::Invalid { name: name.to_owned(), value: value.to_owned(), reason };
            set(&mut parsed, value).map_err(invalid)?;
        }
        Ok(parsed)
    }
}

type Set = fn(&mut Properties, &str) -> Result<(), String>;

/// All names, and what they set.
const PROPERTIES: [(&str, Set); 36] = [
    ("acks", acks),
    ("request.required.acks", acks),
    ("allow.auto.create.topics", |properties, value| {
        let asks = yes_or_no(value)?;
        properties.writer.topic_auto_creation = if asks { TopicAutoCreation::Ask } else { TopicAutoCreation::Never };
        Ok(())
    }),
    ("batch.num.messages", |properties, value| put(&mut properties.writer.batch_messages, number(value)?)),
    ("batch.size", |properties, value| {
        let bytes = properties.writer.batch_bytes.max(number(value)?);
        put(&mut properties.writer.batch_bytes, bytes)
    }),
    ("bootstrap.servers", bootstrap),
    ("metadata.broker.list", bootstrap),
    ("buffer.memory", |properties, value| put(&mut properties.writer.buffer_bytes, number(value)?)),
    ("client.id", |properties, value| put(&mut properties.transport.dialer.client_id, value.into())),
    ("compression.type", compression),
    ("compression.codec", compression),
    ("compression.level", level),
    ("compression.gzip.level", level),
    ("compression.zstd.level", level),
    ("delivery.timeout.ms", |properties, value| put(&mut properties.writer.delivery_timeout, millis(value)?)),
    ("message.timeout.ms", |properties, value| put(&mut properties.writer.delivery_timeout, millis(value)?)),
    ("enable.idempotence", |properties, value| {
        let required = yes_or_no(value)?;
        properties.writer.idempotence = if required { Idempotence::Require } else { Idempotence::Off };
        Ok(())
    }),
    ("linger.ms", |properties, value| put(&mut properties.writer.linger, millis(value)?)),
    ("queue.buffering.max.ms", |properties, value| put(&mut properties.writer.linger, millis(value)?)),
    ("max.block.ms", |properties, value| put(&mut properties.writer.max_block, millis(value)?)),
    ("max.in.flight.requests.per.connection", in_flight),
    ("max.in.flight", in_flight),
    ("max.request.size", |properties, value| put(&mut properties.writer.batch_bytes, number(value)?)),
    ("message.max.bytes", |properties, value| put(&mut properties.writer.batch_bytes, number(value)?)),
    ("metadata.max.age.ms", |properties, value| put(&mut properties.transport.metadata_ttl, millis(value)?)),
    ("metadata.max.idle.ms", |properties, value| put(&mut properties.transport.topic_idle, millis(value)?)),
    ("partitioner", partitioner),
    ("partitioner.class", partitioner),
    ("queue.buffering.max.kbytes", |properties, value| {
        put(&mut properties.writer.buffer_bytes, number::<usize>(value)?.saturating_mul(1024))
    }),
    ("reconnect.backoff.ms", |properties, value| put(&mut properties.transport.backoff.min, millis(value)?)),
    ("reconnect.backoff.max.ms", |properties, value| put(&mut properties.transport.backoff.max, millis(value)?)),
    ("request.timeout.ms", |properties, value| put(&mut properties.writer.request_timeout, millis(value)?)),
    ("retries", retries),
    ("retry.backoff.ms", |properties, value| put(&mut properties.writer.backoff.min, millis(value)?)),
    ("retry.backoff.max.ms", |properties, value| put(&mut properties.writer.backoff.max, millis(value)?)),
    ("message.send.max.retries", retries),
];

fn put<T>(place: &mut T, value: T) -> Result<(), String> {
    *place = value;
    Ok(())
}

fn number<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

fn millis(value: &str) -> Result<Duration, String> {
    // librdkafka takes fractions.
    let millis: f64 = number(value)?;
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|error| error.to_string())
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "it is `true` or `false`".to_owned())
}

fn acks(properties: &mut Properties, value: &str) -> Result<(), String> {
    properties.writer.required_acks = match value {
        "all" | "-1" => RequiredAcks::All,
        "1" => RequiredAcks::One,
        "0" => RequiredAcks::None,
        _ => return Err("it is `all`, `1` or `0`".to_owned()),
    };
    Ok(())
}

fn bootstrap(properties: &mut Properties, value: &str) -> Result<(), String> {
    put(&mut properties.transport.bootstrap, BrokerAddress::parse_list(value).map_err(|error| error.to_string())?)
}

fn compression(properties: &mut Properties, value: &str) -> Result<(), String> {
    let compression: Compression = number(value)?;
    put(&mut properties.writer.compression, compression)
}

fn level(properties: &mut Properties, value: &str) -> Result<(), String> {
    let level: i32 = number(value)?;
    // librdkafka's way to say the codec's own.
    put(&mut properties.writer.compression_level, Some(level).filter(|level| *level != -1))
}

fn in_flight(properties: &mut Properties, value: &str) -> Result<(), String> {
    properties.writer.ordering = match number::<u32>(value)? {
        0 => return Err("it is 1 at least".to_owned()),
        1 => Ordering::Strict,
        _ => Ordering::Relaxed,
    };
    Ok(())
}

fn retries(properties: &mut Properties, value: &str) -> Result<(), String> {
    put(&mut properties.writer.retries, number(value)?)
}

fn partitioner(properties: &mut Properties, value: &str) -> Result<(), String> {
    let java = value.strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(value);
    properties.writer.balancer = match java.strip_prefix("internals.").unwrap_or(java) {
        "consistent" => Arc::new(Crc32::consistent()) as Arc<dyn Balancer>,
        "consistent_random" => Arc::new(Crc32::default()),
        "murmur2" => Arc::new(Murmur2::consistent()),
        "murmur2_random" => Arc::new(Murmur2::default()),
        "fnv1a_random" => Arc::new(Hash::default()),
        "RoundRobinPartitioner" => Arc::new(RoundRobin::default()),
        "DefaultPartitioner" => Arc::new(Sticky::default()),
        _ => {
            return Err("it is `consistent`, `consistent_random`, `murmur2`, `murmur2_random`, `fnv1a_random`, \
                        `RoundRobinPartitioner` or `DefaultPartitioner`"
                .to_owned());
        }
    };
    Ok(())
}

/// The name that differs least, if it differs by less than half.
fn nearest(name: &str) -> Option<&'static str> {
    // What is far longer than any name resembles none.
    let name = name.get(..name.len().min(MAX_NAME)).unwrap_or_default();
    let all = PROPERTIES.iter().map(|(known, _)| (distance(name, known), *known));
    all.min().filter(|(distance, known)| *distance * 2 < known.len()).map(|(_, known)| known)
}

/// How many letters are to be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

const MAX_NAME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_is_documented_and_sets_something() {
        let documented = include_str!("properties.rs");
        let fresh = format!("{:?}", Properties::default());
        for (name, _) in PROPERTIES {
            assert!(
                documented.contains(&format!("/// | `{name}`"))
                    || documented.contains(&format!("`{name}` |"))
                    || documented.contains(&format!("`{name}`, ")),
                "{name}"
            );
            let value = match name {
                "acks" | "request.required.acks" => "1",
                "allow.auto.create.topics" | "enable.idempotence" => "true",
                "bootstrap.servers" | "metadata.broker.list" | "client.id" => "one",
                "compression.type" | "compression.codec" => "gzip",
                "partitioner" | "partitioner.class" => "murmur2",
                "batch.size" | "max.request.size" | "message.max.bytes" => "2000000",
                _ => "7",
            };
            let parsed = Properties::parse([(name, value)]).unwrap();
            // A balancer does not show.
            assert!(format!("{parsed:?}") != fresh || name.starts_with("partitioner"), "{name}");
        }
    }

    #[test]
    fn values_are_those_of_java_and_librdkafka() {
        let parsed = Properties::parse([
            ("linger.ms", "0.5"),
            ("acks", "-1"),
            ("enable.idempotence", "true"),
            ("compression.type", "zstd"),
            ("compression.level", "-1"),
            ("batch.size", "16384"),
            ("max.in.flight", "5"),
            ("queue.buffering.max.kbytes", "4096"),
            ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
        ]);
        let writer = parsed.unwrap().writer;
        assert_eq!((writer.linger, writer.idempotence), (Duration::from_micros(500), Idempotence::Require));
        assert_eq!((writer.compression, writer.compression_level), (Compression::Zstd, None));
        assert_eq!((writer.batch_bytes, writer.buffer_bytes), (1 << 20, 4 << 20));
        assert_eq!(writer.ordering, Ordering::Relaxed);
        let message = kafka_conn::Message::default();
        assert_eq!([(); 3].map(|()| writer.balancer.balance(&message, &[0, 1])), [0, 1, 0]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let nearest = |name: &str| match Properties::parse([(name, "1")]) {
            Err(PropertyError::Unknown { nearest, .. }) => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest("ack"), Some("acks"));
        assert_eq!(nearest("bootstrap.server"), Some("bootstrap.servers"));
        assert_eq!(nearest("Linger.MS"), Some("linger.ms"));
        assert_eq!(nearest("something.else.entirely"), None);
        assert_eq!(nearest(&"ü".repeat(500)), None);
        for (name, value) in [
            ("acks", "2"),
            ("linger.ms", "-1"),
            ("linger.ms", "NaN"),
            ("retries", "many"),
            ("enable.idempotence", "yes"),
            ("bootstrap.servers", ""),
            ("partitioner", "random"),
            ("max.in.flight", "0"),
        ] {
            let error = Properties::parse([(name, value)]).unwrap_err();
            assert!(matches!(error, PropertyError::Invalid { .. }), "{name}: {error}");
        }
    }
}
