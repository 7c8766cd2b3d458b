//! What the members of a group can all do, and what they would rather do.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::group::Subscription;

/// How many of some members can do each protocol.
pub(super) struct Common<'a> {
    members: usize,
    supporters: BTreeMap<&'a str, usize>,
}

impl<'a> Common<'a> {
    pub(super) fn of(members: impl Iterator<Item = &'a Subscription>) -> Self {
        let mut common = Self { members: 0, supporters: BTreeMap::new() };
        for subscription in members {
            common.members += 1;
            for (name, _) in &subscription.protocols {
                *common.supporters.entry(name).or_default() += 1;
            }
        }
        common
    }

    pub(super) fn is_of_nobody(&self) -> bool {
        self.members == 0
    }

    /// Whether all of them can do it.
    pub(super) fn has(&self, protocol: &str) -> bool {
        self.supporters.get(protocol) == Some(&self.members)
    }
}

/// Of what all can do, what most like best; of several, what was named first.
pub(super) fn vote(members: &[&Subscription]) -> SmolStr {
    let common = Common::of(members.iter().copied());
    let best = |member: &&Subscription| -> Option<SmolStr> {
        member.protocols.iter().map(|(name, _)| name).find(|name| common.has(name)).cloned()
    };
    let named: Vec<SmolStr> = members.iter().filter_map(best).collect();
    let mut votes = BTreeMap::<&SmolStr, usize>::new();
    named.iter().for_each(|name| *votes.entry(name).or_default() += 1);
    let most = votes.values().max().copied().unwrap_or_default();
    named.iter().find(|name| votes.get(name) == Some(&most)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::group::Client;

    fn member(protocols: &[&str]) -> Subscription {
        Subscription {
            client: Client::default(),
            instance_id: None,
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocol_type: "consumer".into(),
            protocols: protocols.iter().map(|name| (SmolStr::new(name), Bytes::new())).collect(),
        }
    }

    #[test]
    fn what_most_like_best_of_what_all_can_do_wins() {
        let members = [member(&["own", "b", "a"]), member(&["a", "b"]), member(&["b", "a"])];
        let [one, two, three] = &members;
        assert_eq!(vote(&[one, two, three]), "b");
        assert_eq!(vote(&[one, two]), "b", "named first");
        assert_eq!(vote(&[]), "");
        let common = Common::of(members.iter());
        assert!(common.has("a") && common.has("b") && !common.has("own") && !common.is_of_nobody());
    }
}
