//! Chores of the workspace, run as `cargo xtask …`; `cargo xtask help` lists them.
#![allow(clippy::print_stdout, reason = "a chore answers on standard output")]

mod bench;
mod cargo;
mod demo;
mod interop;
mod kafka;
mod oracle;
mod proxy;
mod replicated;
mod schema;
mod soak;
mod suite;
mod test;
mod tidy;
mod vectors;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Chores of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    #[command(subcommand)]
    Bench(bench::Command),
    Codegen(codegen::Command),
    Demo(demo::Arguments),
    Interop(interop::Arguments),
    /// Run real Apache Kafka from its Maven artifacts (needs a JDK and Maven, no Docker)
    #[command(subcommand)]
    Kafka(kafka::Command),
    /// Let Apache Kafka's own classes judge messages, record batches and assignments of ours (needs a JDK and Maven)
    Oracle {
        /// What the random messages are made from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only the assignors of consumer groups
        #[arg(long)]
        assignors: bool,
        /// Messages of each version of each message, and record batches of each form
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    #[command(subcommand)]
    Schema(schema::Command),
    #[command(subcommand)]
    Soak(soak::Command),
    Test(test::Arguments),
    /// Check the rules of the house: sans-IO modules, generated files, the file map, dependencies
    Tidy,
    /// Check our codecs against every line of a folder of golden vectors (*.jsonl, *.jsonl.gz)
    Vectors {
        /// The folder
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    // Our crates tell what they do where `RUST_LOG` asks, as in `RUST_LOG=kafka_writer=debug`.
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<(), Box<dyn Error>> {
    match chore {
        Chore::Bench(command) => command.run()?,
        Chore::Codegen(command) => command.run()?,
        Chore::Demo(arguments) => arguments.run()?,
        Chore::Interop(arguments) => arguments.run()?,
        Chore::Kafka(command) => command.run()?,
        Chore::Oracle { seed, assignors: true, .. } => oracle::run_assignors(seed)?,
        Chore::Oracle { seed, count, .. } => oracle::run(seed, count)?,
        Chore::Schema(command) => command.run()?,
        Chore::Soak(command) => command.run().map_err(|failure| failure as Box<dyn Error>)?,
        Chore::Test(arguments) => arguments.run()?,
        Chore::Tidy => tidy::run()?,
        Chore::Vectors { folder } => vectors::run(&folder)?,
    }
    Ok(())
}
