//! The topics that a writer writes to: their partitions, and a balancer for each.
//!
//! Sans-IO.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use kafka_conn::{Cluster, Message};
use smol_str::SmolStr;

use crate::balancer::{Balancer, Candidates};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{read, write};
use crate::partition::Partition;

/// One entry for each topic that is written to.
pub(crate) struct Topics {
    by_name: RwLock<HashMap<SmolStr, Arc<Topic>>>,
    balancer: Arc<dyn Balancer>,
    next_partition: AtomicU64,
}

/// A topic that is written to.
pub(crate) struct Topic {
    name: SmolStr,
    /// Whether it was written to since the last look.
    used: AtomicBool,
    balancer: Arc<dyn Balancer>,
    partitions: RwLock<Partitions>,
}

#[derive(Debug, Default)]
struct Partitions {
    /// Their indexes, in ascending order.
    indexes: Vec<i32>,
    /// Those of them that have a leader.
    led: Vec<i32>,
    /// The same in the same order.
    list: Vec<Arc<Partition>>,
    /// Those that the topic had once. A broker that is behind hides partitions that were just added; when they are back
    /// they must be the same ones, or two batches of a partition would be under way, and one could overtake the other.
    gone: Vec<Arc<Partition>>,
}

impl Topics {
    pub(crate) fn new(balancer: Arc<dyn Balancer>) -> Self {
        Self { by_name: RwLock::default(), balancer, next_partition: AtomicU64::new(0) }
    }

    fn find(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.by_name).get(name).cloned()
    }

    /// Does something with a topic, if it is known. That must be short: nobody else can make a topic known meanwhile.
    pub(crate) fn with<T>(&self, name: &str, act: impl FnOnce(&Topic) -> T) -> Option<T> {
        read(&self.by_name).get(name).map(|topic| act(topic))
    }

    /// The topic as the cluster has it.
    pub(crate) fn insert(&self, known: &kafka_conn::Topic) -> Arc<Topic> {
        let mut by_name = write(&self.by_name);
        let topic = by_name.entry(known.name.clone()).or_insert_with(|| {
            let balancer = self.balancer.for_topic(&known.name);
            let used = AtomicBool::new(true);
            Arc::new(Topic { name: known.name.clone(), used, balancer, partitions: RwLock::default() })
        });
        self.update(topic, known);
        Arc::clone(topic)
    }

    /// Takes over what is new in the cluster. That is no use of a topic: one that nobody writes to is forgotten by the
    /// transport, and asked for again when somebody does.
    pub(crate) fn handle_cluster(&self, cluster: &Cluster) {
        for known in cluster.topics() {
            if let Some(topic) = self.find(&known.name) {
                self.update(&topic, known);
            }
        }
    }

    /// Forgets the topics that nobody has written to since the last call, and of which nothing is under way. Returns
    /// whether one of them had counted its messages.
    pub(crate) fn forget_unused(&self) -> bool {
        let mut counted = false;
        write(&self.by_name).retain(|_, topic| {
            let used = topic.used.swap(false, Ordering::Relaxed);
            // Nobody can take another handle meanwhile: they are taken under this lock, or from one there is.
            if used || Arc::strong_count(topic) > 1 {
                return true;
            }
            let partitions = read(&topic.partitions);
            let all = || partitions.list.iter().chain(&partitions.gone);
            let busy = all().any(|partition| Arc::strong_count(partition) > 1);
            counted |= !busy && all().any(|partition| partition.has_counted());
            busy
        });
        counted
    }

    /// Adopts the partitions that there are. A topic that is not described at the moment keeps those it had.
    fn update(&self, topic: &Topic, known: &kafka_conn::Topic) {
        let led = known.partitions.iter().filter(|found| found.leader.is_some()).map(|found| found.index);
        let same = |partitions: &Partitions| {
            let indexes = known.partitions.iter().map(|found| &found.index);
            partitions.indexes.iter().eq(indexes) && partitions.led.iter().copied().eq(led.clone())
        };
        if known.partitions.is_empty() || same(&read(&topic.partitions)) {
            return;
        }
        let mut partitions = write(&topic.partitions);
        let list = known.partitions.iter().map(|found| {
            partitions.find(found.index).cloned().or_else(|| partitions.find_gone(found.index)).unwrap_or_else(|| {
                let id = self.next_partition.fetch_add(1, Ordering::Relaxed);
                Arc::new(Partition::new(id, topic.name.clone(), found.index))
            })
        });
        let list: Vec<_> = list.collect();
        let indexes: Vec<_> = list.iter().map(|partition| partition.index).collect();
        let mut gone = std::mem::take(&mut partitions.gone);
        gone.append(&mut partitions.list);
        gone.retain(|partition| indexes.binary_search(&partition.index).is_err());
        let led = led.collect();
        *partitions = Partitions { indexes, led, list, gone };
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(read(&self.by_name).keys()).finish()
    }
}

impl Topic {
    /// Does something with the partition that the message is to go to: the named one, or the balancer's choice.
    ///
    /// # Errors
    /// [`UnknownPartition`](ErrorKind::UnknownPartition) where that is none of the topic's.
    // Once for each message: a call of its own takes 4 % of a send.
    #[inline(always)]
    pub(crate) fn with_choice<T>(
        &self,
        message: &Message,
        named: Option<i32>,
        act: impl FnOnce(&Arc<Partition>) -> T,
    ) -> Result<T> {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        let partitions = read(&self.partitions);
        if partitions.indexes.is_empty() {
            return Err(Error::new(ErrorKind::Metadata).with_topic(&self.name));
        }
        let chosen = named.unwrap_or_else(|| partitions.choose(self.balancer.as_ref(), message));
        let unknown = || Error::new(ErrorKind::UnknownPartition(chosen)).with_topic(&self.name);
        partitions.find(chosen).map(act).ok_or_else(unknown)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Partitions {
    fn choose(&self, balancer: &dyn Balancer, message: &Message) -> i32 {
        let queued = |index| self.find(index).map_or(0, |found| found.queued());
        balancer.choose(message, &Candidates::new(&self.indexes, &self.led, &queued))
    }

    fn find(&self, index: i32) -> Option<&Arc<Partition>> {
        // Indexes have no gaps, so nearly always the place is the index.
        let at = usize::try_from(index).ok().filter(|at| self.indexes.get(*at) == Some(&index));
        let at = at.or_else(|| self.indexes.binary_search(&index).ok())?;
        self.list.get(at)
    }

    fn find_gone(&self, index: i32) -> Option<Arc<Partition>> {
        self.gone.iter().find(|partition| partition.index == index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{ErrorCode, Uuid};

    use super::*;
    use crate::accumulator::{ProducerIdentity, Sequence};
    use crate::balancer::{Hash, Manual};

    fn known(partitions: i32) -> kafka_conn::Topic {
        let partition = |index| kafka_conn::Partition {
            index,
            leader: None,
            leader_epoch: 0,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            offline_replicas: Vec::new(),
            error: ErrorCode::NONE,
        };
        kafka_conn::Topic {
            name: "t".into(),
            id: Uuid::ZERO,
            is_internal: false,
            error: ErrorCode::NONE,
            partitions: (0..partitions).map(partition).collect(),
        }
    }

    #[test]
    fn a_partition_that_was_hidden_is_the_same_when_it_is_back() {
        let topics = Topics::new(Arc::new(Manual));
        let choose = |topic: &Topic, partition| {
            topic.with_choice(&Message { partition, ..Message::default() }, None, Arc::clone)
        };
        let topic = topics.insert(&known(4));
        let before = choose(&topic, 3).unwrap();
        for partitions in [2, 1, 2] {
            topics.insert(&known(partitions));
            let refused = choose(&topic, 3).unwrap_err();
            assert_eq!(refused.kind(), &ErrorKind::UnknownPartition(3));
        }
        topics.insert(&known(5));
        assert!(Arc::ptr_eq(&before, &choose(&topic, 3).unwrap()));
        assert_eq!(choose(&topic, 4).unwrap().index, 4);
    }

    #[test]
    fn what_may_go_anywhere_goes_where_a_leader_is() {
        let topics = Topics::new(Arc::new(Hash::default()));
        let mut described = known(3);
        described.partitions[1].leader = Some(kafka_conn::BrokerId(1));
        let topic = topics.insert(&described);
        let choose = |key: Option<&'static str>| {
            let message = Message { key: key.map(Into::into), ..Message::default() };
            topic.with_choice(&message, None, |partition| partition.index).unwrap()
        };
        assert_eq!([None, None, Some("boop"), Some("blah")].map(choose), [1, 1, 2, 1]);
        topics.insert(&known(3));
        assert_eq!([None, None, None].map(choose), [2, 0, 1], "without any leader they take turns again");
        assert_eq!(topic.with_choice(&Message::default(), Some(2), |partition| partition.index).unwrap(), 2);
        let unknown = topic.with_choice(&Message::default(), Some(3), |_| ()).unwrap_err();
        assert_eq!(unknown.kind(), &ErrorKind::UnknownPartition(3));
    }

    #[test]
    fn a_topic_that_is_not_written_to_is_forgotten() {
        let topics = Topics::new(Arc::new(Manual));
        let topic = topics.insert(&known(1));
        let use_it = |topic: &Topic| topic.with_choice(&Message::default(), None, Arc::clone).unwrap();
        let partition = use_it(&topic);
        assert!(!topics.forget_unused() && !topics.forget_unused(), "somebody has a handle");
        drop(topic);
        assert!(!topics.forget_unused());
        assert!(topics.with("t", |_| ()).is_some(), "something is under way");
        partition.watch();
        let mut sequence = Sequence::default();
        sequence.start(ProducerIdentity { producer_id: 1, producer_epoch: 0 });
        assert!(partition.release(sequence));
        drop(partition);
        topics.with("t", use_it);
        assert!(!topics.forget_unused() && topics.with("t", |_| ()).is_some(), "it was used");
        assert!(topics.forget_unused(), "it had counted");
        assert!(topics.with("t", |_| ()).is_none());
    }
}
