//! Where partitions begin and end, asked of their leaders (ListOffsets).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use kafka_conn::{Backoff, BrokerId, CallOptions, Lane, Route, Transport};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use smol_str::SmolStr;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};

/// Where the partitions of a topic ended at some moment: behind the last record that a reader of its isolation level
/// gets.
///
/// Made by [`Reader::end_offsets`](crate::Reader::end_offsets), for [`Reader::fetch_until`](crate::Reader::fetch_until).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndOffsets {
    topic: SmolStr,
    offsets: BTreeMap<i32, i64>,
}

impl EndOffsets {
    pub(crate) fn new(topic: SmolStr, offsets: BTreeMap<i32, i64>) -> Self {
        Self { topic, offsets }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The offset that the next record of a partition gets; `None` where the partition is not among them.
    pub fn offset(&self, partition: i32) -> Option<i64> {
        self.offsets.get(&partition).copied()
    }

    /// Partitions and their end offsets, by partition.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i32, i64)> {
        self.offsets.iter().map(|(partition, offset)| (*partition, *offset))
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
pub(crate) async fn local_start(
    transport: &Transport,
    patience: &Patience,
    topic: &SmolStr,
    partition: i32,
) -> Result<i64> {
    let leader = transport.connection(Route::Leader(topic, partition), Lane::General).await?;
    if leader.version_for::<ListOffsetsRequest>(None)? < LOCAL_VERSION {
        return Ok(0);
    }
    let wanted = BTreeMap::from([(partition, FIRST_LOCAL)]);
    let listed = list(transport, patience, topic, &wanted, IsolationLevel::ReadUncommitted).await?;
    Ok(listed.get(&partition).map_or(i64::MAX, |listed| listed.offset))
}

/// Asks the leaders of a topic's partitions for offsets, again where that may help, until `retry_timeout` is over. Where
/// that is zero they are asked once, for as long as a call may take.
pub(crate) async fn list(
    transport: &Transport,
    patience: &Patience,
    topic: &SmolStr,
    wanted: &BTreeMap<i32, i64>,
    isolation_level: IsolationLevel,
) -> Result<BTreeMap<i32, Listed>> {
    let deadline = Instant::now() + patience.retry_timeout;
    let mut pauses = patience.backoff.pauses();
    let mut listed = BTreeMap::new();
    loop {
        let left = wanted.iter().filter(|(partition, _)| !listed.contains_key(*partition));
        let left: BTreeMap<_, _> = left.map(|(partition, timestamp)| (*partition, *timestamp)).collect();
        if left.is_empty() {
            return Ok(listed);
        }
        let round = Round { transport, topic, isolation_level };
        let once = patience.retry_timeout.is_zero();
        let asked = round.ask(&left, &mut listed);
        let answer = if once { Ok(asked.await) } else { timeout_at(deadline, asked).await };
        let error = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => Error::new(ErrorKind::Broker(ErrorCode::REQUEST_TIMED_OUT)).with_topic(topic),
        };
        let pause = Instant::now() + pauses.next_pause();
        if !error.is_retriable() || pause >= deadline {
            return Err(error);
        }
        if error.needs_metadata_refresh() {
            transport.request_refresh(topic);
        }
        sleep_until(pause).await;
    }
}

/// One attempt for all partitions that are left.
struct Round<'a> {
    transport: &'a Transport,
    topic: &'a SmolStr,
    isolation_level: IsolationLevel,
}

impl Round<'_> {
    /// Adds what was answered to `listed`; the error is that of a partition which was not.
    async fn ask(&self, left: &BTreeMap<i32, i64>, listed: &mut BTreeMap<i32, Listed>) -> Result<()> {
        let mut by_leader: BTreeMap<BrokerId, Vec<(i32, i64)>> = BTreeMap::new();
        for (&partition, &timestamp) in left {
            let leader = self.transport.leader(self.topic, partition).await;
            let leader = leader.map_err(|error| Error::from(error).with_partition(self.topic, partition))?;
            by_leader.entry(leader).or_default().push((partition, timestamp));
        }
        let calls = by_leader.iter().map(|(leader, partitions)| self.ask_leader(*leader, partitions));
        let mut failure = None;
        for answer in join_all(calls).await {
            match answer {
                Ok(answered) => {
                    for (partition, offset) in answered {
                        match offset {
                            Ok(offset) => drop(listed.insert(partition, offset)),
                            Err(code) => failure = Some(self.error(partition, code)),
                        }
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn ask_leader(
        &self,
        leader: BrokerId,
        partitions: &[(i32, i64)],
    ) -> Result<Vec<(i32, Result<Listed, ErrorCode>)>> {
        let cluster = self.transport.cluster();
        let epoch = |partition| {
            let known = cluster.topic(self.topic).and_then(|topic| topic.partition(partition));
            known.map_or(-1, |partition| partition.leader_epoch)
        };
        let request = request(self.topic, partitions, epoch, self.isolation_level);
        let call = self.transport.call_with(&request, Route::Broker(leader), CallOptions::default());
        let response = call.await.map_err(|error| Error::from(error).with_topic(self.topic))?;
        Ok(read(&response, self.topic, partitions))
    }

    fn error(&self, partition: i32, code: ErrorCode) -> Error {
        Error::new(ErrorKind::Broker(code)).with_partition(self.topic, partition)
    }
}

fn request(
    topic: &SmolStr,
    partitions: &[(i32, i64)],
    leader_epoch: impl Fn(i32) -> i32,
    isolation_level: IsolationLevel,
) -> ListOffsetsRequest {
    let partition = |&(partition_index, timestamp): &(i32, i64)| ListOffsetsPartition {
        partition_index,
        current_leader_epoch: leader_epoch(partition_index),
        timestamp,
        ..ListOffsetsPartition::default()
    };
    let partitions = partitions.iter().map(partition).collect();
    let topics = vec![ListOffsetsTopic { name: topic.clone(), partitions, ..ListOffsetsTopic::default() }];
    // A client, not a replica.
    ListOffsetsRequest { replica_id: -1, isolation_level: isolation_level.code(), topics, ..Default::default() }
}

/// An answer for each partition that was asked for, and for no other; what the broker left out is tried again.
fn read(
    response: &ListOffsetsResponse,
    topic: &SmolStr,
    partitions: &[(i32, i64)],
) -> Vec<(i32, Result<Listed, ErrorCode>)> {
    let answers = response.topics.iter().filter(|answer| answer.name == *topic).flat_map(|answer| &answer.partitions);
    let by_time = partitions.iter().filter(|(_, timestamp)| *timestamp >= 0);
    let by_time: BTreeSet<_> = by_time.map(|(partition, _)| *partition).collect();
    let mut answered: BTreeMap<i32, _> = answers
        .map(|answer| {
            let offset = match ErrorCode(answer.error_code) {
                // By a timestamp there may be none.
                ErrorCode::NONE if answer.offset >= 0 || by_time.contains(&answer.partition_index) => {
                    Ok(Listed { offset: answer.offset, leader_epoch: answer.leader_epoch })
                }
                ErrorCode::NONE => Err(ErrorCode::OFFSET_NOT_AVAILABLE),
                code => Err(code),
            };
            (answer.partition_index, offset)
        })
        .collect();
    let asked: BTreeSet<_> = partitions.iter().map(|(partition, _)| *partition).collect();
    let missing = Err(ErrorCode::OFFSET_NOT_AVAILABLE);
    asked.into_iter().map(|partition| (partition, answered.remove(&partition).unwrap_or(missing))).collect()
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
        let read = read(&response, &"t".into(), &[(0, FIRST), (1, FIRST), (2, FIRST), (3, LAST)]);
        let expected = [
            (0, Ok(Listed { offset: 5, leader_epoch: -1 })),
            (1, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            (2, Err(ErrorCode::OFFSET_NOT_AVAILABLE)),
            (3, Err(ErrorCode::OFFSET_NOT_AVAILABLE)),
        ];
        assert_eq!(read, expected);
    }
}
