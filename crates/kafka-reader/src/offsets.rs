//! Where partitions begin and end, asked of their leaders (ListOffsets).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use kafka_conn::{Backoff, BrokerId, CallOptions, Cluster, Lane, Route, Transport};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use smol_str::SmolStr;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::topic_partition::{PartitionRef, TopicPartition};

/// Where partitions ended at some moment: behind the last record that a reader of its isolation level gets.
///
/// Made by [`Reader::end_offsets`](crate::Reader::end_offsets), or collected from offsets of one's own choice, for
/// [`Reader::fetch_until`](crate::Reader::fetch_until).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndOffsets {
    /// What an index alone is one of; empty where there are several topics.
    topic: SmolStr,
    offsets: BTreeMap<SmolStr, BTreeMap<i32, i64>>,
}

impl EndOffsets {
    pub(crate) fn new(topic: SmolStr, listed: BTreeMap<TopicPartition, Listed>) -> Self {
        let ends = listed.into_iter().map(|(partition, listed)| (partition, listed.offset));
        Self { topic, ..ends.collect() }
    }

    /// The offset that the next record of a partition gets; `None` where the partition is not among them.
    pub fn offset<'a>(&self, partition: impl Into<PartitionRef<'a>>) -> Option<i64> {
        match partition.into() {
            PartitionRef::Index(index) => self.find(&self.topic, index),
            PartitionRef::Named(TopicPartition { topic, partition }) => self.find(topic, *partition),
        }
    }

    pub(crate) fn find(&self, topic: &str, partition: i32) -> Option<i64> {
        self.offsets.get(topic)?.get(&partition).copied()
    }

    /// Partitions and their end offsets, in the order of partitions.
    pub fn iter(&self) -> impl Iterator<Item = (TopicPartition, i64)> {
        self.offsets.iter().flat_map(|(topic, offsets)| {
            offsets.iter().map(|(partition, offset)| (TopicPartition::new(topic.clone(), *partition), *offset))
        })
    }
}

/// Ends of one's own choice: the offsets before which to stop.
impl FromIterator<(TopicPartition, i64)> for EndOffsets {
    fn from_iter<T: IntoIterator<Item = (TopicPartition, i64)>>(ends: T) -> Self {
        let mut offsets: BTreeMap<SmolStr, BTreeMap<i32, i64>> = BTreeMap::new();
        for (TopicPartition { topic, partition }, offset) in ends {
            offsets.entry(topic).or_default().insert(partition, offset);
        }
        let topic = offsets.keys().next().filter(|_| offsets.len() == 1).cloned().unwrap_or_default();
        Self { topic, offsets }
    }
}

/// What a leader answered for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) offset: i64,
    /// The epoch of the leader that wrote the record before the offset, or -1.
    pub(crate) leader_epoch: i32,
}

/// How long, and how often, something is tried.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    pub(crate) retry_timeout: Duration,
    pub(crate) backoff: Backoff,
}

/// What to ask for: the timestamps that stand for them on the wire.
pub(crate) const FIRST: i64 = -2;
pub(crate) const LAST: i64 = -1;

/// Where the part of a log begins that its leader has itself (KIP-405); the older part is in tiered storage.
const FIRST_LOCAL: i64 = -4;
/// The first version that knows [`FIRST_LOCAL`]. Brokers with tiered storage have it.
const LOCAL_VERSION: i16 = 8;

/// The first offset that a partition's leader need not fetch from elsewhere; 0 where all brokers of its age are so.
pub(crate) async fn local_start(transport: &Transport, patience: &Patience, partition: TopicPartition) -> Result<i64> {
    let leader = Route::Leader(&partition.topic, partition.partition);
    let leader = transport.connection(leader, Lane::General).await?;
    if leader.version_for::<ListOffsetsRequest>(None)? < LOCAL_VERSION {
        return Ok(0);
    }
    let wanted = BTreeMap::from([(partition.clone(), FIRST_LOCAL)]);
    let listed = list(transport, patience, &wanted, IsolationLevel::ReadUncommitted).await?;
    Ok(listed.get(&partition).map_or(i64::MAX, |listed| listed.offset))
}

/// Asks the leaders of partitions for offsets, each leader once, again where that may help, until `retry_timeout` is over. Where
/// that is zero they are asked once, for as long as a call may take.
pub(crate) async fn list(
    transport: &Transport,
    patience: &Patience,
    wanted: &BTreeMap<TopicPartition, i64>,
    isolation_level: IsolationLevel,
) -> Result<BTreeMap<TopicPartition, Listed>> {
    let deadline = Instant::now() + patience.retry_timeout;
    let mut pauses = patience.backoff.pauses();
    let mut listed = BTreeMap::new();
    loop {
        let left = wanted.iter().filter(|(partition, _)| !listed.contains_key(*partition));
        let left: BTreeMap<_, _> = left.map(|(partition, timestamp)| (partition.clone(), *timestamp)).collect();
        let Some((first, _)) = left.first_key_value() else { return Ok(listed) };
        let round = Round { transport, isolation_level };
        let once = patience.retry_timeout.is_zero();
        let asked = round.ask(&left, &mut listed);
        let answer = if once { Ok(asked.await) } else { timeout_at(deadline, asked).await };
        let error = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => timed_out(first),
        };
        let pause = Instant::now() + pauses.next_pause();
        if !error.is_retriable() || pause >= deadline {
            return Err(error);
        }
        if error.needs_metadata_refresh() {
            let topics: BTreeSet<_> = left.keys().map(|partition| &partition.topic).collect();
            topics.into_iter().for_each(|topic| transport.request_refresh(topic));
        }
        sleep_until(pause).await;
    }
}

fn timed_out(TopicPartition { topic, partition }: &TopicPartition) -> Error {
    Error::new(ErrorKind::Broker(ErrorCode::REQUEST_TIMED_OUT)).with_partition(topic, *partition)
}

/// One attempt for all partitions that are left.
struct Round<'a> {
    transport: &'a Transport,
    isolation_level: IsolationLevel,
}

/// What is asked of one leader: a timestamp for each partition.
type Asked = BTreeMap<TopicPartition, i64>;
type Answered = BTreeMap<TopicPartition, Result<Listed, ErrorCode>>;

impl Round<'_> {
    /// Adds what was answered to `listed`; the error is that of a partition which was not.
    async fn ask(&self, left: &Asked, listed: &mut BTreeMap<TopicPartition, Listed>) -> Result<()> {
        let mut by_leader: BTreeMap<BrokerId, Asked> = BTreeMap::new();
        for (partition, &timestamp) in left {
            let leader = self.transport.leader(&partition.topic, partition.partition).await;
            let leader =
                leader.map_err(|error| Error::from(error).with_partition(&partition.topic, partition.partition))?;
            by_leader.entry(leader).or_default().insert(partition.clone(), timestamp);
        }
        let calls = by_leader.iter().map(|(leader, asked)| self.ask_leader(*leader, asked));
        let mut failure = None;
        for answer in join_all(calls).await {
            match answer {
                Ok(answered) => {
                    for (partition, offset) in answered {
                        match offset {
                            Ok(offset) => drop(listed.insert(partition, offset)),
                            Err(code) => failure = Some(refused(&partition, code)),
                        }
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn ask_leader(&self, leader: BrokerId, asked: &Asked) -> Result<Answered> {
        let request = request(&self.transport.cluster(), asked, self.isolation_level);
        let call = self.transport.call_with(&request, Route::Broker(leader), CallOptions::default());
        let topic = asked.keys().next().map(|partition| partition.topic.clone()).unwrap_or_default();
        let response = call.await.map_err(|error| Error::from(error).with_topic(&topic))?;
        Ok(read(&response, asked))
    }
}

fn refused(TopicPartition { topic, partition }: &TopicPartition, code: ErrorCode) -> Error {
    Error::new(ErrorKind::Broker(code)).with_partition(topic, *partition)
}

fn request(cluster: &Cluster, asked: &Asked, isolation_level: IsolationLevel) -> ListOffsetsRequest {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (TopicPartition { topic: name, partition }, &timestamp) in asked {
        let known = cluster.topic(name).and_then(|topic| topic.partition(*partition));
        let wanted = ListOffsetsPartition {
            partition_index: *partition,
            current_leader_epoch: known.map_or(-1, |partition| partition.leader_epoch),
            timestamp,
            ..ListOffsetsPartition::default()
        };
        match topics.last_mut().filter(|topic| topic.name == *name) {
            Some(topic) => topic.partitions.push(wanted),
            None => topics.push(ListOffsetsTopic {
                name: name.clone(),
                partitions: vec![wanted],
                ..ListOffsetsTopic::default()
            }),
        }
    }
    // A client, not a replica.
    ListOffsetsRequest { replica_id: -1, isolation_level: isolation_level.code(), topics, ..Default::default() }
}

/// An answer for each partition that was asked for, and for no other; what the broker left out is tried again.
fn read(response: &ListOffsetsResponse, asked: &Asked) -> Answered {
    let missing = Err(ErrorCode::OFFSET_NOT_AVAILABLE);
    let mut answered: Answered = asked.keys().map(|partition| (partition.clone(), missing)).collect();
    for topic in &response.topics {
        for answer in &topic.partitions {
            let partition = TopicPartition::new(topic.name.clone(), answer.partition_index);
            let Some(timestamp) = asked.get(&partition) else { continue };
            let offset = match ErrorCode(answer.error_code) {
                // By a timestamp there may be none.
                ErrorCode::NONE if answer.offset >= 0 || *timestamp >= 0 => {
                    Ok(Listed { offset: answer.offset, leader_epoch: answer.leader_epoch })
                }
                ErrorCode::NONE => missing,
                code => Err(code),
            };
            answered.insert(partition, offset);
        }
    }
    answered
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};

    use super::*;

    #[test]
    fn each_partition_that_was_asked_for_has_one_answer() {
        let answer = |partition_index, error_code, offset| ListOffsetsPartitionResponse {
            partition_index,
            error_code,
            offset,
            ..Default::default()
        };
        let partitions = vec![answer(0, 0, 5), answer(1, 6, -1), answer(2, 0, -1), answer(9, 0, 1)];
        let topic = ListOffsetsTopicResponse { name: "t".into(), partitions, ..Default::default() };
        let other = ListOffsetsTopicResponse { name: "u".into(), partitions: vec![answer(3, 0, 1)], ..topic.clone() };
        let response = ListOffsetsResponse { topics: vec![topic, other], ..Default::default() };
        let part = TopicPartition::new;
        let asked = [(part("t", 0), FIRST), (part("t", 1), FIRST), (part("t", 2), FIRST), (part("t", 3), LAST)];
        let read = read(&response, &asked.into());
        let expected = [
            (part("t", 0), Ok(Listed { offset: 5, leader_epoch: -1 })),
            (part("t", 1), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            (part("t", 2), Err(ErrorCode::OFFSET_NOT_AVAILABLE)),
            (part("t", 3), Err(ErrorCode::OFFSET_NOT_AVAILABLE)),
        ];
        assert_eq!(read, expected.into());
    }

    #[test]
    fn a_leader_is_asked_once_for_the_partitions_of_all_topics() {
        let asked = [(TopicPartition::new("a", 1), FIRST), (TopicPartition::new("b", 0), LAST)];
        let request = request(&Cluster::default(), &asked.into(), IsolationLevel::ReadCommitted);
        let named = request.topics.iter().map(|topic| (topic.name.as_str(), topic.partitions[0].timestamp));
        assert_eq!(named.collect::<Vec<_>>(), [("a", FIRST), ("b", LAST)]);
        assert_eq!((request.replica_id, request.isolation_level), (-1, 1));
    }
}
