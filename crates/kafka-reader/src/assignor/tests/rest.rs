//! Groups come to rest: rebalances that follow each other move less and less, and then nothing.

use super::*;

/// Rounds after the first until nobody gives anything up. Of 120,000 random groups almost all took 1 or 2, none more than 6.
pub(super) const ROUNDS: usize = 10;

/// Lets members rebalance as long as one of them gives something up, which is what opens another round, and says what
/// they have then, and how many rounds that took.
pub(super) fn settle(
    assignor: &dyn Assignor,
    members: &[GroupMember],
    topics: &GroupTopics,
    first: Assignment,
) -> (Assignment, usize) {
    let mut last = first;
    for round in 1..=ROUNDS {
        let next = again(assignor, members, topics, &last);
        let gives_up = |(id, partitions): (&SmolStr, &Vec<TopicPartition>)| {
            partitions.iter().any(|partition| !next[id].contains(partition))
        };
        let rest = !last.iter().any(gives_up);
        last = next;
        if rest {
            return (last, round);
        }
    }
    panic!("{} does not come to rest within {ROUNDS} rounds: {members:?} {topics:?}", assignor.name());
}

fn sets(assignment: &Assignment) -> BTreeMap<&SmolStr, BTreeSet<&TopicPartition>> {
    assignment.iter().map(|(id, partitions)| (id, partitions.iter().collect())).collect()
}

/// Java's assignor does the same: each partition has an owner after a round. A rebalance that something else opens then
/// moves d-1 near its member, which makes the division uneven, and the round after that brings it back.
#[test]
fn a_group_comes_to_rest_where_racks_and_evenness_contradict_each_other() {
    let mut members =
        [member("m0", &["d"]), in_rack("m1", &["a", "d"], "r0"), in_rack("m2", &["d"], "r2"), member("m3", &["a"])];
    members.iter_mut().for_each(|member| remember(&CooperativeStickyAssignor, member, &[], 0));
    remember(&CooperativeStickyAssignor, &mut members[3], &parts("dp1"), 0);
    let mut topics = GroupTopics::new();
    topics.insert_with_racks("a", led_in(&["", "r0"]));
    topics.insert_with_racks("d", led_in(&["r2", "r0", "", "", "", "r0"]));
    let first = CooperativeStickyAssignor.assign(&members, &topics);
    let (rest, rounds) = settle(&CooperativeStickyAssignor, &members, &topics, first);
    assert_eq!((owners(&rest).len(), rounds), (8, 1));
    for _ in 0..3 {
        let (next, rounds) = settle(&CooperativeStickyAssignor, &members, &topics, rest.clone());
        assert_eq!((sets(&next), rounds), (sets(&rest), 2));
    }
}

/// Of Kafka 4.3.0 and 3.9.1: with their assignor t3-2 and t2-4 go to and fro from here, and t2-3 in the rounds between,
/// for ever.
#[test]
fn a_group_comes_to_rest_where_javas_never_does() {
    let all = ["t0", "t1", "t2", "t3", "t4"];
    let mut members =
        [in_rack("m0", &all, "r1"), in_rack("m1", &["t0", "t2", "t4"], "r1"), member("m2", &all), member("m3", &all)];
    let owned = [
        "t1p0 t3p0 t3p1 t3p2 t3p3 t3p6",
        "t0p0 t2p0 t2p1 t2p2 t4p6",
        "t2p4 t2p5 t3p4 t4p0 t4p3 t4p5",
        "t2p6 t3p5 t4p1 t4p2 t4p4 t4p7",
    ];
    for (member, owned) in members.iter_mut().zip(owned) {
        remember(&CooperativeStickyAssignor, member, &parts(owned), 9);
    }
    let mut topics: GroupTopics = [("t0", 1), ("t1", 1)].into_iter().collect();
    topics.insert_with_racks("t2", led_in(&["r1", "r1", "r1", "r1", "", "", ""]));
    topics.insert_with_racks("t3", led_in(&["", "r1", "", "r1", "", "", "r1"]));
    topics.insert_with_racks("t4", led_in(&["", "", "", "", "", "", "r1", ""]));
    let first = CooperativeStickyAssignor.assign(&members, &topics);
    let (rest, rounds) = settle(&CooperativeStickyAssignor, &members, &topics, first);
    assert!(rounds <= 2, "{rounds}");
    assert_eq!(owners(&rest).len(), 24);
    let (next, _) = settle(&CooperativeStickyAssignor, &members, &topics, rest.clone());
    assert_eq!(sets(&next), sets(&rest));
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_group_comes_to_rest_after_every_rebalance((members, topics) in group()) {
        let racks = members.iter().any(|member| member.subscription.rack.is_some());
        for assignor in [&StickyAssignor as &dyn Assignor, &CooperativeStickyAssignor] {
            let first = assignor.assign(&members, &topics);
            let (mut rest, _) = settle(assignor, &members, &topics, first);
            for _ in 0..3 {
                let (next, _) = settle(assignor, &members, &topics, rest.clone());
                // Racks may better what a round before could not yet.
                prop_assert!(racks || sets(&next) == sets(&rest), "{} {:?} {:?}", assignor.name(), rest, next);
                rest = next;
            }
        }
    }
}
