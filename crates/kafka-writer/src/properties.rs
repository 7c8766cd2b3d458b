//! Configurations of Java's and librdkafka's clients: names and values as text.

use std::sync::Arc;

use kafka_conn::TransportConfig;
use kafka_conn::properties::{self, PropertyError, Setter, boolean, millis, number, put};
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
/// Properties of connections, TLS and SASL among them, are those of [`TransportConfig::from_properties`]. The writer's own:
///
/// | property | also | sets |
/// |---|---|---|
/// | `acks` | `request.required.acks` | [`required_acks`](WriterConfig::required_acks): `all`, `-1`, `1`, `0` |
/// | `allow.auto.create.topics` | | [`topic_auto_creation`](WriterConfig::topic_auto_creation) |
/// | `batch.num.messages` | | [`batch_messages`](WriterConfig::batch_messages) |
/// | `batch.size` | | [`batch_bytes`](WriterConfig::batch_bytes), if it is more: it limits messages too |
/// | `buffer.memory` | | [`buffer_bytes`](WriterConfig::buffer_bytes) |
/// | `compression.type` | `compression.codec` | [`compression`](WriterConfig::compression) |
/// | `compression.level` | `compression.gzip.level`, `compression.zstd.level` | [`compression_level`](WriterConfig::compression_level) |
/// | `delivery.timeout.ms` | `message.timeout.ms` | [`delivery_timeout`](WriterConfig::delivery_timeout) |
/// | `enable.idempotence` | | [`idempotence`](WriterConfig::idempotence): required or off |
/// | `linger.ms` | `queue.buffering.max.ms` | [`linger`](WriterConfig::linger) |
/// | `max.block.ms` | | [`max_block`](WriterConfig::max_block) |
/// | `max.in.flight.requests.per.connection` | `max.in.flight` | [`ordering`](WriterConfig::ordering): strict for 1 |
/// | `max.request.size` | `message.max.bytes` | [`batch_bytes`](WriterConfig::batch_bytes) |
/// | `partitioner` | `partitioner.class` | [`balancer`](WriterConfig::balancer): librdkafka's names, Java's classes |
/// | `queue.buffering.max.kbytes` | | [`buffer_bytes`](WriterConfig::buffer_bytes) |
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
        let mut writer = WriterConfig::default();
        let transport = properties::parse(properties, &PROPERTIES, &mut writer)?;
        Ok(Self { transport, writer })
    }
}

/// The names that are not the transport's, and what they set.
const PROPERTIES: [(&str, Setter<WriterConfig>); 29] = [
    ("acks", acks),
    ("request.required.acks", acks),
    ("allow.auto.create.topics", |writer, value| {
        let asks = boolean(value)?;
        writer.topic_auto_creation = if asks { TopicAutoCreation::Ask } else { TopicAutoCreation::Never };
        Ok(())
    }),
    ("batch.num.messages", |writer, value| put(&mut writer.batch_messages, number(value)?)),
    ("batch.size", |writer, value| {
        let bytes = writer.batch_bytes.max(number(value)?);
        put(&mut writer.batch_bytes, bytes)
    }),
    ("buffer.memory", |writer, value| put(&mut writer.buffer_bytes, number(value)?)),
    ("compression.type", compression),
    ("compression.codec", compression),
    ("compression.level", level),
    ("compression.gzip.level", level),
    ("compression.zstd.level", level),
    ("delivery.timeout.ms", |writer, value| put(&mut writer.delivery_timeout, millis(value)?)),
    ("message.timeout.ms", |writer, value| put(&mut writer.delivery_timeout, millis(value)?)),
    ("enable.idempotence", |writer, value| {
        let required = boolean(value)?;
        writer.idempotence = if required { Idempotence::Require } else { Idempotence::Off };
        Ok(())
    }),
    ("linger.ms", |writer, value| put(&mut writer.linger, millis(value)?)),
    ("queue.buffering.max.ms", |writer, value| put(&mut writer.linger, millis(value)?)),
    ("max.block.ms", |writer, value| put(&mut writer.max_block, millis(value)?)),
    ("max.in.flight.requests.per.connection", in_flight),
    ("max.in.flight", in_flight),
    ("max.request.size", |writer, value| put(&mut writer.batch_bytes, number(value)?)),
    ("message.max.bytes", |writer, value| put(&mut writer.batch_bytes, number(value)?)),
    ("partitioner", partitioner),
    ("partitioner.class", partitioner),
    ("queue.buffering.max.kbytes", |writer, value| {
        put(&mut writer.buffer_bytes, number::<usize>(value)?.saturating_mul(1024))
    }),
    ("request.timeout.ms", |writer, value| put(&mut writer.request_timeout, millis(value)?)),
    ("retries", retries),
    ("retry.backoff.ms", |writer, value| put(&mut writer.backoff.min, millis(value)?)),
    ("retry.backoff.max.ms", |writer, value| put(&mut writer.backoff.max, millis(value)?)),
    ("message.send.max.retries", retries),
];

fn acks(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    writer.required_acks = match value {
        "all" | "-1" => RequiredAcks::All,
        "1" => RequiredAcks::One,
        "0" => RequiredAcks::None,
        _ => return Err("it is `all`, `1` or `0`".to_owned()),
    };
    Ok(())
}

fn compression(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    let compression: Compression = number(value)?;
    put(&mut writer.compression, compression)
}

fn level(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    let level: i32 = number(value)?;
    // librdkafka's way to say the codec's own.
    put(&mut writer.compression_level, Some(level).filter(|level| *level != -1))
}

fn in_flight(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    writer.ordering = match number::<u32>(value)? {
        0 => return Err("it is 1 at least".to_owned()),
        1 => Ordering::Strict,
        _ => Ordering::Relaxed,
    };
    Ok(())
}

fn retries(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    put(&mut writer.retries, number(value)?)
}

fn partitioner(writer: &mut WriterConfig, value: &str) -> Result<(), String> {
    let java = value.strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(value);
    writer.balancer = match java.strip_prefix("internals.").unwrap_or(java) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert_eq!(nearest("Linger.MS"), Some("linger.ms"));
        assert_eq!(nearest("bootstrap.server"), Some("bootstrap.servers"), "the transport's are known, too");
        assert_eq!(nearest("something.else.entirely"), None);
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
