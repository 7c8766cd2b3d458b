//! What the cluster looks like: an immutable snapshot, and how an answer of a broker makes the next one.
//!
//! Sans-IO.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kafka_protocol::messages::metadata::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use crate::address::BrokerAddress;
use crate::error::{Error, ErrorKind};

/// A broker's id: its number within the cluster (`node.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The cluster as a broker described it last: its brokers, and the topics that this client uses.
///
/// A snapshot never changes; [`Transport::cluster`](crate::Transport::cluster) returns the newest one.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    generation: u64,
    id: Option<SmolStr>,
    controller: Option<BrokerId>,
    brokers: BTreeMap<BrokerId, Broker>,
    topics: HashMap<SmolStr, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    topic: Arc<Topic>,
    /// Whether somebody looked since the last [`Cluster::take_used`]; one mark for all snapshots.
    used: Arc<AtomicBool>,
}

impl Cluster {
    /// How many answers this snapshot is made of; 0 before the first. Grows with each new one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The cluster's id, where the broker tells it.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The broker to send the controller's requests to. In KRaft clusters any broker forwards them, and this is one of
    /// them.
    pub fn controller(&self) -> Option<BrokerId> {
        self.controller
    }

    /// The brokers that are up, by id.
    pub fn brokers(&self) -> impl ExactSizeIterator<Item = &Broker> {
        self.brokers.values()
    }

    /// A broker by its id.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// A topic that this client uses, by its name. `None` where nobody asked for it yet. Looking it up, here or through
    /// [`leader`](Self::leader), counts as use and keeps it in later snapshots.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        let known = self.topics.get(name)?;
        if !known.used.load(Ordering::Relaxed) {
            known.used.store(true, Ordering::Relaxed);
        }
        Some(&known.topic)
    }

    /// The topics that this client uses, in no order.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.topics.values().map(|known| &known.topic)
    }

    /// The broker that leads a partition.
    ///
    /// # Errors
    /// [`UnknownTopic`](ErrorKind::UnknownTopic) (also where the topic has not been asked for),
    /// [`UnknownPartition`](ErrorKind::UnknownPartition), [`NoLeader`](ErrorKind::NoLeader), or the broker's error for
    /// the topic.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<BrokerId, Error> {
        let error = |error: Error| error.with_partition(topic, partition).with_unsent();
        let known = self.topic(topic).ok_or_else(|| error(Error::new(ErrorKind::UnknownTopic)))?;
        known.check().map_err(error)?;
        let found = known.partition(partition).ok_or_else(|| error(Error::new(ErrorKind::UnknownPartition)))?;
        // A leader that is no broker of the cluster is one that just went down.
        let leader = found.leader.filter(|leader| self.brokers.contains_key(leader));
        leader.ok_or_else(|| error(Error::new(ErrorKind::NoLeader)))
    }

    /// The snapshot after `response`, an answer to a request for the topics that were `asked` for. The others stay as
    /// they were.
    pub(crate) fn updated(&self, response: MetadataResponse, asked: impl Fn(&str) -> bool) -> Self {
        let brokers: BTreeMap<_, _> = response.brokers.iter().take(MAX_BROKERS).filter_map(Broker::read).collect();
        let controller = Some(BrokerId(response.controller_id)).filter(|id| brokers.contains_key(id));
        let mut topics = self.topics.clone();
        for topic in response.topics {
            // A name that nobody asked for would let a broker fill this client's memory.
            let Some(name) = topic.name.clone().filter(|name| asked(name)) else {
                continue;
            };
            let before = self.topics.get(&name);
            let next = Topic::read(name.clone(), topic, before.map(|known| &*known.topic));
            let used = before.map(|known| Arc::clone(&known.used)).unwrap_or_default();
            topics.insert(name, Known { topic: Arc::new(next), used });
        }
        Self { generation: self.generation + 1, id: response.cluster_id, controller, brokers, topics }
    }

    /// Whether the topic has been asked for; does not count as use.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Whether the topic was used since this was asked last.
    pub(crate) fn take_used(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|known| known.used.swap(false, Ordering::Relaxed))
    }

    /// Drops topics that are no longer in use.
    pub(crate) fn retain(&mut self, mut in_use: impl FnMut(&str) -> bool) {
        self.topics.retain(|name, _| in_use(name));
    }
}

/// A broker of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// Where it says that clients reach it (`advertised.listeners`).
    pub address: BrokerAddress,
    /// The rack it is in, where that is configured.
    pub rack: Option<SmolStr>,
}

impl Broker {
    /// `None` for an entry whose address cannot be one.
    pub(crate) fn read(
        broker: &kafka_protocol::messages::metadata::MetadataResponseBroker,
    ) -> Option<(BrokerId, Self)> {
        let port = u16::try_from(broker.port).ok()?;
        let address = BrokerAddress::new(broker.host.clone(), port).ok()?;
        let id = BrokerId(broker.node_id);
        Some((id, Self { id, address, rack: broker.rack.clone() }))
    }
}

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: SmolStr,
    /// Its id: another topic of the same name has another. Zero where the broker is older than 2.8.
    pub id: Uuid,
    /// Whether Kafka keeps it for itself, as `__consumer_offsets`.
    pub is_internal: bool,
    /// Why the broker would not describe it, if not [`ErrorCode::NONE`].
    pub error: ErrorCode,
    /// Its partitions, in the order of their indexes. Empty where `error` is set.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The partition with this index.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        // Indexes have no gaps, so nearly always the position is the index.
        let at = usize::try_from(index).ok()?;
        self.partitions.get(at).filter(|partition| partition.index == index).or_else(|| {
            let at = self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()?;
            self.partitions.get(at)
        })
    }

    /// Whether the broker described it.
    ///
    /// # Errors
    /// [`UnknownTopic`](ErrorKind::UnknownTopic), or the broker's error for the topic.
    pub fn check(&self) -> Result<(), Error> {
        match self.error {
            ErrorCode::NONE => Ok(()),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Err(Error::new(ErrorKind::UnknownTopic).with_topic(&self.name)),
            code => Err(Error::broker(code).with_topic(&self.name)),
        }
    }

    fn read(name: SmolStr, topic: MetadataResponseTopic, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.id == topic.topic_id);
        let read = |partition: MetadataResponsePartition| {
            let index = partition.partition_index;
            Partition::read(partition, before.and_then(|before| before.partition(index)))
        };
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(read).collect();
        partitions.sort_unstable_by_key(|partition| partition.index);
        partitions.dedup_by_key(|partition| partition.index);
        let error = ErrorCode(topic.error_code);
        Self { name, id: topic.topic_id, is_internal: topic.is_internal, error, partitions }
    }
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its index within the topic.
    pub index: i32,
    /// The broker that leads it, if one does.
    pub leader: Option<BrokerId>,
    /// The epoch of that leadership: grows with each change. -1 where the broker does not tell.
    pub leader_epoch: i32,
    /// The brokers that hold it.
    pub replicas: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub in_sync_replicas: Vec<BrokerId>,
    /// Those of them that are down.
    pub offline_replicas: Vec<BrokerId>,
    /// What the broker finds wrong with it, if not [`ErrorCode::NONE`].
    pub error: ErrorCode,
}

impl Partition {
    /// A broker that is behind may describe an older epoch than another one did: what is known stays then.
    fn read(partition: MetadataResponsePartition, before: Option<&Self>) -> Self {
        if let Some(before) = before.filter(|before| before.leader_epoch > partition.leader_epoch)
            && partition.leader_epoch >= 0
        {
            return before.clone();
        }
        let ids = |ids: Vec<i32>| ids.into_iter().map(BrokerId).collect();
        Self {
            index: partition.partition_index,
            leader: Some(BrokerId(partition.leader_id)).filter(|id| id.0 >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: ids(partition.replica_nodes),
            in_sync_replicas: ids(partition.isr_nodes),
            offline_replicas: ids(partition.offline_replicas),
            error: ErrorCode(partition.error_code),
        }
    }
}

/// Brokers of one cluster that are kept at most: several times what the largest clusters have.
const MAX_BROKERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata::MetadataResponseBroker;

    use super::*;

    fn response(topic: &str, id: u8, partitions: &[(i32, i32, i32)]) -> MetadataResponse {
        let partition = |&(partition_index, leader_id, leader_epoch): &(i32, i32, i32)| MetadataResponsePartition {
            partition_index,
            leader_id,
            leader_epoch,
            ..Default::default()
        };
        let topic = MetadataResponseTopic {
            name: Some(topic.into()),
            topic_id: Uuid::from_bytes([id; 16]),
            partitions: partitions.iter().map(partition).collect(),
            ..Default::default()
        };
        let broker = |node_id| MetadataResponseBroker { node_id, host: "h".into(), port: 9092, ..Default::default() };
        MetadataResponse { brokers: (1..4).map(broker).collect(), topics: vec![topic], ..Default::default() }
    }

    fn kind(result: Result<BrokerId, Error>) -> ErrorKind {
        result.unwrap_err().kind().clone()
    }

    #[test]
    fn leaders_and_what_hides_them() {
        let asked = |topic: &str| topic == "t";
        let cluster = Cluster::default().updated(response("t", 1, &[(1, -1, 0), (0, 2, 0), (2, 9, 0)]), asked);
        assert_eq!(cluster.leader("t", 0).unwrap(), BrokerId(2));
        assert_eq!(kind(cluster.leader("t", 1)), ErrorKind::NoLeader);
        assert_eq!(kind(cluster.leader("t", 2)), ErrorKind::NoLeader, "not a broker of the cluster");
        assert_eq!(kind(cluster.leader("t", 3)), ErrorKind::UnknownPartition);
        assert_eq!(kind(cluster.leader("t", -1)), ErrorKind::UnknownPartition);
        assert_eq!(kind(cluster.leader("u", 0)), ErrorKind::UnknownTopic);
    }

    #[test]
    fn an_older_leader_epoch_never_replaces_a_newer_one() {
        let asked = |topic: &str| topic == "t";
        let cluster = Cluster::default().updated(response("t", 1, &[(0, 2, 5)]), asked);
        let stale = cluster.updated(response("t", 1, &[(0, 1, 4)]), asked);
        assert_eq!(stale.leader("t", 0).unwrap(), BrokerId(2));
        let newer = stale.updated(response("t", 1, &[(0, 3, 6)]), asked);
        assert_eq!(newer.leader("t", 0).unwrap(), BrokerId(3));
        let recreated = newer.updated(response("t", 2, &[(0, 1, 0)]), asked);
        assert_eq!(recreated.leader("t", 0).unwrap(), BrokerId(1), "another topic of the same name");
    }

    #[test]
    fn topics_that_nobody_asked_for_are_not_kept() {
        let cluster = Cluster::default().updated(response("t", 1, &[(0, 1, 0)]), |_| false);
        assert_eq!((cluster.topics().len(), cluster.brokers().len()), (0, 3));
    }

    #[test]
    fn hostile_answers_do_no_harm() {
        let asked = |topic: &str| topic == "t";
        let mut hostile = response("t", 1, &[(7, 1, 0), (7, 2, 0), (-3, 1, 0), (i32::MAX, 1, 0)]);
        for (broker, port) in hostile.brokers.iter_mut().zip([-1, 0, 70_000]) {
            broker.port = port;
        }
        let cluster = Cluster::default().updated(hostile, asked);
        assert_eq!(cluster.brokers().len(), 0);
        assert_eq!(cluster.topic("t").unwrap().partitions.len(), 3);
        assert!(cluster.topic("t").unwrap().partition(7).is_some());
        assert!(cluster.topic("t").unwrap().partition(0).is_none());
    }
}
