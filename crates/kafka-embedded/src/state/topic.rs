//! Topics: made, enlarged, deleted.
//!
//! Sans-IO.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use crate::state::configs;
use crate::state::{Partition, State};

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: SmolStr,
    pub(crate) id: Uuid,
    /// What was set; the rest is at Kafka's defaults.
    pub(crate) configs: BTreeMap<SmolStr, SmolStr>,
    partitions: Vec<Partition>,
}

/// A topic to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewTopic {
    pub(crate) name: SmolStr,
    /// -1 for the cluster's default.
    pub(crate) partitions: i32,
    /// -1 for the cluster's default.
    pub(crate) replication_factor: i16,
    /// The replicas of each partition; empty where the cluster is to choose.
    pub(crate) assignments: Vec<Vec<i32>>,
    pub(crate) configs: Vec<(SmolStr, Option<SmolStr>)>,
}

/// Why a topic cannot be made or changed so: the code and a text.
pub(crate) type TopicError = (ErrorCode, String);

impl Topic {
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter()
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }

    /// A configuration, or Kafka's default for it.
    pub(crate) fn config(&self, name: &str) -> &str {
        self.configs.get(name).map_or_else(|| configs::default_of(name), SmolStr::as_str)
    }

    /// A configuration that is a number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.config(name).parse().unwrap_or_default()
    }

    /// How many replicas each partition was made with.
    pub(crate) fn replication_factor(&self) -> i16 {
        self.partitions.first().map_or(0, |partition| partition.replicas.len() as i16)
    }
}

impl State {
    /// Makes a topic, or only says whether it could be made.
    pub(crate) fn create_topic(&mut self, new: &NewTopic, validate_only: bool) -> Result<Uuid, TopicError> {
        check_name(&new.name)?;
        if self.topics.contains_key(&new.name) {
            return Err((ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{}' already exists.", new.name)));
        }
        if self.topics.len() >= self.config.limits.max_topics {
            return Err((ErrorCode::POLICY_VIOLATION, "the cluster has as many topics as it may".to_owned()));
        }
        let configs = checked_configs(&new.configs)?;
        let assignments = self.assignments(new)?;
        self.check_room(assignments.len())?;
        if validate_only {
            return Ok(Uuid::ZERO);
        }
        let id = self.new_uuid();
        let partitions = assignments.into_iter().map(|replicas| self.new_partition(replicas)).collect();
        self.ids.insert(id, new.name.clone());
        self.topics.insert(new.name.clone(), Topic { name: new.name.clone(), id, configs, partitions });
        self.changed = true;
        Ok(id)
    }

    /// Deletes a topic and all that is in it.
    pub(crate) fn delete_topic(&mut self, name: &str) -> Option<Uuid> {
        let topic = self.topics.remove(name)?;
        self.ids.remove(&topic.id);
        self.groups.forget_topic(name);
        self.go_on_with_endings();
        self.changed = true;
        Some(topic.id)
    }

    /// Gives a topic more partitions.
    pub(crate) fn enlarge_topic(
        &mut self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("There is no topic '{name}'."));
        let topic = self.topic(name).ok_or_else(unknown)?;
        let (have, factor) = (topic.partition_count(), topic.replication_factor());
        let more = usize::try_from(i64::from(count) - i64::from(have)).ok().filter(|more| *more > 0);
        let more = more.ok_or_else(|| {
            let text = format!("The topic '{name}' has {have} partitions: {count} would not be more.");
            (ErrorCode::INVALID_PARTITIONS, text)
        })?;
        self.check_room(more)?;
        let added = match assignments {
            None => self.spread(more, factor.max(1), have as usize),
            Some(given) if given.len() == more => given,
            Some(_) => return Err(bad_assignment("an assignment is needed for each new partition")),
        };
        added.iter().try_for_each(|replicas| self.check_replicas(replicas))?;
        if validate_only {
            return Ok(());
        }
        let added: Vec<_> = added.into_iter().map(|replicas| self.new_partition(replicas)).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(added);
        }
        self.changed = true;
        Ok(())
    }

    fn new_partition(&self, replicas: Vec<i32>) -> Partition {
        Partition::new(replicas, |replica| self.is_alive(replica), self.config.limits.max_producers)
    }

    fn assignments(&self, new: &NewTopic) -> Result<Vec<Vec<i32>>, TopicError> {
        if !new.assignments.is_empty() {
            if new.partitions != -1 || new.replication_factor != -1 {
                let text = "Both partitions or replicas and an assignment were given.".to_owned();
                return Err((ErrorCode::INVALID_REQUEST, text));
            }
            new.assignments.iter().try_for_each(|replicas| self.check_replicas(replicas))?;
            return Ok(new.assignments.clone());
        }
        let partitions = if new.partitions == -1 { self.config.default_partitions } else { new.partitions };
        let count = usize::try_from(partitions).ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| {
            (ErrorCode::INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.".to_owned())
        })?;
        self.check_room(count)?;
        let factor = match new.replication_factor {
            -1 => self.config.default_replication_factor,
            factor => factor,
        };
        let alive = self.alive().count();
        if factor < 1 || factor as usize > alive {
            let text = format!("Unable to replicate the partition {factor} time(s): {alive} broker(s) are registered.");
            return Err((ErrorCode::INVALID_REPLICATION_FACTOR, text));
        }
        Ok(self.spread(count, factor, self.all_partitions_count()))
    }

    /// Replicas of `count` partitions, round the brokers that are alive.
    fn spread(&self, count: usize, factor: i16, offset: usize) -> Vec<Vec<i32>> {
        let alive: Vec<i32> = self.alive().map(|broker| broker.id).collect();
        let replicas = |partition: usize| {
            let ring = alive.iter().cycle().skip((offset + partition).checked_rem(alive.len()).unwrap_or_default());
            ring.take((factor as usize).min(alive.len())).copied().collect()
        };
        (0..count).map(replicas).collect()
    }

    fn all_partitions_count(&self) -> usize {
        self.topics.values().map(|topic| topic.partitions.len()).sum()
    }

    fn check_room(&self, more: usize) -> Result<(), TopicError> {
        if self.all_partitions_count().saturating_add(more) > self.config.limits.max_partitions {
            return Err((ErrorCode::POLICY_VIOLATION, "the cluster has as many partitions as it may".to_owned()));
        }
        Ok(())
    }

    pub(super) fn check_replicas(&self, replicas: &[i32]) -> Result<(), TopicError> {
        let unknown = replicas.iter().any(|replica| !self.brokers.contains_key(replica));
        let different = replicas.iter().collect::<BTreeSet<_>>().len();
        if replicas.is_empty() || unknown || different < replicas.len() {
            return Err(bad_assignment("replicas are brokers of the cluster, each once"));
        }
        Ok(())
    }
}

fn bad_assignment(text: &str) -> TopicError {
    (ErrorCode::INVALID_REPLICA_ASSIGNMENT, text.to_owned())
}

/// A name that Kafka takes: 1 to 249 letters, digits, dots, underscores and hyphens, but neither "." nor "..".
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if matches!(name, "" | "." | "..") || name.len() > 249 || !name.bytes().all(legal) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, format!("{name:?} is no legal name of a topic.")));
    }
    Ok(())
}

fn checked_configs(given: &[(SmolStr, Option<SmolStr>)]) -> Result<BTreeMap<SmolStr, SmolStr>, TopicError> {
    let mut checked = BTreeMap::new();
    for (name, value) in given {
        // Null is the default.
        let Some(value) = value else { continue };
        configs::check(name, value).map_err(|text| (ErrorCode::INVALID_CONFIG, text))?;
        checked.insert(name.clone(), value.clone());
    }
    Ok(checked)
}
