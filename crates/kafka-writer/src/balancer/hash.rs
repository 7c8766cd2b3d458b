//! By the key's hash, as sarama does it.
//!
//! Sans-IO.

use std::fmt;
use std::sync::Arc;

use kafka_conn::Message;

use super::{Balancer, RoundRobin, element};

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

    fn is_by_content(&self, message: &Message) -> bool {
        message.key.is_some()
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

    /// Key, its hash, and the partition of 1, 2, 3, 7, 16 and 100, as kafka-go's balancer gives them.
    const TABLE: [(&[u8], u32, [i32; 6]); 24] = [
        (b"", 0x811c_9dc5, [0, 1, 0, 2, 11, 35]),
        (b"a", 0xe40c_292c, [0, 0, 0, 6, 4, 76]),
        (b"ab", 0x4d25_05ca, [0, 0, 0, 2, 10, 46]),
        (b"abc", 0x1a47_e90b, [0, 1, 2, 5, 11, 31]),
        (b"blah", 0x7dca_5122, [0, 0, 1, 5, 2, 42]),
        (b"boop", 0xcc94_9b89, [0, 1, 2, 0, 7, 87]),
        (b"castle", 0x9ac2_a459, [0, 1, 0, 5, 7, 75]),
        (b"20", 0x8df2_997f, [0, 1, 1, 5, 1, 33]),
        (b"hejsan", 0xe84e_1d86, [0, 0, 2, 3, 10, 18]),
        (b"23456", 0x27e6_f469, [0, 1, 0, 5, 9, 73]),
        (b"this is another string with more length to it perhaps", 0x155e_3e5f, [0, 1, 2, 6, 15, 87]),
        (b"kafka", 0x0d33_c4e1, [0, 1, 2, 4, 1, 45]),
        (b"giberish123456789", 0x77a5_8295, [0, 1, 2, 5, 5, 73]),
        (b"123456789", 0xbb86_b11c, [0, 0, 0, 3, 4, 40]),
        (b"\x00\x20", 0x3176_ca2d, [0, 1, 0, 4, 13, 89]),
        (b"Key-A", 0x1b17_d236, [0, 0, 2, 1, 6, 74]),
        (b"Key-B", 0x1a17_d0a3, [0, 1, 0, 3, 3, 55]),
        (b"Key-C", 0x1917_cf10, [0, 0, 1, 5, 0, 36]),
        (b"user-42", 0x0260_73ab, [0, 1, 0, 6, 11, 99]),
        ("ключ".as_bytes(), 0x95c4_e9e1, [0, 1, 2, 0, 15, 83]),
        (b"\xff", 0x7a0b_824e, [0, 0, 2, 0, 14, 6]),
        (b"\xff\xff\xff\xff", 0xe316_0fb1, [0, 1, 1, 0, 15, 55]),
        (b"\x00\x00\x00\x00\x00", 0x1210_d00f, [0, 1, 2, 1, 15, 27]),
        (b"foobar\x80", 0x8c1d_6838, [0, 0, 2, 6, 8, 32]),
    ];

    #[test]
    fn keys_go_where_kafka_go_sends_them() {
        for (key, hash, expected) in TABLE {
            assert_eq!(fnv1a(key), hash, "{key:?}");
            assert_eq!([1, 2, 3, 7, 16, 100].map(|count| choose(&Hash::default(), key, count)), expected, "{key:?}");
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
