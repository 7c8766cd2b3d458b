//! `cargo run -p codegen`: what `cargo xtask codegen` does, for when `kafka-protocol`, which xtask needs, is broken.

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "codegen")]
struct Arguments {
    #[command(flatten)]
    command: codegen::Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
