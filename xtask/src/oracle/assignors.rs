//! The groups that Java divides too: of every sort and size, from a seeded generator, each over several rebalances.

use std::collections::BTreeMap;

use fastrand::Rng;
use kafka_reader::{
    Assignment, Assignor, CooperativeStickyAssignor, GroupMember, GroupTopics, PartitionRacks, RangeAssignor,
    RebalanceProtocol, RoundRobinAssignor, StickyAssignor, Subscription, TopicPartition,
};
use serde_json::{Value, json};

/// `count` groups, dealt to the assignors in turn, a line each.
pub(super) fn lines(seed: u64, count: usize) -> String {
    let assignors: [&dyn Assignor; 4] =
        [&RangeAssignor, &RoundRobinAssignor, &StickyAssignor, &CooperativeStickyAssignor];
    let mut lines = String::new();
    let (mut made, mut number) = (0, 0);
    while made < count {
        let mut random = Rng::with_seed(seed.wrapping_mul(1 << 32) ^ number);
        let mut group = Group::new(assignors[number as usize % assignors.len()], &mut random);
        for generation in 0..random.i32(1..6) {
            lines.push_str(&group.rebalance(&format!("{number}.{generation}"), generation).to_string());
            lines.push('\n');
            made += 1;
            if made == count {
                break;
            }
            group.change(&mut random);
        }
        number += 1;
    }
    lines
}

/// A group that lives through some rebalances.
struct Group<'a> {
    assignor: &'a dyn Assignor,
    members: Vec<GroupMember>,
    topics: BTreeMap<String, Vec<Vec<String>>>,
    /// Whether all members subscribe to the same topics.
    alike: bool,
    racks: usize,
    joined: u32,
}

impl<'a> Group<'a> {
    fn new(assignor: &'a dyn Assignor, random: &mut Rng) -> Self {
        let racks = if random.u8(..3) == 0 { random.usize(1..4) } else { 0 };
        let alike = random.bool();
        let mut group = Self { assignor, members: Vec::new(), topics: BTreeMap::new(), alike, racks, joined: 0 };
        for number in 0..random.usize(1..6) {
            let partitions = (0..random.usize(1..12)).map(|_| group.replicas(random)).collect();
            group.topics.insert(format!("topic-{number}"), partitions);
        }
        (0..random.usize(1..10)).for_each(|_| group.join(random));
        group
    }

    fn replicas(&self, random: &mut Rng) -> Vec<String> {
        let mut racks: Vec<_> = (0..self.racks).map(|rack| format!("rack-{rack}")).collect();
        random.shuffle(&mut racks);
        racks.truncate(random.usize(0..3));
        racks
    }

    fn join(&mut self, random: &mut Rng) {
        self.joined += 1;
        let id = format!("consumer-{}-{:08x}", self.joined, random.u32(..));
        let mut topics: Vec<_> = self.topics.keys().map(|topic| topic.as_str().into()).collect();
        if !self.alike {
            // Java takes a first member without topics for one that has those of the second.
            let kept = random.usize(..topics.len());
            let mut at = 0..;
            topics.retain(|_| at.next() == Some(kept) || random.u8(..3) > 0);
        }
        if random.u8(..8) == 0 {
            topics.push("not-there".into());
        }
        let rack =
            (self.racks > 0 && random.u8(..4) > 0).then(|| format!("rack-{}", random.usize(..self.racks)).into());
        let instance_id = (random.u8(..8) == 0).then(|| format!("instance-{:x}", random.u16(..)).into());
        let subscription =
            Subscription { user_data: self.assignor.user_data(&[], -1), topics, rack, ..Subscription::default() };
        self.members.push(GroupMember { id: id.into(), instance_id, subscription });
    }

    /// Some members go, others come; topics grow.
    fn change(&mut self, random: &mut Rng) {
        for _ in 0..random.usize(0..3) {
            match random.u8(..4) {
                0 if self.members.len() > 1 => drop(self.members.remove(random.usize(..self.members.len()))),
                0 | 1 => self.join(random),
                2 => {
                    let at = random.usize(..self.topics.len());
                    let more: Vec<_> = (0..random.usize(1..4)).map(|_| self.replicas(random)).collect();
                    self.topics.values_mut().nth(at).expect("in range").extend(more);
                }
                _ => random.shuffle(&mut self.members),
            }
        }
    }

    /// Divides the partitions; members remember what they got.
    fn rebalance(&mut self, name: &str, generation: i32) -> Value {
        let mut topics = GroupTopics::new();
        for (topic, partitions) in &self.topics {
            let racks = |replicas: &Vec<String>| PartitionRacks {
                leader: replicas.first().map(Into::into),
                replicas: replicas.iter().map(Into::into).collect(),
            };
            topics.insert_with_racks(topic, partitions.iter().map(racks).collect());
        }
        let assignment = self.assignor.assign(&self.members, &topics);
        let line = json!({
            "name": name,
            "assignor": self.assignor.name(),
            "topics": &self.topics,
            "members": self.members.iter().map(describe).collect::<Vec<_>>(),
            "assignment": assignment.iter().map(|(id, got)| (id.to_string(), pairs(got))).collect::<BTreeMap<_, _>>(),
        });
        self.remember(&assignment, generation);
        line
    }

    fn remember(&mut self, assignment: &Assignment, generation: i32) {
        for member in &mut self.members {
            let owned = &assignment[&member.id];
            member.subscription.user_data = self.assignor.user_data(owned, generation);
            if self.assignor.protocol() == RebalanceProtocol::Cooperative {
                member.subscription.owned.clone_from(owned);
                member.subscription.generation = Some(generation);
            }
        }
    }
}

fn pairs(partitions: &[TopicPartition]) -> Value {
    partitions.iter().map(|partition| json!([partition.topic.as_str(), partition.partition])).collect()
}

fn describe(member: &GroupMember) -> Value {
    let subscription = &member.subscription;
    let hex = |bytes: &bytes::Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "id": member.id.as_str(),
        "instance": member.instance_id.as_deref(),
        "topics": subscription.topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
        "userData": subscription.user_data.as_ref().map(hex),
        "owned": pairs(&subscription.owned),
        "generation": subscription.generation.unwrap_or(-1),
        "rack": subscription.rack.as_deref(),
    })
}
