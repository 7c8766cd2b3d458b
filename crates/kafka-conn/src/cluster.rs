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

impl Known {
    fn learn(&mut self, hint: &LeaderHint) -> bool {
        let is_news = |known: &Partition| {
            let headless = known.leader.is_none() && hint.leader_epoch == known.leader_epoch;
            headless || hint.leader_epoch > known.leader_epoch
        };
        let Some(position) = self.topic.position(hint.partition) else { return false };
        if !self.topic.partitions.get(position).is_some_and(is_news) {
            return false;
        }
        if let Some(partition) = Arc::make_mut(&mut self.topic).partitions.get_mut(position) {
            partition.leader = Some(hint.leader);
            partition.leader_epoch = hint.leader_epoch;
        }
        true
    }
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
    /// the topic. While a retriable one lasts, who led before counts: that broker knows best whether it still does.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<BrokerId, Error> {
        let error = |error: Error| error.with_partition(topic, partition).with_unsent();
        let known = self.topic(topic).ok_or_else(|| error(Error::new(ErrorKind::UnknownTopic)))?;
        let found = known.partition(partition);
        // A broker that is behind, or just started, hides what others have told before.
        if found.is_none() || !known.error.is_retriable() {
            known.check().map_err(error)?;
        }
        let found = found.ok_or_else(|| error(Error::new(ErrorKind::UnknownPartition)))?;
        // A leader that is no broker of the cluster is one that just went down.
        let leader = found.leader.filter(|leader| self.brokers.contains_key(leader));
        leader.ok_or_else(|| error(Error::new(ErrorKind::NoLeader)))
    }

    /// The snapshot after `response`, an answer to a request for the topics that were `asked` for. The others stay as
    /// they were.
    pub(crate) fn updated(&self, response: MetadataResponse, asked: impl Fn(&str) -> bool) -> Self {
        let brokers: BTreeMap<_, _> = response.brokers.iter().take(MAX_BROKERS).filter_map(Broker::read).collect();
        let controller = Some(BrokerId(response.controller_id)).filter(|id| brokers.contains_key(id));
        // Leader epochs of another cluster, that listens where this one did, say nothing.
        let is_another = self.id.is_some() && response.cluster_id.is_some() && self.id != response.cluster_id;
        let mut topics = if is_another { HashMap::new() } else { self.topics.clone() };
        for topic in response.topics {
            // A name that nobody asked for would let a broker fill this client's memory.
            let Some(name) = topic.name.clone().filter(|name| asked(name)) else {
                continue;
            };
            let before = topics.get(&name);
            let next = Topic::read(name.clone(), topic, before.map(|known| &*known.topic));
            let used = before.map(|known| Arc::clone(&known.used)).unwrap_or_default();
            topics.insert(name, Known { topic: Arc::new(next), used });
        }
        Self { generation: self.generation + 1, id: response.cluster_id, controller, brokers, topics }
    }

    /// The snapshot after what answers to other requests told; `None` where that is nothing new. A hint counts if its
    /// epoch is newer, or if nobody led in that epoch, and if its leader is a broker that is known.
    pub(crate) fn learned(&self, leaders: &[LeaderHint], brokers: impl IntoIterator<Item = Broker>) -> Option<Self> {
        let mut next = self.clone();
        let mut changed = false;
        for broker in brokers {
            let room = next.brokers.len() < MAX_BROKERS || next.brokers.contains_key(&broker.id);
            // Hints do not tell what a broker's rack is where the request has no place for it.
            let known = next.brokers.get(&broker.id).is_some_and(|known| known.address == broker.address);
            if room && !known {
                next.brokers.insert(broker.id, broker);
                changed = true;
            }
        }
        for hint in leaders.iter().filter(|hint| next.brokers.contains_key(&hint.leader)) {
            changed |= next.topics.get_mut(&hint.topic).is_some_and(|known| known.learn(hint));
        }
        next.generation += 1;
        changed.then_some(next)
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
        let broker = Self::advertised(broker.node_id, broker.host.clone(), broker.port, broker.rack.clone())?;
        Some((broker.id, broker))
    }

    /// A broker as answers name one, such as the `node_endpoints` of Produce and Fetch (KIP-951). `None` where the id
    /// is negative, or host and port cannot be an address.
    pub fn advertised(node_id: i32, host: SmolStr, port: i32, rack: Option<SmolStr>) -> Option<Self> {
        let address = BrokerAddress::new(host, u16::try_from(port).ok()?).ok()?;
        (node_id >= 0).then_some(Self { id: BrokerId(node_id), address, rack })
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
    /// Why the broker would not describe it when it was last asked, if not [`ErrorCode::NONE`].
    pub error: ErrorCode,
    /// Its partitions, in the order of their indexes. Where `error` is set, they are what was known before.
    pub partitions: Vec<Partition>,
}

/// What the answer to another request tells of a partition whose leader has moved: the `current_leader` of Produce and
/// Fetch (KIP-951). For [`Transport::learn`](crate::Transport::learn).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderHint {
    /// The topic's name.
    pub topic: SmolStr,
    /// The partition's index.
    pub partition: i32,
    /// The broker that leads it now.
    pub leader: BrokerId,
    /// The epoch of its leadership.
    pub leader_epoch: i32,
}

impl LeaderHint {
    /// A leader as answers name it, by `current_leader`. `None` where they name none: its id is -1.
    pub fn named(topic: SmolStr, partition: i32, leader_id: i32, leader_epoch: i32) -> Option<Self> {
        (leader_id >= 0).then_some(Self { topic, partition, leader: BrokerId(leader_id), leader_epoch })
    }
}

impl Topic {
    /// The partition with this index.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(self.position(index)?)
    }

    fn position(&self, index: i32) -> Option<usize> {
        // Indexes have no gaps, so nearly always the position is the index.
        let at = usize::try_from(index).ok()?;
        if self.partitions.get(at).is_some_and(|partition| partition.index == index) {
            return Some(at);
        }
        self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()
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
        let error = ErrorCode(topic.error_code);
        // With an error comes no description, and often no id: what is known of the topic stays.
        let before =
            before.filter(|before| before.id == topic.topic_id || (error.is_error() && topic.topic_id.is_zero()));
        if let Some(before) = before.filter(|_| error.is_error()) {
            return Self { error, ..before.clone() };
        }
        let read = |partition: MetadataResponsePartition| {
            let index = partition.partition_index;
            Partition::read(partition, before.and_then(|before| before.partition(index)))
        };
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(read).collect();
        partitions.sort_unstable_by_key(|partition| partition.index);
        partitions.dedup_by_key(|partition| partition.index);
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
    fn an_error_of_the_topic_hides_nothing_that_was_known() {
        let asked = |topic: &str| topic == "t";
        let failed = |code: i16, id: u8| {
            let mut response = response("t", id, &[]);
            response.topics[0].error_code = code;
            response
        };
        let cluster = Cluster::default().updated(response("t", 1, &[(0, 2, 5)]), asked);
        for code in [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::LEADER_NOT_AVAILABLE] {
            let hidden = cluster.updated(failed(code.0, 0), asked);
            assert_eq!(hidden.leader("t", 0).unwrap(), BrokerId(2), "{code}");
            assert_eq!(hidden.topic("t").unwrap().error, code);
            assert!(hidden.topic("t").unwrap().check().is_err());
            assert_eq!(hidden.topic("t").unwrap().id, Uuid::from_bytes([1; 16]));
            let stale = hidden.updated(response("t", 1, &[(0, 1, 4)]), asked);
            assert_eq!(stale.leader("t", 0).unwrap(), BrokerId(2), "an older epoch, behind an error");
            assert_eq!(stale.topic("t").unwrap().error, ErrorCode::NONE);
        }
        let refused = cluster.updated(failed(ErrorCode::TOPIC_AUTHORIZATION_FAILED.0, 0), asked);
        assert!(!refused.leader("t", 0).unwrap_err().is_retriable());
        let back = refused.updated(response("t", 1, &[(0, 1, 4)]), asked);
        assert_eq!(back.leader("t", 0).unwrap(), BrokerId(2));
        let replaced = cluster.updated(failed(ErrorCode::LEADER_NOT_AVAILABLE.0, 2), asked);
        assert!(replaced.topic("t").unwrap().partitions.is_empty(), "another topic of the same name");
    }

    #[test]
    fn another_cluster_is_not_mixed_up_with_the_one_before() {
        let asked = |topic: &str| topic == "t";
        let named = |id: &str, epoch| MetadataResponse {
            cluster_id: Some(id.into()),
            ..response("t", 1, &[(0, epoch, epoch)])
        };
        let cluster = Cluster::default().updated(named("a", 3), asked);
        assert_eq!(cluster.updated(named("a", 1), asked).leader("t", 0).unwrap(), BrokerId(3));
        assert_eq!(cluster.updated(named("b", 1), asked).leader("t", 0).unwrap(), BrokerId(1));
    }

    #[test]
    fn hints_count_where_they_are_newer() {
        let asked = |topic: &str| topic == "t";
        let cluster = Cluster::default().updated(response("t", 1, &[(0, 2, 5), (1, -1, 5)]), asked);
        let hint = |partition, leader, leader_epoch| LeaderHint {
            topic: "t".into(),
            partition,
            leader: BrokerId(leader),
            leader_epoch,
        };
        let leader = |cluster: &Cluster, partition| cluster.leader("t", partition).unwrap().0;
        let next = cluster.learned(&[hint(0, 3, 6)], []).unwrap();
        assert_eq!((leader(&next, 0), next.generation()), (3, cluster.generation() + 1));
        assert_eq!(leader(&cluster, 0), 2, "a snapshot never changes");
        assert_eq!(leader(&cluster.learned(&[hint(1, 3, 5)], []).unwrap(), 1), 3, "nobody led in this epoch");
        for nothing in [hint(0, 3, 5), hint(0, 1, 4), hint(7, 1, 9), hint(0, 9, 9), hint(1, 1, 4)] {
            assert!(cluster.learned(std::slice::from_ref(&nothing), []).is_none(), "{nothing:?}");
        }
        assert!(cluster.learned(&[LeaderHint { topic: "u".into(), ..hint(0, 1, 9) }], []).is_none());
        let nine = Broker::advertised(9, "nine".into(), 9092, None).unwrap();
        let next = cluster.learned(&[hint(0, 9, 9)], [nine.clone()]).unwrap();
        assert_eq!((leader(&next, 0), next.broker(BrokerId(9))), (9, Some(&nine)));
        assert!(next.learned(&[], [nine]).is_none());
        let stale = next.updated(response("t", 1, &[(0, 2, 5)]), asked);
        assert_eq!(stale.topic("t").unwrap().partition(0).unwrap().leader_epoch, 9, "metadata may be behind a hint");
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
