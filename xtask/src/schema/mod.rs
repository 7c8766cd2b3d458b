//! `cargo xtask schema import`: writes `kafka.schema` from the message definitions in Kafka's jars.
//!
//! ```text
//!  jars of a release → definitions ─┐
//!                                    ├─ merge: the newer release rules, the older one adds the versions it dropped
//!  jars of a release → definitions ─┘      │
//!                                          └─► print → kafka.schema
//! ```

mod definition;
mod jars;
mod merge;
mod print;
mod range;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::kafka::{self, Folders, Release, Version};

/// The release whose definitions rule.
const NEWER: Version = Version { major: 4, minor: 3, patch: 0 };
/// The last release that speaks the versions that 4.0 dropped (KIP-896), and the messages of ZooKeeper's time.
const OLDER: Version = Version { major: 3, minor: 9, patch: 1 };
const SCHEMA: &str = "../crates/kafka-protocol/schema/kafka.schema";

/// The schema of Kafka's messages
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write kafka.schema from the jars of Kafka 4.3.0 and 3.9.1 (needs a JDK and Maven)
    Import {
        /// Only compare, and fail where the file differs
        #[arg(long)]
        check: bool,
    },
}

/// What keeps the schema from being imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("cannot read {}: {source}", path.display())]
    Jar { path: PathBuf, source: zip::result::ZipError },
    #[error("cannot understand {file} in {}: {source}", jar.display())]
    Definition { jar: PathBuf, file: String, source: serde_json::Error },
    #[error("cannot use {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} differs from the jars at line {line}: run `cargo xtask schema import`", path.display())]
    Differs { path: PathBuf, line: usize },
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Import { check: true } => check(),
            Self::Import { check: false } => write(),
        }
    }
}

/// Fails where the file is not what the jars say.
pub(crate) fn check() -> Result<(), Error> {
    compare(&path(), &import()?)
}

fn write() -> Result<(), Error> {
    let (path, text) = (path(), import()?);
    fs::write(&path, &text).map_err(|source| Error::File { path: path.clone(), source })?;
    println!("{}: {} lines", path.display(), text.lines().count());
    Ok(())
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA)
}

fn import() -> Result<String, Error> {
    let folders = Folders::of_workspace()?;
    let older = jars::read(Release::prepare(OLDER, &folders)?.folder())?;
    let newer = jars::read(Release::prepare(NEWER, &folders)?.folder())?;
    Ok(print::text(&merge::releases(&older, newer)))
}

fn compare(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    if written == text {
        println!("{}: as the jars say, {} lines", path.display(), text.lines().count());
        return Ok(());
    }
    let same = written.lines().zip(text.lines()).take_while(|(left, right)| left == right).count();
    Err(Error::Differs { path: path.to_owned(), line: same + 1 })
}
