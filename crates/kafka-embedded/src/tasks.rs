//! The tasks of a cluster: they end with it.

use std::future::Future;

use tokio::task::JoinSet;

/// Tasks, until they are ended.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: JoinSet<()>,
    ended: bool,
}

impl Tasks {
    /// Starts a task; not any more after the end. Whether it did.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        // Those that have ended need not be kept.
        while self.set.try_join_next().is_some() {}
        if !self.ended {
            self.set.spawn(task);
        }
        !self.ended
    }

    /// Ends all tasks, now or at their next wait.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.set.abort_all();
    }
}
