//! Who must have a message before it counts as written.
//!
//! Sans-IO.

/// Who must have a message before it counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RequiredAcks {
    /// Nobody: a message counts as written when the socket took it, and is lost silently where the broker refuses it.
    /// Its offset is not known.
    None,
    /// The partition's leader: a message is lost when the leader fails before the others have it.
    One,
    /// All replicas in sync.
    #[default]
    All,
}

impl RequiredAcks {
    /// The number that stands for it in a Produce request: 0, 1 or -1.
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::One => 1,
            Self::All => -1,
        }
    }
}
