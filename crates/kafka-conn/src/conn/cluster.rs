//! What the broker tells of its cluster.

use std::collections::BTreeMap;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::api_versions::ApiVersionsRequest;
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition,
};
use kafka_protocol::versions::BrokerVersions;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::Conn;
use crate::cluster::{Broker, BrokerId};
use crate::error::{Error, ErrorKind, Result};

/// A partition, and where it is: what [`Conn::read_partitions`] and [`Dialer::lookup_partition`] return.
///
/// [`Dialer::lookup_partition`]: crate::Dialer::lookup_partition
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// The topic.
    pub topic: SmolStr,
    /// Its index within the topic.
    pub partition: i32,
    /// The broker that leads it, if one does that is up.
    pub leader: Option<Broker>,
    /// The epoch of that leadership. -1 where the broker does not tell.
    pub leader_epoch: i32,
    /// The brokers that hold it. They may be down, and then not among [`Conn::brokers`].
    pub replicas: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub in_sync_replicas: Vec<BrokerId>,
    /// Those of them that are down.
    pub offline_replicas: Vec<BrokerId>,
    /// What the broker finds wrong with it, if not [`ErrorCode::NONE`].
    pub error: ErrorCode,
}

impl PartitionInfo {
    fn read(topic: &SmolStr, partition: MetadataResponsePartition, brokers: &BTreeMap<BrokerId, Broker>) -> Self {
        let ids = |ids: Vec<i32>| ids.into_iter().map(BrokerId).collect();
        Self {
            topic: topic.clone(),
            partition: partition.partition_index,
            leader: brokers.get(&BrokerId(partition.leader_id)).cloned(),
            leader_epoch: partition.leader_epoch,
            replicas: ids(partition.replica_nodes),
            in_sync_replicas: ids(partition.isr_nodes),
            offline_replicas: ids(partition.offline_replicas),
            error: ErrorCode(partition.error_code),
        }
    }
}

/// Which topics to ask for.
pub(crate) enum Topics<'a> {
    All,
    Named(&'a [&'a str]),
    /// One that the broker creates if there is none, and if it is set to (`auto.create.topics.enable`).
    Created(&'a str),
}

impl Conn {
    /// The brokers that are up, by id.
    ///
    /// # Errors
    /// Those of [`Connection::call`](crate::Connection::call).
    pub async fn brokers(&self) -> Result<Vec<Broker>> {
        let answer = self.metadata(&Topics::Named(&[]), self.read_until()).await?;
        Ok(brokers(&answer).into_values().collect())
    }

    /// The controller, which creates and deletes topics. In KRaft clusters it is a broker that forwards to it.
    ///
    /// # Errors
    /// [`NoController`](ErrorKind::NoController) where there is none at the moment, and those of
    /// [`Connection::call`](crate::Connection::call).
    pub async fn controller(&self) -> Result<Broker> {
        let answer = self.metadata(&Topics::Named(&[]), self.read_until()).await?;
        let controller = brokers(&answer).remove(&BrokerId(answer.controller_id));
        controller.ok_or_else(|| Error::new(ErrorKind::NoController).with_broker(self.address()))
    }

    /// The partitions of these topics, by topic and index. Without any, those of the topic that the connection is bound
    /// to; where it is bound to none, those of all topics. Topics are not created by being asked for.
    ///
    /// # Errors
    /// [`UnknownTopic`](ErrorKind::UnknownTopic), or the broker's error, for the first topic asked for that has one; one
    /// of all topics that nobody asked for by name is left out instead. Those of
    /// [`Connection::call`](crate::Connection::call).
    pub async fn read_partitions(&self, topics: &[&str]) -> Result<Vec<PartitionInfo>> {
        let until = self.read_until();
        match (topics, self.topic()) {
            ([], Some(topic)) => self.partitions_until(&Topics::Named(&[topic]), until).await,
            ([], None) => self.partitions_until(&Topics::All, until).await,
            _ => self.partitions_until(&Topics::Named(topics), until).await,
        }
    }

    /// Asks the broker anew which versions of which APIs it speaks. What the connection uses was agreed on when it was
    /// opened: [`Connection::versions`](crate::Connection::versions).
    ///
    /// # Errors
    /// The broker's error code, and those of [`Connection::call`](crate::Connection::call).
    pub async fn api_versions(&self) -> Result<BrokerVersions> {
        let request = ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        let answer = self.call_until(&request, None, self.read_until()).await?;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => Ok(BrokerVersions::from(&answer)),
            code => Err(Error::broker(code).with_broker(self.address())),
        }
    }

    pub(crate) async fn partitions_until(&self, topics: &Topics<'_>, until: Instant) -> Result<Vec<PartitionInfo>> {
        let answer = self.metadata(topics, until).await?;
        let brokers = brokers(&answer);
        let mut partitions = Vec::new();
        for topic in answer.topics {
            let name = topic.name.unwrap_or_default();
            match (ErrorCode(topic.error_code), topics) {
                (ErrorCode::NONE, _) => {}
                (code, Topics::All) => {
                    tracing::debug!(topic = name.as_str(), %code, "left out");
                    continue;
                }
                (code, _) => return Err(topic_error(code).with_broker(self.address()).with_topic(&name)),
            }
            partitions
                .extend(topic.partitions.into_iter().map(|partition| PartitionInfo::read(&name, partition, &brokers)));
        }
        partitions.sort_unstable_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(partitions)
    }

    async fn metadata(&self, topics: &Topics<'_>, until: Instant) -> Result<MetadataResponse> {
        let names = match topics {
            Topics::All => None,
            Topics::Named(names) => Some(*names),
            Topics::Created(name) => Some(std::slice::from_ref(name)),
        };
        let named =
            |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: names.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: matches!(topics, Topics::Created(_)),
            ..MetadataRequest::default()
        };
        let answer = self.call_until(&request, None, until).await?;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => Ok(answer),
            code => Err(Error::broker(code).with_broker(self.address())),
        }
    }
}

fn brokers(answer: &MetadataResponse) -> BTreeMap<BrokerId, Broker> {
    answer.brokers.iter().filter_map(Broker::read).collect()
}

fn topic_error(code: ErrorCode) -> Error {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Error::new(ErrorKind::UnknownTopic),
        code => Error::broker(code),
    }
}
