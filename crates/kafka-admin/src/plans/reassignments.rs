//! Moving partitions from brokers to brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kafka_conn::BrokerId;

use super::lines;
use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::reassignments::Reassignment;
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
    /// The brokers that have a replica, the preferred leader first. Where a move is under way, those that had one before
    /// it began: there the partition is when it is called off.
    pub from: Vec<BrokerId>,
    /// The brokers that are to have one, the preferred leader first; `None` where the move that is under way is called
    /// off.
    pub to: Option<Vec<BrokerId>>,
    /// The move that is under way, which ends with this one.
    pub under_way: Option<Reassignment>,
}

impl PlannedReassignment {
    /// The brokers that get a replica: as much data as the partition has is sent to each, less what the move that is
    /// under way has sent there.
    pub fn adding(&self) -> Vec<BrokerId> {
        self.to.iter().flatten().filter(|broker| !self.from.contains(broker)).copied().collect()
    }

    /// The brokers that lose theirs.
    pub fn removing(&self) -> Vec<BrokerId> {
        let Some(to) = &self.to else { return Vec::new() };
        self.from.iter().filter(|broker| !to.contains(broker)).copied().collect()
    }

    /// Whether there is nothing to do: it is where it is to be, and no move is under way.
    pub fn stays(&self) -> bool {
        self.under_way.is_none() && self.to.as_ref().is_none_or(|to| *to == self.from)
    }
}

impl Admin {
    /// Works out what a reassignment would change, without beginning it (ListPartitionReassignments,
    /// DescribeTopicPartitions).
    ///
    /// # Errors
    /// The first error of a topic: as [`describe_topics`](Self::describe_topics);
    /// [`UnknownTopic`](ErrorKind::UnknownTopic) for a partition that it does not have. For all: as
    /// [`list_reassignments`](Self::list_reassignments).
    pub async fn plan_reassignment(
        &self,
        targets: &BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Result<ReassignmentPlan> {
        let asked: Vec<_> = targets.keys().cloned().collect();
        // First, as moves end by themselves: one that ends between is taken for one that is under way, and what is to be
        // is asked for again. The other way around, replicas that are going would be taken for replicas that stay.
        let mut going = self.list_reassignments(Some(&asked)).await?;
        let mut replicas = self.replicas_of(targets.keys()).await?;
        let mut moves = BTreeMap::new();
        for (partition, to) in targets {
            let unknown = || Error::new(ErrorKind::UnknownTopic).about(Resource::Partition(partition.clone()));
            let replicas = replicas.remove(partition).ok_or_else(unknown)?;
            let under_way = going.remove(partition);
            let from = under_way.as_ref().map_or(replicas, |going| without(&going.replicas, &going.adding));
            moves.insert(partition.clone(), PlannedReassignment { from, to: to.clone(), under_way });
        }
        Ok(ReassignmentPlan { moves })
    }

    /// Begins the moves of a plan, and calls off those that are to be (AlterPartitionReassignments). The outcomes are
    /// by partition; partitions that [stay](PlannedReassignment::stays) are not asked for, and have none. A move that
    /// somebody began since the plan was made ends with these.
    ///
    /// # Errors
    /// As [`alter_reassignments`](Self::alter_reassignments).
    pub async fn apply_reassignment_plan(&self, plan: &ReassignmentPlan) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let moves = plan.moves.iter().filter(|(_, planned)| !planned.stays());
        let targets: BTreeMap<_, _> =
            moves.map(|(partition, planned)| (partition.clone(), planned.to.clone())).collect();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        self.alter_reassignments(&targets).await
    }

    async fn replicas_of(
        &self,
        partitions: impl Iterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>> {
        let names: BTreeSet<&str> = partitions.map(|partition| partition.topic.as_str()).collect();
        let mut replicas = BTreeMap::new();
        for topic in self.describe_topics(&names.into_iter().collect::<Vec<_>>()).await? {
            for partition in topic.result?.partitions {
                replicas.insert(TopicPartition::new(topic.item.clone(), partition.index), partition.replicas);
            }
        }
        Ok(replicas)
    }
}

impl fmt::Display for ReassignmentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, self.moves.iter().map(|(partition, planned)| format!("{partition}: {planned}")))
    }
}

impl fmt::Display for PlannedReassignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = listed(&self.from);
        let going = self.under_way.as_ref().map(|going| listed(&without(&going.replicas, &going.removing)));
        match (&self.to, going) {
            (None, None) => write!(f, "stays on {from}; no move is under way"),
            (None, Some(going)) => write!(f, "stays on {from}; calls off the move to {going}"),
            (Some(_), None) if self.stays() => write!(f, "stays on {from}"),
            (Some(to), going) => {
                let (adding, removing) = (listed(&self.adding()), listed(&self.removing()));
                write!(f, "from {from} to {} (adds {adding}, removes {removing})", listed(to))?;
                going.map_or(Ok(()), |going| write!(f, "; ends the move to {going}"))
            }
        }
    }
}

fn without(brokers: &[BrokerId], others: &[BrokerId]) -> Vec<BrokerId> {
    brokers.iter().filter(|broker| !others.contains(broker)).copied().collect()
}

fn listed(brokers: &[BrokerId]) -> String {
    let ids: Vec<_> = brokers.iter().map(|broker| broker.0.to_string()).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn printed(planned: impl Fn(Option<Vec<BrokerId>>) -> PlannedReassignment, targets: &[Option<&[i32]>]) -> String {
        let moves =
            targets.iter().zip(0..).map(|(to, index)| (TopicPartition::new("t", index), planned(to.map(brokers))));
        ReassignmentPlan { moves: moves.collect() }.to_string()
    }

    #[test]
    fn it_says_who_gets_and_who_loses_a_replica() {
        let planned = |to| PlannedReassignment { from: brokers(&[1, 2]), to, under_way: None };
        let expected = "t-0: from 1,2 to 2,3 (adds 3, removes 1)\nt-1: stays on 1,2\n\
            t-2: from 1,2 to 2,1 (adds none, removes none)\nt-3: stays on 1,2; no move is under way";
        assert_eq!(printed(planned, &[Some(&[2, 3]), Some(&[1, 2]), Some(&[2, 1]), None]), expected);
    }

    #[test]
    fn it_says_which_move_ends() {
        let going = Reassignment { replicas: brokers(&[2, 1]), adding: brokers(&[2]), removing: brokers(&[1]) };
        let planned = |to| PlannedReassignment { from: brokers(&[1]), to, under_way: Some(going.clone()) };
        let expected = "t-0: from 1 to 2,1 (adds 2, removes none); ends the move to 2\n\
            t-1: from 1 to 1 (adds none, removes none); ends the move to 2\n\
            t-2: stays on 1; calls off the move to 2";
        assert_eq!(printed(planned, &[Some(&[2, 1]), Some(&[1]), None]), expected);
        assert!(!planned(Some(brokers(&[1]))).stays() && !planned(None).stays());
    }
}
