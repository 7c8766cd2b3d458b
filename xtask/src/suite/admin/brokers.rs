//! The cluster, its features and quorum, folders, reassignments, elections, telemetry, brokers that are gone.

use std::time::{Duration, Instant};

use kafka_admin::{ConfigChanges, ConfigOperation, ConfigResource, TelemetryPush, TopicPartition, VoterListener};
use kafka_conn::BrokerId;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Failure, Stage, check, ours, records};

const LIMIT: Duration = Duration::from_secs(30);
/// The controller without a vote.
const CANDIDATE: i32 = 2;

pub(super) async fn cluster_and_features(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let cluster = stage.both(&admin, "cluster.describe", json!({})).await?;
    check(cluster["brokers"].as_array().map(Vec::len) == Some(2), || cluster.to_string())?;
    let features = stage.both(&admin, "features.describe", json!({})).await?;
    let level = features["finalized"]["metadata.version"].as_i64().ok_or("no metadata.version")?;
    // Checks only: up, down with and without loss, to where it is, and of what is none.
    for (feature, level, way) in [
        ("metadata.version", level, "UPGRADE"),
        ("metadata.version", level - 1, "UPGRADE"),
        ("metadata.version", level - 1, "SAFE_DOWNGRADE"),
        ("metadata.version", level - 1, "UNSAFE_DOWNGRADE"),
        ("transaction.version", 1, "UPGRADE"),
        ("transaction.version", 1, "SAFE_DOWNGRADE"),
        ("no.such.feature", 1, "UPGRADE"),
    ] {
        stage.both(&admin, "features.update", json!({ "feature": feature, "level": level, "way": way })).await?;
    }
    let after = stage.java("features.describe", json!({})).await?;
    check(after == features, || format!("checks changed {features} to {after}"))
}

pub(super) async fn quorum(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    stage.both_at_last(&admin, "quorum.describe", json!({})).await?;
    let quorum = admin.describe_quorum().await?;
    let candidate = quorum.observers.iter().find(|replica| replica.id == BrokerId(CANDIDATE));
    let directory = candidate.ok_or("the candidate does not follow")?.directory;
    let address = stage.cluster().controller_address(CANDIDATE).ok_or("the candidate is no controller")?;
    let listener =
        VoterListener { name: "CONTROLLER".into(), host: address.ip().to_string().into(), port: address.port() };
    let cluster = admin.describe_cluster().await?.id;
    admin.add_raft_voter(cluster.as_deref(), BrokerId(CANDIDATE), directory, &[listener]).await?;
    let votes = |answer: &Value| {
        answer["voters"].as_array().is_some_and(|voters| voters.iter().any(|voter| voter[0] == CANDIDATE))
    };
    stage.until("quorum.describe", json!({}), votes).await?;
    let again = json!({ "id": CANDIDATE, "directory": directory.to_string() });
    stage.both(&admin, "quorum.add", again.clone()).await?;
    admin.remove_raft_voter(cluster.as_deref(), BrokerId(CANDIDATE), directory).await?;
    stage.until("quorum.describe", json!({}), |answer| !votes(answer)).await?;
    stage.both(&admin, "quorum.remove", again).await.map(drop)
}

pub(super) async fn folders(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "folders", &[&[1]]).await?;
    records::write(&admin, &topic, 10, 100).await?;
    let of_topic = json!({ "broker": 1, "topic": topic });
    let before = stage.both_at_last(&admin, "folders.describe", of_topic.clone()).await?;
    let partition = format!("{topic}-0");
    let folders: Vec<(&String, &Value)> = before.as_object().into_iter().flatten().collect();
    let [(one, here), (other, _)] = folders[..] else { return Err(format!("two folders: {before}").into()) };
    let target = if here.get(&partition).is_some() { other } else { one };
    let to = |folder: &str| json!({ "broker": 1, "topic": topic, "partition": 0, "folder": folder });
    let moved = ours::call(&admin, "folders.move", &to(target)).await;
    check(moved == json!("ok"), || moved.to_string())?;
    let arrived = |answer: &Value| answer[target][&partition][2] == false;
    stage.until("folders.describe", of_topic.clone(), arrived).await?;
    stage.both_at_last(&admin, "folders.describe", of_topic).await?;
    stage.both(&admin, "folders.move", to("/no/such/folder")).await.map(drop)
}

pub(super) async fn moves_and_elections(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "moves", &[&[1]]).await?;
    records::write(&admin, &topic, 100, 2_000).await?;
    let to = |replicas: &[i32]| json!({ "topic": topic, "partition": 0, "replicas": replicas });
    let off = json!({ "topic": topic, "partition": 0, "replicas": null });
    stage.both(&admin, "moves.alter", off.clone()).await?;
    stage.both(&admin, "moves.alter", to(&[1, 9])).await?;
    // A move that takes longer than the test: a byte in a second.
    set(
        &admin,
        ConfigResource::topic(topic.as_str()),
        &[("leader.replication.throttled.replicas", Some("*")), ("follower.replication.throttled.replicas", Some("*"))],
    )
    .await?;
    let throttle = |rate: Option<&'static str>| {
        ["leader.replication.throttled.rate", "follower.replication.throttled.rate"].map(|name| (name, rate))
    };
    for broker in [1, 2] {
        set(&admin, ConfigResource::broker(BrokerId(broker)), &throttle(Some("1"))).await?;
    }
    let partition = TopicPartition::new(topic.as_str(), 0);
    let plan = admin.plan_reassignment(&[(partition.clone(), Some(vec![BrokerId(2)]))].into()).await?;
    check(plan.to_string() == format!("{topic}-0: from 1 to 2 (adds 2, removes 1)"), || plan.to_string())?;
    for outcome in admin.apply_reassignment_plan(&plan).await? {
        outcome.result?;
    }
    let place = format!("{topic}-0");
    stage.until("moves.list", json!({}), |moves| moves[&place] == json!([[2, 1], [2], [1]])).await?;
    stage.both(&admin, "moves.list", json!({})).await?;
    let called_off = ours::call(&admin, "moves.alter", &off).await;
    check(called_off == json!({ &place: "ok" }), || called_off.to_string())?;
    stage.until("moves.list", json!({}), |moves| moves.get(&place).is_none()).await?;
    for broker in [1, 2] {
        set(&admin, ConfigResource::broker(BrokerId(broker)), &throttle(None)).await?;
    }

    let begun = ours::call(&admin, "moves.alter", &to(&[2, 1])).await;
    check(begun == json!({ &place: "ok" }), || begun.to_string())?;
    let here = json!({ "names": [topic] });
    let is = |leader: i32| {
        let place = json!([[0, leader, [2, 1], [1, 2]]]);
        let topic = topic.clone();
        move |answer: &Value| answer[&topic]["partitions"] == place
    };
    stage.until("topics.describe", here.clone(), is(1)).await?;
    // 2 comes first, and does not lead.
    let elect = json!({ "topic": topic, "partition": 0 });
    let elected = ours::call(&admin, "leaders.elect", &elect).await;
    check(elected == json!({ &place: "ok" }), || elected.to_string())?;
    stage.until("topics.describe", here, is(2)).await?;
    stage.both(&admin, "leaders.elect", elect).await.map(drop)
}

async fn set(
    admin: &kafka_admin::Admin,
    resource: ConfigResource,
    settings: &[(&'static str, Option<&'static str>)],
) -> Result<(), Failure> {
    let operation =
        |value: Option<&'static str>| value.map_or(ConfigOperation::Delete, |value| ConfigOperation::Set(value.into()));
    let settings = settings.iter().map(|(name, value)| ((*name).into(), operation(*value))).collect();
    let changes: ConfigChanges = [(resource, settings)].into();
    for outcome in admin.incremental_alter_configs(&changes, kafka_admin::Apply::Now).await? {
        outcome.result?;
    }
    Ok(())
}

/// What a broker asks for, it gets: it prints it.
pub(super) async fn telemetry(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let name = stage.name("telemetry");
    set(
        &admin,
        ConfigResource::client_metrics(name.as_str()),
        &[("metrics", Some("org.apache.kafka.producer.,org.apache.kafka.consumer.")), ("interval.ms", Some("1000"))],
    )
    .await?;
    let described = json!({ "kind": "CLIENT_METRICS", "name": name });
    stage.until("configs.describe", described, |answer| answer["interval.ms"][0] == "1000").await?;
    let deadline = Instant::now() + LIMIT;
    // Brokers take a moment to know of it, and do not answer a client instance twice in one interval.
    let wanted = loop {
        let wanted = admin.telemetry_subscription(None).await?;
        if !wanted.metrics.is_empty() {
            break wanted;
        }
        check(Instant::now() < deadline, || format!("no metrics are wanted: {wanted:?}"))?;
        sleep(Duration::from_millis(50)).await;
    };
    let mut metrics = wanted.metrics.clone();
    metrics.sort();
    check(metrics == ["org.apache.kafka.consumer.", "org.apache.kafka.producer."], || format!("{wanted:?}"))?;
    check(wanted.push_interval == Duration::from_secs(1), || format!("{wanted:?}"))?;
    let stranger = TelemetryPush { subscription_id: wanted.id ^ 1, ..TelemetryPush::new(&wanted, "no metrics") };
    let refused = admin.push_telemetry(&stranger).await.err().and_then(|error| error.code());
    check(refused == Some(kafka_protocol::ErrorCode::UNKNOWN_SUBSCRIPTION_ID), || format!("{refused:?}"))?;
    let push = TelemetryPush { is_last: true, ..TelemetryPush::new(&wanted, "some metrics") };
    admin.push_telemetry(&push).await?;
    let bytes: String = push.metrics.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("telemetry {} OTLP terminating {bytes}", wanted.client_instance_id);
    let printed = |node| std::fs::read(stage.log(node)).is_ok_and(|log| String::from_utf8_lossy(&log).contains(&line));
    while ![1, 2].into_iter().any(printed) {
        check(Instant::now() < deadline, || format!("no broker printed {line:?}"))?;
        sleep(Duration::from_millis(50)).await;
    }
    set(&admin, ConfigResource::client_metrics(name.as_str()), &[("metrics", None), ("interval.ms", None)]).await
}

/// A broker that is down for good is forgotten, once.
pub(super) async fn gone(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    stage.both(&admin, "cluster.unregister", json!({ "id": 77 })).await?;
    let ending = stage.clone();
    tokio::task::spawn_blocking(move || ending.cluster().terminate(CANDIDATE)).await??;
    stage
        .until("cluster.describe", json!({}), |cluster| cluster["brokers"].as_array().map(Vec::len) == Some(1))
        .await?;
    let forgotten = ours::call(&admin, "cluster.unregister", &json!({ "id": CANDIDATE })).await;
    check(forgotten == json!("ok"), || forgotten.to_string())?;
    let again = stage.java("cluster.unregister", json!({ "id": CANDIDATE })).await?;
    check(again == json!({ "error": "BROKER_ID_NOT_REGISTERED" }), || again.to_string())
}
