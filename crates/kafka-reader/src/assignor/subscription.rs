//! What members tell the leader of their group, and what it tells them: the bytes inside JoinGroup and SyncGroup.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition as Partitions,
};
use kafka_protocol::{DecodeError, EncodeError, Limits, Message};
use smol_str::SmolStr;

use crate::topic_partition::TopicPartition;

/// What a member subscribes to, and what it has (Java `ConsumerPartitionAssignor.Subscription`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The topics that it wants to read.
    pub topics: Vec<SmolStr>,
    /// What its assignor adds.
    pub user_data: Option<Bytes>,
    /// What it owns and does not give up before it is told to; nothing where its assignor is eager.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it was assigned that. `None`: it says nothing of it.
    pub generation: Option<i32>,
    /// Its rack, where that is configured (`client.rack`).
    pub rack: Option<SmolStr>,
}

impl Subscription {
    /// The bytes of the lowest version that says all of it: members of some clients cannot read what is new to them.
    ///
    /// # Errors
    /// Where a text is longer than 32,767 bytes.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let version = match self {
            Self { rack: Some(_), .. } => 3,
            Self { generation: Some(_), .. } => 2,
            Self { owned, .. } if !owned.is_empty() => 1,
            _ => 0,
        };
        let message = ConsumerProtocolSubscription {
            topics: self.topics.clone(),
            user_data: self.user_data.clone(),
            owned_partitions: grouped(&self.owned),
            generation_id: self.generation.unwrap_or(-1),
            rack_id: self.rack.clone(),
            ..ConsumerProtocolSubscription::default()
        };
        encode(version, &message)
    }

    /// Reads what another member wrote, of whatever version. Newer ones only add to the end. What is missing at the end,
    /// though the version should have it, is absent: some clients write less than they say.
    ///
    /// # Errors
    /// Where not even the topics can be read.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let Some((version, body)) = split(bytes) else { return Ok(Self::default()) };
        let message: ConsumerProtocolSubscription = decode(version, &body)?;
        let own = message.owned_partitions.iter();
        Ok(Self {
            owned: own.flat_map(separate).collect(),
            topics: message.topics,
            user_data: message.user_data,
            generation: Some(message.generation_id).filter(|generation| *generation >= 0),
            rack: message.rack_id,
        })
    }
}

/// The bytes that tell a member what it gets; version 0, as no later one says more.
pub(crate) fn encode_assignment(partitions: &[TopicPartition]) -> Result<Bytes, EncodeError> {
    let assigned_partitions = grouped(partitions);
    encode(0, &ConsumerProtocolAssignment { assigned_partitions, ..ConsumerProtocolAssignment::default() })
}

/// Reads what a leader wrote, of whatever version. No bytes at all are no partitions.
pub(crate) fn decode_assignment(bytes: &Bytes) -> Result<Vec<TopicPartition>, DecodeError> {
    let Some((version, body)) = split(bytes) else { return Ok(Vec::new()) };
    let message: ConsumerProtocolAssignment = decode(version, &body)?;
    Ok(message.assigned_partitions.iter().flat_map(separate).collect())
}

fn encode(version: i16, message: &impl Message) -> Result<Bytes, EncodeError> {
    let mut buffer = BytesMut::from(&version.to_be_bytes()[..]);
    message.encode(version, &mut buffer)?;
    Ok(buffer.freeze())
}

/// The version before a message, and the message.
fn split(bytes: &Bytes) -> Option<(i16, Bytes)> {
    let (version, _) = bytes.split_first_chunk()?;
    Some((i16::from_be_bytes(*version), bytes.slice(2..)))
}

/// Reads as much as there is: the version that it says or the newest known, or else an older one, or else one whose user
/// data is missing too.
fn decode<M: Message>(version: i16, body: &Bytes) -> Result<M, DecodeError> {
    let newest = version.clamp(0, NEWEST);
    let read = |version, body: &Bytes| M::decode_prefix(version, &mut body.clone(), &Limits::default());
    let mut error = None;
    for version in (0..=newest).rev() {
        match read(version, body) {
            Ok(message) => return Ok(message),
            Err(failure) => drop(error.get_or_insert(failure)),
        }
    }
    let null = (-1i32).to_be_bytes();
    let padded = Bytes::from([body, &null[..]].concat());
    read(0, &padded).map_err(|last| error.unwrap_or(last))
}

fn grouped(partitions: &[TopicPartition]) -> Vec<Partitions> {
    let mut topics: BTreeMap<&SmolStr, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let grouped =
        |(topic, partitions): (&SmolStr, _)| Partitions { topic: topic.clone(), partitions, ..Partitions::default() };
    topics.into_iter().map(grouped).collect()
}

fn separate(topic: &Partitions) -> impl Iterator<Item = TopicPartition> + '_ {
    topic.partitions.iter().map(|partition| TopicPartition::new(topic.topic.clone(), *partition))
}

/// The newest version there is.
const NEWEST: i16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Subscription {
        Subscription {
            topics: vec!["a".into(), "b".into()],
            user_data: Some(Bytes::from_static(b"data")),
            owned: vec![TopicPartition::new("a", 0), TopicPartition::new("a", 2), TopicPartition::new("b", 1)],
            generation: Some(7),
            rack: Some("r1".into()),
        }
    }

    #[test]
    fn every_version_says_what_it_can_and_comes_back() {
        let v2 = Subscription { rack: None, ..full() };
        let v1 = Subscription { generation: None, ..v2.clone() };
        let v0 = Subscription { owned: Vec::new(), ..v1.clone() };
        for (version, subscription) in [(3, full()), (2, v2), (1, v1), (0, v0)] {
            let bytes = subscription.encode().unwrap();
            assert_eq!(bytes[..2], [0, version]);
            assert_eq!(Subscription::decode(&bytes).unwrap(), subscription);
        }
    }

    #[test]
    fn short_and_long_ones_are_tolerated() {
        let v0 = Subscription { owned: Vec::new(), generation: None, rack: None, ..full() };
        let mut bytes = v0.encode().unwrap().to_vec();
        // kafka-go says 1 and writes no owned partitions.
        bytes[1] = 1;
        assert_eq!(Subscription::decode(&bytes.clone().into()).unwrap(), v0);
        // Topics alone.
        let topics = bytes[..bytes.len() - 8].to_vec();
        assert_eq!(Subscription::decode(&topics.into()).unwrap(), Subscription { user_data: None, ..v0 });
        let mut newer = full().encode().unwrap().to_vec();
        newer[1] = 9;
        newer.extend_from_slice(b"what is to come");
        assert_eq!(Subscription::decode(&newer.into()).unwrap(), full());
        assert_eq!(Subscription::decode(&Bytes::new()).unwrap(), Subscription::default());
        assert!(Subscription::decode(&Bytes::from_static(b"\0\0\0\0\0\x09\0")).is_err());
    }

    #[test]
    fn assignments_come_back_and_nothing_is_nothing() {
        let partitions = full().owned;
        let bytes = encode_assignment(&partitions).unwrap();
        assert_eq!(decode_assignment(&bytes).unwrap(), partitions);
        assert_eq!(decode_assignment(&Bytes::new()).unwrap(), []);
    }
}
