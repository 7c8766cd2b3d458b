//! How the partitions of a group's topics are divided among its members.
//!
//! ```text
//!  Subscription of each member ─┐
//!                               ├─► leader: Assignor::assign ─► Assignment: partitions of each member
//!  GroupTopics: partitions ─────┘
//! ```
//!
//! One member of a group, its leader, computes the assignment of all. Which [`Assignor`] it uses the broker decides: the
//! first one of the list that all members have. The results are those of Java's classes of the same name, so that a
//! group may have members of both, and a leader of either. Only the sticky ones leave members more where Java's would move
//! it for the sake of racks and win nothing.
//!
//! Sans-IO.

mod cooperative_sticky;
mod rack_affinity;
mod racks;
mod range;
mod roster;
mod round_robin;
mod sticky;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use smol_str::SmolStr;

pub use cooperative_sticky::CooperativeStickyAssignor;
pub use rack_affinity::RackAffinityAssignor;
pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::StickyAssignor;
pub use subscription::Subscription;
pub(crate) use subscription::{decode_assignment, encode_assignment};
pub use topics::{GroupTopics, PartitionRacks};

use crate::topic_partition::TopicPartition;

/// What each member gets, by member id. Every member is in it, also one that gets nothing.
pub type Assignment = BTreeMap<SmolStr, Vec<TopicPartition>>;

/// A rule that divides partitions among the members of a group (Java `ConsumerPartitionAssignor`, kafka-go
/// `GroupBalancer`).
///
/// A rule is a pure function of what members say and what topics have. Whatever members say, it gives each partition to
/// one member at most, and only to one that subscribes to its topic.
pub trait Assignor: fmt::Debug + Send + Sync {
    /// Its name in the protocol: what members have in common is found by it.
    fn name(&self) -> &'static str;

    /// Whether members keep what they have while the group rebalances. Default [`RebalanceProtocol::Eager`].
    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    /// What a member tells the leader beside its subscription, where `owned` is what it was assigned last, in
    /// `generation` (-1 where there was none). Default: nothing.
    fn user_data(&self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        let _ = (owned, generation);
        None
    }

    /// Divides the partitions of `topics` among `members`, which are in the order in which the broker lists them.
    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment;
}

/// Whether a member keeps its partitions while its group rebalances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RebalanceProtocol {
    /// It gives up all of them before it joins again.
    #[default]
    Eager,
    /// It keeps all of them but those that the new assignment takes from it; these are assigned to others by another
    /// rebalance, once it has given them up (KIP-429).
    Cooperative,
}

/// A member as the leader of its group sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the broker gave it.
    pub id: SmolStr,
    /// The id that it was configured with, if it is a static member (KIP-345).
    pub instance_id: Option<SmolStr>,
    /// What it subscribes to, and what it has.
    pub subscription: Subscription,
}

impl GroupMember {
    /// The order in which Java's assignors go over members: static ones first, by their configured ids, so that a
    /// restart, which changes the id but not the configuration, changes no assignment.
    fn rank(&self) -> (bool, &str) {
        match &self.instance_id {
            Some(instance_id) => (false, instance_id),
            None => (true, &self.id),
        }
    }
}
