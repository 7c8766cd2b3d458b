//! Which records of transactions a read returns.
//!
//! Sans-IO.

/// Which records of transactions are returned. Control records never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// All of them.
    #[default]
    ReadUncommitted,
    /// Those of committed ones, and records without transaction; nothing behind the first transaction that is open.
    ReadCommitted,
}

impl IsolationLevel {
    /// The number that stands for it in Fetch and ListOffsets requests: 0 or 1.
    pub fn code(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}
