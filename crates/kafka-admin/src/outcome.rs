//! What became of one item of a call.

use smol_str::SmolStr;

use crate::error::Result;

/// An item of a call, and what became of it. Most items are names; partitions, brokers and others are what they are.
#[derive(Clone, Debug)]
pub struct Outcome<T, K = SmolStr> {
    /// The item: the name of a topic, say.
    pub item: K,
    /// What was made of it, or why nothing was.
    pub result: Result<T>,
}

impl<T, K> Outcome<T, K> {
    pub(crate) fn new(item: K, result: Result<T>) -> Self {
        Self { item, result }
    }

    /// Whether it worked.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}
