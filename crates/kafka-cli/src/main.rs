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
mod error;
mod exit;
mod input;
mod key_separator;
mod lines;
mod output;
mod parse;
mod report;
mod signals;

use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Arguments, Command};
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
        let signals = Signals::listen().map_err(Error::Start)?;
        match command {
            Command::Topics(command) => commands::topics::run(command, signals).await,
            Command::Produce(arguments) => commands::produce::run(arguments, signals).await,
            Command::Bench(command) => commands::bench::run(command, signals).await,
            Command::Consume(arguments) => commands::consume::run(arguments, signals).await,
            Command::Embedded(arguments) => commands::embedded::run(arguments, signals).await,
        }
    });
    // Not by dropping it: that waits for names that are still being resolved.
    runtime.shutdown_background();
    result
}

fn runtime() -> std::io::Result<Runtime> {
    let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// More would only make the start slower: compression has threads of its own.
const MAX_THREADS: usize = 4;
