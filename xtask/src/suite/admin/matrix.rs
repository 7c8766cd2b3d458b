//! The permission matrix: every call as every user, with the same outcome as Java's `Admin`: allowed, filtered, refused.

use std::collections::BTreeMap;

use kafka_admin::{AclEntry, AclOperation, AclResourceType, Admin};
use kafka_protocol::Uuid;
use serde_json::{Value, json};

use super::stage::USERS;
use super::{Failure, Stage, check, member, ours, records};

type Calls = Vec<(&'static str, Value)>;

/// Calls that change nothing, whoever makes them: checks only, what is there already, what is not there.
fn calls(stage: &Stage, seen: &Seen) -> Calls {
    let place = json!({ "topic": seen.topic, "partition": 0, "at": "latest", "before": 0, "broker": 1,
        "replicas": null, "folder": "/no/such/folder", "group": seen.group, "offset": 0, "producer": 77_777, "epoch": 0,
        "coordinator": 0 });
    let mut calls = of_topics(seen, &place);
    calls.extend(of_brokers(seen, &place));
    calls.extend(of_groups(seen, &place));
    calls.extend(of_users());
    if stage.is_new() {
        calls.extend(since_4(seen));
    }
    calls
}

fn config(kind: &str, name: &str, setting: &str) -> Value {
    json!({ "kind": kind, "name": name, "set": { setting: "5000" }, "validate": true })
}

fn of_topics(Seen { topic, .. }: &Seen, place: &Value) -> Calls {
    let create = |name: &str| json!({ "name": name, "partitions": 1, "replication": 1, "validate": true });
    vec![
        ("topics.list", json!({})),
        ("topics.describe", json!({ "names": [topic] })),
        ("topics.describe", json!({ "names": ["m-missing"] })),
        ("topics.create", create("m-new")),
        ("topics.create", create("x-new")),
        ("topics.delete", json!({ "names": ["m-missing"] })),
        ("partitions.create", json!({ "name": topic, "total": 7, "validate": true })),
        ("records.delete", place.clone()),
        ("offsets.list", place.clone()),
        ("configs.describe", config("TOPIC", topic, "")),
        ("configs.describe", config("BROKER", "1", "")),
        ("configs.describe", config("CLIENT_METRICS", "m", "")),
        ("configs.alter", config("TOPIC", topic, "retention.ms")),
        ("configs.alter", config("BROKER", "1", "log.cleaner.threads")),
        ("configs.alter", config("CLIENT_METRICS", "m", "interval.ms")),
        ("metrics.list", json!({})),
    ]
}

fn of_brokers(Seen { voter, .. }: &Seen, place: &Value) -> Calls {
    vec![
        ("cluster.describe", json!({})),
        ("cluster.unregister", json!({ "id": 77 })),
        ("features.describe", json!({})),
        ("features.update", json!({ "feature": "metadata.version", "level": 1, "way": "UPGRADE" })),
        ("quorum.describe", json!({})),
        ("quorum.add", json!({ "id": 100, "directory": voter })),
        ("quorum.remove", json!({ "id": 77, "directory": voter })),
        ("folders.describe", place.clone()),
        ("folders.move", place.clone()),
        ("leaders.elect", place.clone()),
        ("moves.list", json!({})),
        ("moves.alter", place.clone()),
    ]
}

fn of_groups(Seen { topic, group, id, .. }: &Seen, place: &Value) -> Calls {
    vec![
        ("groups.list", json!({})),
        ("groups.describe", json!({ "ids": [group] })),
        ("groups.delete", json!({ "ids": ["m-missing"] })),
        ("groups.remove", json!({ "group": "m-missing", "instance": "nobody" })),
        ("committed.list", place.clone()),
        ("committed.alter", place.clone()),
        ("committed.delete", json!({ "group": group, "topic": topic, "partition": 1 })),
        ("producers.describe", place.clone()),
        ("transactions.list", json!({})),
        ("transactions.describe", json!({ "ids": [id] })),
        ("transactions.abort", place.clone()),
        ("transactions.fence", json!({ "ids": [id] })),
    ]
}

fn of_users() -> Calls {
    let entry = json!(["TOPIC", "m", "LITERAL", "User:nobody", "*", "READ", "ALLOW"]);
    let quota = json!({ "entity": { "user": "nobody" }, "set": { "producer_byte_rate": 1.0 }, "validate": true });
    vec![
        ("acls.list", json!({ "principal": "User:nobody" })),
        ("acls.create", json!({ "entry": entry })),
        ("acls.delete", json!({ "principal": "User:never" })),
        ("quotas.list", json!({})),
        ("quotas.alter", quota),
        ("users.list", json!({ "users": [] })),
        ("users.delete", json!({ "user": "nobody" })),
        ("tokens.list", json!({})),
        ("tokens.create", json!({})),
        ("tokens.create", json!({ "owner": "none" })),
        ("tokens.renew", json!({ "hmac": "bm8gdG9rZW4=" })),
        ("tokens.expire", json!({ "hmac": "bm8gdG9rZW4=" })),
    ]
}

fn since_4(Seen { topic, group, .. }: &Seen) -> Calls {
    vec![
        ("configs.describe", config("GROUP", group, "")),
        ("configs.alter", config("GROUP", group, "consumer.session.timeout.ms")),
        ("configs.list", json!({ "kinds": [] })),
        ("groups.all", json!({})),
        ("groups.share", json!({ "ids": ["m-share"] })),
        ("groups.streams", json!({ "ids": ["m-streams"] })),
        ("shared.list", json!({ "group": "m-share" })),
        ("shared.alter", json!({ "group": "m-share", "topic": topic, "partition": 1, "offset": 0 })),
        ("shared.delete", json!({ "group": "m-share", "topic": "m-other" })),
    ]
}

/// What the calls are about.
struct Seen {
    topic: String,
    group: String,
    id: String,
    /// The folder of the controller that votes.
    voter: String,
}

pub(super) async fn permissions(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let seen = prepare(&stage, &admin).await?;
    let mut users = BTreeMap::new();
    for user in USERS {
        users.insert(user, stage.admin_as(user).await?);
    }
    let (mut cells, mut different) = (0, Vec::new());
    let mut outcomes: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (call, args) in calls(&stage, &seen) {
        for user in USERS {
            let ours = ours::call(&users[user], call, &args).await;
            let java = stage.java_as(Some(user), call, args.clone()).await?;
            cells += 1;
            *outcomes.entry(user).or_default().entry(kind(&ours)).or_default() += 1;
            if ours != java {
                different.push(format!("{call} as {user}: ours {ours}, Java's {java}"));
            }
        }
    }
    println!("    {cells} cells, {} different; {outcomes:?}", different.len());
    check(different.is_empty(), || different.join("\n    "))?;
    // A matrix in which everybody may do everything, or nobody anything, would show nothing.
    let refused = |user: &str| outcomes[user].get("refused").copied().unwrap_or_default();
    check(refused("none") > 30 && refused("all") == 0, || format!("{outcomes:?}"))
}

/// Whether a call was refused; what else went wrong is another matter.
fn kind(answer: &Value) -> &'static str {
    match answer["error"].as_str() {
        Some(name) if name.ends_with("AUTHORIZATION_FAILED") => "refused",
        Some(_) => "failed",
        None => "allowed",
    }
}

async fn prepare(stage: &Stage, admin: &Admin) -> Result<Seen, Failure> {
    let topic = stage.topic(admin, "m-topic", &[&[1, 2], &[2, 1]]).await?;
    records::write(admin, &topic, 5, 10).await?;
    let group = stage.name("m-group");
    for partition in [0, 1] {
        let commit = json!({ "group": group, "topic": topic, "partition": partition, "offset": 0 });
        let done = ours::call(admin, "committed.alter", &commit).await;
        check(!done.to_string().contains("error"), || done.to_string())?;
    }
    let producer = records::producer(admin, &stage.name("m-transaction")).await?;
    if stage.is_new() {
        let member = member::share(admin, "m-share", &topic).await?;
        member::share_leaves(admin, &member.membership).await?;
        let member = member::streams(admin, "m-streams", &topic).await?;
        member::streams_leaves(admin, &member.membership).await?;
    }
    let entries = entries();
    for outcome in admin.create_acls(&entries).await? {
        outcome.result?;
    }
    let count = entries.len();
    let of_users = |answer: &Value| {
        let of_user = |entry: &&Value| USERS.iter().any(|user| entry.to_string().contains(&format!("User:{user} ")));
        answer.as_array().is_some_and(|all| all.iter().filter(of_user).count() == count)
    };
    stage.until("acls.list", json!({}), of_users).await?;
    let voters = admin.describe_quorum().await?.voters;
    let voter = voters.first().ok_or("nobody votes")?.directory.to_string();
    check(voter != Uuid::ZERO.to_string(), || "the voter has no folder".to_owned())?;
    Ok(Seen { topic, group, id: producer.transactional_id.to_string(), voter })
}

/// What users may do, where the operation is one of the resource: to whatever begins with `m-`, and to the cluster.
fn entries() -> Vec<AclEntry> {
    use kafka_admin::AclPatternType;

    let resources: [(AclResourceType, &str, &[AclOperation]); 5] = [
        (AclResourceType::TOPIC, "m-", TOPIC),
        (AclResourceType::GROUP, "m-", GROUP),
        (AclResourceType::TRANSACTIONAL_ID, "m-", TRANSACTIONAL_ID),
        (AclResourceType::CLUSTER, "kafka-cluster", CLUSTER),
        (AclResourceType::USER, "User:", USER),
    ];
    let mut entries = Vec::new();
    for (user, operations) in GRANTED {
        for (kind, name, known) in &resources {
            for operation in operations.iter().filter(|operation| known.contains(operation)) {
                let entry = AclEntry::allow(format!("User:{user}"), *operation, *kind, *name);
                let prefixed = *kind != AclResourceType::CLUSTER;
                let pattern_type = if prefixed { AclPatternType::PREFIXED } else { AclPatternType::LITERAL };
                entries.push(AclEntry { pattern_type, ..entry });
            }
        }
    }
    entries
}

const GRANTED: [(&str, &[AclOperation]); 4] = [
    ("read", &[AclOperation::READ]),
    ("describe", &[AclOperation::DESCRIBE, AclOperation::DESCRIBE_CONFIGS, AclOperation::DESCRIBE_TOKENS]),
    (
        "alter",
        &[
            AclOperation::ALTER,
            AclOperation::ALTER_CONFIGS,
            AclOperation::CREATE,
            AclOperation::DELETE,
            AclOperation::CREATE_TOKENS,
        ],
    ),
    ("all", &[AclOperation::ALL]),
];

const TOPIC: &[AclOperation] = &[
    AclOperation::ALL,
    AclOperation::READ,
    AclOperation::CREATE,
    AclOperation::DELETE,
    AclOperation::ALTER,
    AclOperation::DESCRIBE,
    AclOperation::DESCRIBE_CONFIGS,
    AclOperation::ALTER_CONFIGS,
];
const GROUP: &[AclOperation] = &[
    AclOperation::ALL,
    AclOperation::READ,
    AclOperation::DELETE,
    AclOperation::DESCRIBE,
    AclOperation::DESCRIBE_CONFIGS,
    AclOperation::ALTER_CONFIGS,
];
const TRANSACTIONAL_ID: &[AclOperation] = &[AclOperation::ALL, AclOperation::DESCRIBE];
const CLUSTER: &[AclOperation] = &[
    AclOperation::ALL,
    AclOperation::CREATE,
    AclOperation::ALTER,
    AclOperation::DESCRIBE,
    AclOperation::DESCRIBE_CONFIGS,
    AclOperation::ALTER_CONFIGS,
];
const USER: &[AclOperation] = &[AclOperation::ALL, AclOperation::CREATE_TOKENS, AclOperation::DESCRIBE_TOKENS];
