//! By the key's hash, as sarama's reference partitioner does it.
//!
//! Sans-IO.

use std::fmt;
use std::sync::Arc;

use kafka_conn::Message;

use super::{Balancer, Candidates, anyone, by_hash, fnv1a};

/// Takes the partition by the key's hash without its sign (kafka-go `ReferenceHash`, sarama
/// `NewReferenceHashPartitioner`). Messages without a key go anywhere; an empty key is a key.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, ReferenceHash};
///
/// let message = Message { key: Some("castle".into()), ..Message::default() };
/// assert_eq!(ReferenceHash::default().balance(&message, &[0, 1, 2]), 2);
/// ```
#[derive(Clone, Copy)]
pub struct ReferenceHash {
    hasher: fn(&[u8]) -> u32,
}

impl ReferenceHash {
    /// With another hash function than [`fnv1a`].
    pub fn with_hasher(hasher: fn(&[u8]) -> u32) -> Self {
        Self { hasher }
    }
}

/// With [`fnv1a`].
impl Default for ReferenceHash {
    fn default() -> Self {
        Self::with_hasher(fnv1a)
    }
}

impl Balancer for ReferenceHash {
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        let hash = |key: &[u8]| (self.hasher)(key) & i32::MAX.cast_unsigned();
        message.key.as_deref().map_or_else(|| anyone(partitions), |key| by_hash(partitions, hash(key)))
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(*self)
    }

    fn choose(&self, message: &Message, candidates: &Candidates<'_>) -> i32 {
        self.balance(message, if message.key.is_some() { candidates.all() } else { candidates.led() })
    }
}

impl fmt::Debug for ReferenceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceHash").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::table::{COUNTS, TABLE};

    fn choose(balancer: &ReferenceHash, key: &'static [u8], count: i32) -> i32 {
        let partitions: Vec<_> = (0..count).collect();
        balancer.balance(&Message { key: Some(key.into()), ..Message::default() }, &partitions)
    }

    #[test]
    fn keys_of_kafka_gos_own_test() {
        let fnv1a = ReferenceHash::default();
        assert_eq!([(b"blah", 2), (b"blah", 3)].map(|(key, count)| choose(&fnv1a, key, count)), [0, 1]);
        assert_eq!(choose(&fnv1a, b"castle", 3), 2);
        assert_eq!(choose(&ReferenceHash::with_hasher(crc32fast::hash), b"boop", 3), 1);
        assert_eq!(choose(&fnv1a, b"20", 16), 15);
    }

    #[test]
    fn keys_go_where_kafka_go_sends_them() {
        for row in &TABLE {
            let chosen = COUNTS.map(|count| choose(&ReferenceHash::default(), row.key, count));
            assert_eq!(chosen, row.by_reference_hash, "{:?}", row.key);
        }
    }

    /// kafka-go returns the place in the list where the list has gaps; this one an element of it.
    #[test]
    fn returns_elements_of_the_list() {
        for (key, expected) in [("blah", 9), ("boop", 5), ("castle", 30)] {
            let message = Message { key: Some(key.into()), ..Message::default() };
            assert_eq!(ReferenceHash::default().balance(&message, &[5, 9, 30]), expected, "{key}");
        }
    }
}
