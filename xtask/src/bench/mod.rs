//! `cargo xtask bench`: what our clients cost, beside others on the same work.

mod balancers;

use crate::kafka;
use crate::suite::Failure;

/// Time our clients beside others
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Balancers(balancers::Arguments),
}

/// What kept a comparison from being one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("{0}")]
    Failed(Failure),
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
        }
    }
}
