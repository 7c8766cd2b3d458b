//! The suites on embedded brokers and on real Apache Kafka: scenarios of the public crates, and of the `kafka` command,
//! judged beside Java's tools.
//!
//! ```text
//! Target (a cluster that the launcher started, or one that the user named) ──▶ scenario ──▶ ok, or why not
//! ```
//!
//! A scenario makes its own topics and shares nothing with the others but the cluster. It ends by itself: all its waits
//! are bounded, and so is the scenario as a whole.

mod admin;
mod churn;
mod command;
mod command_json;
mod conn;
mod embedded;
mod examples;
mod faults;
mod groups;
mod java;
mod offsets;
mod round_trip;
mod security;
mod target;
mod text;
mod topics;

use std::collections::VecDeque;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{kafka, replicated};
pub(crate) use churn::{Account, Group, GroupsSoak};
pub(crate) use target::{Target, create};
pub(crate) use text::Text;

/// Why a scenario failed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a scenario needs, and the target lacks: it was not tried.
#[derive(Debug, thiserror::Error)]
#[error("needs {0}")]
pub(crate) struct Skipped(pub(crate) &'static str);

/// How many scenarios went well, how many did not, and how many were not tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Longer than any scenario takes, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs every scenario against `target` whose name contains `filter`, and prints a line for each.
pub(crate) fn run(target: &Target, filter: &str) -> Result<Counts, kafka::Error> {
    println!("\nsuite on {target}");
    let wanted = scenarios(target).into_iter().filter(|(name, _)| name.contains(filter));
    // Members of groups mostly wait; a real broker and Java's tools leave no room for others beside them.
    let waits = |(name, _): &(String, Scenario)| target.is_embedded() && name.starts_with("groups::");
    let (waiting, others) = wanted.partition(waits);
    let counts = Mutex::default();
    run_some(target, others, 1, &counts)?;
    run_some(target, waiting, AT_A_TIME, &counts)?;
    Ok(counts.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs scenarios, so many at a time.
fn run_some(
    target: &Target,
    scenarios: Vec<(String, Scenario)>,
    at_a_time: usize,
    counts: &Mutex<Counts>,
) -> Result<(), kafka::Error> {
    let left = Mutex::new(VecDeque::from(scenarios));
    let work = || {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((name, scenario)) = next else { return Ok(()) };
            let begin = Instant::now();
            let outcome = run_one(target, scenario)?;
            let counts = &mut *counts.lock().unwrap_or_else(PoisonError::into_inner);
            report(&name, begin.elapsed(), outcome, counts);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ends.collect()
    })
}

fn report(name: &str, time: Duration, outcome: Result<(), Failure>, counts: &mut Counts) {
    let seconds = time.as_secs_f32();
    match outcome {
        Ok(()) => {
            println!("test {name} ... ok ({seconds:.1} s)");
            counts.passed += 1;
        }
        Err(failure) if failure.is::<Skipped>() => {
            println!("test {name} ... SKIPPED: it {failure}");
            counts.skipped += 1;
        }
        Err(failure) => {
            println!("test {name} ... FAILED ({seconds:.1} s)\n    {failure}");
            let sources = std::iter::successors(failure.source(), |error| error.source());
            sources.for_each(|source| println!("    because: {source}"));
            counts.failed += 1;
        }
    }
}

/// Of those that wait more than they work.
const AT_A_TIME: usize = 4;

/// A scenario: what it does with a target.
pub(crate) type Scenario = Box<dyn FnOnce(Target) -> Run + Send>;
pub(crate) type Run = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

fn scenarios(target: &Target) -> Vec<(String, Scenario)> {
    if target.is_replicated() {
        return replicated::scenarios();
    }
    let mut all = Vec::new();
    all.extend(topics::scenarios());
    all.extend(offsets::scenarios());
    all.extend(security::scenarios());
    all.extend(examples::scenarios());
    all.extend(command_json::scenarios());
    all.extend(conn::scenarios());
    all.extend(round_trip::scenarios());
    all.extend(faults::scenarios());
    all.extend(groups::scenarios());
    all.extend(command::scenarios());
    // Java's clients meet embedded brokers in `cargo xtask interop`, with the other foreign ones.
    if !target.is_embedded() {
        all.extend(groups::scenarios_with_java());
        all.extend(churn::scenarios());
        all.extend(java::scenarios());
        all.extend(admin::scenarios());
    }
    all
}

/// Names a scenario.
pub(crate) fn scenario<F>(name: impl Into<String>, run: impl FnOnce(Target) -> F + Send + 'static) -> (String, Scenario)
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    (name.into(), Box::new(move |target| Box::pin(run(target))))
}

/// Runs a scenario on a runtime of its own: what it leaves behind ends with it, and a panic is a failure like others.
fn run_one(target: &Target, scenario: Scenario) -> Result<Result<(), Failure>, kafka::Error> {
    use kafka::IoContext as _;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context(|| "start tokio".to_owned())?;
    let run = runtime.spawn(scenario(target.clone()));
    let outcome = runtime.block_on(async { tokio::time::timeout(LIMIT, run).await });
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(panic.into()),
        Err(_) => Err(format!("still running after {LIMIT:?}").into()),
    })
}

/// Fails with a text where a condition does not hold.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
