//! Produce requests of one batch for one partition, and what their answers say.
//!
//! Sans-IO.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use kafka_protocol::{ApiKey, EncodeError, Message, varint};
use smol_str::SmolStr;

use crate::acks::RequiredAcks;
use crate::call::Body;

/// The newest version to use: the next one names topics by their ids (KIP-516), which a connection does not know.
pub(super) const MAX_VERSION: i16 = 12;

/// Where a batch goes, and how.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) topic: SmolStr,
    pub(super) partition: i32,
    pub(super) acks: RequiredAcks,
    pub(super) timeout_ms: i32,
}

/// The body of a request, of version 3 or newer, with the records as a piece of their own: they are not copied.
///
/// # Errors
/// [`EncodeError`] where the topic's name is too long.
pub(super) fn encode(version: i16, destination: Destination, records: Bytes) -> Result<Body, EncodeError> {
    let partition = PartitionProduceData {
        index: destination.partition,
        // Present and empty: what stands for them is cut off again.
        records: Some(Bytes::new()),
        ..PartitionProduceData::default()
    };
    let topic =
        TopicProduceData { name: destination.topic, partition_data: vec![partition], ..TopicProduceData::default() };
    let request = ProduceRequest {
        acks: destination.acks.code(),
        timeout_ms: destination.timeout_ms,
        topic_data: vec![topic],
        ..ProduceRequest::default()
    };
    let mut head = BytesMut::new();
    request.encode(version, &mut head)?;
    let flexible = ApiKey::PRODUCE.is_flexible(version);
    // The records are the last field of the last partition of the last topic; behind them are only empty tags.
    let (length, tags): (usize, &'static [u8]) = if flexible { (1, &[0; TAG_BUFFERS]) } else { (4, &[]) };
    head.truncate(head.len().saturating_sub(length + tags.len()));
    put_length(&mut head, flexible, records.len());
    Ok([head.freeze(), records, Bytes::from_static(tags)].into_iter().collect())
}

/// What the answer says of the partition; `None` where it says nothing of it.
pub(super) fn answer_for(answer: ProduceResponse, topic: &str, partition: i32) -> Option<PartitionProduceResponse> {
    let topic = answer.responses.into_iter().find(|answered| answered.name == topic)?;
    topic.partition_responses.into_iter().find(|answered| answered.index == partition)
}

fn put_length(buffer: &mut BytesMut, flexible: bool, len: usize) {
    // What no length can say, no frame can hold either: the session refuses it.
    if flexible {
        varint::put_uvarint(buffer, u32::try_from(len).unwrap_or(u32::MAX).saturating_add(1));
    } else {
        buffer.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
    }
}

/// Of the partition, the topic and the request.
const TAG_BUFFERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_the_message_says_in_every_version() {
        for version in 3..=MAX_VERSION {
            for len in [0, 1, 126, 127, 128, 70_000] {
                let records = Bytes::from(vec![7; len]);
                let destination =
                    Destination { topic: "orders".into(), partition: 3, acks: RequiredAcks::One, timeout_ms: 1500 };
                let body = encode(version, destination, records.clone()).unwrap();
                let bytes: Vec<u8> = body.pieces().flatten().copied().collect();
                let request = ProduceRequest::decode(version, bytes.into()).unwrap();
                assert_eq!((request.acks, request.timeout_ms, &request.transactional_id), (1, 1500, &None));
                let [topic] = &request.topic_data[..] else { panic!("{request:?}") };
                let [partition] = &topic.partition_data[..] else { panic!("{topic:?}") };
                assert_eq!((&*topic.name, partition.index), ("orders", 3));
                assert_eq!(partition.records, Some(records), "version {version}");
            }
        }
    }
}
