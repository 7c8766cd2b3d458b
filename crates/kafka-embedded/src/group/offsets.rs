//! What a group has committed.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use smol_str::SmolStr;

/// The committed offsets of a group.
#[derive(Debug, Default)]
pub(crate) struct Offsets(BTreeMap<(SmolStr, i32), Committed>);

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: SmolStr,
}

impl Offsets {
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.0.get(&(SmolStr::new(topic), partition))
    }

    /// Commits, unless there are `max` others; whether it did.
    pub(crate) fn commit(&mut self, topic: &SmolStr, partition: i32, committed: Committed, max: usize) -> bool {
        let key = (topic.clone(), partition);
        let fits = self.0.len() < max || self.0.contains_key(&key);
        if fits {
            self.0.insert(key, committed);
        }
        fits
    }

    pub(crate) fn delete(&mut self, topic: &str, partition: i32) {
        self.0.remove(&(SmolStr::new(topic), partition));
    }

    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.0.retain(|(name, _), _| name != topic);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The partitions that something is committed for, by topic.
    pub(crate) fn by_topic(&self) -> BTreeMap<SmolStr, Vec<i32>> {
        let mut topics = BTreeMap::<_, Vec<_>>::new();
        for (topic, partition) in self.0.keys() {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        topics
    }
}
