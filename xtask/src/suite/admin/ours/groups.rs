//! Groups, and where they are.

use kafka_admin::{
    Admin, CommittedOffset, GroupDescription, GroupFilter, GroupListing, GroupMember, ShareOffset,
    StreamsGroupDescription, StreamsInternalTopic, StreamsMember, StreamsSubtopology, StreamsTask,
};
use serde_json::{Value, json};

use super::{done, each, number, object, ok, only, operations, partition, partitions, sorted, text, texts};
use crate::suite::Failure;

pub(super) async fn run(admin: &Admin, call: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match call {
        "groups.all" => list(admin, |_| true).await?,
        // What Java takes for a group of consumers.
        "groups.list" => {
            list(admin, |group| {
                let of_consumers = matches!(group.protocol_type.as_str(), "consumer" | "");
                of_consumers && !matches!(group.kind.to_ascii_lowercase().as_str(), "share" | "streams")
            })
            .await?
        }
        "groups.describe" => each(admin.describe_groups(&texts(args, "ids")).await?, group),
        "groups.share" => each(admin.describe_share_groups(&texts(args, "ids")).await?, share),
        "groups.streams" => each(admin.describe_streams_groups(&texts(args, "ids")).await?, streams),
        "groups.delete" => done(admin.delete_groups(&texts(args, "ids")).await?),
        "groups.remove" => {
            only(admin.remove_group_members(text(args, "group")?, &[text(args, "instance")?]).await?, |()| ok())?
        }
        "committed.list" => {
            let committed = admin.list_group_offsets(text(args, "group")?, None).await?;
            let show = |commit: CommittedOffset| json!([commit.offset, commit.leader_epoch, commit.metadata.as_str()]);
            object(
                committed
                    .into_iter()
                    .map(|(partition, commit)| (partition.to_string(), commit.map_or(Value::Null, show))),
            )
        }
        "committed.alter" => {
            let offsets = [(partition(args)?, CommittedOffset::at(number(args, "offset")?))].into();
            done(admin.alter_group_offsets(text(args, "group")?, &offsets).await?)
        }
        "committed.delete" => done(admin.delete_group_offsets(text(args, "group")?, &[partition(args)?]).await?),
        "shared.list" => each(admin.describe_share_group_offsets(text(args, "group")?, None).await?, share_offset),
        "shared.alter" => {
            let offsets = [(partition(args)?, number(args, "offset")?)].into();
            done(admin.alter_share_group_offsets(text(args, "group")?, &offsets).await?)
        }
        "shared.delete" => done(admin.delete_share_group_offsets(text(args, "group")?, &[text(args, "topic")?]).await?),
        _ => return super::unknown(call),
    })
}

async fn list(admin: &Admin, which: impl Fn(&GroupListing) -> bool) -> Result<Value, Failure> {
    let list = admin.list_groups(&GroupFilter::default()).await?;
    if let Some(error) = list.missing.into_iter().next() {
        return Err(error.into());
    }
    let listed = list.groups.into_iter().filter(which);
    Ok(sorted(listed.map(|group| format!("{} {} {}", group.id, group.kind.to_ascii_lowercase(), group.state))))
}

fn group(group: GroupDescription) -> Value {
    let member = |member: GroupMember| {
        let (id, instance) = (member.id.as_str(), member.instance_id.as_deref());
        json!([id, instance, member.client_id.as_str(), member.client_host.as_str(), partitions(&member.assignment)])
    };
    json!({
        "state": group.state.as_str(),
        "type": group.kind.as_str(),
        "assignor": group.assignor.as_str(),
        "operations": operations(group.authorized_operations),
        "members": group.members.into_iter().map(member).collect::<Vec<_>>(),
    })
}

fn share(group: GroupDescription) -> Value {
    let member = |member: GroupMember| {
        let (id, client) = (member.id.as_str(), member.client_id.as_str());
        json!([id, member.epoch, client, member.client_host.as_str(), partitions(&member.assignment)])
    };
    json!({
        "state": group.state.as_str(),
        "epoch": group.epoch,
        "operations": operations(group.authorized_operations),
        "members": group.members.into_iter().map(member).collect::<Vec<_>>(),
    })
}

fn share_offset(offset: ShareOffset) -> Value {
    // Java has nothing where the group has not begun.
    offset.start.map_or(Value::Null, |start| json!([start, offset.leader_epoch, offset.lag]))
}

fn streams(group: StreamsGroupDescription) -> Value {
    let names = |topics: &[StreamsInternalTopic]| sorted(topics.iter().map(|topic| topic.name.to_string()));
    let part = |part: StreamsSubtopology| {
        let (changelogs, repartition) = (names(&part.changelog_topics), names(&part.repartition_source_topics));
        json!([
            part.id.as_str(),
            listed(&part.source_topics),
            listed(&part.repartition_sink_topics),
            changelogs,
            repartition
        ])
    };
    let epoch = group.topology.as_ref().map(|topology| topology.epoch);
    let parts = group.topology.and_then(|topology| topology.subtopologies).unwrap_or_default();
    json!({
        "state": group.state.as_str(),
        "epoch": group.epoch,
        "target": group.assignment_epoch,
        "topology": epoch,
        "operations": operations(group.authorized_operations),
        "subtopologies": parts.into_iter().map(part).collect::<Vec<_>>(),
        "members": group.members.into_iter().map(streams_member).collect::<Vec<_>>(),
    })
}

fn listed<N: AsRef<str>>(names: &[N]) -> Value {
    json!(names.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
}

fn streams_member(member: StreamsMember) -> Value {
    let tasks =
        |tasks: &[StreamsTask]| sorted(tasks.iter().map(|task| format!("{}_{}", task.subtopology, task.partition)));
    json!([
        member.id.as_str(),
        member.epoch,
        member.instance_id.as_deref(),
        member.client_id.as_str(),
        member.client_host.as_str(),
        member.topology_epoch,
        member.process_id.as_str(),
        object(member.client_tags.iter().map(|(tag, value)| (tag.to_string(), json!(value.as_str())))),
        tasks(&member.assignment.active),
        tasks(&member.target_assignment.active),
        member.is_classic,
    ])
}
