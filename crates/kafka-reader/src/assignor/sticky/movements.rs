//! What was moved from whom to whom, so that nothing is moved there and back.
//!
//! Sans-IO.

use std::collections::HashMap;

use crate::assignor::roster::{Roster, java_bucket, java_hash};

/// The moves of partitions so far; several of one partition are one, from its first member to its last.
#[derive(Debug, Default)]
pub(super) struct Movements {
    /// From and to, by partition.
    moves: HashMap<usize, (usize, usize)>,
    /// Partitions by topic, from and to, in the order in which they moved.
    pairs: HashMap<(usize, usize, usize), Vec<usize>>,
}

impl Movements {
    pub(super) fn record(&mut self, roster: &Roster<'_>, partition: usize, from: usize, to: usize) {
        let topic = roster.topic_of(partition);
        let mut first = from;
        if let Some((source, last)) = self.moves.remove(&partition) {
            if let Some(moved) = self.pairs.get_mut(&(topic, source, last)) {
                moved.retain(|moved| *moved != partition);
            }
            first = source;
        }
        // Back where it came from, it has not moved.
        if first != to {
            self.moves.insert(partition, (first, to));
            self.pairs.entry((topic, first, to)).or_default().push(partition);
        }
    }

    /// The partition to move in place of `partition`: one of the same topic that moved the other way before, if there is
    /// one.
    pub(super) fn instead(&self, roster: &Roster<'_>, partition: usize, from: usize, to: usize) -> usize {
        let source = self.moves.get(&partition).map_or(from, |(source, _)| *source);
        let topic = roster.topic_of(partition);
        let back = self.pairs.get(&(topic, to, source)).map(Vec::as_slice).unwrap_or_default();
        let first = back.iter().min_by_key(|moved| java_bucket(java_partition_hash(roster, **moved), 16));
        first.copied().unwrap_or(partition)
    }
}

/// `TopicPartition.hashCode`: Java takes the first one of a `HashSet`.
fn java_partition_hash(roster: &Roster<'_>, partition: usize) -> u32 {
    let name = roster.name(partition);
    let index = u32::from_ne_bytes(name.partition.to_ne_bytes());
    31u32.wrapping_add(index).wrapping_mul(31).wrapping_add(java_hash(&name.topic))
}
