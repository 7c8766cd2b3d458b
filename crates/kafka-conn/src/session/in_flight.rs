//! The requests that wait for an answer, oldest first: a broker answers a connection in order.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::time::Instant;

use super::RequestInfo;
use crate::deadline::later;

#[derive(Debug)]
pub(super) struct InFlight<T> {
    slots: VecDeque<Slot<T>>,
    /// When the silence of the oldest means that nothing else will come either.
    front_until: Option<Instant>,
    /// Not after the earliest instant that matters.
    timeout: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) request: RequestInfo,
    /// Where in the stream of bytes the request begins.
    pub(super) start: u64,
    pub(super) sent_at: Instant,
    /// When its caller no longer waits.
    pub(super) deadline: Instant,
    pub(super) owner: Owner<T>,
}

/// Who an answer is for.
#[derive(Debug)]
pub(super) enum Owner<T> {
    /// The session itself.
    Session,
    /// A caller.
    Caller(T),
    /// A caller who was told that it takes too long.
    Late(T),
}

impl<T> InFlight<T> {
    pub(super) fn push(&mut self, slot: Slot<T>) {
        if self.slots.is_empty() {
            self.front_until = Some(slot.deadline);
        }
        self.timeout = Some(self.timeout.map_or(slot.deadline, |timeout| timeout.min(slot.deadline)));
        self.slots.push_back(slot);
    }

    pub(super) fn front(&self) -> Option<&Slot<T>> {
        self.slots.front()
    }

    /// The oldest, when it is silent for too long.
    pub(super) fn dead_front(&self, now: Instant) -> Option<&Slot<T>> {
        self.front().filter(|_| self.front_until.is_some_and(|until| until <= now))
    }

    /// Takes the oldest, which was answered. The next one gets its time anew, as far as the connection is concerned: it
    /// waited behind another, which says nothing about whether the broker is still there.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Slot<T>> {
        let slot = self.slots.pop_front();
        self.front_until = self.slots.front().map(|front| {
            let patience = front.deadline.saturating_duration_since(front.sent_at);
            front.deadline.max(later(now, patience))
        });
        self.timeout = self.front_until.and_then(|until| self.timeout.into_iter().chain([until]).min());
        slot
    }

    /// Marks those that ran out of time, and returns them. The oldest was seen to before.
    pub(super) fn expire(&mut self, now: Instant) -> impl Iterator<Item = &Slot<T>> {
        let waited_for = |slot: &&Slot<T>| matches!(slot.owner, Owner::Caller(_)) && slot.deadline > now;
        let deadlines = self.slots.iter().filter(waited_for).map(|slot| slot.deadline);
        self.timeout = deadlines.chain(self.front_until).min();
        self.slots.iter_mut().filter_map(move |slot| {
            if slot.deadline > now || !matches!(slot.owner, Owner::Caller(_)) {
                return None;
            }
            slot.owner = match std::mem::replace(&mut slot.owner, Owner::Session) {
                Owner::Caller(token) => Owner::Late(token),
                other => other,
            };
            Some(&*slot)
        })
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// When the last one that somebody waits for is late.
    pub(super) fn last_deadline(&self) -> Option<Instant> {
        let waited_for = self.slots.iter().filter(|slot| matches!(slot.owner, Owner::Caller(_)));
        waited_for.map(|slot| slot.deadline).max()
    }

    pub(super) fn token_mut(&mut self, correlation_id: i32) -> Option<&mut T> {
        let slot = self.slots.iter_mut().find(|slot| slot.request.correlation_id == correlation_id)?;
        match &mut slot.owner {
            Owner::Session => None,
            Owner::Caller(token) | Owner::Late(token) => Some(token),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Slot<T>> {
        self.timeout = None;
        self.front_until = None;
        self.slots.drain(..)
    }
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), front_until: None, timeout: None }
    }
}
