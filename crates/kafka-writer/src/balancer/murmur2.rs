//! By the key's murmur2, as Java's clients do it.
//!
//! Sans-IO.

use std::sync::Arc;

use kafka_conn::Message;
use kafka_protocol::murmur2::murmur2;

use super::{Balancer, Candidates, anyone, by_hash};

/// Takes the partition by the key's murmur2, so that equal keys meet those of Java's clients; messages without a key go
/// anywhere, an empty key is a key (librdkafka `murmur2_random`, kafka-go `Murmur2Balancer`).
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, Murmur2};
///
/// let message = Message { key: Some("castle".into()), ..Message::default() };
/// assert_eq!(Murmur2::default().balance(&message, &[0, 1, 2, 3, 4, 5, 6]), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Murmur2 {
    is_consistent: bool,
}

impl Murmur2 {
    /// Messages without a key go to one partition too: that of the empty key (librdkafka `murmur2`).
    pub fn consistent() -> Self {
        Self { is_consistent: true }
    }

    fn key<'a>(&self, message: &'a Message) -> Option<&'a [u8]> {
        let key = message.key.as_deref();
        if self.is_consistent { key.or(Some(&[])) } else { key }
    }
}

impl Balancer for Murmur2 {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        self.key(message).map_or_else(|| anyone(partitions), |key| by_murmur2(partitions, key))
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(*self)
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, if self.key(message).is_some() { candidates.all() } else { candidates.led() })
    }
}

/// Where Java's clients send a key.
pub(super) fn by_murmur2(partitions: &[i32], key: &[u8]) -> i32 {
    by_hash(partitions, (murmur2(key) & i32::MAX).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::table::{COUNTS, TABLE};

    fn keyed(key: &'static [u8]) -> Message {
        Message { key: Some(key.into()), ..Message::default() }
    }

    #[test]
    fn keys_go_where_others_send_them() {
        let squares: Vec<_> = (0..17).map(|at| at * at).collect();
        for (key, expected) in [
            (&b""[..], 121),
            (b"23456", 81),
            (b"this is another string with more length to it perhaps", 121),
            (b"hejsan", 25),
        ] {
            assert_eq!(Murmur2::default().balance(&keyed(key), &squares), expected, "{key:?}");
        }
        // From kafka-python's tests.
        let thousand: Vec<_> = (0..1000).collect();
        for (key, expected) in
            [(&b""[..], 681), (b"a", 524), (b"ab", 434), (b"abc", 107), (b"123456789", 566), (b"\x00\x20", 742)]
        {
            assert_eq!(Murmur2::default().balance(&keyed(key), &thousand), expected, "{key:?}");
        }
        for row in &TABLE {
            assert_eq!(murmur2(row.key).cast_unsigned(), row.murmur2, "{:?}", row.key);
            let chosen = COUNTS.map(|count| {
                let partitions: Vec<_> = (0..count).collect();
                Murmur2::default().balance(&keyed(row.key), &partitions)
            });
            assert_eq!(chosen, row.by_murmur2, "{:?}", row.key);
        }
    }

    #[test]
    fn without_a_key_the_consistent_one_stays_and_the_other_wanders() {
        let squares: Vec<_> = (0..17).map(|at| at * at).collect();
        let chosen =
            |balancer: Murmur2| (0..100).map(|_| balancer.balance(&Message::default(), &squares)).collect::<Vec<_>>();
        assert!(chosen(Murmur2::consistent()).iter().all(|partition| *partition == 121));
        assert!(chosen(Murmur2::default()).iter().any(|partition| *partition != 121));
    }
}
