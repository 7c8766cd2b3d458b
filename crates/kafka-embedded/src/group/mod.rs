//! Consumer groups, by the classic protocol: what their coordinator keeps.
//!
//! ```text
//!  Groups ── by id ──► Group: state, generation, timers ── by id ──► Member: subscription, assignment, session
//!                        └─► Offsets: what was committed
//! ```
//!
//! Sans-IO.

mod classic;
mod member;
mod offsets;

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

pub(crate) use classic::{Group, GroupState, Joined, Rules};
pub(crate) use member::{Client, Member, Subscription};
pub(crate) use offsets::{Committed, Offsets};

/// The groups of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<SmolStr, Group>,
}

impl Groups {
    pub(crate) fn get(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.groups.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Group)> {
        self.groups.iter()
    }

    /// The group, made where it is not there yet. One that holds nothing makes room.
    ///
    /// # Errors
    /// `GROUP_MAX_SIZE_REACHED` where there are too many.
    pub(crate) fn get_or_create(&mut self, id: &SmolStr, max: usize) -> Result<&mut Group, ErrorCode> {
        if !self.groups.contains_key(id) && self.groups.len() >= max {
            let idle = self.groups.iter().find(|(_, group)| group.is_forgettable()).map(|(id, _)| id.clone());
            let idle = idle.ok_or(ErrorCode::GROUP_MAX_SIZE_REACHED)?;
            self.groups.remove(&idle);
        }
        Ok(self.groups.entry(id.clone()).or_default())
    }

    /// Deletes a group without members.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`.
    pub(crate) fn delete(&mut self, id: &str) -> Result<(), ErrorCode> {
        let group = self.groups.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state() != GroupState::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.groups.remove(id);
        Ok(())
    }

    /// A topic was deleted: so is what was committed for it.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.groups.values_mut().for_each(|group| group.offsets.forget_topic(topic));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.groups.values().filter_map(Group::poll_timeout).min()
    }

    /// Lets time pass; whether anything changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.groups.values_mut().filter(|group| group.poll_timeout().is_some_and(|at| at <= now));
        let mut changed = false;
        for group in due {
            group.handle_timeout(now);
            changed = true;
        }
        changed
    }
}

/// An id for a member, as Kafka makes them: the client's name, or the instance's, and something nobody else has.
pub(crate) fn member_id(name: &str, rng: &mut Rng) -> SmolStr {
    let random = rng.u128(..);
    let (a, b, c, d, e) =
        (random >> 96, random >> 80 & 0xffff, random >> 64 & 0xffff, random >> 48 & 0xffff, random & 0xffff_ffff_ffff);
    format!("{name}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}").into()
}
