//! Groups of Kafka Streams applications (KIP-1071): describe.
//!
//! What they share with other groups is there: [`list_groups`](Admin::list_groups) with the type `streams`,
//! [`delete_groups`](Admin::delete_groups), and [what they committed](Admin::list_group_offsets).

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::streams_group_describe::{
    self as wire, Assignment, DescribedGroup, KeyValue, StreamsGroupDescribeRequest, TaskIds, TaskOffset, TopicInfo,
};
use smol_str::SmolStr;

use crate::acls::AclOperation;
use crate::admin::Admin;
use crate::cluster::operations;
use crate::error::{Error, Result};
use crate::groups::in_order;
use crate::outcome::Outcome;

/// A group of a Kafka Streams application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsGroupDescription {
    /// Its state: `Stable`, `NotReady`, `Assigning`, `Reconciling`, `Empty`, …
    pub state: SmolStr,
    /// Its epoch: one more after each change of its members or of what they compute.
    pub epoch: i32,
    /// The epoch that the target assignment was computed for.
    pub assignment_epoch: i32,
    /// What the application computes; `None` while no member has said so.
    pub topology: Option<StreamsTopology>,
    /// Its members, by id.
    pub members: Vec<StreamsMember>,
    /// What this user may do to it.
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// What a Kafka Streams application computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsTopology {
    /// Its version.
    pub epoch: i32,
    /// Its parts that work independently of each other; `None` where the broker found no way to build them, as source
    /// topics are missing.
    pub subtopologies: Option<Vec<StreamsSubtopology>>,
}

/// A part of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsSubtopology {
    /// Its id.
    pub id: SmolStr,
    /// The topics that it reads.
    pub source_topics: Vec<SmolStr>,
    /// The repartition topics that it writes to.
    pub repartition_sink_topics: Vec<SmolStr>,
    /// The repartition topics that it reads.
    pub repartition_source_topics: Vec<StreamsInternalTopic>,
    /// The topics that keep its state.
    pub changelog_topics: Vec<StreamsInternalTopic>,
}

/// A topic that belongs to an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsInternalTopic {
    /// Its name.
    pub name: SmolStr,
    /// How many partitions it has to have; `None` for as many as it takes.
    pub partitions: Option<i32>,
    /// How many replicas it has to have; `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// Its settings.
    pub configs: BTreeMap<SmolStr, SmolStr>,
}

/// A member of a group of a Kafka Streams application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsMember {
    /// Its id.
    pub id: SmolStr,
    /// Its epoch.
    pub epoch: i32,
    /// The name it was given, if it is a static member.
    pub instance_id: Option<SmolStr>,
    /// Where it stands, if it said so.
    pub rack: Option<SmolStr>,
    /// The client's name.
    pub client_id: SmolStr,
    /// The client's address.
    pub client_host: SmolStr,
    /// The version of the topology that it runs.
    pub topology_epoch: i32,
    /// The process that it is a thread of.
    pub process_id: SmolStr,
    /// Where the application answers questions of its own (`application.server`): host and port.
    pub user_endpoint: Option<(SmolStr, u16)>,
    /// Its tags, for the placement of standby tasks.
    pub client_tags: BTreeMap<SmolStr, SmolStr>,
    /// How far it has restored the state of its tasks: offsets in their changelogs.
    pub task_offsets: BTreeMap<StreamsTask, i64>,
    /// Where the changelogs of its tasks end.
    pub task_end_offsets: BTreeMap<StreamsTask, i64>,
    /// The tasks that it has.
    pub assignment: StreamsAssignment,
    /// The tasks that it is to have.
    pub target_assignment: StreamsAssignment,
    /// Whether it speaks the classic protocol, while an application is upgraded.
    pub is_classic: bool,
}

/// Tasks of a member, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsAssignment {
    /// Those that process.
    pub active: Vec<StreamsTask>,
    /// Those that keep a copy of the state.
    pub standby: Vec<StreamsTask>,
    /// Those that are restoring state, to become active here.
    pub warmup: Vec<StreamsTask>,
}

/// A task: a subtopology, on one partition of its topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamsTask {
    /// The subtopology's id.
    pub subtopology: SmolStr,
    /// The partition.
    pub partition: i32,
}

impl Admin {
    /// Describes groups of Kafka Streams applications (StreamsGroupDescribe, Kafka 4.1 and later). The outcomes are in
    /// the order of `ids`.
    ///
    /// # Errors
    /// Per group: [`GroupNotFound`](crate::ErrorKind::GroupNotFound), also for a group of another type,
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), for its topics, too,
    /// [`NotOffered`](crate::ErrorKind::NotOffered), [`Connection`](crate::ErrorKind::Connection) where its coordinator
    /// could not be asked.
    pub async fn describe_streams_groups(&self, ids: &[&str]) -> Result<Vec<Outcome<StreamsGroupDescription>>> {
        let ids: Vec<_> = ids.iter().copied().map(SmolStr::new).collect();
        let request = StreamsGroupDescribeRequest {
            group_ids: ids.clone(),
            include_authorized_operations: true,
            ..StreamsGroupDescribeRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let mut known: HashMap<_, _> =
            response.groups.into_iter().map(|group| (group.group_id.clone(), described(group))).collect();
        for id in &ids {
            known.entry(id.clone()).or_insert_with(|| Err(failures.group(id)));
        }
        Ok(in_order(&ids, known))
    }
}

fn described(group: DescribedGroup) -> Result<StreamsGroupDescription> {
    Error::check(group.error_code, group.error_message.as_ref())?;
    let mut members: Vec<_> = group.members.into_iter().map(member).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(StreamsGroupDescription {
        state: group.group_state,
        epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        topology: group.topology.map(|topology| StreamsTopology {
            epoch: topology.epoch,
            subtopologies: topology.subtopologies.map(|parts| parts.into_iter().map(subtopology).collect()),
        }),
        members,
        authorized_operations: operations(group.authorized_operations),
    })
}

fn subtopology(part: wire::Subtopology) -> StreamsSubtopology {
    let topics = |topics: Vec<TopicInfo>| topics.into_iter().map(internal_topic).collect();
    StreamsSubtopology {
        id: part.subtopology_id,
        source_topics: part.source_topics,
        repartition_sink_topics: part.repartition_sink_topics,
        repartition_source_topics: topics(part.repartition_source_topics),
        changelog_topics: topics(part.state_changelog_topics),
    }
}

fn internal_topic(topic: TopicInfo) -> StreamsInternalTopic {
    StreamsInternalTopic {
        name: topic.name,
        partitions: Some(topic.partitions).filter(|count| *count > 0),
        replication_factor: Some(topic.replication_factor).filter(|count| *count > 0),
        configs: pairs(topic.topic_configs),
    }
}

fn member(member: wire::Member) -> StreamsMember {
    StreamsMember {
        id: member.member_id,
        epoch: member.member_epoch,
        instance_id: member.instance_id,
        rack: member.rack_id,
        client_id: member.client_id,
        client_host: member.client_host,
        topology_epoch: member.topology_epoch,
        process_id: member.process_id,
        user_endpoint: member.user_endpoint.map(|endpoint| (endpoint.host, endpoint.port)),
        client_tags: pairs(member.client_tags),
        task_offsets: offsets(member.task_offsets),
        task_end_offsets: offsets(member.task_end_offsets),
        assignment: assignment(member.assignment),
        target_assignment: assignment(member.target_assignment),
        is_classic: member.is_classic,
    }
}

fn assignment(assignment: Assignment) -> StreamsAssignment {
    let tasks = |ids: Vec<TaskIds>| tasks(ids.into_iter().map(|ids| (ids.subtopology_id, ids.partitions)));
    StreamsAssignment {
        active: tasks(assignment.active_tasks),
        standby: tasks(assignment.standby_tasks),
        warmup: tasks(assignment.warmup_tasks),
    }
}

/// Tasks, in order.
pub(crate) fn tasks(ids: impl Iterator<Item = (SmolStr, Vec<i32>)>) -> Vec<StreamsTask> {
    let of = |(subtopology, partitions): (SmolStr, Vec<i32>)| {
        let task = move |partition| StreamsTask { subtopology: subtopology.clone(), partition };
        partitions.into_iter().map(task)
    };
    let mut tasks: Vec<_> = ids.flat_map(of).collect();
    tasks.sort();
    tasks
}

fn offsets(offsets: Vec<TaskOffset>) -> BTreeMap<StreamsTask, i64> {
    let place = |place: TaskOffset| {
        (StreamsTask { subtopology: place.subtopology_id, partition: place.partition }, place.offset)
    };
    offsets.into_iter().map(place).collect()
}

fn pairs(pairs: Vec<KeyValue>) -> BTreeMap<SmolStr, SmolStr> {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_in_order_whatever_the_broker_does() {
        let tasks = tasks([("1".into(), vec![0]), ("0".into(), vec![2, 1])].into_iter());
        let shown: Vec<_> = tasks.iter().map(|task| format!("{}_{}", task.subtopology, task.partition)).collect();
        assert_eq!(shown, ["0_1", "0_2", "1_0"]);
    }

    #[test]
    fn counts_that_nobody_prescribes_are_none() {
        let topic = internal_topic(TopicInfo { partitions: 3, ..TopicInfo::default() });
        assert_eq!((topic.partitions, topic.replication_factor), (Some(3), None));
    }
}
