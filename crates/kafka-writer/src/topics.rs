//! The topics that a writer writes to: their partitions, and a balancer for each.
//!
//! Sans-IO.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use kafka_conn::{Cluster, Message};
use smol_str::SmolStr;

use crate::balancer::Balancer;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{read, write};
use crate::partition::Partition;

/// One entry for each topic that was ever written to.
pub(crate) struct Topics {
    by_name: RwLock<HashMap<SmolStr, Arc<Topic>>>,
    balancer: Arc<dyn Balancer>,
    next_partition: AtomicU64,
}

/// A topic that is written to.
pub(crate) struct Topic {
    name: SmolStr,
    balancer: Arc<dyn Balancer>,
    partitions: RwLock<Partitions>,
}

#[derive(Debug, Default)]
struct Partitions {
    /// What the balancer sees.
    indexes: Vec<i32>,
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

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.by_name).get(name).cloned()
    }

    /// The topic as the cluster has it.
    pub(crate) fn insert(&self, known: &kafka_conn::Topic) -> Arc<Topic> {
        let mut by_name = write(&self.by_name);
        let topic = by_name.entry(known.name.clone()).or_insert_with(|| {
            let balancer = self.balancer.for_topic(&known.name);
            Arc::new(Topic { name: known.name.clone(), balancer, partitions: RwLock::default() })
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

    /// Adopts the partitions that there are. A topic that is not described at the moment keeps those it had.
    fn update(&self, topic: &Topic, known: &kafka_conn::Topic) {
        let same =
            |partitions: &Partitions| partitions.indexes.iter().eq(known.partitions.iter().map(|found| &found.index));
        if known.partitions.is_empty() || same(&read(&topic.partitions)) {
            return;
        }
        let mut partitions = write(&topic.partitions);
        let list = known.partitions.iter().map(|found| {
            partitions.find(found.index).or_else(|| partitions.find_gone(found.index)).unwrap_or_else(|| {
                let id = self.next_partition.fetch_add(1, Ordering::Relaxed);
                Arc::new(Partition::new(id, topic.name.clone(), found.index))
            })
        });
        let list: Vec<_> = list.collect();
        let indexes: Vec<_> = list.iter().map(|partition| partition.index).collect();
        let mut gone = std::mem::take(&mut partitions.gone);
        gone.append(&mut partitions.list);
        gone.retain(|partition| indexes.binary_search(&partition.index).is_err());
        *partitions = Partitions { indexes, list, gone };
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(read(&self.by_name).keys()).finish()
    }
}

impl Topic {
    /// The partition that the balancer chooses.
    ///
    /// # Errors
    /// [`UnknownPartition`](ErrorKind::UnknownPartition) where it chooses none of the topic's.
    pub(crate) fn choose(&self, message: &Message) -> Result<Arc<Partition>> {
        let partitions = read(&self.partitions);
        if partitions.indexes.is_empty() {
            return Err(Error::new(ErrorKind::Metadata).with_topic(&self.name));
        }
        let chosen = self.balancer.balance(message, &partitions.indexes);
        partitions.find(chosen).ok_or_else(|| Error::new(ErrorKind::UnknownPartition(chosen)).with_topic(&self.name))
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Partitions {
    fn find(&self, index: i32) -> Option<Arc<Partition>> {
        // Indexes have no gaps, so nearly always the place is the index.
        let at = usize::try_from(index).ok().filter(|at| self.indexes.get(*at) == Some(&index));
        let at = at.or_else(|| self.indexes.binary_search(&index).ok())?;
        self.list.get(at).cloned()
    }

    fn find_gone(&self, index: i32) -> Option<Arc<Partition>> {
        self.gone.iter().find(|partition| partition.index == index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{ErrorCode, Uuid};

    use super::*;
    use crate::balancer::Manual;

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
        let choose = |topic: &Topic, partition| topic.choose(&Message { partition, ..Message::default() });
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
}
