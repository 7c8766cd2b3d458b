//! All partitions, one after the other, to all members in turn.
//!
//! Sans-IO.

use super::roster::Roster;
use super::{Assignment, Assignor, GroupMember, GroupTopics};

/// Deals the partitions of all topics, in the order of topic and index, to the members in the order of their ids; who
/// does not subscribe to a topic is passed over (Java `RoundRobinAssignor`).
///
/// ```
/// use kafka_reader::{Assignor, GroupMember, RoundRobinAssignor, Subscription};
///
/// let member = |id: &str| {
///     let subscription = Subscription { topics: vec!["orders".into()], ..Subscription::default() };
///     GroupMember { id: id.into(), subscription, ..GroupMember::default() }
/// };
/// let topics = [("orders", 3)].into_iter().collect();
/// let assignment = RoundRobinAssignor.assign(&[member("a"), member("b")], &topics);
/// assert_eq!((assignment["a"].len(), assignment["b"].len()), (2, 1));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &'static str {
        "roundrobin"
    }

    fn assign(&self, members: &[GroupMember], topics: &GroupTopics) -> Assignment {
        let roster = Roster::new(members, topics);
        let mut order: Vec<usize> = (0..roster.members.len()).collect();
        order.sort_by_key(|member| roster.members[*member].rank());
        let mut turns = order.iter().copied().cycle();
        let mut plan = vec![Vec::new(); order.len()];
        for (number, _) in roster.topics.iter().enumerate() {
            for partition in roster.range(number) {
                // Somebody subscribes to it, or the topic would not be there.
                if let Some(member) = turns.by_ref().find(|member| roster.wants[*member].contains(&number)) {
                    plan[member].push(partition);
                }
            }
        }
        roster.assignment(&plan)
    }
}
