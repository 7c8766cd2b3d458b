//! The generated part of `kafka-protocol`: declarations, no logic.
//!
//! ```text
//! schema/kafka.schema ── parse ──> Message ── layout ──> File ──┬── emit ───> messages/*.rs
//! schema/message-texts.tsv ─────────── texts ──> Texts ── docs ─┘
//!                                     └──────────────────┴────── tables ────> messages/mod.rs, api_key/table.rs
//! schema/errors.tsv, error-texts.tsv ── errors ───────────────── tables ────> error_code/table.rs
//! ```
//!
//! All of it goes through rustfmt, and only then to its place; `--check` compares instead of writing.
//!
//! A package of its own, without `kafka-protocol` below it, so that it builds even when what it generated does not.

mod docs;
mod emit;
mod errors;
mod layout;
mod names;
mod output;
mod parse;
mod schema;
mod tables;
mod texts;
mod validate;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use errors::TableError;
pub use layout::Homeless;
use output::Output;
pub use parse::SyntaxError;
pub use texts::TextError;
use texts::Texts;
pub use validate::Invalid;

/// Write the generated files of `kafka-protocol`
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Only compare: fail and name the files that differ, are missing, or should not be there
    #[arg(long)]
    check: bool,
}

impl Command {
    /// Does what the command line asks for.
    pub fn run(&self) -> Result<(), Error> {
        if self.check { check() } else { current()?.write() }
    }
}

/// Fails and names the generated files that are not what the schema makes them.
pub fn check() -> Result<(), Error> {
    current()?.check()
}

fn current() -> Result<Output, Error> {
    generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/kafka-protocol"))
}

/// Why nothing was generated, or that something is stale.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The schema is not what its grammar allows.
    #[error("schema/kafka.schema, {0}")]
    Syntax(#[from] SyntaxError),
    /// The schema contradicts itself.
    #[error("schema/kafka.schema: {0}")]
    Invalid(#[from] Invalid),
    /// A message has no file.
    #[error(transparent)]
    Homeless(#[from] Homeless),
    /// The tables of error codes do not fit together.
    #[error("schema/{0}")]
    Table(#[from] TableError),
    /// The texts do not fit the schema.
    #[error("schema/message-texts.tsv, {0}")]
    Texts(#[from] TextError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// rustfmt failed, in its own words.
    #[error("rustfmt: {0}")]
    Rustfmt(String),
    /// These files are not what would be generated.
    #[error("stale, run `cargo xtask codegen`:\n{}", .0.join("\n"))]
    Stale(Vec<String>),
}

fn generate(protocol: &Path) -> Result<Output, Error> {
    let text = read(&protocol.join("schema/kafka.schema"))?;
    let messages = parse::schema(&text)?;
    validate::messages(&messages)?;
    let files = layout::files(&messages)?;
    let texts = read(&protocol.join("schema/message-texts.tsv"))?;
    let texts = Texts::new(&texts, &messages)?;

    let mut output = Output::new(protocol.join("src"));
    for file in &files {
        output.add(&format!("messages/{}.rs", file.module), emit::file(file, &texts));
    }
    output.add("messages/mod.rs", tables::modules(&files));
    output.add("api_key/table.rs", tables::api_keys(&messages));
    let facts = read(&protocol.join("schema/errors.tsv"))?;
    let error_texts = read(&protocol.join("schema/error-texts.tsv"))?;
    output.add("error_code/table.rs", tables::error_codes(&errors::codes(&facts, &error_texts)?));
    output.formatted()
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_are_current() {
        Command { check: true }.run().unwrap();
    }
}
