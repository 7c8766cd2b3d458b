//! A seed replays a run of a whole client and a whole cluster, byte for byte.
//!
//! One thread, a paused clock, streams in memory: nothing is left that could differ. The history is every byte that
//! crossed a stream, in both directions, with the virtual time at which it did.

mod calls;
mod clients;
mod recorder;

use std::sync::{Arc, Mutex};

use recorder::History;

/// Runs something on a runtime of its own, with the randomness of a seed; returns what happened.
fn replay(seed: u64, play: impl AsyncFnOnce(Arc<Mutex<History>>)) -> History {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let history = Arc::new(Mutex::new(History::new()));
    runtime.block_on(play(Arc::clone(&history)));
    drop(runtime);
    Arc::into_inner(history).unwrap().into_inner().unwrap()
}
