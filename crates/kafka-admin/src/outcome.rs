//! What became of one item of a call.

use smol_str::SmolStr;

use crate::error::Result;

/// An item of a call, and what became of it.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The item's name: that of a topic, say.
    pub name: SmolStr,
    /// What was made of it, or why nothing was.
    pub result: Result<T>,
}

impl<T> Outcome<T> {
    pub(crate) fn new(name: SmolStr, result: Result<T>) -> Self {
        Self { name, result }
    }

    /// Whether it worked.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}
