//! Groups of each type, and where they are.

use std::time::Duration;

use kafka_admin::{ConsumerHeartbeat, ErrorKind, Membership, OffsetReset, TopicIdPartition, TopicPartition};
use kafka_conn::BrokerId;
use kafka_reader::{ConsumerGroup, GroupConfig, GroupEvent};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Failure, Stage, check, member, ours, records, since_4};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn classic(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "classic", &[&[1], &[2]]).await?;
    records::write(&admin, &topic, 10, 10).await?;
    let group = stage.name("classic");
    let config = GroupConfig {
        group_id: group.as_str().into(),
        topics: [topic.as_str()].into(),
        instance_id: Some("one".into()),
        session_timeout: Duration::from_secs(30),
        ..GroupConfig::default()
    };
    let mut reader = ConsumerGroup::new(admin.transport().clone(), config)?;
    while !matches!(timeout(LIMIT, reader.next()).await??, GroupEvent::Assigned { .. }) {}
    let ids = json!({ "ids": [group] });
    let described = stage.both_at_last(&admin, "groups.describe", ids.clone()).await?;
    check(described[&group]["members"].as_array().map(Vec::len) == Some(1), || described.to_string())?;
    stage.both_at_last(&admin, "groups.list", json!({})).await?;
    let commit = |partition: i32, offset: i64| json!({ "group": group, "topic": topic, "partition": partition, "offset": offset });
    // Not while it has members, and no such member.
    stage.both(&admin, "committed.alter", commit(0, 1)).await?;
    stage.both(&admin, "groups.delete", ids.clone()).await?;
    stage.both(&admin, "committed.delete", commit(0, 0)).await?;
    let leave = |instance: &str| json!({ "group": group, "instance": instance });
    stage.both(&admin, "groups.remove", leave("nobody")).await?;

    // A static member does not say goodbye: somebody else has to.
    reader.close().await;
    let removed = ours::call(&admin, "groups.remove", &leave("one")).await;
    check(removed == json!("ok"), || removed.to_string())?;
    let is_empty = |answer: &Value| answer[&group]["members"] == json!([]);
    stage.until("groups.describe", ids.clone(), is_empty).await?;
    for (partition, offset) in [(0, 7), (1, 0)] {
        let done = ours::call(&admin, "committed.alter", &commit(partition, offset)).await;
        check(done == json!({ format!("{topic}-{partition}"): "ok" }), || done.to_string())?;
    }
    let committed = stage.both(&admin, "committed.list", json!({ "group": group })).await?;
    check(committed[format!("{topic}-0")][0] == 7, || committed.to_string())?;
    let plan = admin.plan_offset_reset(&group, None, OffsetReset::Shift(2)).await?;
    let place = |partition| TopicPartition::new(topic.as_str(), partition);
    let expected = format!("group {group:?}: {} from 7 to 9 (+2)\ngroup {group:?}: {} stays at 0", place(0), place(1));
    check(plan.to_string() == expected, || plan.to_string())?;
    for outcome in admin.apply_offset_plan(&plan).await? {
        outcome.result?;
    }
    let moved = stage.both(&admin, "committed.list", json!({ "group": group })).await?;
    check(moved[format!("{topic}-0")][0] == 9, || moved.to_string())?;
    let lag = admin.group_lag(&group, Some(&[place(0)]), kafka_conn::IsolationLevel::ReadUncommitted).await?;
    let lag = lag.into_iter().next().ok_or("no outcome")?.result?;
    check(lag.lag() == Some(1), || format!("{lag:?}"))?;
    let forgotten = ours::call(&admin, "committed.delete", &commit(1, 0)).await;
    check(forgotten == json!({ format!("{topic}-1"): "ok" }), || forgotten.to_string())?;
    let left = stage.both(&admin, "committed.list", json!({ "group": group })).await?;
    check(left.as_object().map(serde_json::Map::len) == Some(1), || left.to_string())?;

    let plan = admin.plan_group_deletion(&[&group]).await?;
    check(plan.to_string().ends_with(&format!("\n  forget {topic}-0 at 9")), || plan.to_string())?;
    for outcome in admin.apply_group_deletion_plan(&plan).await? {
        outcome.result?;
    }
    let listed = stage.java("groups.list", json!({})).await?;
    check(!listed.to_string().contains(&group), || format!("still there: {listed}"))?;
    stage.both(&admin, "groups.delete", ids).await.map(drop)
}

pub(super) async fn consumer(stage: Stage) -> Result<(), Failure> {
    since_4(&stage)?;
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "consumer", &[&[1], &[2]]).await?;
    let group = stage.name("consumer");
    let member = member::consumer(&admin, &group, &topic).await?;
    let topic_id = admin.describe_topics(&[&topic]).await?.remove(0).result?.id;
    let owned: Vec<_> = (0..2).map(|partition| TopicIdPartition::new(topic_id, partition)).collect();
    check(member.assignment.as_ref() == Some(&owned), || format!("{member:?}"))?;
    let heartbeat = ConsumerHeartbeat { owned: Some(owned), ..ConsumerHeartbeat::unchanged(member.membership) };
    let member = admin.consumer_group_heartbeat(&heartbeat).await?.membership;
    check(member.epoch > 0, || format!("{member:?}"))?;
    let described = stage.both_at_last(&admin, "groups.describe", json!({ "ids": [group, "nobody"] })).await?;
    check(described[&group]["type"] == "consumer", || described.to_string())?;
    check(described["nobody"]["error"] == "GROUP_ID_NOT_FOUND", || described.to_string())?;
    stage.both_at_last(&admin, "groups.all", json!({})).await?;
    let commit = json!({ "group": group, "topic": topic, "partition": 0, "offset": 0 });
    stage.both(&admin, "committed.alter", commit.clone()).await?;
    stage.both(&admin, "committed.delete", commit.clone()).await?;
    let late = Membership { epoch: member.epoch + 7, ..member.clone() };
    let fenced = admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(late)).await;
    check(is_fenced(&fenced), || format!("an epoch that is not its own: {fenced:?}"))?;
    admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(member.leaving())).await?;
    let gone = admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(member)).await;
    check(is_fenced(&gone), || format!("a member that has left: {gone:?}"))?;
    let done = ours::call(&admin, "committed.alter", &commit).await;
    check(done == json!({ format!("{topic}-0"): "ok" }), || done.to_string())?;
    let committed = stage.both(&admin, "committed.list", json!({ "group": group })).await?;
    check(committed[format!("{topic}-0")][0] == 0, || committed.to_string())?;
    delete(&stage, &admin, &group).await
}

pub(super) async fn share(stage: Stage) -> Result<(), Failure> {
    since_4(&stage)?;
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "share", &[&[1]]).await?;
    records::write(&admin, &topic, 10, 10).await?;
    let group = stage.name("share");
    let member = member::share(&admin, &group, &topic).await?.membership;
    let ids = json!({ "ids": [group, "nobody"] });
    let described = stage.both_at_last(&admin, "groups.share", ids).await?;
    check(described[&group]["members"].as_array().map(Vec::len) == Some(1), || described.to_string())?;
    stage.both_at_last(&admin, "groups.all", json!({})).await?;
    let of_topic = |offset: i64| json!({ "group": group, "topic": topic, "partition": 0, "offset": offset });
    stage.both(&admin, "shared.alter", of_topic(3)).await?;
    stage.both(&admin, "shared.delete", of_topic(0)).await?;
    member::share_leaves(&admin, &member).await?;
    let place = format!("{topic}-0");
    let altered = ours::call(&admin, "shared.alter", &of_topic(3)).await;
    check(altered == json!({ &place: "ok" }), || altered.to_string())?;
    let here = json!({ "group": group });
    stage.until("shared.list", here.clone(), |answer| answer[&place][0] == 3).await?;
    let listed = stage.both_at_last(&admin, "shared.list", here.clone()).await?;
    check(listed[&place][2] == 7, || format!("a lag of 7: {listed}"))?;
    let member = member::share(&admin, &group, &topic).await?;
    let topic_id = admin.describe_topics(&[&topic]).await?.remove(0).result?.id;
    let partition = TopicIdPartition::new(topic_id, 0);
    check(member.assignment == Some(vec![partition]), || format!("{member:?}"))?;
    let read = member::share_reads(&stage, &admin, &member.membership, BrokerId(1), partition).await?;
    check(read == (3, 9), || format!("read {read:?}"))?;
    member::share_leaves(&admin, &member.membership).await?;
    // Where it begins is written down with the next record that is taken; that nothing is left to do, at once.
    stage.until("shared.list", here.clone(), |answer| answer[&place][2] == 0).await?;
    stage.both(&admin, "shared.list", here.clone()).await?;
    let plan = admin.plan_group_deletion(&[&group]).await?;
    check(plan.to_string().contains(&format!("forget {place} at ")), || plan.to_string())?;
    let forgotten = ours::call(&admin, "shared.delete", &of_topic(0)).await;
    check(forgotten == json!({ &topic: "ok" }), || forgotten.to_string())?;
    stage.until("shared.list", here, |answer| answer.get(&place).is_none_or(Value::is_null)).await?;
    delete(&stage, &admin, &group).await
}

pub(super) async fn streams(stage: Stage) -> Result<(), Failure> {
    since_4(&stage)?;
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "streams", &[&[1], &[2]]).await?;
    let group = stage.name("streams");
    let member = member::streams(&admin, &group, &topic).await?;
    check(!member.interval.is_zero() && member.membership.epoch > 0, || format!("{member:?}"))?;
    let described = stage.both_at_last(&admin, "groups.streams", json!({ "ids": [group, "nobody"] })).await?;
    check(described[&group]["topology"] == 3, || described.to_string())?;
    check(described[&group]["members"].as_array().map(Vec::len) == Some(1), || described.to_string())?;
    check(described["nobody"]["error"] == "GROUP_ID_NOT_FOUND", || described.to_string())?;
    stage.both_at_last(&admin, "groups.all", json!({})).await?;
    stage.both(&admin, "groups.describe", json!({ "ids": [group] })).await?;
    member::streams_leaves(&admin, &member.membership).await?;
    let commit = json!({ "group": group, "topic": topic, "partition": 0, "offset": 0 });
    let done = ours::call(&admin, "committed.alter", &commit).await;
    check(done == json!({ format!("{topic}-0"): "ok" }), || done.to_string())?;
    stage.both(&admin, "committed.list", json!({ "group": group })).await?;
    delete(&stage, &admin, &group).await
}

fn is_fenced<T>(answer: &kafka_admin::Result<T>) -> bool {
    answer.as_ref().is_err_and(|error| *error.kind() == ErrorKind::MemberFenced)
}

/// Deletes a group without members, and Java sees it no more.
async fn delete(stage: &Stage, admin: &kafka_admin::Admin, group: &str) -> Result<(), Failure> {
    let gone = ours::call(admin, "groups.delete", &json!({ "ids": [group] })).await;
    check(gone == json!({ group: "ok" }), || format!("deleted: {gone}"))?;
    let listed = stage.java("groups.all", json!({})).await?;
    check(!listed.to_string().contains(group), || format!("still there: {listed}"))
}
