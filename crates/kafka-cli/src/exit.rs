//! How a command ended, and the exit status that says so.

use std::process::ExitCode;

use crate::signals::Signal;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything worked, or the reader of the output has had enough: 0.
    Complete,
    /// Something failed, which was reported: 1.
    Incomplete,
    /// It was not told what it needs, or told what cannot be: 2, as clap has it.
    Misused,
    /// Somebody ended it: 128 and the signal's number, as shells have it.
    Interrupted(Signal),
}

impl Outcome {
    /// What became of both.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Complete { other } else { self }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::SUCCESS,
            Outcome::Incomplete => Self::FAILURE,
            Outcome::Misused => Self::from(2),
            Outcome::Interrupted(signal) => Self::from(128 + signal.number()),
        }
    }
}
