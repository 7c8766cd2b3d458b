//! `kafka produce`: each line of standard input becomes a message.

mod form;
mod run;
mod tally;
mod window;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;
use kafka_protocol::records::Compression;
use kafka_writer::{
    Balancer, Crc32, Hash, Idempotence, LeastBytes, Manual, Murmur2, ReferenceHash, RequiredAcks, RoundRobin, Sticky,
};

use crate::connect::ConnectArguments;
use crate::key_separator::KeySeparator;
use crate::parse::choice::choice;
use crate::parse::duration::parse_duration;
use crate::parse::pair::Pair;
use crate::parse::topic::parse_topic_name;
pub(crate) use run::run;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProduceArguments {
    /// The topic to write to
    #[arg(value_parser = parse_topic_name)]
    pub(crate) topic: String,
    /// What a line is: a value, or a message in JSON with key, value and headers, as `consume --output json` prints them
    #[arg(short = 'I', long, value_name = "FORMAT", default_value = "lines", value_parser = inputs())]
    pub(crate) input: InputForm,
    /// What divides a line into key and value, as in -K : or -K '\t'; a line without it has no key
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = KeySeparator::parse)]
    pub(crate) key_separator: Option<KeySeparator>,
    /// A header of every message; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    pub(crate) headers: Vec<Pair>,
    /// How batches are compressed
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none", value_parser = compressions())]
    pub(crate) compression: Compression,
    /// Who must have a message before it counts as written: nobody, the leader, all replicas in sync
    #[arg(long, default_value = "all", value_parser = acks())]
    pub(crate) acks: RequiredAcks,
    /// Whether brokers tell duplicates: if they can, or else nothing is written, or not at all
    #[arg(long, default_value = "prefer", value_parser = idempotences())]
    pub(crate) idempotence: Idempotence,
    /// How long messages wait for others to share a batch with
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = parse_duration)]
    pub(crate) linger: Duration,
    /// How partitions are chosen: as Java's clients do (sticky, murmur2), kafka-go and sarama (hash, reference-hash),
    /// librdkafka (crc32), by load or in turn, or as the messages say (manual, with --input json)
    #[arg(long, default_value = "sticky", value_parser = balancers())]
    pub(crate) balancer: BalancerName,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// What a line of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputForm {
    Lines,
    Json,
}

/// The balancers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BalancerName {
    Crc32,
    Hash,
    LeastBytes,
    Manual,
    Murmur2,
    ReferenceHash,
    RoundRobin,
    Sticky,
}

impl BalancerName {
    fn balancer(self) -> Arc<dyn Balancer> {
        match self {
            Self::Crc32 => Arc::new(Crc32::default()),
            Self::Hash => Arc::new(Hash::default()),
            Self::LeastBytes => Arc::new(LeastBytes::default()),
            Self::Manual => Arc::new(Manual),
            Self::Murmur2 => Arc::new(Murmur2::default()),
            Self::ReferenceHash => Arc::new(ReferenceHash::default()),
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::Sticky => Arc::new(Sticky::default()),
        }
    }
}

pub(crate) fn compressions() -> impl TypedValueParser<Value = Compression> {
    choice([
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ])
}

pub(crate) fn acks() -> impl TypedValueParser<Value = RequiredAcks> {
    choice([("0", RequiredAcks::None), ("1", RequiredAcks::One), ("all", RequiredAcks::All)])
}

fn idempotences() -> impl TypedValueParser<Value = Idempotence> {
    choice([("prefer", Idempotence::Prefer), ("require", Idempotence::Require), ("off", Idempotence::Off)])
}

fn inputs() -> impl TypedValueParser<Value = InputForm> {
    choice([("lines", InputForm::Lines), ("json", InputForm::Json)])
}

fn balancers() -> impl TypedValueParser<Value = BalancerName> {
    choice([
        ("sticky", BalancerName::Sticky),
        ("crc32", BalancerName::Crc32),
        ("hash", BalancerName::Hash),
        ("least-bytes", BalancerName::LeastBytes),
        ("manual", BalancerName::Manual),
        ("murmur2", BalancerName::Murmur2),
        ("reference-hash", BalancerName::ReferenceHash),
        ("round-robin", BalancerName::RoundRobin),
    ])
}

const EXAMPLES: &str = "\
Examples:
  kafka produce orders -K : -z zstd < lines.txt
  echo '{\"key\":\"42\",\"value\":null}' | kafka produce orders --input json
  kafka consume orders -e -O json | kafka produce copy --input json";
