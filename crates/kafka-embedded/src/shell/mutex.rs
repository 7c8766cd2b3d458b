//! A mutex that a panic elsewhere does not close.

use std::sync::{self, MutexGuard, PoisonError};

/// As the standard library's, without poison: a test's closure that panics ends its own connection, not the cluster.
#[derive(Debug)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
