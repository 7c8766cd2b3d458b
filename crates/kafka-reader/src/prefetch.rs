//! How much may be fetched ahead, and whose turn it is.
//!
//! Sans-IO.

/// The rule that divides the bytes of prefetch: one half evenly among the partitions, so that each always has its share,
/// the other half to whoever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefetch {
    limit: usize,
    share: usize,
}

impl Prefetch {
    pub(crate) fn new(limit: usize, partitions: usize) -> Self {
        Self { limit, share: (limit / 2 / partitions.max(1)).max(1) }
    }

    /// How many bytes a partition may fetch, which has `buffered` of the `total` that wait to be returned.
    pub(crate) fn room(self, buffered: usize, total: usize) -> usize {
        let own = self.share.saturating_sub(buffered);
        own.max(self.common(total))
    }

    /// What to ask for in a request, where `most` is configured: nothing while too little is free to be worth it.
    /// Lesser sizes are powers of two, so that partitions at rest are not named in each request anew.
    pub(crate) fn grant(self, buffered: usize, total: usize, most: usize) -> Option<usize> {
        let room = self.room(buffered, total);
        let worth = most.min(self.share) / 2;
        match room {
            _ if room >= most => Some(most),
            room if room >= worth.max(1) => Some(1 << room.ilog2()),
            _ => None,
        }
    }

    /// What is free of the common half.
    fn common(self, total: usize) -> usize {
        (self.limit / 2).saturating_sub(total)
    }

    /// What one request may bring, where `granted` is the sum of its grants: the common half counts once.
    pub(crate) fn cap(self, granted: usize, partitions: usize, total: usize) -> usize {
        let own = self.share.saturating_mul(partitions);
        granted.min(self.common(total).saturating_add(own)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_partition_may_use_the_common_half_and_its_share() {
        let prefetch = Prefetch::new(100, 1);
        assert_eq!(prefetch.room(0, 0), 50);
        assert_eq!(prefetch.room(49, 49), 1);
        assert_eq!(prefetch.room(50, 50), 0);
    }

    #[test]
    fn a_share_stays_whatever_others_hold() {
        let prefetch = Prefetch::new(1000, 5);
        // The others have taken more than everything.
        assert_eq!(prefetch.room(0, 5000), 100);
        assert_eq!(prefetch.grant(0, 5000, 1 << 20), Some(64));
        assert_eq!(prefetch.grant(60, 5000, 1 << 20), None, "not worth a request");
        assert_eq!(prefetch.grant(60, 0, 300), Some(300));
    }

    #[test]
    fn the_common_half_counts_once_in_a_request() {
        let prefetch = Prefetch::new(1000, 5);
        assert_eq!(prefetch.cap(5 * 500, 5, 0), 1000);
        assert_eq!(prefetch.cap(10, 1, 5000), 10);
        assert_eq!(prefetch.cap(0, 0, 5000), 1);
    }

    #[test]
    fn tiny_limits_still_move() {
        for partitions in 1..100 {
            assert!(Prefetch::new(1, partitions).grant(0, 0, 1 << 20).is_some());
        }
    }
}
