//! What a group committed, in the order in which its coordinator took it, and who had each partition then: the records
//! of the internal topic `__consumer_offsets`.
//!
//! A broker takes a commit of any member of the current generation, for any partition. With kafka-go's reader that
//! matters: what waits to be committed outlives the generation in which it was read, and is committed in a later one,
//! whoever has the partition by then (segmentio/kafka-go issue 1308). Such steps are counted, and the rules hold for all
//! others. Whose a commit is, the leader's epoch tells: kafka-go's requests have none (OffsetCommit version 2), ours do.
//!
//! Sans-IO.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use kafka_protocol::messages::consumer_offsets::{
    GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use kafka_protocol::messages::consumer_protocol::ConsumerProtocolAssignment;
use kafka_protocol::{DecodeError, Limits, Message};

/// Where the commits of a group led.
#[derive(Debug)]
pub(super) struct Trail {
    group: String,
    rules: Rules,
    pub(super) generation: i32,
    /// The client that has a partition in this generation.
    owners: BTreeMap<i32, String>,
    /// What a commit of a partition must not be below.
    floors: BTreeMap<i32, i64>,
    pub(super) commits: usize,
    pub(super) strays: Vec<Stray>,
    /// Rules that were broken, in words.
    pub(super) broken: Vec<String>,
}

/// For whom the rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    ForAll,
    /// Not for who tells no leader's epoch.
    ForOurs,
}

/// A commit of kafka-go's for a partition that another member had, or below what was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) partition: i32,
    /// What was committed before.
    pub(super) from: i64,
    pub(super) to: i64,
    generation: i32,
    owner: String,
}

impl Stray {
    pub(super) fn goes_back(&self) -> bool {
        self.to < self.from
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, from, to, generation, owner } = self;
        write!(f, "partition {partition} from {from} to {to} in generation {generation}, when {owner:?} had it")
    }
}

impl Trail {
    pub(super) fn new(group: &str, rules: Rules) -> Self {
        Self {
            group: group.to_owned(),
            rules,
            generation: 0,
            owners: BTreeMap::new(),
            floors: BTreeMap::new(),
            commits: 0,
            strays: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Takes the next record of the topic. Those of other groups, and of other kinds, are passed over.
    pub(super) fn handle(&mut self, key: &Bytes, value: &Bytes) -> Result<(), DecodeError> {
        let Some((kind, key)) = split(key) else { return Ok(()) };
        let Some((version, value)) = split(value) else { return Ok(()) };
        match kind {
            OFFSET_COMMIT => {
                let key: OffsetCommitKey = decode(0, key)?;
                if key.group == self.group {
                    let value: OffsetCommitValue = decode(version, value)?;
                    self.handle_commit(key.partition, value.offset, value.leader_epoch);
                }
            }
            GROUP_METADATA => {
                let key: GroupMetadataKey = decode(0, key)?;
                if key.group == self.group {
                    self.handle_generation(decode(version, value)?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_generation(&mut self, value: GroupMetadataValue) -> Result<(), DecodeError> {
        (self.generation, self.owners) = (value.generation, BTreeMap::new());
        for member in value.members {
            let Some((version, assignment)) = split(&member.assignment) else { continue };
            let assignment: ConsumerProtocolAssignment = decode(version, assignment)?;
            let partitions = assignment.assigned_partitions.iter().flat_map(|topic| &topic.partitions);
            self.owners.extend(partitions.map(|partition| (*partition, member.client_id.to_string())));
        }
        Ok(())
    }

    fn handle_commit(&mut self, partition: i32, to: i64, leader_epoch: i32) {
        self.commits += 1;
        let owner = self.owners.get(&partition).cloned().unwrap_or_default();
        // The first one is where reading starts; an empty partition has no epoch yet.
        let from = self.floors.get(&partition).copied();
        let of_kafka_go = self.rules == Rules::ForOurs && leader_epoch < 0 && from.is_some();
        let from = from.unwrap_or_default();
        let is_ours = owner.starts_with(OURS);
        let step = Stray { partition, from, to, generation: self.generation, owner };
        if of_kafka_go && is_ours && !step.goes_back() {
            // Where the owner is does not change.
            self.strays.push(step);
            return;
        }
        self.floors.insert(partition, to);
        match of_kafka_go {
            true if step.goes_back() => self.strays.push(step),
            true => {}
            false if step.goes_back() => self.broken.push(format!("a commit went back: {step}")),
            false if self.rules == Rules::ForOurs && !is_ours && leader_epoch >= 0 => {
                self.broken.push(format!("a member of ours committed what it did not have: {step}"));
            }
            false => {}
        }
    }

    /// Whether a step back explains that a message was read again.
    pub(super) fn took_back(&self, partition: i32, offset: i64) -> bool {
        self.strays.iter().any(|step| step.partition == partition && (step.to..step.from).contains(&offset))
    }
}

/// What the names of our members begin with.
pub(super) const OURS: &str = "ours-";
/// The internal topic.
pub(super) const TOPIC: &str = "__consumer_offsets";

const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;

/// The version before a message, or the kind before a key.
fn split(bytes: &Bytes) -> Option<(i16, Bytes)> {
    let (version, _) = bytes.split_first_chunk()?;
    Some((i16::from_be_bytes(*version), bytes.slice(2..)))
}

fn decode<M: Message>(version: i16, mut bytes: Bytes) -> Result<M, DecodeError> {
    M::decode_prefix(version, &mut bytes, &Limits::default())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::consumer_offsets::MemberMetadata;
    use kafka_protocol::messages::consumer_protocol::TopicPartition;

    use super::*;

    fn encode(front: i16, version: i16, message: &impl Message) -> Bytes {
        let mut buffer = BytesMut::from(&front.to_be_bytes()[..]);
        message.encode(version, &mut buffer).unwrap();
        buffer.freeze()
    }

    /// A trail of one partition: a client that gets it, or a commit with its leader's epoch.
    fn trail(rules: Rules, steps: &[Result<&str, (i64, i32)>]) -> Trail {
        let mut trail = Trail::new("g", rules);
        for (generation, step) in (1..).zip(steps) {
            let (key, value) = match *step {
                Ok(client_id) => {
                    let all = vec![TopicPartition { topic: "t".into(), partitions: vec![0], ..Default::default() }];
                    let assignment = ConsumerProtocolAssignment { assigned_partitions: all, ..Default::default() };
                    let assignment = encode(3, 3, &assignment);
                    let member = MemberMetadata { client_id: client_id.into(), assignment, ..Default::default() };
                    let value = GroupMetadataValue { generation, members: vec![member], ..Default::default() };
                    let key = GroupMetadataKey { group: "g".into(), ..Default::default() };
                    (encode(GROUP_METADATA, 0, &key), encode(3, 3, &value))
                }
                Err((offset, leader_epoch)) => {
                    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), ..Default::default() };
                    let value = OffsetCommitValue { offset, leader_epoch, ..Default::default() };
                    (encode(OFFSET_COMMIT, 0, &key), encode(3, 3, &value))
                }
            };
            trail.handle(&key, &value).unwrap();
        }
        trail
    }

    #[test]
    fn a_commit_that_goes_back_breaks_a_rule() {
        let good = [Ok("java"), Err((0, -1)), Err((5, 0)), Err((5, 0)), Ok("ours-1"), Err((6, 0))];
        let found = trail(Rules::ForAll, &good);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        assert_eq!((found.commits, found.floors.get(&0)), (4, Some(&6)));
        let found = trail(Rules::ForAll, &[&good[..], &[Err((5, 0))]].concat());
        assert_eq!(found.broken.len(), 1);
        let found = trail(Rules::ForAll, &[&good[..], &[Err((5, -1))]].concat());
        assert_eq!(found.broken.len(), 1, "with Java, nobody may");
    }

    #[test]
    fn steps_of_kafka_gos_are_counted_and_explain_what_is_read_again() {
        let steps = [Ok("kafka-go"), Err((0, -1)), Err((5, -1)), Ok("ours-1"), Err((9, 0)), Err((4, -1)), Err((10, 0))];
        let found = trail(Rules::ForOurs, &steps);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        let [step] = &found.strays[..] else { panic!("{:?}", found.strays) };
        assert_eq!(step.to_string(), "partition 0 from 9 to 4 in generation 4, when \"ours-1\" had it");
        assert!(step.goes_back() && found.took_back(0, 4) && found.took_back(0, 8));
        assert!(!found.took_back(0, 3) && !found.took_back(0, 9) && !found.took_back(1, 5));
    }

    #[test]
    fn a_step_ahead_of_the_owner_changes_nothing_for_it() {
        let steps = [Ok("ours-1"), Err((5, 0)), Err((20, -1)), Err((6, 0))];
        let found = trail(Rules::ForOurs, &steps);
        assert!(found.broken.is_empty() && found.strays.len() == 1, "{found:?}");
        let found = trail(Rules::ForOurs, &[&steps[..], &[Err((5, 0))]].concat());
        assert_eq!(found.broken.len(), 1, "ours went back");
    }

    #[test]
    fn ours_commit_what_they_have_and_nothing_else() {
        let found = trail(Rules::ForOurs, &[Ok("ours-1"), Err((5, 0)), Ok("kafka-go"), Err((6, 0))]);
        assert_eq!(found.broken.len(), 1, "{:?}", found.broken);
    }

    #[test]
    fn other_groups_and_other_records_are_passed_over() {
        let mut trail = Trail::new("other", Rules::ForAll);
        let key = OffsetCommitKey { group: "g".into(), ..Default::default() };
        let value = encode(3, 3, &OffsetCommitValue::default());
        for key in [encode(OFFSET_COMMIT, 0, &key), encode(17, 0, &key), Bytes::new()] {
            trail.handle(&key, &value).unwrap();
            trail.handle(&key, &Bytes::new()).unwrap();
        }
        assert_eq!(trail.commits, 0);
    }
}
