//! By the key's hash, as sarama does it.
//!
//! Sans-IO.

use std::fmt;
use std::sync::Arc;

use kafka_conn::Message;

use super::{Balancer, Candidates, RoundRobin, element};

/// Takes the partition by the key's hash: equal keys go to the same partition, as long as the number of partitions
/// stays (kafka-go `Hash`, sarama `NewHashPartitioner`). Messages without a key take turns; an empty key is a key.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, Hash};
///
/// let message = Message { key: Some("boop".into()), ..Message::default() };
/// assert_eq!(Hash::default().balance(&message, &[0, 1, 2]), 2);
/// ```
pub struct Hash {
    hasher: fn(&[u8]) -> u32,
    without_key: RoundRobin,
}

impl Hash {
    /// With another hash function than [`fnv1a`].
    pub fn with_hasher(hasher: fn(&[u8]) -> u32) -> Self {
        Self { hasher, without_key: RoundRobin::default() }
    }
}

/// With [`fnv1a`].
impl Default for Hash {
    fn default() -> Self {
        Self::with_hasher(fnv1a)
    }
}

impl Balancer for Hash {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        let Some(key) = &message.key else { return self.without_key.balance(message, partitions) };
        // The hash as a signed number, its remainder with the sign dropped: what Go's arithmetic makes of it.
        let hash = i64::from((self.hasher)(key).cast_signed());
        let count = i64::try_from(partitions.len().max(1)).unwrap_or(i64::MAX);
        element(partitions, usize::try_from((hash % count).unsigned_abs()).unwrap_or_default())
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, if message.key.is_some() { candidates.all() } else { candidates.led() })
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(Self::with_hasher(self.hasher))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash").finish_non_exhaustive()
    }
}

/// The 32-bit FNV-1a hash.
pub fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::table::{COUNTS, TABLE};

    fn choose(balancer: &Hash, key: &'static [u8], count: i32) -> i32 {
        let partitions: Vec<_> = (0..count).collect();
        balancer.balance(&Message { key: Some(key.into()), ..Message::default() }, &partitions)
    }

    #[test]
    fn keys_of_kafka_gos_own_test() {
        let fnv1a = Hash::default();
        assert_eq!(fnv1a.balance(&Message::default(), &[0, 1, 2]), 0);
        assert_eq!(choose(&fnv1a, b"blah", 2), 0);
        assert_eq!(choose(&fnv1a, b"blah", 3), 1);
        assert_eq!(choose(&fnv1a, b"boop", 3), 2);
        assert_eq!(choose(&Hash::with_hasher(crc32fast::hash), b"boop", 3), 1);
        // The hash is 0x8df2997f: negative as a signed number.
        assert_eq!(choose(&fnv1a, b"20", 16), 1);
    }

    #[test]
    fn keys_go_where_kafka_go_sends_them() {
        for row in &TABLE {
            assert_eq!(fnv1a(row.key), row.fnv1a, "{:?}", row.key);
            let chosen = COUNTS.map(|count| choose(&Hash::default(), row.key, count));
            assert_eq!(chosen, row.by_hash, "{:?}", row.key);
        }
    }

    /// kafka-go returns the place in the list where the list has gaps; this one an element of it.
    #[test]
    fn returns_elements_of_the_list() {
        for (key, expected) in [("blah", 9), ("boop", 30), ("castle", 5)] {
            let message = Message { key: Some(key.into()), ..Message::default() };
            assert_eq!(Hash::default().balance(&message, &[5, 9, 30]), expected, "{key}");
        }
    }

    #[test]
    fn absent_keys_take_turns_and_empty_ones_are_hashed() {
        let balancer = Hash::default();
        let empty = Message { key: Some(bytes::Bytes::new()), ..Message::default() };
        let mut chosen = Vec::new();
        for _ in 0..4 {
            chosen.push(balancer.balance(&Message::default(), &[0, 1, 2]));
            assert_eq!(balancer.balance(&empty, &[0, 1, 2, 3, 4, 5, 6]), 2);
        }
        assert_eq!(chosen, [0, 1, 2, 0]);
    }
}
