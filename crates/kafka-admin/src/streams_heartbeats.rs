//! Heartbeats of members of Kafka Streams applications (KIP-1071): what they compute, and the tasks that they have.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_conn::CallOptions;
use kafka_protocol::messages::streams_group_heartbeat::{
    self as wire, CopartitionGroup, Endpoint, EndpointToPartitions, KeyValue, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse, Subtopology, TaskIds, TaskOffset, TopicInfo, Topology,
};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::{duration, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::membership::{DEFAULT_REBALANCE_TIMEOUT, Membership};
use crate::named_codes::named_codes;
use crate::resource::{Resource, TopicPartition, partitions_of};
use crate::streams_groups::{StreamsAssignment, StreamsInternalTopic, StreamsTask};

/// What a member of a Kafka Streams application tells its coordinator. `None`: as it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsHeartbeat {
    /// Who it is, and at which epoch.
    pub membership: Membership,
    /// Where it stands.
    pub rack: Option<SmolStr>,
    /// How long it may take to let go of tasks (`max.poll.interval.ms`).
    pub rebalance_timeout: Option<Duration>,
    /// What the application computes; who joins says so, and nobody else.
    pub topology: Option<NewStreamsTopology>,
    /// The tasks that it has.
    pub tasks: Option<StreamsAssignment>,
    /// The process that it is a thread of.
    pub process_id: Option<SmolStr>,
    /// Where the application answers questions of its own (`application.server`): host and port.
    pub user_endpoint: Option<(SmolStr, u16)>,
    /// Its tags, for the placement of standby tasks (`client.tag.…`).
    pub client_tags: Option<BTreeMap<SmolStr, SmolStr>>,
    /// How far it has restored the state of its tasks: offsets in their changelogs.
    pub task_offsets: Option<BTreeMap<StreamsTask, i64>>,
    /// Where the changelogs of its tasks end.
    pub task_end_offsets: Option<BTreeMap<StreamsTask, i64>>,
    /// What it knows of the members' endpoints: [`endpoint_epoch`](StreamsHeartbeatAnswer::endpoint_epoch) as last
    /// answered; 0 at first.
    pub endpoint_epoch: i32,
    /// Whether the whole application shall end.
    pub shutdown_application: bool,
}

impl StreamsHeartbeat {
    /// Of a member that [joins](Membership::joining) an application that computes this. Its rebalance timeout is 5
    /// minutes, as Java's is by default.
    pub fn joining(membership: Membership, topology: NewStreamsTopology, process_id: impl Into<SmolStr>) -> Self {
        Self {
            rebalance_timeout: Some(DEFAULT_REBALANCE_TIMEOUT),
            topology: Some(topology),
            tasks: Some(StreamsAssignment::default()),
            process_id: Some(process_id.into()),
            client_tags: Some(BTreeMap::new()),
            ..Self::unchanged(membership)
        }
    }

    /// Of a member that has nothing new to say, or [leaves](Membership::leaving).
    pub fn unchanged(membership: Membership) -> Self {
        Self {
            membership,
            rack: None,
            rebalance_timeout: None,
            topology: None,
            tasks: None,
            process_id: None,
            user_endpoint: None,
            client_tags: None,
            task_offsets: None,
            task_end_offsets: None,
            endpoint_epoch: 0,
            shutdown_application: false,
        }
    }
}

/// What an application computes, as its members tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStreamsTopology {
    /// Its version.
    pub epoch: i32,
    /// Its parts that work independently of each other.
    pub subtopologies: Vec<NewStreamsSubtopology>,
}

/// A part of a topology, as members tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStreamsSubtopology {
    /// Its id.
    pub id: SmolStr,
    /// The topics that it reads.
    pub source_topics: Vec<SmolStr>,
    /// Regular expressions of RE2 for topics that it reads.
    pub source_patterns: Vec<SmolStr>,
    /// The topics that keep its state; the coordinator makes those that are missing.
    pub changelog_topics: Vec<StreamsInternalTopic>,
    /// The repartition topics that it writes to.
    pub repartition_sink_topics: Vec<SmolStr>,
    /// The repartition topics that it reads; the coordinator makes those that are missing.
    pub repartition_source_topics: Vec<StreamsInternalTopic>,
    /// Topics and patterns of the above that have to have equally many partitions, by name; each group for itself.
    pub copartition_groups: Vec<Vec<SmolStr>>,
}

/// What a member of a Kafka Streams application is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsHeartbeatAnswer {
    /// Who it is, and at which epoch: the next heartbeat says so.
    pub membership: Membership,
    /// When the next heartbeat is due; zero where it has left.
    pub interval: Duration,
    /// By how many records a task may be behind and still count as caught up.
    pub acceptable_recovery_lag: i32,
    /// How often to tell [`task_offsets`](StreamsHeartbeat::task_offsets).
    pub task_offset_interval: Duration,
    /// What it should know of the group's state; `None` for the same as before.
    pub status: Option<Vec<StreamsStatus>>,
    /// The tasks that it shall have; `None` for the same as before.
    pub tasks: Option<StreamsAssignment>,
    /// The version of what follows.
    pub endpoint_epoch: i32,
    /// Where the partitions' state can be asked for, by host and port; `None` for the same as before.
    pub endpoints: Option<BTreeMap<(SmolStr, u16), StreamsEndpoint>>,
}

/// What a member of the group should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsStatus {
    /// What it is.
    pub code: StreamsStatusCode,
    /// The broker's words.
    pub detail: SmolStr,
}

named_codes! {
    /// What a member of a Kafka Streams application should know of its group.
    StreamsStatusCode {
        /// The group computes another version of the topology.
        STALE_TOPOLOGY = 0, "stale-topology";
        /// Topics that it reads do not exist.
        MISSING_SOURCE_TOPICS = 1, "missing-source-topics";
        /// Topics do not have as many partitions as they have to.
        INCORRECTLY_PARTITIONED_TOPICS = 2, "incorrectly-partitioned-topics";
        /// Topics that the coordinator makes do not exist yet.
        MISSING_INTERNAL_TOPICS = 3, "missing-internal-topics";
        /// The whole application shall end.
        SHUTDOWN_APPLICATION = 4, "shutdown-application";
        /// Tasks are given out when more members have had time to join.
        ASSIGNMENT_DELAYED = 5, "assignment-delayed";
    }
}

/// What can be asked for at an endpoint of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsEndpoint {
    /// The partitions of its active tasks, in order.
    pub active: Vec<TopicPartition>,
    /// The partitions of its standby tasks, in order.
    pub standby: Vec<TopicPartition>,
}

impl Admin {
    /// Joins a group of a Kafka Streams application, stays in it, or leaves it (StreamsGroupHeartbeat, Kafka 4.1 and
    /// later).
    ///
    /// ```no_run
    /// # async fn example(admin: kafka_admin::Admin) -> kafka_admin::Result<()> {
    /// use kafka_admin::{Membership, NewStreamsSubtopology, NewStreamsTopology, StreamsHeartbeat};
    ///
    /// let part = NewStreamsSubtopology {
    ///     id: "0".into(),
    ///     source_topics: vec!["orders".into()],
    ///     ..NewStreamsSubtopology::default()
    /// };
    /// let topology = NewStreamsTopology { epoch: 1, subtopologies: vec![part] };
    /// let hello = StreamsHeartbeat::joining(Membership::joining("counts"), topology, "process");
    /// let answer = admin.streams_group_heartbeat(&hello).await?;
    /// for status in answer.status.iter().flatten() {
    ///     println!("{}: {}", status.code, status.detail);
    /// }
    /// admin.streams_group_heartbeat(&StreamsHeartbeat::unchanged(answer.membership.leaving())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MemberFenced`](ErrorKind::MemberFenced), [`NotAuthorized`](ErrorKind::NotAuthorized), for the group or a topic,
    /// [`InvalidRequest`](ErrorKind::InvalidRequest), also for a copartition group with a topic that the subtopology does
    /// not read, [`Broker`](ErrorKind::Broker) with `STREAMS_INVALID_TOPOLOGY`, `STREAMS_INVALID_TOPOLOGY_EPOCH`,
    /// `STREAMS_TOPOLOGY_FENCED`, `UNRELEASED_INSTANCE_ID` or `GROUP_MAX_SIZE_REACHED`,
    /// [`NotOffered`](ErrorKind::NotOffered), [`Connection`](ErrorKind::Connection).
    pub async fn streams_group_heartbeat(&self, heartbeat: &StreamsHeartbeat) -> Result<StreamsHeartbeatAnswer> {
        let membership = &heartbeat.membership;
        let about = |error: Error| error.about(Resource::Group(membership.group.clone()));
        let request = request(heartbeat).map_err(|topic| {
            let text = smol_str::format_smolstr!("copartitioned topic {:?}", topic.as_str());
            Error::new(ErrorKind::InvalidRequest).about(Resource::Other(text))
        })?;
        let response = self.call_with(&request, CallOptions::default()).await.map_err(about)?;
        Error::check_member(response.error_code, response.error_message.as_ref()).map_err(about)?;
        Ok(answer(membership, response))
    }
}

/// # Errors
/// The name of a copartition group that is no source of its subtopology.
fn request(heartbeat: &StreamsHeartbeat) -> Result<StreamsGroupHeartbeatRequest, SmolStr> {
    let membership = &heartbeat.membership;
    let tasks = |of: fn(&StreamsAssignment) -> &Vec<StreamsTask>| heartbeat.tasks.as_ref().map(|all| task_ids(of(all)));
    let endpoint = |(host, port): &(SmolStr, u16)| Endpoint { host: host.clone(), port: *port, ..Endpoint::default() };
    Ok(StreamsGroupHeartbeatRequest {
        group_id: membership.group.clone(),
        member_id: membership.member_id.clone(),
        member_epoch: membership.epoch,
        endpoint_information_epoch: heartbeat.endpoint_epoch,
        instance_id: membership.instance_id.clone(),
        rack_id: heartbeat.rack.clone(),
        rebalance_timeout_ms: heartbeat.rebalance_timeout.map_or(-1, millis),
        topology: heartbeat.topology.as_ref().map(topology).transpose()?,
        active_tasks: tasks(|all| &all.active),
        standby_tasks: tasks(|all| &all.standby),
        warmup_tasks: tasks(|all| &all.warmup),
        process_id: heartbeat.process_id.clone(),
        user_endpoint: heartbeat.user_endpoint.as_ref().map(endpoint),
        client_tags: heartbeat.client_tags.as_ref().map(pairs),
        task_offsets: heartbeat.task_offsets.as_ref().map(offsets),
        task_end_offsets: heartbeat.task_end_offsets.as_ref().map(offsets),
        shutdown_application: heartbeat.shutdown_application,
        ..StreamsGroupHeartbeatRequest::default()
    })
}

fn topology(topology: &NewStreamsTopology) -> Result<Topology, SmolStr> {
    let subtopologies = topology.subtopologies.iter().map(subtopology).collect::<Result<_, _>>()?;
    Ok(Topology { epoch: topology.epoch, subtopologies, ..Topology::default() })
}

fn subtopology(part: &NewStreamsSubtopology) -> Result<Subtopology, SmolStr> {
    let groups = part.copartition_groups.iter().map(|group| copartition_group(part, group));
    Ok(Subtopology {
        subtopology_id: part.id.clone(),
        source_topics: part.source_topics.clone(),
        source_topic_regex: part.source_patterns.clone(),
        state_changelog_topics: part.changelog_topics.iter().map(topic_info).collect(),
        repartition_sink_topics: part.repartition_sink_topics.clone(),
        repartition_source_topics: part.repartition_source_topics.iter().map(topic_info).collect(),
        copartition_groups: groups.collect::<Result<_, _>>()?,
        ..Subtopology::default()
    })
}

/// Names as their places among the sources of a subtopology.
fn copartition_group(part: &NewStreamsSubtopology, names: &[SmolStr]) -> Result<CopartitionGroup, SmolStr> {
    let mut group = CopartitionGroup::default();
    let place = |index: usize| i16::try_from(index).ok();
    for name in names {
        let repartitioned = part.repartition_source_topics.iter().position(|topic| topic.name == *name);
        if let Some(index) = part.source_topics.iter().position(|topic| topic == name).and_then(place) {
            group.source_topics.push(index);
        } else if let Some(index) = part.source_patterns.iter().position(|pattern| pattern == name).and_then(place) {
            group.source_topic_regex.push(index);
        } else if let Some(index) = repartitioned.and_then(place) {
            group.repartition_source_topics.push(index);
        } else {
            return Err(name.clone());
        }
    }
    Ok(group)
}

fn topic_info(topic: &StreamsInternalTopic) -> TopicInfo {
    TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions.unwrap_or(0),
        replication_factor: topic.replication_factor.unwrap_or(0),
        topic_configs: pairs(&topic.configs),
        ..TopicInfo::default()
    }
}

fn pairs(pairs: &BTreeMap<SmolStr, SmolStr>) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone(), ..KeyValue::default() })
        .collect()
}

/// Each subtopology once.
fn task_ids(tasks: &[StreamsTask]) -> Vec<TaskIds> {
    let mut ids = BTreeMap::<&SmolStr, Vec<i32>>::new();
    for task in tasks {
        ids.entry(&task.subtopology).or_default().push(task.partition);
    }
    let ids = ids.into_iter();
    ids.map(|(id, partitions)| TaskIds { subtopology_id: id.clone(), partitions, ..TaskIds::default() }).collect()
}

fn offsets(offsets: &BTreeMap<StreamsTask, i64>) -> Vec<TaskOffset> {
    let place = |(task, offset): (&StreamsTask, &i64)| TaskOffset {
        subtopology_id: task.subtopology.clone(),
        partition: task.partition,
        offset: *offset,
        ..TaskOffset::default()
    };
    offsets.iter().map(place).collect()
}

fn answer(membership: &Membership, response: StreamsGroupHeartbeatResponse) -> StreamsHeartbeatAnswer {
    let status =
        |one: wire::Status| StreamsStatus { code: StreamsStatusCode(one.status_code), detail: one.status_detail };
    let endpoint = |one: EndpointToPartitions| {
        let partitions = |topics: Vec<wire::TopicPartition>| {
            partitions_of(topics.into_iter().map(|topic| (topic.topic, topic.partitions)))
        };
        let (active, standby) = (partitions(one.active_partitions), partitions(one.standby_partitions));
        ((one.user_endpoint.host, one.user_endpoint.port), StreamsEndpoint { active, standby })
    };
    let StreamsGroupHeartbeatResponse { active_tasks, standby_tasks, warmup_tasks, .. } = response;
    let is_assigned = active_tasks.is_some() || standby_tasks.is_some() || warmup_tasks.is_some();
    StreamsHeartbeatAnswer {
        membership: membership.answered(Some(response.member_id), response.member_epoch),
        interval: duration(response.heartbeat_interval_ms),
        acceptable_recovery_lag: response.acceptable_recovery_lag,
        task_offset_interval: duration(response.task_offset_interval_ms),
        status: response.status.map(|all| all.into_iter().map(status).collect()),
        tasks: is_assigned.then(|| StreamsAssignment {
            active: tasks(active_tasks),
            standby: tasks(standby_tasks),
            warmup: tasks(warmup_tasks),
        }),
        endpoint_epoch: response.endpoint_information_epoch,
        endpoints: response.partitions_by_user_endpoint.map(|all| all.into_iter().map(endpoint).collect()),
    }
}

fn tasks(ids: Option<Vec<TaskIds>>) -> Vec<StreamsTask> {
    let ids = ids.unwrap_or_default().into_iter();
    crate::streams_groups::tasks(ids.map(|ids| (ids.subtopology_id, ids.partitions)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<SmolStr> {
        names.iter().map(SmolStr::new).collect()
    }

    fn part() -> NewStreamsSubtopology {
        NewStreamsSubtopology {
            id: "0".into(),
            source_topics: names(&["a", "b"]),
            source_patterns: names(&["c.*"]),
            repartition_source_topics: vec![StreamsInternalTopic { name: "d".into(), ..Default::default() }],
            ..NewStreamsSubtopology::default()
        }
    }

    #[test]
    fn copartition_groups_are_places_among_the_sources() {
        let group = copartition_group(&part(), &names(&["b", "d", "c.*"])).unwrap();
        assert_eq!((group.source_topics, group.source_topic_regex), (vec![1], vec![0]));
        assert_eq!(group.repartition_source_topics, [0]);
        let stranger = NewStreamsSubtopology { copartition_groups: vec![names(&["a", "x"])], ..part() };
        let topology = NewStreamsTopology { epoch: 1, subtopologies: vec![stranger] };
        let heartbeat = StreamsHeartbeat::joining(Membership::joining("g"), topology, "process");
        assert_eq!(request(&heartbeat).unwrap_err(), "x");
    }

    #[test]
    fn what_is_not_said_is_unchanged() {
        let leaving = request(&StreamsHeartbeat::unchanged(Membership::joining("g").leaving())).unwrap();
        let StreamsGroupHeartbeatRequest { member_epoch, rebalance_timeout_ms, topology, active_tasks, .. } = leaving;
        assert_eq!((member_epoch, rebalance_timeout_ms, topology, active_tasks), (-1, -1, None, None));
    }

    #[test]
    fn tasks_go_by_subtopology_and_come_back_in_order() {
        let task = |id: &str, partition| StreamsTask { subtopology: id.into(), partition };
        let ids = task_ids(&[task("1", 0), task("0", 2), task("0", 1)]);
        let shown: Vec<_> = ids.iter().map(|ids| (ids.subtopology_id.as_str(), ids.partitions.as_slice())).collect();
        assert_eq!(shown, [("0", &[2, 1][..]), ("1", &[0])]);
        let response = StreamsGroupHeartbeatResponse { warmup_tasks: Some(ids), ..Default::default() };
        let answered = answer(&Membership::joining("g"), response).tasks.unwrap();
        assert_eq!((answered.warmup, answered.active), (vec![task("0", 1), task("0", 2), task("1", 0)], Vec::new()));
    }
}
