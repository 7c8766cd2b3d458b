//! Topics, partitions, records, offsets, configurations.

use std::collections::BTreeMap;

use kafka_admin::{DeleteBefore, TopicPartition};
use serde_json::json;

use super::{Failure, Stage, check, ours, records};

pub(super) async fn topics(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let name = stage.name("topics");
    let names = json!({ "names": [name] });
    let new = |validate: bool| {
        let configs = json!({ "cleanup.policy": "compact" });
        json!({ "name": name, "partitions": 2, "replication": 2, "configs": configs, "validate": validate })
    };
    let made = ours::call(&admin, "topics.create", &new(true)).await;
    check(made == json!({ &name: "ok" }), || format!("checked: {made}"))?;
    let listed = stage.java("topics.list", json!({})).await?;
    let is_listed = |list: &serde_json::Value| list.as_array().is_some_and(|all| all.contains(&json!(name)));
    check(!is_listed(&listed), || "a check created it".to_owned())?;
    let made = ours::call(&admin, "topics.create", &new(false)).await;
    check(made == json!({ &name: "ok" }), || format!("created: {made}"))?;
    admin.wait_for_leaders(&[&name]).await?;
    stage.until("topics.list", json!({}), is_listed).await?;
    stage.both(&admin, "topics.create", new(false)).await?;
    let described = stage.both_at_last(&admin, "topics.describe", names.clone()).await?;
    check(described[&name]["partitions"].as_array().map(Vec::len) == Some(2), || described.to_string())?;
    let config = stage.java("configs.describe", json!({ "kind": "TOPIC", "name": name })).await?;
    check(config["cleanup.policy"][0] == "compact", || config["cleanup.policy"].to_string())?;
    stage.both_at_last(&admin, "topics.list", json!({})).await?;

    let more = |total: i32, validate| json!({ "name": name, "total": total, "validate": validate });
    stage.both(&admin, "partitions.create", more(2, false)).await?;
    stage.both(&admin, "partitions.create", more(4, true)).await?;
    let made = ours::call(&admin, "partitions.create", &more(5, false)).await;
    check(made == json!({ &name: "ok" }), || format!("partitions: {made}"))?;
    stage
        .until("topics.describe", names.clone(), |answer| {
            answer[&name]["partitions"].as_array().is_some_and(|partitions| partitions.len() == 5)
        })
        .await?;
    stage.both_at_last(&admin, "topics.describe", names.clone()).await?;

    let plan = admin.plan_topic_deletion(&[&name]).await?;
    check(plan.to_string() == format!("delete topic {name:?}: 5 partitions"), || plan.to_string())?;
    for outcome in admin.apply_topic_deletion_plan(&plan).await? {
        outcome.result?;
    }
    stage.until("topics.list", json!({}), |list| !is_listed(list)).await?;
    // Made anew, it is not the topic of the plan.
    let made = ours::call(&admin, "topics.create", &new(false)).await;
    check(made == json!({ &name: "ok" }), || format!("created again: {made}"))?;
    let again = admin.apply_topic_deletion_plan(&plan).await?;
    check(
        again.iter().all(|outcome| outcome.result.as_ref().is_err_and(kafka_admin::Error::is_unknown_topic)),
        || format!("an old plan: {again:?}"),
    )?;
    stage.until("topics.list", json!({}), is_listed).await?;
    let gone = ours::call(&admin, "topics.delete", &names).await;
    check(gone == json!({ &name: "ok" }), || format!("deleted: {gone}"))?;
    stage.until("topics.list", json!({}), |list| !is_listed(list)).await?;
    stage.both_at_last(&admin, "topics.describe", names.clone()).await?;
    stage.both(&admin, "topics.delete", names).await.map(drop)
}

pub(super) async fn records_and_offsets(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "records", &[&[1, 2]]).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    records::write(&admin, &topic, 10, 10).await?;
    let at = |place: &str| json!({ "topic": topic, "partition": 0, "at": place });
    for place in ["earliest", "latest", "max-timestamp", "0", "9999999999999"] {
        stage.both_at_last(&admin, "offsets.list", at(place)).await?;
    }
    let ends = admin.epoch_ends(&[(partition.clone(), 0)].into()).await?;
    let end = ends.into_iter().next().ok_or("no outcome")?.result?;
    check((end.leader_epoch, end.offset) == (Some(0), Some(10)), || format!("{end:?}"))?;

    let gone = ours::call(&admin, "records.delete", &json!({ "topic": topic, "partition": 0, "before": 4 })).await;
    check(gone == json!({ format!("{topic}-0"): 4 }), || gone.to_string())?;
    let begins = |offset: i64| move |answer: &serde_json::Value| answer.to_string().contains(&format!("[{offset},"));
    stage.until("offsets.list", at("earliest"), begins(4)).await?;
    stage.both(&admin, "records.delete", json!({ "topic": topic, "partition": 0, "before": 11 })).await?;
    let beyond = admin.plan_record_deletion(&[(partition.clone(), DeleteBefore::Offset(11))].into()).await;
    check(beyond.is_err(), || format!("{beyond:?}"))?;
    let before: BTreeMap<_, _> = [(partition, DeleteBefore::End)].into();
    let plan = admin.plan_record_deletion(&before).await?;
    check(plan.to_string() == format!("{topic}-0: delete 4 to 9 (6 of 6)"), || plan.to_string())?;
    // What comes after the plan stays.
    records::write(&admin, &topic, 1, 10).await?;
    for outcome in admin.apply_record_deletion_plan(&plan).await? {
        outcome.result?;
    }
    stage.until("offsets.list", at("earliest"), begins(10)).await?;
    stage.until("offsets.list", at("latest"), begins(11)).await.map(drop)
}

pub(super) async fn configs(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "configs", &[&[1]]).await?;
    let metrics = stage.name("metrics");
    let group = stage.name("configured");
    let mut resources = vec![
        ("TOPIC", topic.as_str(), json!({ "retention.ms": "1000", "max.message.bytes": "2000" }), "retention.ms"),
        ("BROKER", "1", json!({ "log.cleaner.threads": "2" }), "log.cleaner.threads"),
        ("BROKER", "", json!({ "message.max.bytes": "2000000" }), "message.max.bytes"),
        ("BROKER_LOGGER", "1", json!({ "kafka.server.KafkaApis": "WARN" }), "kafka.server.KafkaApis"),
        ("CLIENT_METRICS", metrics.as_str(), json!({ "interval.ms": "5000" }), "interval.ms"),
    ];
    if stage.is_new() {
        resources.push(("GROUP", &group, json!({ "share.session.timeout.ms": "50000" }), "share.session.timeout.ms"));
    }
    for (kind, name, set, setting) in resources {
        // Java's logging library here has no loggers to configure.
        if kind == "BROKER_LOGGER" {
            stage.both(&admin, "configs.describe", json!({ "kind": kind, "name": name })).await?;
            continue;
        }
        let resource = json!({ "kind": kind, "name": name });
        let alter = |set: &serde_json::Value, validate: bool| json!({ "kind": kind, "name": name, "set": set, "validate": validate });
        stage.both(&admin, "configs.alter", alter(&set, true)).await?;
        stage.both(&admin, "configs.alter", alter(&json!({ "no.such.setting": "1" }), true)).await?;
        let done = ours::call(&admin, "configs.alter", &alter(&set, false)).await;
        check(done == json!("ok"), || format!("{kind} {name:?}: {done}"))?;
        stage.until("configs.describe", resource.clone(), |answer| answer[setting][0] == set[setting]).await?;
        stage.both_at_last(&admin, "configs.describe", resource.clone()).await?;
        if stage.is_new() {
            let kinds = json!({ "kinds": [kind] });
            stage
                .both_at_last(
                    &admin,
                    "configs.list",
                    if kind == "BROKER_LOGGER" { json!({ "kinds": [] }) } else { kinds },
                )
                .await?;
        }
        let done = ours::call(&admin, "configs.alter", &alter(&json!({ setting: null }), false)).await;
        check(done == json!("ok"), || format!("{kind} {name:?}: {done}"))?;
        stage.until("configs.describe", resource, |answer| answer[setting][0] != set[setting]).await?;
    }
    stage.both_at_last(&admin, "metrics.list", json!({})).await?;
    // Whatever is not among them is gone.
    let replace = json!({ "kind": "TOPIC", "name": topic, "set": { "retention.bytes": "77" } });
    let done = ours::call(&admin, "configs.replace", &replace).await;
    check(done == json!("ok"), || format!("replaced: {done}"))?;
    let replaced = |answer: &serde_json::Value| {
        answer["retention.bytes"][0] == "77" && answer["max.message.bytes"][1] == "DEFAULT_CONFIG"
    };
    stage.until("configs.describe", json!({ "kind": "TOPIC", "name": topic }), replaced).await.map(drop)
}
