//! The calls that may not go out yet: the broker asked for a pause, or is told anew who we are.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::time::Instant;

use super::Call;

/// In the order in which they were made. Their number is bounded as that of all calls, by the session's owner.
#[derive(Debug)]
pub(super) struct Held<T> {
    calls: VecDeque<(Instant, Call<T>)>,
    /// When a broker's pause is over.
    paused_until: Option<Instant>,
}

impl<T> Held<T> {
    /// Makes all calls wait until then.
    pub(super) fn pause_until(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// When the pause is over: now, where there is none.
    pub(super) fn resumes_at(&self, now: Instant) -> Instant {
        self.paused_until.map_or(now, |until| until.max(now))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn push(&mut self, now: Instant, call: Call<T>) {
        self.calls.push_back((now, call));
    }

    /// The oldest, with the instant at which it was made.
    pub(super) fn pop(&mut self) -> Option<(Instant, Call<T>)> {
        self.calls.pop_front()
    }

    /// Takes out those that ran out of time, and forgets a pause that is over: calls may be held for another reason, and
    /// then it must not ask for attention again and again.
    pub(super) fn expire(&mut self, now: Instant) -> impl Iterator<Item = (Instant, Call<T>)> {
        self.paused_until = self.paused_until.filter(|until| *until > now);
        let is_late = |call: &Call<T>| call.deadline <= now;
        let late = if self.calls.iter().any(|(_, call)| is_late(call)) {
            let (late, kept) = std::mem::take(&mut self.calls).into_iter().partition(|(_, call)| is_late(call));
            self.calls = kept;
            late
        } else {
            VecDeque::new()
        };
        late.into_iter()
    }

    /// When the first one is late, or the pause is over.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let first = self.calls.iter().map(|(_, call)| call.deadline).min()?;
        Some(self.paused_until.map_or(first, |until| until.min(first)))
    }

    /// When the last one is late.
    pub(super) fn last_deadline(&self) -> Option<Instant> {
        self.calls.iter().map(|(_, call)| call.deadline).max()
    }

    /// Forgets the pause, and takes out all calls.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Call<T>> {
        self.paused_until = None;
        self.calls.drain(..).map(|(_, call)| call)
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { calls: VecDeque::new(), paused_until: None }
    }
}
