//! Where brokers keep replicas on their disks: describe, move from folder to folder.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use kafka_conn::BrokerId;
use kafka_protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use kafka_protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::error::{Error, ErrorKind};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, by_topic};

/// A folder of a broker, and the replicas in it.
#[derive(Clone, Debug)]
pub struct LogDir {
    /// The folder.
    pub path: SmolStr,
    /// What is wrong with it, if something is: its disk, usually.
    pub error: Option<Error>,
    /// The bytes that its disk has; `None` from brokers before Kafka 3.3.
    pub total_bytes: Option<i64>,
    /// The bytes that are left; `None` as above.
    pub usable_bytes: Option<i64>,
    /// Whether it gets no new replicas (KIP-1066).
    pub is_cordoned: bool,
    /// The replicas in it.
    pub replicas: BTreeMap<TopicPartition, ReplicaInfo>,
}

/// A replica in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// The bytes that it takes.
    pub size: i64,
    /// How many records it is behind: the leader, or the replica that it is to replace.
    pub offset_lag: i64,
    /// Whether it is on its way into this folder, and will replace one in another.
    pub is_future: bool,
}

/// A replica: a partition, on a broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    /// The broker.
    pub broker: BrokerId,
    /// The partition.
    pub partition: TopicPartition,
}

impl Admin {
    /// The folders of these brokers (DescribeLogDirs), with all replicas in them. The outcomes are in the order of
    /// `brokers`.
    ///
    /// # Errors
    /// Per broker: [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn describe_log_dirs(&self, brokers: &[BrokerId]) -> Vec<Outcome<Vec<LogDir>, BrokerId>> {
        let request = DescribeLogDirsRequest { topics: None, ..DescribeLogDirsRequest::default() };
        let outcomes = brokers.iter().copied().map(async |broker| {
            let result = match self.client().send_to(broker, &request).await {
                Ok(response) => Error::check(response.error_code, None)
                    .map(|()| response.results.into_iter().map(log_dir).collect())
                    .map_err(|error| error.about(Resource::Broker(broker))),
                Err(error) => Err(Error::from(error).about(Resource::Broker(broker))),
            };
            Outcome::new(broker, result)
        });
        join_all(outcomes).await
    }

    /// Moves replicas to other folders of their brokers (AlterReplicaLogDirs). It begins the move, which goes on for as
    /// long as the data takes; [`describe_log_dirs`](Self::describe_log_dirs) shows it. The outcomes are by replica.
    ///
    /// # Errors
    /// Per replica: [`Broker`](ErrorKind::Broker) with `LOG_DIR_NOT_FOUND`, [`UnknownTopic`](ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn alter_replica_log_dirs(&self, targets: &BTreeMap<Replica, SmolStr>) -> Vec<Outcome<(), Replica>> {
        let mut brokers: Vec<_> = targets.keys().map(|replica| replica.broker).collect();
        brokers.dedup();
        let outcomes = brokers.into_iter().map(async |broker| {
            let mine: Vec<_> = targets.iter().filter(|(replica, _)| replica.broker == broker).collect();
            let answers = self.client().send_to(broker, &request(&mine)).await;
            let answers = answers.map(|response| {
                let topics = response.results.into_iter().map(|topic| (topic.topic_name, topic.partitions));
                ByPartition::new(topics, |answer| answer.partition_index)
            });
            let outcome = |(replica, _): (&Replica, &SmolStr)| {
                let result = match &answers {
                    Ok(answers) => match answers.get(&replica.partition) {
                        Some(answer) => Error::check(answer.error_code, None),
                        None => Err(Error::new(ErrorKind::NoAnswer)),
                    },
                    Err(error) => Err(Error::from(error.clone())),
                };
                let about =
                    || Resource::Other(smol_str::format_smolstr!("{} on broker {}", replica.partition, broker.0));
                Outcome::new(replica.clone(), result.map_err(|error| error.about(about())))
            };
            mine.into_iter().map(outcome).collect::<Vec<_>>()
        });
        join_all(outcomes).await.into_iter().flatten().collect()
    }
}

fn request(targets: &[(&Replica, &SmolStr)]) -> AlterReplicaLogDirsRequest {
    let mut by_path: BTreeMap<&SmolStr, Vec<&TopicPartition>> = BTreeMap::new();
    for (replica, path) in targets {
        by_path.entry(path).or_default().push(&replica.partition);
    }
    let topic = |(name, partitions)| AlterReplicaLogDirTopic { name, partitions, ..AlterReplicaLogDirTopic::default() };
    let dir = |(path, partitions): (&SmolStr, Vec<&TopicPartition>)| AlterReplicaLogDir {
        path: path.clone(),
        topics: by_topic(partitions).into_iter().map(topic).collect(),
        ..AlterReplicaLogDir::default()
    };
    AlterReplicaLogDirsRequest { dirs: by_path.into_iter().map(dir).collect(), ..AlterReplicaLogDirsRequest::default() }
}

fn log_dir(result: DescribeLogDirsResult) -> LogDir {
    let replicas = result.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let replica = ReplicaInfo {
                size: partition.partition_size,
                offset_lag: partition.offset_lag,
                is_future: partition.is_future_key,
            };
            (TopicPartition::new(name.clone(), partition.partition_index), replica)
        })
    });
    LogDir {
        path: result.log_dir,
        error: Error::check(result.error_code, None).err(),
        total_bytes: (result.total_bytes >= 0).then_some(result.total_bytes),
        usable_bytes: (result.usable_bytes >= 0).then_some(result.usable_bytes),
        is_cordoned: result.is_cordoned,
        replicas: replicas.collect(),
    }
}
