//! `cargo xtask bench`: what our clients cost, beside others on the same work.
//!
//! ```text
//!  programs of xtask/peers ── built into target/peers ──► run one after the other, each a process of its own
//!                                                            │ CPU seconds, what it printed
//!  one broker of Apache Kafka ◄── topics, offsets checked ───┘                └──► medians, ratios ──► table, file
//! ```
//!
//! CPU time, user and system, is what counts: wall time belongs to the broker as much as to the client.

mod balancers;
mod client;
mod field;
mod latency;
mod measure;
mod partitions;
mod peers;
mod report;
mod start;
mod work;

use crate::kafka;
use crate::suite::Failure;

/// Time our clients beside others on real Apache Kafka (needs a JDK, Maven, Go, gcc and make)
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Balancers(balancers::Arguments),
    Peers(peers::Arguments),
    Latency(latency::Arguments),
    Partitions(partitions::Arguments),
    Start(start::Arguments),
}

/// What kept a comparison from being one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("{0}")]
    Failed(Failure),
    #[error("missing among those that ours is measured by: {0}")]
    Missing(String),
    #[error("no client is called {0:?}")]
    NoClient(String),
    #[error("no row has {0:?} in its name")]
    NoRow(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Command {
    /// Runs it, and prints its table.
    pub(crate) fn run(&self) -> Result<(), Error> {
        match self {
            Self::Balancers(arguments) => arguments.run(),
            Self::Peers(arguments) => arguments.run(),
            Self::Latency(arguments) => arguments.run(),
            Self::Partitions(arguments) => arguments.run(),
            Self::Start(arguments) => arguments.run(),
        }
    }
}
