//! `cargo xtask test`: every test there is.
//!
//! ```text
//! cargo test (units, golden vectors, fuzz corpora, examples, tidy) ─▶ models at length ─▶ each feature alone ─▶ benches
//! once ─▶ the schema as Kafka's jars say ─▶ Java's oracle ─▶ the suites on each Kafka release ─▶ foreign clients and ours
//! ```

use std::path::Path;
use std::process::ExitStatus;

use crate::kafka::Version;
use crate::suite::{Counts, Target};
use crate::{interop, kafka, oracle, schema, suite};

/// Run all tests, those on real Apache Kafka included (needs a JDK and Maven)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The Kafka release that the suites run on, in place of 3.9.1 and 4.3.0
    #[arg(long, env = "KAFKA_VERSION", conflicts_with = "brokers")]
    kafka: Option<Version>,
    /// Brokers of an existing cluster for the suites, in place of one that is started for them
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// Embedded brokers alone for the suites: no Kafka is started
    #[arg(long, conflicts_with_all = ["brokers", "kafka"])]
    embedded: bool,
    /// Only the suites, and of them only the scenarios whose name contains this
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
}

/// What kept the tests from passing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{command}` failed ({status})")]
    Command { command: String, status: ExitStatus },
    #[error("cannot run `{command}`: {source}")]
    Run { command: String, source: std::io::Error },
    #[error(transparent)]
    Schema(#[from] schema::Error),
    #[error(transparent)]
    Oracle(#[from] oracle::Error),
    #[error(transparent)]
    Interop(#[from] interop::Error),
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("the embedded brokers do not start: {0}")]
    Embedded(suite::Failure),
    #[error("{0} scenarios failed")]
    Scenarios(usize),
    #[error("no scenario has {0:?} in its name")]
    NoScenario(String),
}

/// The releases that the suites run on: the last one with everything that 4.0 removed, and the newest.
const RELEASES: [Version; 2] = [Version { major: 3, minor: 9, patch: 1 }, Version::NEWEST];

impl Arguments {
    /// Runs the tests and stops at the first step that fails.
    pub(crate) fn run(&self) -> Result<(), Error> {
        if self.suite.is_none() {
            cargo(&["test", "--workspace", "--all-features"])?;
            models()?;
            features_alone()?;
            cargo(&[
                "bench",
                "--package",
                "kafka-protocol",
                "--package",
                "kafka-writer",
                "--all-features",
                "--profile",
                "dev",
                "--bench",
                "*",
                "--",
                "--test",
            ])?;
            schema::check()?;
            oracle::run(ORACLE_SEED, ORACLE_COUNT)?;
        }
        cargo(&["build", "--package", "kafka-cli"])?;
        let filter = self.suite.as_deref().unwrap_or_default();
        let mut sum = Counts::default();
        for target in self.targets() {
            let counts = suite::run(&target?, filter)?;
            sum.passed += counts.passed;
            sum.failed += counts.failed;
            sum.skipped += counts.skipped;
        }
        println!("\n{sum}");
        match sum {
            Counts { failed: 0, passed: 0, skipped: 0 } => Err(Error::NoScenario(filter.to_owned())),
            Counts { failed: 0, .. } => self.interop(),
            Counts { failed, .. } => Err(Error::Scenarios(failed)),
        }
    }

    fn interop(&self) -> Result<(), Error> {
        match self.suite {
            Some(_) => Ok(()),
            None => Ok(interop::Arguments::on(self.brokers.clone()).run()?),
        }
    }

    /// The clusters to run on, each of which starts when it is asked for.
    fn targets(&self) -> Box<dyn Iterator<Item = Result<Target, Error>>> {
        match (&self.brokers, self.kafka) {
            (Some(brokers), _) => Box::new(std::iter::once(Target::existing(brokers.clone()).map_err(Error::from))),
            (None, Some(version)) => {
                let single = std::iter::once_with(move || Ok(Target::start(version)?));
                Box::new(single.chain(replicated(version)))
            }
            (None, None) => {
                let embedded = std::iter::once_with(|| Target::embedded().map_err(Error::Embedded));
                if self.embedded {
                    return Box::new(embedded);
                }
                let single = RELEASES.into_iter().map(|version| Ok(Target::start(version)?));
                // What brokers do when others go is the newest release's business alone: each blow takes seconds.
                Box::new(embedded.chain(single).chain(replicated(Version::NEWEST)))
            }
        }
    }
}

/// Three brokers, some of which go.
fn replicated(version: Version) -> impl Iterator<Item = Result<Target, Error>> {
    std::iter::once_with(move || Ok(Target::start_replicated(version)?))
}

const ORACLE_SEED: u64 = 1;
const ORACLE_COUNT: usize = 20;

/// The features of kafka-protocol that users pick, each of which must compile without the others.
const FEATURES: [&str; 16] = [
    "",
    "produce",
    "fetch",
    "group",
    "transaction",
    "admin",
    "share",
    "streams",
    "telemetry",
    "broker",
    "storage",
    "json",
    "arbitrary",
    "gzip",
    "snappy,lz4",
    "zstd",
];

/// Those of kafka-conn, but for the codecs, which are kafka-protocol's, and the providers of cryptography.
const CONN_FEATURES: [&str; 13] = [
    "conn",
    "produce",
    "fetch",
    "group",
    "transaction",
    "admin",
    "share",
    "streams",
    "telemetry",
    "tls-no-provider",
    "tls-system-roots",
    "tls-web-roots",
    "metrics",
];

fn features_alone() -> Result<(), Error> {
    for features in FEATURES {
        cargo(&["check", "--quiet", "--package", "kafka-protocol", "--no-default-features", "--features", features])?;
    }
    for features in CONN_FEATURES {
        cargo(&["check", "--quiet", "--package", "kafka-conn", "--no-default-features", "--features", features])?;
    }
    for package in ["kafka-conn", "kafka-writer", "kafka-reader", "kafka-admin"] {
        cargo(&["check", "--quiet", "--package", package, "--no-default-features"])?;
    }
    Ok(())
}

/// The model tests of kafka-reader, at length; `cargo test` runs some of their schedules only.
fn models() -> Result<(), Error> {
    let arguments = ["test", "--package", "kafka-reader", "--all-features", "--lib", "model"];
    cargo_with(&arguments, &[("MODEL_SCHEDULES", MODEL_SCHEDULES)])
}

/// Of each model: less than a minute of CPU.
const MODEL_SCHEDULES: &str = "100000";

/// Runs cargo in the workspace and shows what it prints.
fn cargo(arguments: &[&str]) -> Result<(), Error> {
    cargo_with(arguments, &[])
}

fn cargo_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), Error> {
    let command = || format!("cargo {}", arguments.join(" "));
    println!("\n$ {}", command());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = crate::cargo::cargo().args(arguments).envs(environment.iter().copied()).current_dir(root).status();
    let status = status.map_err(|source| Error::Run { command: command(), source })?;
    if status.success() { Ok(()) } else { Err(Error::Command { command: command(), status }) }
}
