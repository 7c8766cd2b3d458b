//! By the key's CRC-32, as librdkafka does it.
//!
//! Sans-IO.

use std::sync::Arc;

use kafka_conn::Message;

use super::{Balancer, Candidates, anyone, by_hash};

/// Takes the partition by the key's CRC-32; messages without a key, or with an empty one, go anywhere (librdkafka
/// `consistent_random`, its default; kafka-go `CRC32Balancer`).
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, Crc32};
///
/// let message = Message { key: Some("boop".into()), ..Message::default() };
/// assert_eq!(Crc32::default().balance(&message, &[0, 1, 2]), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc32 {
    is_consistent: bool,
}

impl Crc32 {
    /// Messages without a key go to one partition too: that of the empty key (librdkafka `consistent`).
    pub fn consistent() -> Self {
        Self { is_consistent: true }
    }

    fn key<'a>(&self, message: &'a Message) -> Option<&'a [u8]> {
        let key = message.key.as_deref().filter(|key| !key.is_empty());
        if self.is_consistent { key.or(Some(&[])) } else { key }
    }
}

impl Balancer for Crc32 {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        let hashed = |key| by_hash(partitions, crc32fast::hash(key));
        self.key(message).map_or_else(|| anyone(partitions), hashed)
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(*self)
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, if self.key(message).is_some() { candidates.all() } else { candidates.led() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::table::{COUNTS, TABLE};

    fn keyed(key: &'static [u8]) -> Message {
        Message { key: Some(key.into()), ..Message::default() }
    }

    #[test]
    fn keys_go_where_librdkafka_sends_them() {
        let squares: Vec<_> = (0..17).map(|at| at * at).collect();
        for (key, expected) in
            [(&b"23456"[..], 49), (b"this is another string with more length to it perhaps", 225), (b"hejsan", 196)]
        {
            for balancer in [Crc32::default(), Crc32::consistent()] {
                assert_eq!(balancer.balance(&keyed(key), &squares), expected, "{key:?}");
            }
        }
        for row in &TABLE {
            assert_eq!(crc32fast::hash(row.key), row.crc32, "{:?}", row.key);
            let chosen = COUNTS.map(|count| {
                let partitions: Vec<_> = (0..count).collect();
                Crc32::consistent().balance(&keyed(row.key), &partitions)
            });
            assert_eq!(chosen, row.by_crc32, "{:?}", row.key);
        }
    }

    #[test]
    fn without_a_key_the_consistent_one_stays_and_the_other_wanders() {
        let partitions: Vec<_> = (0..17).collect();
        for message in [Message::default(), keyed(b"")] {
            let chosen =
                |balancer: Crc32| (0..100).map(|_| balancer.balance(&message, &partitions)).collect::<Vec<_>>();
            assert!(chosen(Crc32::consistent()).iter().all(|partition| *partition == 0));
            assert!(chosen(Crc32::default()).iter().any(|partition| *partition != 0));
        }
    }
}
