//! As sticky, without stopping the world.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use smol_str::SmolStr;

use super::sticky::{self, Claimed};
use super::{Assignment, Assignor, GroupMember, GroupTopics, RebalanceProtocol};
use crate::topic_partition::TopicPartition;

/// Divides as [`StickyAssignor`](super::StickyAssignor) does, but members keep what they have while they rebalance, and
/// give up only what goes to others (Java `CooperativeStickyAssignor`, KIP-429).
///
/// A partition that moves is given to nobody at first: its member gives it up and joins again, and then it is given to
/// the other.
///
/// With racks and members that subscribe to different topics, Java's may never come to rest: each rebalance moves what
/// brings about the next. This one comes to rest after a few ([`StickyAssignor`](super::StickyAssignor) says how it
/// differs).
#[derive(Clone, Copy, Debug, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &'static str {
        "cooperative-sticky"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    /// The generation, for leaders that read no newer subscriptions.
    fn user_data(&self, _owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
    }

    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
        let claimed: Vec<_> = members.iter().map(claimed).collect();
        let outcome = sticky::assign(members, topics, &claimed);
        let mut assignment = outcome.assignment;
        let moved = outcome.moved.unwrap_or_else(|| moved(members, &claimed, &assignment));
        assignment.values_mut().for_each(|partitions| partitions.retain(|partition| !moved.contains(partition)));
        assignment
    }
}

fn claimed(member: &GroupMember) -> Claimed {
    let subscription = &member.subscription;
    let said = || subscription.user_data.as_deref().and_then(|mut data| data.try_get_i32().ok());
    let generation = subscription.generation.or_else(said).filter(|generation| *generation >= 0);
    Claimed { partitions: subscription.owned.clone(), generation }
}

/// The partitions that would go to one member while another still has them, as far as it knows.
fn moved(members: &[GroupMember], claimed: &[Claimed], assignment: &Assignment) -> BTreeSet<TopicPartition> {
    let mut owners: BTreeMap<&TopicPartition, Vec<(&SmolStr, Option<i32>)>> = BTreeMap::new();
    for (member, Claimed { partitions, generation }) in members.iter().zip(claimed) {
        partitions.iter().for_each(|partition| owners.entry(partition).or_default().push((&member.id, *generation)));
    }
    let mut moved = BTreeSet::new();
    for (member, partitions) in assignment {
        let others = |partition: &&TopicPartition| {
            let owners = owners.get(partition).map(Vec::as_slice).unwrap_or_default();
            let own = owners.iter().find(|(owner, _)| *owner == member);
            // Who has had it since a later generation than all others need not wait for them.
            owners.iter().any(|(owner, since)| *owner != member && own.is_none_or(|(_, own)| since >= own))
        };
        moved.extend(partitions.iter().filter(others).cloned());
    }
    moved
}
