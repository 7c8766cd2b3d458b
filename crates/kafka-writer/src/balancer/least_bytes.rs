//! Where the fewest bytes went.
//!
//! Sans-IO.

use std::sync::{Arc, Mutex};

use kafka_conn::Message;

use super::{Balancer, Candidates};
use crate::lock::lock;

/// Takes the partition that has got the fewest bytes of keys and values so far, the lowest one of equals (kafka-go
/// `LeastBytes`). Counting starts over when the number of partitions changes, but not because a leader is away.
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
    /// Each partition's bytes, in the order of the indexes.
    counts: Mutex<Vec<(i32, u64)>>,
}

impl LeastBytes {
    /// Counts all partitions, and takes one of `led`.
    fn least(&self, message: &Message, all: &[i32], led: &[i32], is_led: impl Fn(i32) -> bool) -> i32 {
        let mut counts = lock(&self.counts);
        if counts.len() != all.len() {
            *counts = all.iter().map(|partition| (*partition, 0)).collect();
            counts.sort_unstable();
        }
        // Mostly all are: then none has to be looked for.
        let all_are_led = counts.iter().map(|(partition, _)| partition).eq(led);
        let choice = counts.iter_mut().filter(|(partition, _)| all_are_led || is_led(*partition));
        let least = choice.min_by_key(|(_, bytes)| *bytes);
        let Some((partition, bytes)) = least else { return all.first().copied().unwrap_or_default() };
        let len = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
        *bytes = bytes.saturating_add(len(&message.key)).saturating_add(len(&message.value));
        *partition
    }
}

impl Balancer for LeastBytes {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        self.least(message, partitions, partitions, |partition| partitions.contains(&partition))
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(Self::default())
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        let led = candidates.led();
        self.least(message, candidates.all(), led, |partition| led.binary_search(&partition).is_ok())
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
