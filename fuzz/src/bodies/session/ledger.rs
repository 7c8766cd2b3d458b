//! The calls that were made, and what became of them: one thing each.

use std::time::{Duration, Instant};

use kafka_conn::session::Expect;

#[derive(Default)]
pub(super) struct Ledger {
    calls: Vec<Entry>,
    /// How many expect an answer and have no outcome.
    unanswered: usize,
    /// How many have an outcome.
    ended: usize,
    last_answered: Option<usize>,
    closed: bool,
}

struct Entry {
    expect: Expect,
    since: Instant,
    is_late: bool,
    has_ended: bool,
}

impl Ledger {
    /// A call is about to be made.
    pub(super) fn open(&mut self, expect: Expect, now: Instant) -> usize {
        self.unanswered += usize::from(expect == Expect::Answer);
        self.calls.push(Entry { expect, since: now, is_late: false, has_ended: false });
        self.calls.len() - 1
    }

    pub(super) fn answered(&mut self, token: usize, now: Instant, elapsed: Duration) {
        self.must_be_alive();
        let entry = self.end(token);
        assert_eq!(entry.expect, Expect::Answer, "{token}");
        assert!(elapsed <= now - entry.since, "{token} took {elapsed:?}");
        assert!(self.last_answered < Some(token), "answers come in the order of their calls");
        self.last_answered = Some(token);
    }

    pub(super) fn sent(&mut self, token: usize) {
        self.must_be_alive();
        assert_eq!(self.end(token).expect, Expect::Nothing, "{token}");
    }

    pub(super) fn failed(&mut self, token: usize) {
        self.end(token);
    }

    pub(super) fn late(&mut self, token: usize) {
        self.must_be_open(token);
        let entry = &mut self.calls[token];
        assert!(entry.expect == Expect::Answer && !entry.is_late, "{token} is late once, if it is to be answered");
        entry.is_late = true;
    }

    pub(super) fn closed(&mut self) {
        assert!(!self.closed, "a session ends once");
        self.closed = true;
    }

    pub(super) fn must_be_open(&self, token: usize) {
        assert!(!self.calls[token].has_ended, "{token} had its outcome");
    }

    /// After the end there are only refusals of calls that are made nevertheless.
    pub(super) fn must_be_alive(&self) {
        assert!(!self.closed, "an event after the end");
    }

    /// Nobody waits any more.
    pub(super) fn must_be_settled(&self) {
        assert_eq!(self.ended, self.calls.len(), "calls without an outcome");
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn unanswered(&self) -> usize {
        self.unanswered
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    fn end(&mut self, token: usize) -> &Entry {
        self.must_be_open(token);
        let entry = &mut self.calls[token];
        entry.has_ended = true;
        self.ended += 1;
        self.unanswered -= usize::from(entry.expect == Expect::Answer);
        entry
    }
}
