//! Chores around the fuzz targets: seeds, runs, and packing what was found. README.md says how to use them.
#![allow(clippy::print_stdout, reason = "a chore answers on standard output")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use fuzz::bodies::{TARGETS, Target};
use fuzz::{packed, seeds};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["seed"] => for_each(seed),
        ["unpack"] => for_each(unpack),
        ["run", minutes] => minutes.parse().map_err(io::Error::other).and_then(run),
        ["pack"] => for_each(pack),
        ["replay"] => for_each(replay),
        _ => Err(io::Error::other("usage: chores seed | unpack | run MINUTES | pack | replay")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn for_each(chore: fn(&Target) -> io::Result<()>) -> io::Result<()> {
    TARGETS.iter().try_for_each(chore)
}

/// Adds what the golden vectors give to a target's committed corpus.
fn seed(target: &Target) -> io::Result<()> {
    let packed = packed::path(&root(), target.name);
    let mut inputs = if packed.exists() { packed::read(&packed)? } else { Vec::new() };
    inputs.extend(seeds::seeds(target.name, &root().join("../crates/kafka-protocol/tests/vectors"))?);
    packed::write(&packed, inputs)?;
    report(target, &packed)
}

/// Lays a target's committed corpus out as files, as libFuzzer wants it.
fn unpack(target: &Target) -> io::Result<()> {
    let folder = work(target);
    fs::create_dir_all(&folder)?;
    let inputs = packed::committed(&root(), target.name)?;
    for (index, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("packed-{index:05}")), input)?;
    }
    println!("{}: {} inputs in {}", target.name, inputs.len(), folder.display());
    Ok(())
}

/// Fuzzes all targets, one after the other, for so many minutes together. The first crash ends it.
fn run(minutes: u64) -> io::Result<()> {
    for target in &TARGETS {
        let seconds = minutes * 60 / TARGETS.len() as u64;
        let corpus = work(target);
        let status = Command::new("cargo")
            .args(["+nightly", "fuzz", "run", target.name])
            .arg(&corpus)
            .args(["--", "-timeout=10", "-rss_limit_mb=2048", "-use_value_profile=1", "-print_final_stats=1"])
            .arg(format!("-max_len={}", seeds::MAX_LEN))
            .arg(format!("-max_total_time={seconds}"))
            .current_dir(root().join(".."))
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{}: {status}", target.name)));
        }
    }
    Ok(())
}

/// Replaces a target's committed corpus by what `cargo fuzz cmin` has left of the unpacked one, the smallest inputs
/// first while there is room; what made the target fail goes to its regressions.
fn pack(target: &Target) -> io::Result<()> {
    packed::add_regressions(&root(), target.name, files(&root().join("artifacts").join(target.name))?)?;
    let mut inputs = files(&work(target))?;
    inputs.sort_by_key(Vec::len);
    let sizes = inputs.iter().scan(0, |size, input| {
        *size += input.len();
        Some(*size)
    });
    inputs.truncate(sizes.take_while(|size| *size <= MAX_BYTES).count());
    let packed = packed::path(&root(), target.name);
    packed::write(&packed, inputs)?;
    report(target, &packed)
}

/// Runs a target over its committed corpus, for a look at what that reaches.
fn replay(target: &Target) -> io::Result<()> {
    let inputs = packed::committed(&root(), target.name)?;
    inputs.iter().for_each(|input| (target.body)(input));
    println!("{}: {} inputs", target.name, inputs.len());
    Ok(())
}

/// The contents of a folder's files; nothing where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)?.map(|entry| fs::read(entry?.path())).collect()
}

fn report(target: &Target, packed: &Path) -> io::Result<()> {
    let (count, bytes) = (packed::read(packed)?.len(), fs::metadata(packed)?.len());
    println!("{}: {count} inputs in {bytes} bytes", target.name);
    Ok(())
}

fn work(target: &Target) -> PathBuf {
    root().join("corpus-work").join(target.name)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Of a target's inputs together, before they are packed.
const MAX_BYTES: usize = 256 << 10;
