//! As even as can be, and as much as before as can be.
//!
//! ```text
//!  what members say they had ─► Claims ─► all subscribe to the same? ─ yes ─► constrained ─► Assignment
//!                                                                    └─ no ──► general ───┘
//! ```
//!
//! Sans-IO.

mod claims;
mod constrained;
mod general;
mod movements;
mod user_data;

use std::collections::BTreeSet;

use bytes::Bytes;

use super::racks::Racks;
use super::roster::Roster;
use super::{Assignment, Assignor, GroupMember, GroupTopics};
use crate::topic_partition::TopicPartition;
pub(super) use claims::Claimed;
use claims::Claims;

/// Divides all partitions evenly, and leaves with each member as much of what it had as that allows (Java
/// `StickyAssignor`, KIP-54).
///
/// It is eager: members give everything up before they join, and get most of it back. What a member had it tells in its
/// user data, with the generation in which it got that: who was away for a while claims no more than what nobody got
/// since.
///
/// Java's takes from members what is far from their racks also where nothing comes of it, so that the same group is divided
/// in another way each time. Where more would stay if they kept it, this one takes it only if the division gets more even
/// by that, or has fewer partitions far from their members. It matters only where members subscribe to different topics.
#[derive(Clone, Copy, Debug, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn user_data(&self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        (generation >= 0).then(|| user_data::encode(owned, generation))
    }

    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
        let said = |member: &GroupMember| member.subscription.user_data.as_ref().and_then(user_data::decode);
        let claimed: Vec<_> = members.iter().map(|member| said(member).unwrap_or_default()).collect();
        assign(members, topics, &claimed).assignment
    }
}

/// What came out.
pub(super) struct Outcome {
    pub(super) assignment: Assignment,
    /// The partitions that one member had and another gets, where that is known already: all members subscribe to the
    /// same.
    pub(super) moved: Option<BTreeSet<TopicPartition>>,
}

/// Divides the partitions, where members claim to have had `claimed`, which are in the order of `members`.
pub(super) fn assign(members: &[GroupMember], topics: &GroupTopics, claimed: &[Claimed]) -> Outcome {
    let roster = Roster::new(members, topics);
    let racks = Racks::new(&roster.members, partition_racks(&roster, topics));
    let claims = Claims::new(&roster, members, claimed);
    if !subscribe_alike(members) {
        return Outcome { assignment: roster.assignment(&general::assign(&roster, &racks, &claims)), moved: None };
    }
    let (plan, moved) = constrained::assign(&roster, &racks, &claims);
    let moved = moved.into_iter().map(|partition| roster.name(partition)).collect();
    Outcome { assignment: roster.assignment(&plan), moved: Some(moved) }
}

fn partition_racks<'a>(roster: &Roster<'a>, topics: &'a GroupTopics) -> Vec<&'a super::PartitionRacks> {
    let wanted: BTreeSet<_> = roster.topics.iter().map(|topic| topic.name).collect();
    topics.iter().filter(|(name, _)| wanted.contains(name)).flat_map(|(_, partitions)| partitions).collect()
}

/// Whether all members subscribe to the same topics, those that do not exist included.
fn subscribe_alike(members: &[GroupMember]) -> bool {
    let mut sets = members.iter().map(|member| member.subscription.topics.iter().collect::<BTreeSet<_>>());
    sets.next().is_none_or(|first| sets.all(|set| set == first))
}
