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
    /// Not after the earliest deadline that matters.
    timeout: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) request: RequestInfo,
    /// Where in the stream of bytes the request begins.
    pub(super) start: u64,
    pub(super) sent_at: Instant,
    pub(super) deadline: Instant,
    pub(super) owner: Owner<T>,
}

/// Who an answer is for.
#[derive(Debug)]
pub(super) enum Owner<T> {
    /// The session itself.
    Handshake,
    /// A caller.
    Caller(T),
    /// A caller who was told that it takes too long.
    Late(T),
}

impl<T> InFlight<T> {
    pub(super) fn push(&mut self, slot: Slot<T>) {
        self.timeout = Some(self.timeout.map_or(slot.deadline, |timeout| timeout.min(slot.deadline)));
        self.slots.push_back(slot);
    }

    pub(super) fn front(&self) -> Option<&Slot<T>> {
        self.slots.front()
    }

    /// Takes the oldest, which was answered. The next one, if nobody waits for it, gets its time anew: it waited behind
    /// another, which says nothing about the connection.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Slot<T>> {
        let slot = self.slots.pop_front();
        match self.slots.front_mut() {
            None => self.timeout = None,
            Some(front) => {
                if matches!(front.owner, Owner::Late(_)) {
                    let patience = front.deadline.saturating_duration_since(front.sent_at);
                    front.deadline = front.deadline.max(later(now, patience));
                    self.timeout = self.timeout.into_iter().chain([front.deadline]).min();
                }
            }
        }
        slot
    }

    /// Marks those behind the front that ran out of time, and returns them.
    pub(super) fn expire(&mut self, now: Instant) -> impl Iterator<Item = &Slot<T>> {
        self.timeout = None;
        for (index, slot) in self.slots.iter().enumerate() {
            let waited_for = index == 0 || matches!(slot.owner, Owner::Caller(_)) && slot.deadline > now;
            if waited_for {
                self.timeout = self.timeout.into_iter().chain([slot.deadline]).min();
            }
        }
        self.slots.iter_mut().skip(1).filter_map(move |slot| {
            if slot.deadline > now || !matches!(slot.owner, Owner::Caller(_)) {
                return None;
            }
            slot.owner = match std::mem::replace(&mut slot.owner, Owner::Handshake) {
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
            Owner::Handshake => None,
            Owner::Caller(token) | Owner::Late(token) => Some(token),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Slot<T>> {
        self.timeout = None;
        self.slots.drain(..)
    }
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), timeout: None }
    }
}
