//! `kafka produce`: each line of standard input becomes a message.

mod run;
mod tally;
mod window;

use std::sync::Arc;

use clap::Args;
use clap::builder::TypedValueParser;
use kafka_protocol::records::Compression;
use kafka_writer::{Balancer, Hash, RequiredAcks, RoundRobin};

use crate::connect::ConnectArguments;
use crate::key_separator::KeySeparator;
use crate::parse::choice::choice;
use crate::parse::pair::Pair;
pub(crate) use run::run;

#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    /// The topic to write to
    pub(crate) topic: String,
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
    /// How partitions are chosen: by the key's hash (in turn without a key), or always in turn
    #[arg(long, default_value = "hash", value_parser = balancers())]
    pub(crate) balancer: BalancerName,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// The balancers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BalancerName {
    Hash,
    RoundRobin,
}

impl BalancerName {
    fn balancer(self) -> Arc<dyn Balancer> {
        match self {
            Self::Hash => Arc::new(Hash::default()),
            Self::RoundRobin => Arc::new(RoundRobin::default()),
        }
    }
}

fn compressions() -> impl TypedValueParser<Value = Compression> {
    choice([
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ])
}

fn acks() -> impl TypedValueParser<Value = RequiredAcks> {
    choice([("0", RequiredAcks::None), ("1", RequiredAcks::One), ("all", RequiredAcks::All)])
}

fn balancers() -> impl TypedValueParser<Value = BalancerName> {
    choice([("hash", BalancerName::Hash), ("round-robin", BalancerName::RoundRobin)])
}
