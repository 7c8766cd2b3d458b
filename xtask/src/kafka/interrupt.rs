//! Ends this process's clusters when it is asked to end (Ctrl-C, SIGTERM, a closed terminal).
//!
//! The JVMs would die of their closed pipes anyway; this also removes their directories.

use std::process;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::cluster::Members;
use super::{IoContext, Result};

static LIVE: Mutex<Vec<Weak<Members>>> = Mutex::new(Vec::new());
static HANDLER: Once = Once::new();

/// Ends `members` with this process from now on.
pub(crate) fn watch(members: &Arc<Members>) -> Result<()> {
    let mut installed = Ok(());
    HANDLER.call_once(|| installed = install());
    installed?;
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(members));
    Ok(())
}

/// Leaves `members` to the caller. Never returns once the process is being ended.
pub(crate) fn forget(members: &Arc<Members>) {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(members)));
}

fn install() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context(|| "handle signals".to_owned())?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(signal);
        }
    });
    Ok(())
}

fn end(signal: i32) {
    eprintln!("signal {signal}: ending the Kafka clusters");
    // Kept until the exit: other threads, which see their brokers die now, wait in `forget` instead of reporting it.
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    for members in live.iter().filter_map(Weak::upgrade) {
        if let Err(error) = members.end() {
            eprintln!("error: {error}");
        }
    }
    // What a shell reports for a process that died of this signal.
    process::exit(128 + signal);
}
