//! `cargo xtask soak …`: what takes minutes, and prints figures.

use crate::replicated::WriterSoak;
use crate::suite::{Failure, GroupsSoak};

/// Run clients against real brokers that fail again and again, for minutes (needs a JDK and Maven)
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Groups(GroupsSoak),
    Writer(WriterSoak),
}

impl Command {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Groups(soak) => soak.run(),
            Self::Writer(soak) => soak.run(),
        }
    }
}
