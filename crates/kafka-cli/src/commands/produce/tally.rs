//! What became of the lines: counted, and the first failures reported.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exit::Outcome;
use crate::progress::Counts;
use crate::report;

/// How many lines were read, and what is known of their messages.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    read: u64,
    written: u64,
    failed: u64,
    reported: u64,
    last_reason: String,
    hopeless: bool,
    /// For who watches.
    counts: Arc<Counts>,
}

/// Whether other messages may fare better than one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They may: the reason lies in the message.
    Message,
    /// They will not.
    All,
}

impl Tally {
    /// Counts a line; returns its number, from 1 on.
    pub(crate) fn read(&mut self) -> u64 {
        self.read += 1;
        self.read
    }

    /// Counts the bytes of a line.
    pub(crate) fn bytes(&self, len: usize) {
        self.counts.bytes.fetch_add(len as u64, Ordering::Relaxed);
    }

    pub(crate) fn written(&mut self) {
        self.written += 1;
        self.counts.messages.store(self.written, Ordering::Relaxed);
    }

    /// What it counts, to be read while it goes on.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Counts a message that was not written, or is not known to be. Of failures in a row for one reason the first is
    /// reported, and not more of them than anybody reads.
    pub(crate) fn failed(&mut self, line: u64, reason: impl Display, reach: Reach) {
        self.failed += 1;
        self.hopeless |= reach == Reach::All;
        let reason = reason.to_string();
        if reason == self.last_reason || self.reported >= MAX_REPORTED {
            return;
        }
        self.reported += 1;
        report::line(format_args!("error: line {line}: {reason}"));
        self.last_reason = reason;
    }

    /// Whether it makes no sense to read on.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// The outcome, once the fate of all messages is known.
    pub(crate) fn conclude(&self) -> Outcome {
        if self.failed == 0 && self.written == self.read {
            return Outcome::Complete;
        }
        let lines = report::count(self.read, "line");
        let stopped = if self.hopeless { "; the rest was not read" } else { "" };
        report::line(format_args!("error: {} of {lines} not written{stopped}", self.read - self.written));
        Outcome::Incomplete
    }

    /// Says how far it got when somebody ended it.
    pub(crate) fn report_interrupted(&self) {
        let lines = report::count(self.read, "line");
        let unknown = self.read - self.written - self.failed;
        let rest = match (self.failed, unknown) {
            (0, 0) => String::new(),
            (failed, 0) => format!(", {failed} failed"),
            (0, unknown) => format!(", {unknown} may or may not be"),
            (failed, unknown) => format!(", {failed} failed, {unknown} may or may not be"),
        };
        report::line(format_args!("interrupted: {} of {lines} written{rest}", self.written));
    }
}

/// Reasons that are reported one by one.
const MAX_REPORTED: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_written_is_complete() {
        let mut tally = Tally::default();
        assert_eq!(tally.conclude(), Outcome::Complete, "nothing to do");
        assert_eq!((tally.read(), tally.read()), (1, 2));
        tally.written();
        assert_eq!(tally.conclude(), Outcome::Incomplete, "nobody knows about the other one");
        tally.failed(2, "no", Reach::All);
        assert!(tally.is_hopeless());
        assert_eq!(tally.conclude(), Outcome::Incomplete);
    }

    #[test]
    fn one_reason_is_reported_once_and_many_are_not_reported_all() {
        let mut tally = Tally::default();
        for line in 1..=100 {
            tally.failed(line, "the same", Reach::Message);
        }
        assert_eq!((tally.failed, tally.reported), (100, 1));
        for line in 1..=100 {
            tally.failed(line, line, Reach::Message);
        }
        assert_eq!((tally.failed, tally.reported), (200, MAX_REPORTED));
        assert!(!tally.is_hopeless());
    }
}
