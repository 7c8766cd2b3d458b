//! Random schedules for the model tests: as many as are asked for, spread over the processors, each from a seed.
//!
//! `MODEL_SCHEDULES` says how many (`cargo xtask test` runs 100,000), `MODEL_SEED` replays a single one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, thread};

/// Enough to find each planted bug.
const DEFAULT: u64 = 500;

/// Runs a schedule for each seed, and panics with what the least of those violates that do.
pub(crate) fn assert_hold(run: impl Fn(u64) -> Option<String> + Sync) {
    if let Some((seed, violation)) = find(run) {
        panic!("seed {seed}: {violation}");
    }
}

/// Runs schedules until one violates something: its seed, and what.
pub(crate) fn find(run: impl Fn(u64) -> Option<String> + Sync) -> Option<(u64, String)> {
    if let Some(seed) = number("MODEL_SEED") {
        return run(seed).map(|violation| (seed, violation));
    }
    let count = number("MODEL_SCHEDULES").unwrap_or(DEFAULT);
    let workers = thread::available_parallelism().map_or(1, |processors| processors.get() as u64);
    let (run, found) = (&run, &AtomicBool::new(false));
    let search = move |worker: u64| {
        let mut seeds = (worker..count).step_by(workers as usize).take_while(|_| !found.load(Ordering::Relaxed));
        let violated = seeds.find_map(|seed| Some((seed, run(seed)?)));
        found.fetch_or(violated.is_some(), Ordering::Relaxed);
        violated
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || search(worker))).collect();
        running
            .into_iter()
            .filter_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .min()
    })
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
