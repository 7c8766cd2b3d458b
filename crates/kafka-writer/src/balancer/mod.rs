//! What chooses a message's partition.
//!
//! Sans-IO.

mod crc32;
mod hash;
mod least_bytes;
mod manual;
mod murmur2;
mod reference_hash;
mod round_robin;
mod sticky;
#[cfg(test)]
mod table;

use std::fmt;
use std::sync::Arc;

use kafka_conn::Message;

pub use crc32::Crc32;
pub use hash::{Hash, fnv1a};
pub use least_bytes::LeastBytes;
pub use manual::Manual;
pub use murmur2::Murmur2;
pub use reference_hash::ReferenceHash;
pub use round_robin::RoundRobin;
pub use sticky::Sticky;

/// Chooses the partition of each message.
///
/// A writer makes a balancer of its own for every topic ([`for_topic`](Self::for_topic)), so that what it remembers of
/// one never mixes with another. Any function of message and partitions is a balancer too:
///
/// ```
/// use std::sync::Arc;
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, WriterConfig};
///
/// let by_length = |message: &Message, partitions: &[i32]| {
///     let len = message.value.as_ref().map_or(0, |value| value.len());
///     partitions[len % partitions.len()]
/// };
/// let config = WriterConfig { balancer: Arc::new(by_length), ..WriterConfig::default() };
/// # let _ = config;
/// ```
pub trait Balancer: Send + Sync + 'static {
    /// One of `partitions`, which are indexes of partitions of the topic in ascending order, and never none.
    ///
    /// It runs in the caller of [`send`](crate::Writer::send), and should be quick. The writer refuses a message for
    /// which anything but a partition of the topic is returned, with
    /// [`UnknownPartition`](crate::ErrorKind::UnknownPartition).
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32;

    /// The same kind of balancer for a topic, with nothing remembered.
    fn for_topic(&self, topic: &str) -> Arc<dyn Balancer>;

    /// What the writer calls. Default: [`balance`](Self::balance) among all partitions, as is right where the message
    /// says itself where it belongs. Who is free to choose overrides it, and leaves out partitions without a leader.
    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, candidates.all())
    }
}

impl<F> Balancer for F
where
    F: Fn(&Message, &[i32]) -> i32 + Clone + Send + Sync + 'static,
{
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        self(message, partitions)
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(self.clone())
    }
}

/// The partitions of a topic, and what is known of each.
#[derive(Clone, Copy)]
pub struct Candidates<'a> {
    all: &'a [i32],
    led: &'a [i32],
    queued: &'a dyn Fn(i32) -> usize,
}

impl<'a> Candidates<'a> {
    /// `all` partitions of a topic, those of them that are `led`, and how many batches are queued for each.
    pub fn new(all: &'a [i32], led: &'a [i32], queued: &'a dyn Fn(i32) -> usize) -> Self {
        Self { all, led, queued }
    }

    /// All partitions, in ascending order; never none.
    pub fn all(&self) -> &'a [i32] {
        self.all
    }

    /// Those that have a leader; all where none has one, as then one is as good as another. Never none.
    pub fn led(&self) -> &'a [i32] {
        if self.led.is_empty() { self.all } else { self.led }
    }

    /// How many batches wait for a partition, or are under way to it.
    pub fn queued(&self, partition: i32) -> usize {
        (self.queued)(partition)
    }
}

impl fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("all", &self.all).field("led", &self.led).finish_non_exhaustive()
    }
}

/// The element at `index` of a list that is never empty.
fn element(partitions: &[i32], index: usize) -> i32 {
    debug_assert!(index < partitions.len(), "{index} is not an index of {partitions:?}");
    partitions.get(index).copied().unwrap_or_default()
}

/// The element that a hash stands for: its remainder.
fn by_hash(partitions: &[i32], hash: u32) -> i32 {
    // In 32 bits, as the hash is: there are fewer partitions, and longer divisions take longer.
    let count = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
    element(partitions, hash.checked_rem(count).unwrap_or_default() as usize)
}

/// Any element.
fn anyone(partitions: &[i32]) -> i32 {
    element(partitions, fastrand::usize(..partitions.len().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_is_a_balancer() {
        let last = |_: &Message, partitions: &[i32]| partitions[partitions.len() - 1];
        let balancer = Balancer::for_topic(&last, "t");
        assert_eq!(balancer.balance(&Message::default(), &[5, 9, 30]), 30);
    }

    #[test]
    fn every_balancer_returns_an_element_of_the_list() {
        let balancers: [Arc<dyn Balancer>; 9] = [
            Arc::new(Crc32::default()),
            Arc::new(Crc32::consistent()),
            Arc::new(Hash::default()),
            Arc::new(LeastBytes::default()),
            Arc::new(Murmur2::default()),
            Arc::new(Murmur2::consistent()),
            Arc::new(ReferenceHash::default()),
            Arc::new(RoundRobin::default()),
            Arc::new(Sticky::default()),
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2000 {
            let count = random.usize(1..9);
            let mut partitions: Vec<i32> = (0..count).map(|_| random.i32(0..1000)).collect();
            partitions.sort_unstable();
            partitions.dedup();
            let key = (random.u8(..4) > 0).then(|| (0..random.usize(..12)).map(|_| random.u8(..)).collect());
            let message = Message { key, ..Message::default() };
            let led: Vec<_> = partitions.iter().copied().filter(|_| random.bool()).collect();
            for balancer in &balancers {
                assert!(partitions.contains(&balancer.balance(&message, &partitions)));
                let chosen = balancer.choose(&message, &Candidates::new(&partitions, &led, &|_| 1));
                assert!(partitions.contains(&chosen));
            }
        }
    }

    /// Where a leader is missing, keys stay where they belong, and what is free to go elsewhere does.
    #[test]
    fn only_what_is_free_avoids_partitions_without_a_leader() {
        let candidates = Candidates::new(&[0, 1, 2], &[2], &|_| 0);
        let keyed = Message { key: Some("blah".into()), ..Message::default() };
        for balancer in [
            Arc::new(Crc32::default()) as Arc<dyn Balancer>,
            Arc::new(Hash::default()),
            Arc::new(Murmur2::default()),
            Arc::new(ReferenceHash::default()),
            Arc::new(Sticky::default()),
        ] {
            assert_eq!(balancer.choose(&keyed, &candidates), balancer.balance(&keyed, &[0, 1, 2]));
            assert_eq!(balancer.choose(&Message::default(), &candidates), 2);
        }
        for balancer in [Arc::new(RoundRobin::default()) as Arc<dyn Balancer>, Arc::new(LeastBytes::default())] {
            assert_eq!(balancer.choose(&keyed, &candidates), 2);
        }
    }
}
