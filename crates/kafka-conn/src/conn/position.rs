//! Where a [`Conn`](super::Conn) reads next, and how that is said.
//!
//! Sans-IO.

/// What an offset counts from. Unlike `lseek`'s, these have names and no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whence {
    /// From the first offset there is, forwards (kafka-go `SeekStart`).
    Start,
    /// From 0: it is the offset itself (kafka-go `SeekAbsolute`).
    Absolute,
    /// From the offset behind the last message, backwards (kafka-go `SeekEnd`).
    End,
    /// From where the connection reads next, forwards (kafka-go `SeekCurrent`).
    Current,
}

/// The next message to read, which may count from an end of the log that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// So many behind the first offset.
    Start(i64),
    /// This offset.
    At(i64),
    /// So many before the offset behind the last message.
    End(i64),
}

impl Position {
    /// The position `offset` from `whence`; `None` where no number can say it.
    pub(super) fn moved(self, offset: i64, whence: Whence) -> Option<Self> {
        Some(match (whence, self) {
            (Whence::Start, _) => Self::Start(offset),
            (Whence::Absolute, _) => Self::At(offset),
            (Whence::End, _) => Self::End(offset),
            (Whence::Current, Self::Start(from)) => Self::Start(from.checked_add(offset)?),
            (Whence::Current, Self::At(from)) => Self::At(from.checked_add(offset)?),
            (Whence::Current, Self::End(from)) => Self::End(from.checked_sub(offset)?),
        })
    }

    /// The offset, in a log that has these two; numbers that go over stay at the last there is, where no log reaches.
    pub(super) fn resolve(self, first: i64, last: i64) -> i64 {
        match self {
            Self::Start(offset) => first.saturating_add(offset),
            Self::At(offset) => offset,
            Self::End(offset) => last.saturating_sub(offset),
        }
    }

    /// As users are told it.
    pub(super) fn parts(self) -> (i64, Whence) {
        match self {
            Self::Start(offset) => (offset, Whence::Start),
            Self::At(offset) => (offset, Whence::Absolute),
            Self::End(offset) => (offset, Whence::End),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_count_from_where_they_say() {
        for (from, offset, whence, to) in [
            (Position::At(7), 2, Whence::Start, Position::Start(2)),
            (Position::At(7), 2, Whence::Absolute, Position::At(2)),
            (Position::At(7), 2, Whence::End, Position::End(2)),
            (Position::At(7), -2, Whence::Current, Position::At(5)),
            (Position::Start(0), 2, Whence::Current, Position::Start(2)),
            (Position::End(5), 2, Whence::Current, Position::End(3)),
        ] {
            assert_eq!(from.moved(offset, whence), Some(to), "{from:?} {offset} {whence:?}");
        }
        assert_eq!(Position::At(1).moved(i64::MAX, Whence::Current), None);
        assert_eq!(Position::End(i64::MIN).moved(1, Whence::Current), None);
    }

    #[test]
    fn both_ends_of_the_log_resolve() {
        assert_eq!(Position::Start(3).resolve(10, 20), 13);
        assert_eq!(Position::At(3).resolve(10, 20), 3);
        assert_eq!(Position::End(3).resolve(10, 20), 17);
        assert_eq!(Position::Start(i64::MAX).resolve(10, 20), i64::MAX);
        assert_eq!(Position::End(i64::MIN).resolve(10, 20), i64::MAX);
    }
}
