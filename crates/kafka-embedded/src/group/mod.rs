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

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use fastrand::Rng;
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

pub(crate) use classic::{Group, GroupState, Joined, Rules};
pub(crate) use member::{Client, Member, Subscription};
pub(crate) use offsets::{Committed, Offsets};

use crate::core::Limits;

/// The groups of a cluster. Whatever changes one goes through [`change`](Self::change), which keeps what they take
/// together, and which of them wants to be called first.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<SmolStr, Kept>,
    deadlines: BTreeSet<(Instant, SmolStr)>,
    bytes: usize,
}

/// A group, and what was last seen of it.
#[derive(Debug, Default)]
struct Kept {
    group: Group,
    bytes: usize,
    deadline: Option<Instant>,
}

impl Groups {
    pub(crate) fn get(&self, id: &str) -> Option<&Group> {
        self.groups.get(id).map(|kept| &kept.group)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Group)> {
        self.groups.iter().map(|(id, kept)| (id, &kept.group))
    }

    /// About the bytes that all of them take.
    pub(crate) fn size(&self) -> usize {
        self.bytes
    }

    /// Does something with a group, if there is one.
    pub(crate) fn change<T>(&mut self, id: &str, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let (id, kept) = self.groups.get_key_value(id).map(|(id, _)| id.clone()).and_then(|id| {
            let kept = self.groups.get_mut(&id)?;
            Some((id, kept))
        })?;
        let result = act(&mut kept.group);
        let (bytes, deadline) = (kept.group.size(), kept.group.poll_timeout());
        self.bytes = self.bytes - kept.bytes + bytes;
        if deadline != kept.deadline {
            let before = kept.deadline.map(|at| (at, id.clone()));
            before.map(|entry| self.deadlines.remove(&entry));
            deadline.map(|at| self.deadlines.insert((at, id)));
        }
        (kept.bytes, kept.deadline) = (bytes, deadline);
        Some(result)
    }

    /// Makes a group, where it is not there yet. One that holds nothing makes room.
    ///
    /// # Errors
    /// `GROUP_MAX_SIZE_REACHED` where there are too many, or too large ones.
    pub(crate) fn create(&mut self, id: &SmolStr, limits: &Limits) -> Result<(), ErrorCode> {
        if self.groups.contains_key(id) {
            return Ok(());
        }
        if self.groups.len() >= limits.max_groups {
            let idle = self.iter().find(|(_, group)| group.is_forgettable()).map(|(id, _)| id.clone());
            self.remove(&idle.ok_or(ErrorCode::GROUP_MAX_SIZE_REACHED)?);
        }
        let size = id.len() + GROUP_SIZE;
        if self.bytes.saturating_add(size) > limits.max_group_bytes {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        self.bytes += size;
        self.groups.insert(id.clone(), Kept::default());
        Ok(())
    }

    /// Deletes a group without members.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`.
    pub(crate) fn delete(&mut self, id: &str) -> Result<(), ErrorCode> {
        let group = self.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state() != GroupState::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.remove(id);
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        if let Some((id, kept)) = self.groups.remove_entry(id) {
            self.bytes -= kept.bytes + id.len() + GROUP_SIZE;
            kept.deadline.map(|at| self.deadlines.remove(&(at, id)));
        }
    }

    /// A topic was deleted: so is what was committed for it.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        let ids: Vec<SmolStr> = self.groups.keys().cloned().collect();
        for id in ids {
            self.change(&id, |group| group.offsets.forget_topic(topic));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Lets time pass; whether anything changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due: Vec<SmolStr> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect();
        due.iter().for_each(|id| {
            self.change(id, |group| group.handle_timeout(now));
        });
        !due.is_empty()
    }
}

/// What a group takes without its texts.
const GROUP_SIZE: usize = 512;

/// An id for a member, as Kafka makes them: the client's name, or the instance's, and something nobody else has.
pub(crate) fn member_id(name: &str, rng: &mut Rng) -> SmolStr {
    let random = rng.u128(..);
    let (a, b, c, d, e) =
        (random >> 96, random >> 80 & 0xffff, random >> 64 & 0xffff, random >> 48 & 0xffff, random & 0xffff_ffff_ffff);
    format!("{name}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(metadata: &str) -> Committed {
        Committed { offset: 1, leader_epoch: 0, metadata: metadata.into() }
    }

    #[test]
    fn what_groups_take_is_known_at_any_time() {
        let (mut groups, limits) = (Groups::default(), Limits { max_groups: 1, ..Limits::default() });
        groups.create(&"g".into(), &limits).unwrap();
        let empty = groups.size();
        let commit = |groups: &mut Groups, metadata: &str, room| {
            groups.change("g", |group| group.offsets.commit(&"t".into(), 0, committed(metadata), 1, room)).unwrap()
        };
        assert!(commit(&mut groups, "", 200));
        let one = groups.size();
        assert!(commit(&mut groups, "0123456789", 10) && !commit(&mut groups, "0123456789abc", 2));
        assert_eq!(groups.size(), one + 10);
        assert_eq!(groups.create(&"h".into(), &limits), Err(ErrorCode::GROUP_MAX_SIZE_REACHED));
        groups.forget_topic("t");
        assert_eq!(groups.size(), empty);
        groups.create(&"h".into(), &limits).unwrap();
        assert!(groups.get("g").is_none(), "who holds nothing makes room");
        groups.delete("h").unwrap();
        assert_eq!(groups.size(), 0);
    }
}
