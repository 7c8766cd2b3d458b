//! What the members of a group read: each message by whom, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What members read, and which of them crashed or froze.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By partition and offset.
    read: BTreeMap<(i32, i64), Vec<usize>>,
    excused: BTreeSet<usize>,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member has processed a message.
    pub(crate) fn read(&self, member: usize, partition: i32, offset: i64) {
        self.lock().read.entry((partition, offset)).or_default().push(member);
    }

    /// A member goes without a word, or comes back too late: what it read and did not commit, others read again.
    pub(crate) fn excuse(&self, member: usize) {
        self.lock().excused.insert(member);
    }

    /// How many messages were read, and how many of them more than once.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.read.len(), inner.read.values().filter(|readers| readers.len() > 1).count())
    }

    /// Messages before these ends that nobody read.
    pub(crate) fn missing(&self, ends: &BTreeMap<i32, i64>) -> Vec<(i32, i64)> {
        let inner = self.lock();
        let all = ends.iter().flat_map(|(partition, end)| (0..*end).map(|offset| (*partition, offset)));
        all.filter(|place| !inner.read.contains_key(place)).collect()
    }

    /// Messages that were read again though neither a crash nor `explained` explains it, with their readers: all of these
    /// but one must have an excuse.
    pub(crate) fn unexplained(&self, explained: impl Fn(i32, i64) -> bool) -> Vec<((i32, i64), Vec<usize>)> {
        let inner = self.lock();
        let good = |readers: &Vec<usize>| readers.iter().filter(|reader| !inner.excused.contains(reader)).count() <= 1;
        let bad = inner
            .read
            .iter()
            .filter(|((partition, offset), readers)| !good(readers) && !explained(*partition, *offset));
        bad.map(|(place, readers)| (*place, readers.clone())).collect()
    }

    /// Whether one of these members read a message.
    pub(crate) fn was_read_by(&self, partition: i32, offset: i64, members: &BTreeSet<usize>) -> bool {
        let inner = self.lock();
        let readers = inner.read.get(&(partition, offset));
        readers.is_some_and(|readers| readers.iter().any(|reader| members.contains(reader)))
    }

    /// Who read anything.
    pub(crate) fn readers(&self) -> BTreeSet<usize> {
        self.lock().read.values().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_crashed_explains_that_something_was_read_again() {
        let log = Log::default();
        log.excuse(1);
        for (member, offset) in [(1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (1, 2)] {
            log.read(member, 0, offset);
        }
        assert!(log.unexplained(|_, _| false).is_empty());
        log.read(3, 0, 1);
        assert_eq!(log.unexplained(|_, _| false), [((0, 1), vec![2, 1, 3])]);
        assert!(log.unexplained(|partition, offset| (partition, offset) == (0, 1)).is_empty());
        assert!(log.was_read_by(0, 1, &[1, 7].into()) && !log.was_read_by(0, 0, &[3].into()));
        assert_eq!((log.counts(), log.readers().len()), ((3, 3), 3));
        assert_eq!(log.missing(&BTreeMap::from([(0, 4), (1, 1)])), [(0, 3), (1, 0)]);
    }
}
