//! Where in a log each leader began (KIP-101): what followers and consumers find divergence by.
//!
//! Sans-IO.

/// The first offsets of leader epochs, ascending in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs(Vec<(i32, i64)>);

impl Epochs {
    /// Everything from `start` on is of `epoch`, unless that is known. Epochs that began there or later had nothing.
    pub(crate) fn begin(&mut self, epoch: i32, start: i64) {
        if epoch < 0 || self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.truncate(start);
        self.0.push((epoch, start));
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.0.last().map(|(epoch, _)| *epoch)
    }

    /// The largest epoch that is not above `epoch`, and the offset where it ends; `None` where `epoch` is of the future.
    /// `end` is the end of the log.
    pub(crate) fn end_of(&self, epoch: i32, end: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if epoch == latest {
            return Some((latest, end));
        }
        let above = self.0.partition_point(|(known, _)| *known <= epoch);
        let (_, next) = self.0.get(above)?;
        let floor = above.checked_sub(1).and_then(|index| self.0.get(index));
        Some((floor.map_or(epoch, |(floor, _)| *floor), *next))
    }

    /// The epoch of an offset; -1 before all of them.
    pub(crate) fn at(&self, offset: i64) -> i32 {
        let above = self.0.partition_point(|(_, start)| *start <= offset);
        above.checked_sub(1).and_then(|index| self.0.get(index)).map_or(-1, |(epoch, _)| *epoch)
    }

    /// Forgets epochs that begin at `offset` or later.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let keep = self.0.partition_point(|(_, start)| *start < offset);
        self.0.truncate(keep);
    }

    /// Forgets epochs that end before `offset`; the one that it is in begins there.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        let above = self.0.partition_point(|(_, start)| *start <= offset);
        self.0.drain(..above.saturating_sub(1));
        if let Some((_, start)) = self.0.first_mut() {
            *start = (*start).max(offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(known: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        known.iter().for_each(|&(epoch, start)| epochs.begin(epoch, start));
        epochs
    }

    #[test]
    fn the_end_of_an_epoch_is_where_the_next_begins() {
        let epochs = epochs(&[(1, 10), (3, 20), (5, 30)]);
        assert_eq!(epochs.end_of(5, 44), Some((5, 44)));
        assert_eq!(epochs.end_of(3, 44), Some((3, 30)));
        assert_eq!(epochs.end_of(4, 44), Some((3, 30)), "the largest that is not above");
        assert_eq!(epochs.end_of(0, 44), Some((0, 10)), "before the first");
        assert_eq!(epochs.end_of(6, 44), None, "of the future");
        assert_eq!((epochs.at(9), epochs.at(10), epochs.at(29), epochs.at(99)), (-1, 1, 3, 5));
    }

    #[test]
    fn an_epoch_without_records_is_replaced() {
        let mut known = epochs(&[(1, 0), (2, 10), (3, 10)]);
        assert_eq!(known, epochs(&[(1, 0), (3, 10)]));
        known.begin(2, 20);
        assert_eq!(known, epochs(&[(1, 0), (3, 10)]));
    }

    #[test]
    fn deletion_keeps_the_epoch_that_the_start_is_in() {
        let mut known = epochs(&[(1, 0), (2, 10), (3, 20)]);
        known.delete_before(15);
        assert_eq!(known, epochs(&[(2, 15), (3, 20)]));
        known.truncate(15);
        assert_eq!(known, Epochs::default());
    }
}
