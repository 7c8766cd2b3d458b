//! One partition after the other.
//!
//! Sans-IO.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_conn::Message;

use super::{Balancer, Candidates, element};

/// Takes the partitions in turn, a number of messages for each (kafka-go `RoundRobin`). Every topic has a turn of its
/// own.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, RoundRobin};
///
/// let balancer = RoundRobin::new(2);
/// let chosen: Vec<_> = (0..6).map(|_| balancer.balance(&Message::default(), &[0, 1, 2])).collect();
/// assert_eq!(chosen, [0, 0, 1, 1, 2, 2]);
/// ```
#[derive(Debug)]
pub struct RoundRobin {
    chunk_size: NonZeroUsize,
    next: AtomicUsize,
}

impl RoundRobin {
    /// `chunk_size` messages go to a partition before the next one has its turn. 0 counts as 1.
    pub fn new(chunk_size: usize) -> Self {
        Self { chunk_size: NonZeroUsize::new(chunk_size).unwrap_or(NonZeroUsize::MIN), next: AtomicUsize::new(0) }
    }
}

/// A message for each partition in turn.
impl Default for RoundRobin {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Balancer for RoundRobin {
    fn balance(&self, _message: &Message, partitions: &[i32]) -> i32 {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) / self.chunk_size;
        element(partitions, turn % partitions.len().max(1))
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, candidates.led())
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(Self::new(self.chunk_size.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_turns_of_its_chunk_size() {
        for count in [7, 8] {
            let partitions: Vec<_> = (0..count).collect();
            for chunk_size in [0, 1, 5, 12] {
                let balancer = RoundRobin::new(chunk_size);
                for call in 0..50 {
                    let expected = partitions[call / chunk_size.max(1) % partitions.len()];
                    assert_eq!(balancer.balance(&Message::default(), &partitions), expected);
                }
            }
        }
    }

    #[test]
    fn returns_elements_of_the_list() {
        let balancer = RoundRobin::default();
        let chosen: Vec<_> = (0..4).map(|_| balancer.balance(&Message::default(), &[5, 9, 30])).collect();
        assert_eq!(chosen, [5, 9, 30, 5]);
    }

    /// In kafka-go, topics share a counter: half of each one's partitions may never be used.
    #[test]
    fn topics_take_turns_of_their_own() {
        let prototype = RoundRobin::default();
        let (two, four) = (prototype.for_topic("two"), prototype.for_topic("four"));
        let mut chosen = Vec::new();
        for _ in 0..4 {
            chosen.push(two.balance(&Message::default(), &[0, 1]));
            chosen.push(four.balance(&Message::default(), &[0, 1, 2, 3]));
        }
        assert_eq!(chosen, [0, 0, 1, 1, 0, 2, 1, 3]);
    }
}
