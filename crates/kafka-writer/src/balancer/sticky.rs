//! By the key, and without one a partition for a while: the default.
//!
//! Sans-IO.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use kafka_conn::Message;

use super::murmur2::by_murmur2;
use super::{Balancer, Candidates, element};

/// What Java's clients do (KIP-794): keys go where their murmur2 says, as with [`Murmur2`](super::Murmur2). Messages
/// without a key stay with a partition for some bytes, so that batches become full, and then go to another one: chosen
/// at random, but the rarer the more batches wait for it. So a slow broker gets less, and nobody waits for it.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, Sticky};
///
/// let balancer = Sticky::default();
/// let first = balancer.balance(&Message::default(), &[0, 1, 2]);
/// assert_eq!(balancer.balance(&Message::default(), &[0, 1, 2]), first);
/// ```
#[derive(Debug)]
pub struct Sticky {
    bytes: usize,
    current: AtomicI32,
    /// What the current one has got.
    used: AtomicUsize,
}

impl Sticky {
    /// Goes to another partition after so many bytes of keyless messages.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, current: AtomicI32::new(NONE), used: AtomicUsize::new(0) }
    }

    /// The current partition, or another one if that has had enough, or is gone.
    #[inline]
    fn stick(&self, message: &Message, partitions: &[i32], queued: &dyn Fn(i32) -> usize) -> i32 {
        let len = message.value.as_ref().map_or(0, |value| value.len()).saturating_add(OVERHEAD);
        let current = self.current.load(Ordering::Relaxed);
        // Who loses a race counts a message to the wrong partition, or not at all, which does not matter: to count exactly
        // would cost each message more.
        let used = self.used.load(Ordering::Relaxed);
        if used < self.bytes && is_in(partitions, current) {
            self.used.store(used.saturating_add(len), Ordering::Relaxed);
            return current;
        }
        self.move_on(len, partitions, queued)
    }

    // Once in many messages: the others need not make room for its variables.
    #[inline(never)]
    fn move_on(&self, len: usize, partitions: &[i32], queued: &dyn Fn(i32) -> usize) -> i32 {
        let next = pick(partitions, queued);
        self.current.store(next, Ordering::Relaxed);
        self.used.store(len, Ordering::Relaxed);
        next
    }
}

/// Stays for 16 KiB, Java's default `batch.size`.
impl Default for Sticky {
    fn default() -> Self {
        Self::new(16 << 10)
    }
}

impl Balancer for Sticky {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        match message.key.as_deref() {
            Some(key) => by_murmur2(partitions, key),
            None => self.stick(message, partitions, &|_| 0),
        }
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(Self::new(self.bytes))
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        match message.key.as_deref() {
            Some(key) => by_murmur2(candidates.all(), key),
            None => self.stick(message, candidates.led(), &|partition| candidates.queued(partition)),
        }
    }
}

fn is_in(partitions: &[i32], partition: i32) -> bool {
    // Indexes rarely have gaps, so mostly the place is the index.
    let at = usize::try_from(partition).ok();
    at.and_then(|at| partitions.get(at)) == Some(&partition) || partitions.contains(&partition)
}

/// One at random, each in proportion to how much shorter its queue is than the longest: among a number of neighbours, at a
/// place that is random too, so that a topic of thousands of partitions costs no more than one of so many.
fn pick(partitions: &[i32], queued: &dyn Fn(i32) -> usize) -> i32 {
    let start = fastrand::usize(..partitions.len().max(1));
    let (before, after) = partitions.split_at(start);
    let neighbours = || after.iter().chain(before).take(NEIGHBOURS).copied();
    let longest = neighbours().map(queued).max().unwrap_or_default();
    let weight = |partition: i32| longest.saturating_sub(queued(partition)).saturating_add(1);
    let total = neighbours().map(weight).fold(0, usize::saturating_add);
    let mut drawn = fastrand::usize(..total.max(1));
    for partition in neighbours() {
        match drawn.checked_sub(weight(partition)) {
            Some(rest) => drawn = rest,
            None => return partition,
        }
    }
    // Queues have changed meanwhile.
    element(partitions, start)
}

/// Among how many a partition is chosen.
const NEIGHBOURS: usize = 64;
/// About what a record takes beside its value.
const OVERHEAD: usize = 16;
/// No partition has this index.
const NONE: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Murmur2;

    fn keyless(len: usize) -> Message {
        Message { value: Some(vec![b'x'; len].into()), ..Message::default() }
    }

    #[test]
    fn keys_go_where_javas_clients_send_them() {
        for key in ["", "a", "castle", "user-42"] {
            let message = Message { key: Some(key.into()), ..Message::default() };
            let partitions: Vec<_> = (0..7).collect();
            let java = Murmur2::default().balance(&message, &partitions);
            assert_eq!(Sticky::default().balance(&message, &partitions), java, "{key}");
        }
    }

    #[test]
    fn a_partition_gets_so_many_bytes_and_then_another_one_does() {
        let (balancer, partitions) = (Sticky::new(1000), (0..100).collect::<Vec<_>>());
        let chosen: Vec<_> = (0..1000).map(|_| balancer.balance(&keyless(84), &partitions)).collect();
        // Ten of a hundred bytes.
        assert!(chosen.chunks(10).all(|chunk| chunk.iter().all(|partition| *partition == chunk[0])));
        assert!(chosen.chunks(10).map(|chunk| chunk[0]).collect::<std::collections::HashSet<_>>().len() > 30);
    }

    #[test]
    fn who_has_a_long_queue_is_chosen_rarely() {
        let queued = |partition: i32| if partition == 0 { 9 } else { 0 };
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[pick(&[0, 1, 2], &queued) as usize] += 1);
        // One in 21, and ten each.
        assert!((60..260).contains(&counts[0]) && counts[1] > 1200 && counts[2] > 1200, "{counts:?}");
    }

    #[test]
    fn the_choice_costs_the_same_among_thousands_and_leaves_nobody_out() {
        let partitions: Vec<_> = (0..1000).collect();
        let asked = std::cell::Cell::new(0);
        let queued = |_| {
            asked.set(asked.get() + 1);
            0
        };
        let chosen: std::collections::HashSet<_> = (0..20_000).map(|_| pick(&partitions, &queued)).collect();
        assert!(asked.get() <= 20_000 * 3 * NEIGHBOURS);
        // Each is left out once in half a billion times.
        assert_eq!(chosen.len(), 1000);
    }

    #[test]
    fn a_partition_that_loses_its_leader_is_left_at_once() {
        let balancer = Sticky::default();
        let choose = |led: &[i32]| balancer.choose(&keyless(1), &Candidates::new(&[0, 1, 2], led, &|_| 0));
        assert_eq!([choose(&[1]), choose(&[0, 1, 2]), choose(&[2]), choose(&[0, 1, 2])], [1, 1, 2, 2]);
    }
}
