//! Where the fewest bytes went.
//!
//! Sans-IO.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::sync::{Arc, Mutex};

use kafka_conn::Message;

use super::{Balancer, Candidates};
use crate::lock::lock;

/// Takes the partition that has got the fewest bytes of keys and values so far, the lowest one of equals (kafka-go
/// `LeastBytes`). Counting starts over when the partitions change, but not because a leader is away.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, LeastBytes};
///
/// let balancer = LeastBytes::default();
/// let message = |value: &'static str| Message { value: Some(value.into()), ..Message::default() };
/// let chosen = ["long", "s", "s", "s"].map(|value| balancer.balance(&message(value), &[0, 1]));
/// assert_eq!(chosen, [0, 1, 1, 1]);
/// ```
#[derive(Debug, Default)]
pub struct LeastBytes {
    counts: Mutex<Counts>,
}

/// What went to each partition.
#[derive(Debug, Default)]
struct Counts {
    /// Those that are counted, as the caller lists them.
    partitions: Vec<i32>,
    /// Their bytes and indexes, the least on top.
    heap: BinaryHeap<Reverse<(u64, i32)>>,
}

impl LeastBytes {
    /// Counts all partitions, and takes one of `led`, which are all or some of them in ascending order.
    fn least(&self, message: &Message, all: &[i32], led: &[i32]) -> i32 {
        let mut counts = lock(&self.counts);
        if counts.partitions != all {
            counts.partitions = all.to_vec();
            counts.heap = all.iter().map(|partition| Reverse((0, *partition))).collect();
        }
        let len = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
        let added = len(&message.key).saturating_add(len(&message.value));
        let add = |Reverse((bytes, partition)): &mut Reverse<(u64, i32)>| {
            *bytes = bytes.saturating_add(added);
            *partition
        };
        let chosen = if led.len() == all.len() {
            counts.heap.peek_mut().map(|mut least| add(&mut least))
        } else {
            let mut list = mem::take(&mut counts.heap).into_vec();
            let choice = list.iter_mut().filter(|Reverse((_, partition))| led.binary_search(partition).is_ok());
            let chosen = choice.max().map(add);
            counts.heap = list.into();
            chosen
        };
        chosen.or_else(|| all.first().copied()).unwrap_or_default()
    }
}

impl Balancer for LeastBytes {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        self.least(message, partitions, partitions)
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(Self::default())
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.least(message, candidates.all(), candidates.led())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: usize, value: usize) -> Message {
        Message { key: Some(vec![b'k'; key].into()), value: Some(vec![b'v'; value].into()), ..Message::default() }
    }

    fn trace(steps: &[(usize, usize, &[i32])]) -> Vec<i32> {
        let balancer = LeastBytes::default();
        steps.iter().map(|(key, value, partitions)| balancer.balance(&message(*key, *value), partitions)).collect()
    }

    #[test]
    fn messages_go_where_kafka_go_sends_them() {
        let (two, three, four): (&[i32], &[i32], &[i32]) = (&[0, 1], &[0, 1, 2], &[0, 1, 2, 3]);
        assert_eq!(trace(&[(3, 0, three)]), [0]);
        assert_eq!(trace(&[(1, 0, three), (2, 0, three), (3, 0, three), (4, 0, three)]).last(), Some(&0));
        assert_eq!(trace(&[(13, 0, two), (13, 0, two), (13, 0, three)]).last(), Some(&0), "one gained");
        assert_eq!(trace(&[(13, 0, three), (13, 0, three), (13, 0, two)]).last(), Some(&0), "one lost");
        let steps = [
            (0, 10, three),
            (0, 5, three),
            (0, 1, three),
            (0, 1, three),
            (0, 5, three),
            (0, 1, three),
            (0, 1, three),
            (1, 0, three),
            (0, 1, four),
            (0, 1, four),
            (0, 1, three),
        ];
        assert_eq!(trace(&steps), [0, 1, 2, 2, 2, 1, 1, 1, 0, 1, 0]);
        let unsorted: &[i32] = &[7, 2, 4];
        assert_eq!(trace(&[(0, 4, unsorted); 6]), [2, 4, 7, 2, 4, 7]);
        assert_eq!(trace(&[(0, 0, three); 3]), [0, 0, 0], "headers weigh nothing");
        let other: &[i32] = &[2, 3];
        assert_eq!(trace(&[(0, 9, two), (0, 9, other), (0, 9, other)]), [0, 2, 3], "others");
    }

    #[test]
    fn the_choice_is_the_least_of_those_that_are_led() {
        let (balancer, mut random) = (LeastBytes::default(), fastrand::Rng::with_seed(1));
        let all: Vec<i32> = (0..7).collect();
        let mut bytes = [0; 7];
        for _ in 0..2000 {
            let some: Vec<_> = all.iter().copied().filter(|_| random.bool()).collect();
            let led = if some.is_empty() || random.bool() { &all } else { &some };
            let len = random.usize(..50);
            let chosen = balancer.choose(&message(0, len), &Candidates::new(&all, led, &|_| 0));
            let least = led.iter().copied().min_by_key(|partition| (bytes[*partition as usize], *partition));
            assert_eq!(Some(chosen), least);
            bytes[chosen as usize] += len;
        }
    }

    #[test]
    fn nothing_is_forgotten_while_a_leader_is_away() {
        let balancer = LeastBytes::default();
        let choose = |led: &[i32]| balancer.choose(&message(0, 10), &Candidates::new(&[0, 1, 2], led, &|_| 0));
        assert_eq!([choose(&[0, 1, 2]), choose(&[0, 1, 2])], [0, 1]);
        assert_eq!([choose(&[0, 1]), choose(&[0, 1])], [0, 1]);
        assert_eq!([choose(&[0, 1, 2]), choose(&[0, 1, 2]), choose(&[0, 1, 2])], [2, 2, 0]);
    }
}
