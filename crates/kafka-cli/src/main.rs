//! The command `kafka`: arguments in, lines out.
//!
//! ```text
//!  arguments ──► args ──► commands/…: one file per command ──► Admin │ Writer │ Reader over a Transport (connect)
//!                          │      ▲             │
//!   stdin ──► input ──► lines     │             └──► output ──► stdout: data, nothing else
//!   (thread)                   signals               (thread)
//!                                               report ──► stderr: all else    exit ──► status
//! ```
//!
//! This crate never has logic that another program would want: that belongs into the crates below. It never writes
//! anything but data to standard output, and never waits without a bound but for input and for messages to come.

mod args;
mod commands;
mod connect;
mod consent;
#[cfg(test)]
mod documents;
mod error;
mod exit;
mod input;
mod json_message;
mod key_separator;
mod lines;
mod output;
mod parse;
mod print;
mod progress;
mod report;
mod signals;
mod table;
mod watch;

use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Arguments, BriefCommand, Command};
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::signals::Signals;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(outcome) => outcome.into(),
        Err(error) if error.is_broken_pipe() => Outcome::Complete.into(),
        Err(error) => {
            report::error(&error);
            if error.is_usage() { Outcome::Misused.into() } else { Outcome::Incomplete.into() }
        }
    }
}

fn run(command: Command) -> Result<Outcome> {
    let runtime = runtime().map_err(Error::Start)?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(Error::Start)?;
        match command {
            Command::Produce(arguments) => commands::produce::run(arguments, signals).await,
            Command::Bench(command) => commands::bench::run(command, signals).await,
            Command::Consume(arguments) => commands::consume::run(arguments, signals).await,
            Command::Embedded(arguments) => commands::embedded::run(arguments, signals).await,
            Command::Brief(command) => tokio::select! {
                biased;
                signal = signals.next() => Ok(Outcome::Interrupted(signal)),
                result = administer(command) => result,
            },
        }
    });
    // Not by dropping it: that waits for names that are still being resolved.
    runtime.shutdown_background();
    result
}

/// Carries out a command that asks, prints and ends.
async fn administer(command: BriefCommand) -> Result<Outcome> {
    match command {
        BriefCommand::Topics(command) => commands::topics::run(command).await,
        BriefCommand::Groups(command) => commands::groups::run(command).await,
        BriefCommand::Offsets(command) => commands::offsets::run(command).await,
        BriefCommand::Configs(command) => commands::configs::run(command).await,
        BriefCommand::Cluster(command) => commands::cluster::run(command).await,
        BriefCommand::Acls(command) => commands::acls::run(command).await,
        BriefCommand::Users(command) => commands::users::run(command).await,
        BriefCommand::Quotas(command) => commands::quotas::run(command).await,
        BriefCommand::Reassign(command) => commands::reassign::run(command).await,
        BriefCommand::Elect(arguments) => commands::elect::run(arguments).await,
        BriefCommand::Tokens(command) => commands::tokens::run(command).await,
        BriefCommand::Txn(command) => commands::txn::run(command).await,
        BriefCommand::Logdirs(command) => commands::logdirs::run(command).await,
        BriefCommand::Completions(arguments) => commands::completions::run(arguments).await,
    }
}

fn runtime() -> std::io::Result<Runtime> {
    let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// More would only make the start slower: compression has threads of its own.
const MAX_THREADS: usize = 4;
