//! What happens to a broker, and how it comes back.

use std::fmt;

/// A way for a broker to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL: gone in the middle of a word.
    Kill,
    /// SIGTERM: it moves its partitions away first.
    Terminate,
    /// SIGSTOP: it says nothing any more, and its connections stay.
    Freeze,
}

impl Blow {
    pub(crate) const ALL: [Self; 3] = [Self::Kill, Self::Terminate, Self::Freeze];
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill -9",
            Self::Terminate => "SIGTERM",
            Self::Freeze => "SIGSTOP",
        })
    }
}
