//! The hash by which Kafka's clients choose the partition of a key.

/// MurmurHash2 of `bytes`, with Kafka's seed, as Java's client computes it.
///
/// The partition of a key among `count` is `(murmur2(key) & 0x7fff_ffff) % count`.
///
/// ```
/// use kafka_protocol::murmur2::murmur2;
///
/// assert_eq!(murmur2(b"kafka") as u32, 0xd067_cf64);
/// ```
pub fn murmur2(bytes: &[u8]) -> i32 {
    // The length is mixed in as 32 bits, as everywhere else; keys are far shorter.
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (word ^ (word >> 24)).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    (hash ^ (hash >> 15)) as i32
}

const SEED: u32 = 0x9747_b28c;
const FACTOR: u32 = 0x5bd1_e995;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines such as `{"key":"6162","murmur2":316155434,"positive":316155434,…}`, made by Java; the key is in hex.
    const JAVA: &str = include_str!("../tests/vectors/murmur2.jsonl");

    #[test]
    fn agrees_with_java() {
        for line in JAVA.lines() {
            let value = |name: &str| line.split_once(&format!("\"{name}\":")).unwrap().1.split(',').next().unwrap();
            let hex = value("key").trim_matches('"');
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let key: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
            assert_eq!(murmur2(&key).to_string(), value("murmur2"), "{line}");
            assert_eq!((murmur2(&key) & i32::MAX).to_string(), value("positive"), "{line}");
        }
        assert_eq!(JAVA.lines().count(), 200);
    }

    #[test]
    fn agrees_with_librdkafka() {
        let table: [(&str, u32); 11] = [
            ("kafka", 0xd067_cf64),
            ("giberish123456789", 0x8f55_2b0c),
            ("1234", 0x9fc9_7b14),
            ("234", 0xe7c0_09ca),
            ("34", 0x8739_30da),
            ("4", 0x5a4b_5ca1),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
            ("reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62_b377),
            ("eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4_e09e),
            ("AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8_b43f),
            ("", 0x106e_08d9),
        ];
        for (key, hash) in table {
            assert_eq!(murmur2(key.as_bytes()), hash as i32, "{key}");
        }
    }
}
