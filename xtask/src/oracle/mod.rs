//! `cargo xtask oracle`: Apache Kafka's own classes judge bytes that we wrote.
//!
//! ```text
//! our types ── seeded generator ──▶ lines {api, dir, version, json, hex} ──▶ VectorGen check (Java) ──▶ good, bad
//!           ├─ record batches   ──▶ lines {name, json, hex}              ──▶ RecordGen check (Java) ──▶ good, bad
//!           └─ groups           ──▶ lines {topics, members, assignment}  ──▶ AssignorCheck (Java)   ──▶ good, bad
//! ```
//!
//! Each release judges the versions that it has: the newest first, then the old one that still has what 4.0 removed.

mod assignors;
mod messages;
mod programs;
mod records;

use crate::kafka::{self, Folders, Release, Version};
use messages::Combination;
use programs::Program;

/// What keeps Java from being content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Java cannot be asked, or found lines wrong: its words are in the error.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("not every line was judged:\n{0}")]
    Answer(String),
    #[error("{0} of {1} combinations of message and version were judged by no release")]
    Unjudged(usize, usize),
    #[error("{0} groups keep more than Java leaves them, and {1} at most should")]
    Kept(usize, usize),
}

/// The releases that judge messages, in the order in which they are asked.
const JUDGES: [Version; 2] = [Version::NEWEST, OLD];

/// The last release with everything that 4.0 removed; its record classes are where RecordGen expects them.
const OLD: Version = Version { major: 3, minor: 9, patch: 1 };

const MESSAGES: &str = include_str!("../../oracle/VectorGen.java");
const RECORDS: &str = include_str!("../../oracle/RecordGen.java");
const ASSIGNORS: &str = include_str!("../../oracle/AssignorCheck.java");

/// Groups that assignors divide.
const GROUPS: usize = 10_000;

/// How many of them may keep more than Java leaves them, as racks would win nothing by the move: twice what do.
const KEPT: usize = GROUPS / 25;

/// Lets Java judge `count` messages of every version of every message, and as many batches of every form and codec.
pub(crate) fn run(seed: u64, count: usize) -> Result<(), Error> {
    let folders = Folders::of_workspace()?;
    let mut left = messages::combinations();
    let all = left.len();
    for version in JUDGES {
        let release = Release::prepare(version, &folders)?;
        let program = Program::compile(&release, "VectorGen", MESSAGES)?;
        let rows = program.table()?;
        let judged: Vec<Combination> = left.extract_if(.., |combination| combination.is_in(&rows)).collect();
        let good = program.check(&messages::lines(&judged, seed, count))?;
        println!("Kafka {version}: {} combinations of message and version, {good} messages good, 0 bad", judged.len());
    }
    let release = Release::prepare(OLD, &folders)?;
    let good = Program::compile(&release, "RecordGen", RECORDS)?.check(&records::lines(seed, count))?;
    println!("Kafka {OLD}: {good} buffers of records good, 0 bad");
    run_assignors(seed)?;
    println!("{} of {all} combinations judged, 0 wrong", all - left.len());
    if left.is_empty() { Ok(()) } else { Err(Error::Unjudged(left.len(), all)) }
}

/// Lets Java divide the partitions of [`GROUPS`] groups, and compare.
pub(crate) fn run_assignors(seed: u64) -> Result<(), Error> {
    let release = Release::prepare(Version::NEWEST, &Folders::of_workspace()?)?;
    let program = Program::compile(&release, "AssignorCheck", ASSIGNORS)?;
    let (good, kept) = program.check_groups(&assignors::lines(seed, GROUPS))?;
    let same = good - kept;
    println!("Kafka {}: {same} groups divided as Java divides them, {kept} keep more, 0 otherwise", Version::NEWEST);
    if kept > KEPT { Err(Error::Kept(kept, KEPT)) } else { Ok(()) }
}
