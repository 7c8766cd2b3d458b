//! Groups: list, describe, delete, remove members.

use std::collections::HashMap;

use kafka_conn::{Item, Route};
use kafka_protocol::messages::consumer_group_describe::{self, ConsumerGroupDescribeRequest};
use kafka_protocol::messages::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::messages::delete_groups::DeleteGroupsRequest;
use kafka_protocol::messages::describe_groups::{self, DescribeGroupsRequest};
use kafka_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::list_groups::ListGroupsRequest;
use kafka_protocol::messages::share_group_describe::{self, ShareGroupDescribeRequest};
use kafka_protocol::{ErrorCode, Limits, Message};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::acls::AclOperation;
use crate::admin::Admin;
use crate::call::Attempts;
use crate::cluster::operations;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, partitions_of};

/// Which groups a list has. Default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// In these states, such as `Stable` or `Empty` (Kafka 2.6 and later). Empty: any.
    pub states: Vec<SmolStr>,
    /// Of these types: `classic`, `consumer`, `share`, `streams` (Kafka 3.8 and later). Empty: any.
    pub types: Vec<SmolStr>,
}

/// A group as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Its id.
    pub id: SmolStr,
    /// What its members speak with each other: `consumer`, `connect`, …; empty where it has only commits.
    pub protocol_type: SmolStr,
    /// Its state; empty from brokers before Kafka 2.6.
    pub state: SmolStr,
    /// Its type; empty from brokers before Kafka 3.8.
    pub kind: SmolStr,
}

/// The groups of a cluster, as far as they are known.
#[derive(Clone, Debug)]
pub struct GroupList {
    /// The groups, by id.
    pub groups: Vec<GroupListing>,
    /// The brokers that did not answer, each with the reason: the groups that they coordinate are missing.
    pub missing: Vec<Error>,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its type: `classic`, `consumer`, `share`.
    pub kind: SmolStr,
    /// Its state: `Stable`, `Empty`, `PreparingRebalance`, …
    pub state: SmolStr,
    /// What its members speak with each other; `consumer` for those of consumers.
    pub protocol_type: SmolStr,
    /// The assignor in use; empty while there is none.
    pub assignor: SmolStr,
    /// Its epoch; `None` for classic groups, whose generation brokers do not tell.
    pub epoch: Option<i32>,
    /// Its members, by id.
    pub members: Vec<GroupMember>,
    /// What this user may do to it; `None` where the broker does not tell (before Kafka 2.3).
    pub authorized_operations: Option<Vec<AclOperation>>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: SmolStr,
    /// The name it was given, if it is a static member.
    pub instance_id: Option<SmolStr>,
    /// Where it stands, if it said so.
    pub rack: Option<SmolStr>,
    /// The client's name.
    pub client_id: SmolStr,
    /// The client's address.
    pub client_host: SmolStr,
    /// Its epoch; `None` in classic groups.
    pub epoch: Option<i32>,
    /// The topics that it subscribes to; empty where the members speak something else than consumers do.
    pub subscribed_topics: Vec<SmolStr>,
    /// The partitions that it has.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// The groups of the cluster (ListGroups, asked of every broker).
    ///
    /// # Errors
    /// Where no broker could be asked. A broker that could not is in [`missing`](GroupList::missing).
    pub async fn list_groups(&self, filter: &GroupFilter) -> Result<GroupList> {
        let request = ListGroupsRequest {
            states_filter: filter.states.clone(),
            types_filter: filter.types.clone(),
            ..ListGroupsRequest::default()
        };
        let (response, failures) = self.client().send(&request).await?.into_parts();
        Error::check(response.error_code, None)?;
        let listing = |group: kafka_protocol::messages::list_groups::ListedGroup| GroupListing {
            id: group.group_id,
            protocol_type: group.protocol_type,
            state: group.group_state,
            kind: group.group_type,
        };
        let mut groups: Vec<_> = response.groups.into_iter().map(listing).collect();
        groups.sort();
        groups.dedup();
        let missing = failures.into_iter().map(|failure| {
            let error = Error::from(failure.error);
            if let Item::Broker(id) = failure.item { error.about(Resource::Broker(id)) } else { error }
        });
        Ok(GroupList { groups, missing: missing.collect() })
    }

    /// Describes groups of consumers, whether they rebalance by the classic protocol or by the brokers' (ConsumerGroupDescribe,
    /// DescribeGroups). The outcomes are in the order of `ids`.
    ///
    /// # Errors
    /// Per group: [`GroupNotFound`](ErrorKind::GroupNotFound), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection) where its coordinator could not be asked.
    pub async fn describe_groups(&self, ids: &[&str]) -> Result<Vec<Outcome<GroupDescription>>> {
        let ids: Vec<_> = ids.iter().copied().map(SmolStr::new).collect();
        let began = Instant::now();
        let mut known = self.describe_new(&ids).await?;
        // What is no group of the new protocol, or of a broker without it, is asked for by the classic one.
        let is_other = |error: &Error| matches!(error.kind(), ErrorKind::GroupNotFound | ErrorKind::NotOffered);
        let is_other = |id: &&SmolStr| known.get(*id).is_some_and(|result| result.as_ref().is_err_and(is_other));
        let classic: Vec<_> = ids.iter().filter(is_other).cloned().collect();
        if !classic.is_empty() {
            for (id, result) in self.describe_classic(began, &classic).await? {
                known.insert(id, result);
            }
        }
        Ok(in_order(&ids, known))
    }

    /// Describes share groups (ShareGroupDescribe, KIP-932). The outcomes are in the order of `ids`.
    ///
    /// # Errors
    /// As [`describe_groups`](Self::describe_groups).
    pub async fn describe_share_groups(&self, ids: &[&str]) -> Result<Vec<Outcome<GroupDescription>>> {
        let ids: Vec<_> = ids.iter().copied().map(SmolStr::new).collect();
        let request = ShareGroupDescribeRequest {
            group_ids: ids.clone(),
            include_authorized_operations: true,
            ..ShareGroupDescribeRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let mut known: HashMap<_, _> =
            response.groups.into_iter().map(|group| (group.group_id.clone(), share_group(group))).collect();
        for id in &ids {
            known.entry(id.clone()).or_insert_with(|| Err(failures.group(id)));
        }
        Ok(in_order(&ids, known))
    }

    /// Deletes groups that have no members, and what they committed (DeleteGroups). The outcomes are in the order of
    /// `ids`.
    ///
    /// # Errors
    /// Per group: [`GroupNotEmpty`](ErrorKind::GroupNotEmpty), [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn delete_groups(&self, ids: &[&str]) -> Result<Vec<Outcome<()>>> {
        let ids: Vec<_> = ids.iter().copied().map(SmolStr::new).collect();
        let request = DeleteGroupsRequest { groups_names: ids.clone(), ..DeleteGroupsRequest::default() };
        let (response, failures) = self.send(&request).await?;
        let results =
            response.results.into_iter().map(|answer| (answer.group_id, Error::check(answer.error_code, None)));
        let mut known: HashMap<_, _> = results.collect();
        for id in &ids {
            known.entry(id.clone()).or_insert_with(|| Err(failures.group(id)));
        }
        Ok(in_order(&ids, known))
    }

    /// Makes static members leave a group, so that it rebalances without them (LeaveGroup, KIP-345). The outcomes are in
    /// the order of `instance_ids`.
    ///
    /// # Errors
    /// Per member: [`NotFound`](ErrorKind::NotFound). For all: [`NotOffered`](ErrorKind::NotOffered) by brokers before
    /// Kafka 2.4, [`GroupNotFound`](ErrorKind::GroupNotFound),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection).
    pub async fn remove_group_members(&self, group: &str, instance_ids: &[&str]) -> Result<Vec<Outcome<()>>> {
        let group = SmolStr::new(group);
        let member = |id: &&str| MemberIdentity {
            group_instance_id: Some(SmolStr::new(id)),
            reason: Some(SmolStr::new_static("removed by an administrator")),
            ..MemberIdentity::default()
        };
        let request = LeaveGroupRequest {
            group_id: group.clone(),
            members: instance_ids.iter().map(member).collect(),
            ..LeaveGroupRequest::default()
        };
        let (mut attempts, began) = (Attempts::new(self), Instant::now());
        if attempts.version::<LeaveGroupRequest>(Route::Group(&group)).await? < FIRST_WITH_MEMBERS {
            return Err(Error::new(ErrorKind::NotOffered).about(Resource::Group(group)));
        }
        let response = self.since(began).client().call(&request).await?;
        Error::check(response.error_code, None).map_err(|error| error.about(Resource::Group(group)))?;
        let outcome = |id: &&str| {
            let answer = response.members.iter().find(|member| member.group_instance_id.as_deref() == Some(id));
            let result = answer
                .map_or_else(|| Err(Error::new(ErrorKind::NoAnswer)), |answer| Error::check(answer.error_code, None));
            let about = || Resource::Other(smol_str::format_smolstr!("static member {id:?}"));
            Outcome::new(SmolStr::new(id), result.map_err(|error| error.about(about())))
        };
        Ok(instance_ids.iter().map(outcome).collect())
    }

    async fn describe_new(&self, ids: &[SmolStr]) -> Result<HashMap<SmolStr, Result<GroupDescription>>> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: ids.to_vec(),
            include_authorized_operations: true,
            ..ConsumerGroupDescribeRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let mut known: HashMap<_, _> =
            response.groups.into_iter().map(|group| (group.group_id.clone(), new_group(group))).collect();
        for id in ids {
            known.entry(id.clone()).or_insert_with(|| Err(failures.group(id)));
        }
        Ok(known)
    }

    /// Asks brokers that are too old to tell what this user may do without that.
    async fn describe_classic(
        &self,
        began: Instant,
        ids: &[SmolStr],
    ) -> Result<HashMap<SmolStr, Result<GroupDescription>>> {
        let all = DescribeGroupsRequest {
            groups: ids.to_vec(),
            include_authorized_operations: true,
            ..DescribeGroupsRequest::default()
        };
        let (response, failures) = self.since(began).send_from(FIRST_WITH_OPERATIONS, &all).await?;
        let described = |group: describe_groups::DescribedGroup| (group.group_id.clone(), classic_group(group));
        let mut known: HashMap<_, _> = response.groups.into_iter().map(described).collect();
        for id in ids {
            known.entry(id.clone()).or_insert_with(|| Err(failures.group(id)));
        }
        let is_old =
            |result: &Result<_>| result.as_ref().is_err_and(|error: &Error| *error.kind() == ErrorKind::NotOffered);
        let old: Vec<_> = known.iter().filter(|(_, result)| is_old(result)).map(|(id, _)| id.clone()).collect();
        if !old.is_empty() {
            let request = DescribeGroupsRequest { groups: old.clone(), ..DescribeGroupsRequest::default() };
            let (response, failures) = self.since(began).send(&request).await?;
            known.extend(old.into_iter().map(|id| (id.clone(), Err(failures.group(&id)))));
            known.extend(response.groups.into_iter().map(described));
        }
        Ok(known)
    }
}

pub(crate) fn in_order<T: Clone>(ids: &[SmolStr], known: HashMap<SmolStr, Result<T>>) -> Vec<Outcome<T>> {
    let outcome = |id: &SmolStr| {
        let result = known.get(id).cloned().unwrap_or_else(|| Err(Error::new(ErrorKind::NoAnswer)));
        Outcome::new(id.clone(), result.map_err(|error| error.about(Resource::Group(id.clone()))))
    };
    ids.iter().map(outcome).collect()
}

/// The classic protocol knows no group that does not exist: it is `Dead`.
fn classic_group(group: describe_groups::DescribedGroup) -> Result<GroupDescription> {
    Error::check(group.error_code, group.error_message.as_ref())?;
    if group.group_state == "Dead" && group.members.is_empty() {
        return Err(Error::answered(ErrorCode::GROUP_ID_NOT_FOUND, None));
    }
    let consumers = group.protocol_type == "consumer";
    let mut members: Vec<_> = group.members.into_iter().map(|member| classic_member(member, consumers)).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(GroupDescription {
        kind: SmolStr::new_static("classic"),
        state: group.group_state,
        protocol_type: group.protocol_type,
        assignor: group.protocol_data,
        epoch: None,
        members,
        authorized_operations: operations(group.authorized_operations),
    })
}

fn classic_member(member: describe_groups::DescribedGroupMember, consumers: bool) -> GroupMember {
    let subscription: Option<ConsumerProtocolSubscription> =
        consumers.then(|| versioned(&member.member_metadata)).flatten();
    let assignment: Option<ConsumerProtocolAssignment> =
        consumers.then(|| versioned(&member.member_assignment)).flatten();
    let assigned = assignment.into_iter().flat_map(|assignment| assignment.assigned_partitions);
    GroupMember {
        id: member.member_id,
        instance_id: member.group_instance_id,
        rack: subscription.as_ref().and_then(|subscription| subscription.rack_id.clone()),
        client_id: member.client_id,
        client_host: member.client_host,
        epoch: None,
        subscribed_topics: subscription.map(|subscription| subscription.topics).unwrap_or_default(),
        assignment: partitions_of(assigned.map(|topic| (topic.topic, topic.partitions))),
    }
}

/// What members tell each other has its version before it; newer versions only add to the end.
fn versioned<M: Message>(bytes: &bytes::Bytes) -> Option<M> {
    let version =
        i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?).clamp(M::TYPE.versions.min, M::TYPE.versions.max);
    M::decode_prefix(version, &mut bytes.slice(2..), &Limits::default()).ok()
}

fn new_group(group: consumer_group_describe::DescribedGroup) -> Result<GroupDescription> {
    Error::check(group.error_code, group.error_message.as_ref())?;
    let member = |member: consumer_group_describe::Member| {
        let assignment = member.assignment.topic_partitions.into_iter();
        GroupMember {
            id: member.member_id,
            instance_id: member.instance_id,
            rack: member.rack_id,
            client_id: member.client_id,
            client_host: member.client_host,
            epoch: Some(member.member_epoch),
            subscribed_topics: member.subscribed_topic_names,
            assignment: partitions_of(assignment.map(|topic| (topic.topic_name, topic.partitions))),
        }
    };
    let mut members: Vec<_> = group.members.into_iter().map(member).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(GroupDescription {
        kind: SmolStr::new_static("consumer"),
        state: group.group_state,
        protocol_type: SmolStr::new_static("consumer"),
        assignor: group.assignor_name,
        epoch: Some(group.group_epoch),
        members,
        authorized_operations: operations(group.authorized_operations),
    })
}

fn share_group(group: share_group_describe::DescribedGroup) -> Result<GroupDescription> {
    Error::check(group.error_code, group.error_message.as_ref())?;
    let member = |member: share_group_describe::Member| {
        let assignment = member.assignment.topic_partitions.into_iter();
        GroupMember {
            id: member.member_id,
            instance_id: None,
            rack: member.rack_id,
            client_id: member.client_id,
            client_host: member.client_host,
            epoch: Some(member.member_epoch),
            subscribed_topics: member.subscribed_topic_names,
            assignment: partitions_of(assignment.map(|topic| (topic.topic_name, topic.partitions))),
        }
    };
    let mut members: Vec<_> = group.members.into_iter().map(member).collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(GroupDescription {
        kind: SmolStr::new_static("share"),
        state: group.group_state,
        protocol_type: SmolStr::new_static("share"),
        assignor: group.assignor_name,
        epoch: Some(group.group_epoch),
        members,
        authorized_operations: operations(group.authorized_operations),
    })
}

/// The version that takes a list of members.
const FIRST_WITH_MEMBERS: i16 = 3;
/// The version of DescribeGroups that tells what this user may do (KIP-430, Kafka 2.3).
const FIRST_WITH_OPERATIONS: i16 = 3;
