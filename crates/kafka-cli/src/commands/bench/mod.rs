//! `kafka bench`: how fast a cluster is written to, and read.

mod consume;
mod produce;
mod text;

use clap::{Args, Subcommand};
use kafka_protocol::records::Compression;
use kafka_writer::RequiredAcks;

use crate::commands::produce::{acks, compressions};
use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::signals::Signals;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Write many messages, one by one, and see how long it takes
    Produce(BenchProduceArguments),
    /// Read messages, one by one, from the start of a topic, and see how long it takes
    Consume(BenchConsumeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BenchProduceArguments {
    /// The topic to write to
    #[arg(short, long)]
    pub(crate) topic: String,
    /// How many messages to write
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// The length of each message, in bytes
    #[arg(short, long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) size: u32,
    /// How batches are compressed
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none", value_parser = compressions())]
    pub(crate) codec: Compression,
    /// Who must have a message before it counts as written: nobody, the leader, all replicas in sync
    #[arg(long, default_value = "all", value_parser = acks())]
    pub(crate) acks: RequiredAcks,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BenchConsumeArguments {
    /// The topic to read
    #[arg(short, long)]
    pub(crate) topic: String,
    /// How many messages to read [default: all that there are now]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: BenchCommand, mut signals: Signals) -> Result<Outcome> {
    let bench = async {
        match command {
            BenchCommand::Produce(arguments) => produce::run(&arguments).await,
            BenchCommand::Consume(arguments) => consume::run(&arguments).await,
        }
    };
    tokio::select! {
        biased;
        signal = signals.next() => Ok(Outcome::Interrupted(signal)),
        outcome = bench => outcome,
    }
}
