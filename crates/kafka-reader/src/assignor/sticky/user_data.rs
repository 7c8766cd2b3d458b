//! What members of a group with the sticky assignor say that they had: topics with their partitions, then a generation,
//! which the first version of it lacked.
//!
//! Sans-IO.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smol_str::SmolStr;

use super::claims::Claimed;
use crate::topic_partition::TopicPartition;

/// The bytes for partitions that were assigned in a generation.
pub(super) fn encode(partitions: &[TopicPartition], generation: i32) -> Bytes {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort();
    let topics: Vec<_> = sorted.chunk_by(|one, next| one.topic == next.topic).collect();
    let mut bytes = BytesMut::new();
    // An assignment has fewer than 2^31 of anything, and names of topics at most 249 bytes.
    bytes.put_i32(i32::try_from(topics.len()).unwrap_or(i32::MAX));
    for partitions in topics {
        let name = partitions.first().map(|first| first.topic.as_bytes()).unwrap_or_default();
        bytes.put_i16(i16::try_from(name.len()).unwrap_or(i16::MAX));
        bytes.put_slice(name);
        bytes.put_i32(i32::try_from(partitions.len()).unwrap_or(i32::MAX));
        partitions.iter().for_each(|partition| bytes.put_i32(partition.partition));
    }
    bytes.put_i32(generation);
    bytes.freeze()
}

/// `None` where the bytes are something else.
pub(super) fn decode(bytes: &Bytes) -> Option<Claimed> {
    let mut bytes = bytes.clone();
    let mut partitions = Vec::new();
    for _ in 0..count(&mut bytes)? {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        let name = (length <= bytes.len()).then(|| bytes.split_to(length))?;
        let topic = SmolStr::new(std::str::from_utf8(&name).ok()?);
        for _ in 0..count(&mut bytes)? {
            partitions.push(TopicPartition::new(topic.clone(), bytes.try_get_i32().ok()?));
        }
    }
    Some(Claimed { partitions, generation: bytes.try_get_i32().ok().filter(|generation| *generation >= 0) })
}

/// The length of an array whose elements take four bytes or more.
fn count(bytes: &mut Bytes) -> Option<usize> {
    let count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    (count <= bytes.len() / 4).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_the_first_version_too() {
        let partitions = vec![TopicPartition::new("a", 1), TopicPartition::new("a", 3), TopicPartition::new("b", 0)];
        let bytes = encode(&partitions, 5);
        assert_eq!(decode(&bytes), Some(Claimed { partitions: partitions.clone(), generation: Some(5) }));
        let first = bytes.slice(..bytes.len() - 4);
        assert_eq!(decode(&first), Some(Claimed { partitions, generation: None }));
    }

    #[test]
    fn what_is_something_else_says_nothing() {
        for length in 1..12 {
            assert_eq!(decode(&Bytes::from(vec![0x7f; length])), None);
        }
    }
}
