//! How long a partition went without an acknowledgement.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

/// A time without acknowledgements in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Milliseconds since 1970.
    pub(crate) begin_ms: u64,
    pub(crate) length_ms: u64,
}

/// The acknowledgements of each partition.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    last: Vec<Option<Instant>>,
    least: Duration,
    gaps: Vec<Gap>,
}

impl Acknowledgements {
    /// Tells of gaps of this length at least.
    pub(crate) fn new(partitions: usize, least: Duration) -> Self {
        Self { last: vec![None; partitions], least, gaps: Vec::new() }
    }

    /// Something was acknowledged in a partition.
    pub(crate) fn handle(&mut self, now: Instant, now_ms: u64, partition: usize) {
        let Some(last) = self.last.get_mut(partition).and_then(|last| last.replace(now)) else { return };
        let gap = now.saturating_duration_since(last);
        if gap >= self.least {
            let length_ms = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
            self.gaps.push(Gap { begin_ms: now_ms.saturating_sub(length_ms), length_ms });
        }
    }

    /// The gaps so far.
    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }
}

/// The longest gap that has a part in this span of milliseconds since 1970; zero without any.
pub(crate) fn longest(gaps: &[Gap], from_ms: u64, to_ms: u64) -> Duration {
    let overlaps = |gap: &&Gap| gap.begin_ms < to_ms && gap.begin_ms.saturating_add(gap.length_ms) > from_ms;
    Duration::from_millis(gaps.iter().filter(overlaps).map(|gap| gap.length_ms).max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_of_one_partition_and_found_by_when_they_were() {
        let begin = Instant::now();
        let mut acknowledgements = Acknowledgements::new(2, Duration::from_millis(100));
        for (ms, partition) in [(0, 0), (10, 1), (50, 0), (250, 0), (260, 1), (300, 0), (900, 0)] {
            acknowledgements.handle(begin + Duration::from_millis(ms), 1_000 + ms, partition);
        }
        let gap = |begin_ms, length_ms| Gap { begin_ms, length_ms };
        assert_eq!(acknowledgements.gaps(), [gap(1_050, 200), gap(1_010, 250), gap(1_300, 600)]);
        assert_eq!(longest(acknowledgements.gaps(), 1_000, 1_300), Duration::from_millis(250));
        assert_eq!(longest(acknowledgements.gaps(), 1_000, 1_301), Duration::from_millis(600));
        assert_eq!(longest(acknowledgements.gaps(), 2_000, 3_000), Duration::ZERO);
    }
}
