//! Whether the application asks for messages, as the member's task sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Numbers that the application's calls write and the task reads now and then. Each stands for itself.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    calls: AtomicU64,
    waiting: AtomicBool,
    /// The application waits: a member that was away may come back.
    pub(crate) wake: Notify,
}

impl Activity {
    /// How many calls there were, and whether one waits now.
    pub(crate) fn read(&self) -> (u64, bool) {
        (self.calls.load(Ordering::Relaxed), self.waiting.load(Ordering::Relaxed))
    }

    /// A call that waits, until the result is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Waiting {
        self.waiting.store(true, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// A call that found something at once.
    pub(crate) fn touch(&self) {
        // Only the application writes it.
        self.calls.store(self.calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Activity>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.store(false, Ordering::Relaxed);
        self.0.touch();
    }
}
