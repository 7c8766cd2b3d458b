//! Worked examples, and what must hold for every group.

mod rest;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn member(id: &str, topics: &[&str]) -> GroupMember {
    let topics = topics.iter().copied().map(SmolStr::from).collect();
    GroupMember { id: id.into(), subscription: Subscription { topics, ..Subscription::default() }, instance_id: None }
}

fn parts(text: &str) -> Vec<TopicPartition> {
    let part = |part: &str| {
        let (topic, index) = part.split_once('p').unwrap();
        TopicPartition::new(topic, index.parse().unwrap())
    };
    text.split_whitespace().map(part).collect()
}

fn check(assignor: &dyn Assignor, members: &[GroupMember], topics: &[(&str, usize)], expected: &[(&str, &str)]) {
    let assignment = assignor.assign(members, &topics.iter().copied().collect());
    let expected: Assignment = expected.iter().map(|(id, text)| ((*id).into(), parts(text))).collect();
    let sorted = |mut partitions: Vec<TopicPartition>| {
        partitions.sort();
        partitions
    };
    let assignment: Assignment = assignment.into_iter().map(|(id, partitions)| (id, sorted(partitions))).collect();
    assert_eq!(assignment, expected, "{} {members:?} {topics:?}", assignor.name());
}

#[test]
fn round_robin_goes_over_all_topics_together() {
    let members = [member("C0", &["t0"]), member("C1", &["t0", "t1"]), member("C2", &["t0", "t1", "t2"])];
    let topics = [("t0", 1), ("t1", 2), ("t2", 3)];
    check(&RoundRobinAssignor, &members, &topics, &[("C0", "t0p0"), ("C1", "t1p0"), ("C2", "t1p1 t2p0 t2p1 t2p2")]);
    check(&RoundRobinAssignor, &[], &topics, &[]);
    let two = [member("a", &["t1", "t2"]), member("b", &["t2", "t3"])];
    check(
        &RoundRobinAssignor,
        &two,
        &[("t1", 3), ("t2", 3), ("t3", 3)],
        &[("a", "t1p0 t1p1 t1p2 t2p1"), ("b", "t2p0 t2p2 t3p0 t3p1 t3p2")],
    );
}

#[test]
fn range_gives_the_first_members_one_more() {
    let two = [member("C0", &["t0", "t1"]), member("C1", &["t0", "t1"])];
    check(&RangeAssignor, &two, &[("t0", 3), ("t1", 3)], &[("C0", "t0p0 t0p1 t1p0 t1p1"), ("C1", "t0p2 t1p2")]);
    let sizes = |partitions: usize, members: usize| {
        let members: Vec<_> = (0..members).map(|number| member(&format!("C{number}"), &["t"])).collect();
        let assignment = RangeAssignor.assign(&members, &[("t", partitions)].into_iter().collect());
        assignment.into_values().map(|partitions| partitions.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(5, 2), [3, 2]);
    assert_eq!(sizes(7, 3), [3, 2, 2]);
    assert_eq!(sizes(10, 4), [3, 3, 2, 2]);
    assert_eq!(sizes(2, 3), [1, 1, 0]);
    assert!(sizes(213, 66).iter().all(|size| [3, 4].contains(size)));
    check(&RangeAssignor, &[member("a", &["none"])], &[], &[("a", "")]);
}

#[test]
fn static_members_keep_their_place_whatever_their_ids() {
    let fixed =
        |id: &str, instance_id: &str| GroupMember { instance_id: Some(instance_id.into()), ..member(id, &["t"]) };
    let members = [member("a", &["t"]), fixed("z", "1"), fixed("b", "2")];
    check(&RangeAssignor, &members, &[("t", 3)], &[("z", "tp0"), ("b", "tp1"), ("a", "tp2")]);
    check(&RoundRobinAssignor, &members, &[("t", 3)], &[("z", "tp0"), ("b", "tp1"), ("a", "tp2")]);
}

fn in_rack(id: &str, topics: &[&str], rack: &str) -> GroupMember {
    let mut member = member(id, topics);
    member.subscription.user_data = RackAffinityAssignor { rack: rack.into() }.user_data(&[], -1);
    member.subscription.rack = Some(rack.into()).filter(|_| !rack.is_empty());
    member
}

fn led_in(racks: &[&str]) -> Vec<PartitionRacks> {
    let led = |rack: &&str| {
        let rack = Some(SmolStr::from(*rack)).filter(|rack| !rack.is_empty());
        PartitionRacks { replicas: rack.iter().cloned().collect(), leader: rack }
    };
    racks.iter().map(led).collect()
}

/// For each rack of members, how many partitions they have of each rack.
type Counts = BTreeMap<&'static str, BTreeMap<&'static str, usize>>;

fn affinity(members: &[(&'static str, usize)], partitions: &[(&'static str, usize)]) -> Counts {
    let racks: Vec<_> = partitions.iter().flat_map(|(rack, count)| vec![*rack; *count]).collect();
    let mut topics = GroupTopics::new();
    topics.insert_with_racks("t", led_in(&racks));
    let numbered = members.iter().flat_map(|(rack, count)| (0..*count).map(move |number| (*rack, number)));
    let all: Vec<_> =
        numbered.map(|(rack, number)| (rack, in_rack(&format!("{rack}-{number}"), &["t"], rack))).collect();
    let list: Vec<_> = all.iter().map(|(_, member)| member.clone()).collect();
    let assignment = RackAffinityAssignor::default().assign(&list, &topics);
    let mut counts = Counts::new();
    for (rack, member) in &all {
        let got = &assignment[&member.id];
        let share = racks.len() / all.len();
        assert!((share..=share + 1).contains(&got.len()), "{got:?}");
        for partition in got {
            *counts.entry(rack).or_default().entry(racks[partition.partition as usize]).or_default() += 1;
        }
    }
    counts
}

#[test]
fn rack_affinity_as_its_table_says() {
    let counts = |rows: &[(&'static str, &[(&'static str, usize)])]| -> Counts {
        rows.iter().map(|(rack, counts)| (*rack, counts.iter().copied().collect())).collect()
    };
    let rows = [
        (
            affinity(&[("", 1), ("z1", 1), ("z2", 1)], &[("z1", 5), ("z2", 4), ("", 9)]),
            counts(&[("z1", &[("", 1), ("z1", 5)]), ("z2", &[("", 2), ("z2", 4)]), ("", &[("", 6)])]),
        ),
        (affinity(&[("", 5)], &[("", 103)]), counts(&[("", &[("", 103)])])),
        (
            affinity(&[("z1", 3), ("z2", 3), ("z3", 3)], &[("z1", 20), ("z2", 19), ("z3", 20)]),
            counts(&[("z1", &[("z1", 20)]), ("z2", &[("z2", 19)]), ("z3", &[("z3", 20)])]),
        ),
        (
            affinity(&[("z1", 1), ("z2", 1), ("z3", 1)], &[("z1", 7), ("z3", 7)]),
            counts(&[("z1", &[("z1", 5)]), ("z2", &[("z1", 2), ("z3", 2)]), ("z3", &[("z3", 5)])]),
        ),
        (
            affinity(&[("z1", 5), ("z2", 3), ("z3", 1)], &[("z1", 9), ("z2", 9), ("z3", 9)]),
            counts(&[("z1", &[("z1", 9), ("z3", 6)]), ("z2", &[("z2", 9)]), ("z3", &[("z3", 3)])]),
        ),
        (affinity(&[("z2", 10)], &[("z1", 20), ("z3", 19)]), counts(&[("z2", &[("z1", 20), ("z3", 19)])])),
    ];
    for (found, expected) in rows {
        assert_eq!(found, expected);
    }
}

#[test]
fn rack_affinity_divides_each_topic_by_itself() {
    let members = [in_rack("1", &["a", "b"], "z1"), in_rack("2", &["b", "c"], "z2"), in_rack("3", &["c", "a"], "z3")];
    let mut topics = GroupTopics::new();
    topics.insert_with_racks("a", led_in(&["z1", "z3"]));
    topics.insert_with_racks("b", led_in(&["z1", "z2"]));
    topics.insert_with_racks("c", led_in(&["z3", "z2"]));
    let assignment = RackAffinityAssignor::default().assign(&members, &topics);
    let expected = [("1", "ap0 bp0"), ("2", "bp1 cp1"), ("3", "ap1 cp0")];
    assert_eq!(assignment, expected.iter().map(|(id, text)| ((*id).into(), parts(text))).collect());
}

#[test]
fn range_prefers_partitions_near_its_members() {
    let members = [in_rack("C0", &["t"], "z2"), in_rack("C1", &["t"], "z1")];
    let mut topics = GroupTopics::new();
    topics.insert_with_racks("t", led_in(&["z1", "z1", "z2", "z2"]));
    let assignment = RangeAssignor.assign(&members, &topics);
    assert_eq!(assignment["C0"], parts("tp2 tp3"));
    assert_eq!(assignment["C1"], parts("tp0 tp1"));
}

/// Lets members say what they were assigned, in the way of an assignor.
fn remember(assignor: &dyn Assignor, member: &mut GroupMember, owned: &[TopicPartition], generation: i32) {
    member.subscription.user_data = assignor.user_data(owned, generation);
    if assignor.protocol() == RebalanceProtocol::Cooperative {
        (member.subscription.owned, member.subscription.generation) = (owned.to_vec(), Some(generation));
    }
}

#[test]
fn sticky_takes_from_others_only_what_a_new_member_needs() {
    let topics = [("t", 6)];
    let mut members = vec![member("a", &["t"]), member("b", &["t"])];
    check(&StickyAssignor, &members, &topics, &[("a", "tp0 tp2 tp4"), ("b", "tp1 tp3 tp5")]);
    remember(&StickyAssignor, &mut members[0], &parts("tp0 tp2 tp4"), 1);
    remember(&StickyAssignor, &mut members[1], &parts("tp1 tp3 tp5"), 1);
    members.push(member("c", &["t"]));
    check(&StickyAssignor, &members, &topics, &[("a", "tp0 tp2"), ("b", "tp1 tp3"), ("c", "tp4 tp5")]);
    members.remove(0);
    check(&StickyAssignor, &members, &topics, &[("b", "tp1 tp3 tp5"), ("c", "tp0 tp2 tp4")]);
}

#[test]
fn who_was_away_claims_nothing_that_others_got_since() {
    let mut members = [member("a", &["t"]), member("b", &["t"])];
    remember(&StickyAssignor, &mut members[0], &parts("tp0 tp1"), 3);
    remember(&StickyAssignor, &mut members[1], &parts("tp1 tp2 tp3"), 2);
    check(&StickyAssignor, &members, &[("t", 4)], &[("a", "tp0 tp1"), ("b", "tp2 tp3")]);
}

#[test]
fn cooperative_withholds_what_moves_until_it_is_given_up() {
    let topics = [("t", 6)];
    let assignor = CooperativeStickyAssignor;
    let mut members = vec![member("a", &["t"]), member("b", &["t"])];
    remember(&assignor, &mut members[0], &parts("tp0 tp2 tp4"), 1);
    remember(&assignor, &mut members[1], &parts("tp1 tp3 tp5"), 1);
    members.push(member("c", &["t"]));
    check(&assignor, &members, &topics, &[("a", "tp0 tp2"), ("b", "tp1 tp3"), ("c", "")]);
    remember(&assignor, &mut members[0], &parts("tp0 tp2"), 2);
    remember(&assignor, &mut members[1], &parts("tp1 tp3"), 2);
    remember(&assignor, &mut members[2], &[], 2);
    check(&assignor, &members, &topics, &[("a", "tp0 tp2"), ("b", "tp1 tp3"), ("c", "tp4 tp5")]);
}

#[test]
fn what_two_claim_in_one_generation_goes_to_neither_at_once() {
    let mut members = [member("a", &["t"]), member("b", &["t"])];
    remember(&CooperativeStickyAssignor, &mut members[0], &parts("tp0 tp1"), 1);
    remember(&CooperativeStickyAssignor, &mut members[1], &parts("tp1 tp2"), 1);
    let assignment = CooperativeStickyAssignor.assign(&members, &[("t", 3)].into_iter().collect());
    assert!(assignment.values().flatten().all(|partition| partition.partition != 1), "{assignment:?}");
}

fn all() -> Vec<Box<dyn Assignor>> {
    vec![
        Box::new(RangeAssignor),
        Box::new(RoundRobinAssignor),
        Box::new(StickyAssignor),
        Box::new(CooperativeStickyAssignor),
        Box::new(RackAffinityAssignor::default()),
    ]
}

/// Topics, what it had, in which generation, and its rack.
type Said = (BTreeSet<&'static str>, Vec<(&'static str, i32)>, i32, Option<String>);

fn group() -> impl Strategy<Value = (Vec<GroupMember>, GroupTopics)> {
    let topic = || prop::sample::select(vec!["a", "b", "c", "d"]);
    let owned = prop::collection::vec((topic(), 0..9i32), 0..12);
    let member = (prop::collection::btree_set(topic(), 0..4), owned, -1..4i32, prop::option::of("r[0-3]"));
    let members = prop::collection::vec(member, 0..7).prop_map(|members| {
        let member = |(number, said): (usize, Said)| {
            let (topics, owned, generation, rack) = said;
            let owned: Vec<_> = owned.into_iter().map(|(topic, index)| TopicPartition::new(topic, index)).collect();
            let subscription = Subscription {
                topics: topics.into_iter().map(SmolStr::from).collect(),
                user_data: StickyAssignor.user_data(&owned, generation),
                owned,
                generation: Some(generation).filter(|generation| *generation >= 0),
                rack: rack.map(SmolStr::from),
            };
            GroupMember { id: format!("m{number}").into(), instance_id: None, subscription }
        };
        members.into_iter().enumerate().map(member).collect::<Vec<_>>()
    });
    let racks = prop::collection::btree_set("r[0-3]", 0..3).prop_map(|racks| PartitionRacks {
        leader: racks.first().map(SmolStr::from),
        replicas: racks.into_iter().map(SmolStr::from).collect(),
    });
    let topics = prop::collection::btree_map(topic(), prop::collection::vec(racks, 0..9), 0..4);
    let topics = topics.prop_map(|topics| {
        let mut all = GroupTopics::new();
        topics.into_iter().for_each(|(topic, racks)| all.insert_with_racks(topic, racks));
        all
    });
    (members, topics)
}

/// What another round gives, where members have what they were given before.
fn again(assignor: &dyn Assignor, members: &[GroupMember], topics: &GroupTopics, before: &Assignment) -> Assignment {
    let mut members = members.to_vec();
    members.iter_mut().for_each(|member| remember(assignor, member, &before[&member.id], 9));
    assignor.assign(&members, topics)
}

fn owners(assignment: &Assignment) -> BTreeMap<&TopicPartition, &SmolStr> {
    assignment.iter().flat_map(|(id, partitions)| partitions.iter().map(move |part| (part, id))).collect()
}

/// So many cases, or as many as `PROPTEST_CASES` says.
fn cases(count: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: count, ..config } }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn each_partition_has_one_owner_that_wants_it((members, topics) in group()) {
        for assignor in all() {
            let first = assignor.assign(&members, &topics);
            prop_assert_eq!(first.len(), members.len());
            // What the cooperative one withholds it gives in the rounds that follow.
            let assignment = match assignor.protocol() {
                RebalanceProtocol::Cooperative => rest::settle(&*assignor, &members, &topics, first).0,
                RebalanceProtocol::Eager => first,
            };
            let owners = owners(&assignment);
            prop_assert_eq!(owners.len(), assignment.values().map(Vec::len).sum::<usize>(), "given twice");
            for (topic, partitions) in topics.iter() {
                let subscribers: Vec<_> =
                    members.iter().filter(|member| member.subscription.topics.contains(topic)).map(|member| &member.id).collect();
                for index in 0..partitions.len() {
                    let owner = owners.get(&TopicPartition::new(topic.clone(), index as i32));
                    prop_assert_eq!(owner.is_some(), !subscribers.is_empty(), "{}: {}-{}", assignor.name(), topic, index);
                    prop_assert!(owner.is_none_or(|owner| subscribers.contains(owner)));
                }
            }
        }
    }

    #[test]
    fn cooperative_never_gives_a_member_what_another_has((mut members, topics) in group()) {
        members.iter_mut().for_each(|member| member.subscription.user_data = None);
        let assignment = CooperativeStickyAssignor.assign(&members, &topics);
        for (id, partitions) in &assignment {
            for partition in partitions {
                let generation = |member: &&GroupMember| member.subscription.generation;
                let claims = members.iter().filter(|member| member.subscription.owned.contains(partition));
                let newest = claims.clone().max_by_key(generation).and_then(|member| member.subscription.generation);
                let have = claims.filter(|member| member.subscription.generation == newest);
                let have: Vec<_> = have.map(|member| &member.id).collect();
                prop_assert!(have.is_empty() || have == [id], "{} {:?} {:?}", id, partition, have);
            }
        }
    }

    #[test]
    fn user_data_of_others_is_no_danger(data in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut members = vec![member("a", &["t"]), member("b", &["t"])];
        members[0].subscription.user_data = Some(Bytes::from(data.clone()));
        for assignor in all() {
            let assignment = assignor.assign(&members, &[("t", 4)].into_iter().collect());
            prop_assert_eq!(assignment.values().map(Vec::len).sum::<usize>(), 4);
        }
        let _any = Subscription::decode(&Bytes::from(data.clone()));
        let _any = decode_assignment(&Bytes::from(data));
    }
}
