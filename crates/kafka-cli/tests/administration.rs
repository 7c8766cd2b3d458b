//! The commands that ask, print and end, against a cluster in this process: what they print, and what they do.

mod common;

use common::{Run, kafka, run};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::{ApiKey, ErrorCode};

async fn cluster() -> Cluster {
    Cluster::builder().brokers(2).topic("orders", 2, 2).topic("empty", 1, 1).start().await.unwrap()
}

fn kafka_at(cluster: &Cluster, arguments: &str) -> Run {
    run(kafka(arguments).env("KAFKA_BROKERS", cluster.bootstrap()))
}

/// Runs a command that must work; returns its data.
fn works(cluster: &Cluster, arguments: &str) -> String {
    let Run { status, stdout, stderr, .. } = kafka_at(cluster, arguments);
    assert_eq!(status, Some(0), "{arguments}: {stderr}");
    assert!(!stderr.contains("error"), "{arguments}: {stderr}");
    stdout
}

/// Runs a command that must fail; returns what it says.
fn fails(cluster: &Cluster, arguments: &str, status: i32) -> String {
    let run = kafka_at(cluster, arguments);
    assert_eq!(run.status, Some(status), "{arguments}: {}{}", run.stdout, run.stderr);
    run.stderr
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Writes so many messages to `orders`, partition by partition.
fn produce(cluster: &Cluster, count: usize) {
    use std::io::Write;

    let mut command = kafka("produce orders --balancer round-robin");
    command.env("KAFKA_BROKERS", cluster.bootstrap()).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all("x\n".repeat(count).as_bytes()).unwrap();
    assert_eq!(common::finish(child).status, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_listed_and_described() {
    let cluster = cluster().await;
    let expected = "\
TOPIC   PARTITIONS  INTERNAL
empty            1  false
orders           2  false
";
    assert_eq!(works(&cluster, "topics list"), expected);
    let listed = json(&works(&cluster, "topics list -O json"));
    assert_eq!(listed[1], serde_json::json!({"topic": "orders", "partitions": 2, "internal": false}));
    let described = json(&works(&cluster, "topics describe orders --output json"));
    assert_eq!(described.as_array().unwrap().len(), 2);
    assert_eq!(described[1]["partition"], 1);
    assert_eq!(described[0]["replicas"].as_array().unwrap().len(), 2);

    let half = kafka_at(&cluster, "topics describe orders missing -O json");
    assert_eq!(half.status, Some(1), "one of two failed");
    assert!(half.stderr.contains("missing"), "{}", half.stderr);
    assert_eq!(json(&half.stdout).as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_altered() {
    let cluster = cluster().await;
    works(&cluster, "topics alter empty --partitions 3 --dry-run");
    assert_eq!(json(&works(&cluster, "topics describe empty -O json")).as_array().unwrap().len(), 1);
    let error = fails(&cluster, "topics alter empty --partitions 3", 2);
    assert!(error.contains("have 3 partitions for good in 1 topic: empty") && error.contains("--yes"), "{error}");
    assert_eq!(json(&works(&cluster, "topics describe empty -O json")).as_array().unwrap().len(), 1);
    works(&cluster, "topics alter empty --partitions 3 --config retention.ms=1000 --yes");
    assert_eq!(json(&works(&cluster, "topics describe empty -O json")).as_array().unwrap().len(), 3);
    let configs = works(&cluster, "configs describe topic:empty");
    assert!(configs.contains("retention.ms") && configs.contains("1000"), "{configs}");
    works(&cluster, "configs alter topic:empty --delete-config retention.ms");
    let configs = works(&cluster, "configs describe topic:empty");
    assert!(!configs.contains("retention.ms"), "{configs}");
    assert!(works(&cluster, "configs describe topic:empty --all").contains("retention.ms"));
    let error = fails(&cluster, "topics alter empty --partitions 1 --yes", 1);
    assert!(error.contains("empty"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_without_a_word() {
    let cluster = cluster().await;
    produce(&cluster, 10);
    let error = fails(&cluster, "topics delete orders", 2);
    assert!(error.contains("--yes") && error.contains("delete 1 topic"), "{error}");
    assert!(error.starts_with("delete topic \"orders\": 2 partitions\n"), "the plan comes first: {error}");
    fails(&cluster, "topics trim orders --before end", 2);
    let expected = "delete topic \"empty\": 1 partition\ndelete topic \"orders\": 2 partitions\n\
        would delete 2 topics with all messages\n";
    assert_eq!(kafka_at(&cluster, "topics delete orders empty --dry-run").stderr, expected);
    let expected = "orders-0: delete 0 to 2 (3 of 5)\norders-1: delete 0 to 2 (3 of 5)\n\
        would delete up to 6 messages of 2 partitions\n";
    assert_eq!(kafka_at(&cluster, "topics trim orders --before -2 --dry-run").stderr, expected);
    assert_eq!(kafka_at(&cluster, "topics trim orders --before 0 --yes").stderr, "nothing is to be deleted\n");
    let half = fails(&cluster, "topics trim orders:0 orders:1 orders:7 --before 1 --dry-run", 1);
    assert!(
        half.starts_with("error: topic \"orders\" partition 7: the topic has no such partition")
            && half.contains("would delete up to 2 messages of 2 partitions"),
        "{half}"
    );
    fails(&cluster, "topics delete missing --dry-run", 1);
    assert_eq!(cluster.offsets("orders", 0).unwrap().0, 0);

    works(&cluster, "topics trim orders:0 --before -2 --yes");
    assert_eq!((cluster.offsets("orders", 0), cluster.offsets("orders", 1)), (Some((3, 5)), Some((0, 5))));
    let trimmed = kafka_at(&cluster, "topics trim orders --before 2 --yes").stderr;
    assert_eq!(trimmed, "trimmed orders-1\n", "of orders-0, nothing was to go");
    works(&cluster, "topics trim orders --before end --yes");
    assert_eq!((cluster.offsets("orders", 0), cluster.offsets("orders", 1)), (Some((5, 5)), Some((5, 5))));
    let error = fails(&cluster, "topics delete missing orders --yes", 1);
    assert!(error.contains("missing") && error.ends_with("deleted topic \"orders\"\n"), "one of two: {error}");
    assert_eq!(cluster.topics(), ["empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_places() {
    let cluster = cluster().await;
    produce(&cluster, 10);
    let expected = "\
TOPIC   PARTITION  OFFSET
orders          0       5
orders          1       5
";
    assert_eq!(works(&cluster, "offsets list orders"), expected);
    for (place, offset) in [("start", 0), ("-2", 3), ("-9", 0), ("@-1h", 0), ("@2001-01-01", 0), ("@now", 5), ("4", 4)]
    {
        let listed = json(&works(&cluster, &format!("offsets list orders:1 --at {place} -O json")));
        let expected = serde_json::json!([{"topic": "orders", "partition": 1, "offset": offset}]);
        assert_eq!(listed, expected, "{place}");
    }
    fails(&cluster, "offsets list missing", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_seen_moved_and_deleted() {
    let cluster = cluster().await;
    produce(&cluster, 10);
    works(&cluster, "groups reset-offsets g orders --to 2 --execute --yes");
    assert!(works(&cluster, "groups list").lines().any(|line| line.starts_with("g ")));
    let lag = json(&works(&cluster, "groups describe g -O json"));
    assert_eq!(lag.as_array().unwrap().len(), 2);
    assert_eq!((&lag[0]["committed"], &lag[0]["end"], &lag[0]["lag"]), (&2.into(), &5.into(), &3.into()));

    let expected = "\
GROUP  TOPIC   PARTITION  FROM  TO
g      orders          1     2   3
";
    assert_eq!(works(&cluster, "groups reset-offsets g orders:1 --shift 1"), expected);
    fails(&cluster, "groups reset-offsets g --to end --execute", 2);
    works(&cluster, "groups reset-offsets g --to end --execute --dry-run");
    assert_eq!(json(&works(&cluster, "groups describe g -O json")), lag, "none of these did anything");
    works(&cluster, "groups reset-offsets g --to end --execute --yes");
    assert_eq!(json(&works(&cluster, "groups describe g -O json"))[1]["lag"], 0);

    fails(&cluster, "groups delete-offsets g orders:0", 2);
    works(&cluster, "groups delete-offsets g orders:0 --dry-run");
    assert_eq!(json(&works(&cluster, "groups describe g -O json")).as_array().unwrap().len(), 2);
    let forgotten = kafka_at(&cluster, "groups delete-offsets g orders:0 --yes").stderr;
    assert_eq!(forgotten, "deleted the offset of orders-0\n", "--yes does not show it first");
    assert_eq!(json(&works(&cluster, "groups describe g -O json"))[0]["partition"], 1);
    works(&cluster, "groups delete-offsets g orders:0 --yes");

    fails(&cluster, "groups delete g", 2);
    let plan = kafka_at(&cluster, "groups delete g --dry-run").stderr;
    let expected = "delete group \"g\" (classic, Empty)\n  forget orders-1 at 5\n\
        would delete 1 group and what was committed\n";
    assert_eq!(plan, expected);
    works(&cluster, "groups delete g --yes");
    assert!(!works(&cluster, "groups list").contains('g'));
    fails(&cluster, "groups delete g --yes", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_are_shown_before_they_begin() {
    let cluster = cluster().await;
    let from = json(&works(&cluster, "topics describe empty -O json"))[0]["replicas"][0].clone();
    let to = if from == 1 { 2 } else { 1 };
    let expected = format!("empty-0: from {from} to {to} (adds {to}, removes {from})\nwould move 1 partition\n");
    let line = format!("reassign start empty --to {to}");
    assert_eq!(kafka_at(&cluster, &format!("{line} --dry-run")).stderr, expected);
    assert_eq!(json(&works(&cluster, "topics describe empty -O json"))[0]["replicas"], serde_json::json!([from]));
    let stays = kafka_at(&cluster, &format!("reassign start empty --to {from} --dry-run"));
    assert_eq!((stays.status, stays.stderr.as_str()), (Some(0), "nothing is to be moved\n"));
    let error = fails(&cluster, &line, 2);
    assert!(error.starts_with("empty-0: from ") && error.contains("--yes"), "{error}");
    assert_eq!(kafka_at(&cluster, &format!("{line} --yes")).stderr, "moving empty-0\n");
    let one = kafka_at(&cluster, "reassign start orders --to 1,2 --yes").stderr;
    assert_eq!(one.matches("moving orders-").count(), 1, "the other one stays: {one}");
    let error = fails(&cluster, &format!("reassign start empty:5 missing --to {to} --dry-run"), 1);
    assert!(error.contains("empty-5") && error.contains("missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_hides_nothing_else() {
    let cluster = Cluster::builder().brokers(2).topic("orders", 2, 1).start().await.unwrap();
    produce(&cluster, 4);
    works(&cluster, "groups reset-offsets g orders --to 1 --execute --yes");
    let (away, _) = cluster.leader("orders", 1).unwrap();
    cluster.inject(Fault::cut(ApiKey::LIST_OFFSETS).broker(away).always());
    let half = fails(&cluster, "topics trim orders:0 orders:1 --before 1 --dry-run --timeout 2s", 1);
    assert!(half.contains("error: partition orders-1: "), "{half}");
    let plan = "orders-0: delete 0 to 0 (1 of 2)\nwould delete up to 1 message of 1 partition\n";
    assert!(half.ends_with(plan) && half.matches("error: ").count() == 1, "{half}");

    let half = fails(&cluster, "groups delete missing g --dry-run", 1);
    assert!(half.matches("error: ").count() == 1 && half.contains("delete group \"g\""), "{half}");
    cluster.inject(Fault::error(ApiKey::LIST_GROUPS, ErrorCode::CLUSTER_AUTHORIZATION_FAILED).always());
    cluster.clear_requests();
    let error = fails(&cluster, "groups delete g h i --dry-run", 1);
    assert_eq!(error.matches("error: ").count(), 1, "it is of all groups: {error}");
    assert_eq!(cluster.count(ApiKey::LIST_GROUPS), 2, "each broker is asked once");
}

/// While a partition moves, brokers report the replicas that come and those that go.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_under_way_is_no_place_to_stay() {
    let cluster = cluster().await;
    let from = json(&works(&cluster, "topics describe empty -O json"))[0]["replicas"][0].clone();
    let to = if from == 1 { 2 } else { 1 };
    cluster.set_lagging(to, true);
    works(&cluster, &format!("reassign start empty --to {to} --yes"));
    let replicas = |cluster: &Cluster| json(&works(cluster, "topics describe empty -O json"))[0]["replicas"].clone();
    assert_eq!(replicas(&cluster), serde_json::json!([to, from]));

    let expected = format!("empty-0: stays on {from}; calls off the move to {to}\nwould stop moving 1 partition\n");
    assert_eq!(kafka_at(&cluster, "reassign cancel empty --dry-run").stderr, expected);
    let error = fails(&cluster, "reassign cancel empty", 2);
    assert!(error.starts_with("empty-0: stays on ") && error.contains("--yes"), "{error}");
    assert_eq!(replicas(&cluster), serde_json::json!([to, from]), "nothing was done");
    assert_eq!(kafka_at(&cluster, "reassign cancel empty --yes").stderr, "stopped moving empty-0\n");
    assert_eq!(replicas(&cluster), serde_json::json!([from]));
    let idle = kafka_at(&cluster, "reassign cancel empty --yes");
    assert_eq!((idle.status, idle.stderr.as_str()), (Some(0), "nothing is being moved\n"));

    works(&cluster, &format!("reassign start empty --to {to} --yes"));
    let both = format!("reassign start empty --to {to},{from}");
    let expected = format!(
        "empty-0: from {from} to {to},{from} (adds {to}, removes none); ends the move to {to}\nwould move 1 partition\n"
    );
    assert_eq!(kafka_at(&cluster, &format!("{both} --dry-run")).stderr, expected);
    assert_eq!(kafka_at(&cluster, &format!("{both} --yes")).stderr, "moving empty-0\n");
    cluster.set_lagging(to, false);
    assert_eq!(replicas(&cluster), serde_json::json!([to, from]), "{from} keeps its replica");
    let done = kafka_at(&cluster, &format!("{both} --yes"));
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), "nothing is to be moved\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_itself() {
    let cluster = cluster().await;
    let brokers = json(&works(&cluster, "cluster describe -O json"));
    assert_eq!(brokers.as_array().unwrap().len(), 2);
    assert_eq!(brokers[0]["host"], "127.0.0.1");
    works(&cluster, "cluster features");
    let error = fails(&cluster, "tokens describe", 1);
    assert!(error.contains("delegation.token.secret.key"), "{error}");
    assert!(works(&cluster, "completions bash").contains("reset-offsets"));
}
