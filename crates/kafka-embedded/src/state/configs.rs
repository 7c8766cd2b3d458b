//! The configurations of topics: names, types, Kafka's defaults.
//!
//! What matters to clients is heeded (`max.message.bytes`, `min.insync.replicas`, `message.timestamp.type`,
//! `message.timestamp.before.max.ms`, `message.timestamp.after.max.ms`, `retention.bytes`, `cleanup.policy` as far as
//! compacted topics need keys, `unclean.leader.election.enable`); the others are kept as text.
//!
//! Sans-IO.

/// What the value of a configuration is: DescribeConfigs' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// A configuration of topics.
#[derive(Debug)]
pub(crate) struct ConfigFacts {
    pub(crate) name: &'static str,
    pub(crate) kind: ConfigType,
    pub(crate) default: &'static str,
}

const fn fact(name: &'static str, kind: ConfigType, default: &'static str) -> ConfigFacts {
    ConfigFacts { name, kind, default }
}

/// All of them, by name.
pub(crate) const TOPIC_CONFIGS: &[ConfigFacts] = &[
    fact("cleanup.policy", ConfigType::List, "delete"),
    fact("compression.gzip.level", ConfigType::Int, "-1"),
    fact("compression.lz4.level", ConfigType::Int, "9"),
    fact("compression.type", ConfigType::String, "producer"),
    fact("compression.zstd.level", ConfigType::Int, "3"),
    fact("delete.retention.ms", ConfigType::Long, "86400000"),
    fact("file.delete.delay.ms", ConfigType::Long, "60000"),
    fact("flush.messages", ConfigType::Long, "9223372036854775807"),
    fact("flush.ms", ConfigType::Long, "9223372036854775807"),
    fact("follower.replication.throttled.replicas", ConfigType::List, ""),
    fact("index.interval.bytes", ConfigType::Int, "4096"),
    fact("leader.replication.throttled.replicas", ConfigType::List, ""),
    fact("local.retention.bytes", ConfigType::Long, "-2"),
    fact("local.retention.ms", ConfigType::Long, "-2"),
    fact("max.compaction.lag.ms", ConfigType::Long, "9223372036854775807"),
    fact("max.message.bytes", ConfigType::Int, "1048588"),
    fact("message.timestamp.after.max.ms", ConfigType::Long, "9223372036854775807"),
    fact("message.timestamp.before.max.ms", ConfigType::Long, "9223372036854775807"),
    fact("message.timestamp.type", ConfigType::String, "CreateTime"),
    fact("min.cleanable.dirty.ratio", ConfigType::Double, "0.5"),
    fact("min.compaction.lag.ms", ConfigType::Long, "0"),
    fact("min.insync.replicas", ConfigType::Int, "1"),
    fact("preallocate", ConfigType::Boolean, "false"),
    fact("remote.storage.enable", ConfigType::Boolean, "false"),
    fact("retention.bytes", ConfigType::Long, "-1"),
    fact("retention.ms", ConfigType::Long, "604800000"),
    fact("segment.bytes", ConfigType::Int, "1073741824"),
    fact("segment.index.bytes", ConfigType::Int, "10485760"),
    fact("segment.jitter.ms", ConfigType::Long, "0"),
    fact("segment.ms", ConfigType::Long, "604800000"),
    fact("unclean.leader.election.enable", ConfigType::Boolean, "false"),
];

/// The facts about a configuration.
pub(crate) fn find(name: &str) -> Option<&'static ConfigFacts> {
    TOPIC_CONFIGS.iter().find(|facts| facts.name == name)
}

/// Kafka's default; empty where there is no such configuration.
pub(crate) fn default_of(name: &str) -> &'static str {
    find(name).map_or("", |facts| facts.default)
}

/// Whether a topic may be configured so.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let facts = find(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
    let of_its_type = match facts.kind {
        ConfigType::Boolean => matches!(value, "true" | "false"),
        ConfigType::Int => value.parse::<i32>().is_ok(),
        ConfigType::Long => value.parse::<i64>().is_ok(),
        ConfigType::Double => value.parse::<f64>().is_ok(),
        ConfigType::String | ConfigType::List => true,
    };
    let number = value.parse::<i64>().unwrap_or_default();
    let legal = match name {
        "cleanup.policy" => value.split(',').all(|policy| matches!(policy.trim(), "" | "delete" | "compact")),
        "compression.type" => matches!(value, "producer" | "uncompressed" | "gzip" | "snappy" | "lz4" | "zstd"),
        "message.timestamp.type" => matches!(value, "CreateTime" | "LogAppendTime"),
        "max.message.bytes" | "message.timestamp.after.max.ms" | "message.timestamp.before.max.ms" => number >= 0,
        "min.insync.replicas" => number >= 1,
        "retention.ms" => number >= -1,
        _ => true,
    };
    if of_its_type && legal { Ok(()) } else { Err(format!("Invalid value {value} for configuration {name}")) }
}
