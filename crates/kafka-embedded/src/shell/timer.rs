//! Calls the core when it wants to be called.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::shell::Shared;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let at = shared.inner.lock().core.poll_timeout();
        let due = async {
            match at {
                Some(at) => sleep_until(Instant::from_std(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.timer.notified() => {}
            () = due => shared.with(|core, now| core.handle_timeout(now)),
        }
    }
}
