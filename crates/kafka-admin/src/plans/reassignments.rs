//! Moving partitions from brokers to brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kafka_conn::BrokerId;

use super::lines;
use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition};

/// Moves of partitions that are to begin, or to be called off. Printed, it has a line for each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReassignmentPlan {
    /// The moves.
    pub moves: BTreeMap<TopicPartition, PlannedReassignment>,
}

/// The move of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedReassignment {
    /// The brokers that have a replica, the preferred leader first.
    pub from: Vec<BrokerId>,
    /// The brokers that are to have one, the preferred leader first; `None` where the move that is going on is called
    /// off.
    pub to: Option<Vec<BrokerId>>,
}

impl PlannedReassignment {
    /// The brokers that get a replica: as much data as the partition has is sent to each.
    pub fn adding(&self) -> Vec<BrokerId> {
        self.to.iter().flatten().filter(|broker| !self.from.contains(broker)).copied().collect()
    }

    /// The brokers that lose theirs.
    pub fn removing(&self) -> Vec<BrokerId> {
        let Some(to) = &self.to else { return Vec::new() };
        self.from.iter().filter(|broker| !to.contains(broker)).copied().collect()
    }
}

impl Admin {
    /// Works out what a reassignment would change, without beginning it (DescribeTopicPartitions).
    ///
    /// # Errors
    /// The first error of a topic: as [`describe_topics`](Self::describe_topics);
    /// [`UnknownTopic`](ErrorKind::UnknownTopic) for a partition that it does not have.
    pub async fn plan_reassignment(
        &self,
        targets: &BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Result<ReassignmentPlan> {
        let names: BTreeSet<&str> = targets.keys().map(|partition| partition.topic.as_str()).collect();
        let mut replicas = BTreeMap::new();
        for topic in self.describe_topics(&names.into_iter().collect::<Vec<_>>()).await? {
            for partition in topic.result?.partitions {
                replicas.insert(TopicPartition::new(topic.item.clone(), partition.index), partition.replicas);
            }
        }
        let mut moves = BTreeMap::new();
        for (partition, to) in targets {
            let unknown = || Error::new(ErrorKind::UnknownTopic).about(Resource::Partition(partition.clone()));
            let from = replicas.remove(partition).ok_or_else(unknown)?;
            moves.insert(partition.clone(), PlannedReassignment { from, to: to.clone() });
        }
        Ok(ReassignmentPlan { moves })
    }

    /// Begins the moves of a plan, and calls off those that are to be (AlterPartitionReassignments). The outcomes are
    /// by partition.
    ///
    /// # Errors
    /// As [`alter_reassignments`](Self::alter_reassignments).
    pub async fn apply_reassignment_plan(&self, plan: &ReassignmentPlan) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let target =
            |(partition, planned): (&TopicPartition, &PlannedReassignment)| (partition.clone(), planned.to.clone());
        self.alter_reassignments(&plan.moves.iter().map(target).collect()).await
    }
}

impl fmt::Display for ReassignmentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(partition, planned): (&TopicPartition, &PlannedReassignment)| match &planned.to {
            None => format!("{partition}: call off the move; the replicas are on {}", listed(&planned.from)),
            Some(to) if *to == planned.from => format!("{partition}: stays on {}", listed(to)),
            Some(to) => format!(
                "{partition}: from {} to {} (adds {}, removes {})",
                listed(&planned.from),
                listed(to),
                listed(&planned.adding()),
                listed(&planned.removing())
            ),
        };
        lines(f, self.moves.iter().map(line))
    }
}

fn listed(brokers: &[BrokerId]) -> String {
    let ids: Vec<_> = brokers.iter().map(|broker| broker.0.to_string()).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_gets_and_who_loses_a_replica() {
        let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let planned = |to: Option<&[i32]>| PlannedReassignment { from: brokers(&[1, 2]), to: to.map(brokers) };
        let moves = [Some(&[2, 3][..]), Some(&[1, 2]), Some(&[2, 1]), None].into_iter().zip(0..);
        let moves = moves.map(|(to, index)| (TopicPartition::new("t", index), planned(to)));
        let plan = ReassignmentPlan { moves: moves.collect() };
        let expected = "t-0: from 1,2 to 2,3 (adds 3, removes 1)\nt-1: stays on 1,2\n\
            t-2: from 1,2 to 2,1 (adds none, removes none)\nt-3: call off the move; the replicas are on 1,2";
        assert_eq!(plan.to_string(), expected);
    }
}
