//! What a group has committed.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use smol_str::SmolStr;

/// The committed offsets of a group.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<(SmolStr, i32), Committed>,
    /// What open transactions are to commit, by their producers' ids.
    held: BTreeMap<i64, BTreeMap<(SmolStr, i32), Committed>>,
    bytes: usize,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: SmolStr,
}

impl Offsets {
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.committed.get(&(SmolStr::new(topic), partition))
    }

    /// Commits, unless there are `max` others, or it takes more than `room` bytes; whether it did.
    pub(crate) fn commit(
        &mut self,
        topic: &SmolStr,
        partition: i32,
        committed: Committed,
        max: usize,
        room: usize,
    ) -> bool {
        let free = max.saturating_sub(self.committed.len());
        put(&mut self.committed, &mut self.bytes, (topic.clone(), partition), committed, free, room)
    }

    /// Keeps an offset until a producer's transaction ends; whether there was room, as for [`commit`](Self::commit).
    pub(crate) fn hold(
        &mut self,
        producer_id: i64,
        topic: &SmolStr,
        partition: i32,
        committed: Committed,
        max: usize,
        room: usize,
    ) -> bool {
        let count = self.committed.len() + self.held.values().map(BTreeMap::len).sum::<usize>();
        let free = max.saturating_sub(count);
        let held = self.held.entry(producer_id).or_default();
        put(held, &mut self.bytes, (topic.clone(), partition), committed, free, room)
    }

    /// Whether an open transaction is to commit an offset of a partition.
    pub(crate) fn is_held(&self, topic: &str, partition: i32) -> bool {
        let key = (SmolStr::new(topic), partition);
        self.held.values().any(|held| held.contains_key(&key))
    }

    /// A producer's transaction has ended: what it held is committed, or dropped.
    pub(crate) fn end(&mut self, producer_id: i64, commits: bool) {
        for ((topic, partition), committed) in self.held.remove(&producer_id).unwrap_or_default() {
            self.bytes -= size(&topic, &committed);
            if commits {
                // There was room for it.
                self.commit(&topic, partition, committed, usize::MAX, usize::MAX);
            }
        }
    }

    pub(crate) fn delete(&mut self, topic: &str, partition: i32) {
        let deleted = self.committed.remove(&(SmolStr::new(topic), partition));
        self.bytes -= deleted.map_or(0, |committed| size(topic, &committed));
    }

    /// Whether there was something to forget.
    pub(crate) fn forget_topic(&mut self, topic: &str) -> bool {
        let of_topic = (SmolStr::new(topic), i32::MIN)..=(SmolStr::new(topic), i32::MAX);
        let partitions: Vec<i32> = self.committed.range(of_topic).map(|((_, partition), _)| *partition).collect();
        partitions.iter().for_each(|partition| self.delete(topic, *partition));
        let mut dropped = 0;
        for held in self.held.values_mut() {
            held.retain(|(name, _), committed| {
                dropped += if name == topic { size(name, committed) } else { 0 };
                name != topic
            });
        }
        self.bytes -= dropped;
        dropped > 0 || !partitions.is_empty()
    }

    /// About the bytes that they take.
    pub(crate) fn size(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.held.values().all(BTreeMap::is_empty)
    }

    /// The partitions that something is committed for, by topic.
    pub(crate) fn by_topic(&self) -> BTreeMap<SmolStr, Vec<i32>> {
        let mut topics = BTreeMap::<_, Vec<_>>::new();
        for (topic, partition) in self.committed.keys() {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        topics
    }
}

/// Puts an offset into its place, and counts its bytes, unless it is a new one and no place is `free`, or it takes more
/// than `room` bytes more than the one that was there; whether it did.
fn put(
    places: &mut BTreeMap<(SmolStr, i32), Committed>,
    bytes: &mut usize,
    key: (SmolStr, i32),
    committed: Committed,
    free: usize,
    room: usize,
) -> bool {
    let (old, new) = (places.get(&key).map(|old| size(&key.0, old)), size(&key.0, &committed));
    let fits = (old.is_some() || free > 0) && new <= old.unwrap_or(0).saturating_add(room);
    if fits {
        places.insert(key, committed);
        *bytes = *bytes - old.unwrap_or(0) + new;
    }
    fits
}

fn size(topic: &str, committed: &Committed) -> usize {
    OFFSET_SIZE + topic.len() + committed.metadata.len()
}

/// What an offset takes without its texts.
const OFFSET_SIZE: usize = 128;
