//! Finding partitions and their leaders, over streams in memory and on virtual time.

mod support;

use std::time::Duration;

use kafka_conn::{Dialer, ErrorKind, LookupOptions};
use kafka_protocol::{ApiKey, ErrorCode};
use support::broker::{Brokers, Log};
use tokio::time::Instant;

/// Brokers `one` and `two`, which lead a partition of `t` each; the third has no leader.
fn two() -> (Brokers, Dialer) {
    let brokers = Brokers::start(&[(1, "one"), (2, "two")]);
    let logs = vec![Log::led_by(1), Log::led_by(2), Log::led_by(-1)];
    brokers.change(|state| state.topics.insert("t".into(), logs));
    let dialer = brokers.dialer();
    (brokers, dialer)
}

const CREATE: LookupOptions = LookupOptions { allow_auto_topic_creation: true };

#[tokio::test(start_paused = true)]
async fn the_leader_is_reached_through_any_broker() {
    let (brokers, dialer) = two();
    for (through, partition, leader) in
        [("one", 0, "one"), ("one", 1, "two"), ("two", 0, "one"), ("two:9092", 1, "two")]
    {
        let mut conn = dialer.dial_leader(through, "t", partition).await.unwrap();
        assert_eq!((conn.address().host(), conn.partition()), (leader, Some(partition)));
        conn.write(b"x").await.unwrap();
        brokers.until_open(1).await;
        conn.close().await;
        brokers.until_open(0).await;
    }
    // Where the broker that was asked leads, its connection is the one.
    let dials = brokers.network.dials();
    dialer.dial_leader("one", "t", 0).await.unwrap();
    assert_eq!(brokers.network.dials(), dials + 1);
}

#[tokio::test(start_paused = true)]
async fn partitions_are_looked_up_and_dialled() {
    let (_brokers, dialer) = two();
    assert_eq!(dialer.lookup_leader("one", "t", 1).await.unwrap().id.0, 2);
    let info = dialer.lookup_partition("one", "t", 1).await.unwrap();
    assert_eq!((info.partition, info.leader.as_ref().unwrap().id.0), (1, 2));
    let mut conn = dialer.dial_partition(&info).await.unwrap();
    conn.write(b"x").await.unwrap();
    let all = dialer.lookup_partitions("two", "t").await.unwrap();
    assert_eq!(all.iter().map(|info| info.partition).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(dialer.lookup_partition("two", "t", 2).await.unwrap().leader, None);
    let error = dialer.dial_partition(&all[2]).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoLeader);
    assert!(error.to_string().contains("topic \"t\" partition 2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_ever() {
    let (brokers, dialer) = two();
    let unknown = |topic: &'static str, partition, kind| (topic, partition, kind);
    for (topic, partition, kind) in [
        unknown("missing", 0, ErrorKind::UnknownTopic),
        unknown("t", 3, ErrorKind::UnknownPartition),
        unknown("t", -1, ErrorKind::UnknownPartition),
        unknown("t", 2, ErrorKind::NoLeader),
    ] {
        let begin = Instant::now();
        let errors = [
            dialer.dial_leader("one", topic, partition).await.map(drop).unwrap_err(),
            dialer.lookup_leader("one", topic, partition).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(*error.kind(), kind, "{error}");
            assert!(error.to_string().contains(&format!("broker one:9092, topic {topic:?}")), "{error}");
        }
        let seconds = begin.elapsed().as_secs();
        assert!((15..=20).contains(&seconds), "twice the timeout at most, and nearly: {seconds}");
        if kind != ErrorKind::NoLeader {
            let error = dialer.lookup_partition("one", topic, partition).await.unwrap_err();
            assert_eq!(*error.kind(), kind, "{error}");
        }
    }
    let error = dialer.lookup_partitions("one", "missing").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic);
    brokers.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn the_dialers_deadline_counts_where_it_is_nearer() {
    let (_brokers, mut dialer) = two();
    let begin = Instant::now();
    dialer.deadline = Some(begin + Duration::from_secs(4));
    let error = dialer.lookup_partition("one", "missing", 0).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic, "{error}");
    assert!(begin.elapsed() <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_time_is_found() {
    let (brokers, dialer) = two();
    let (found, _) = tokio::join!(dialer.dial_leader("one", "soon", 0), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        brokers.change(|state| state.topics.insert("soon".into(), vec![Log::led_by(-1)]));
        tokio::time::sleep(Duration::from_secs(3)).await;
        brokers.change(|state| state.topics.get_mut("soon").unwrap()[0].leader = 2);
    });
    assert_eq!(found.unwrap().address().host(), "two");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_pass_comes_at_once() {
    let (brokers, dialer) = two();
    brokers.change(|state| state.refusals.insert(ApiKey::METADATA, (ErrorCode::TOPIC_AUTHORIZATION_FAILED, 1)));
    let begin = Instant::now();
    let error = dialer.dial_leader("one", "t", 0).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let error = dialer.dial_leader("nowhere", "t", 0).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Refused);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_down_is_left_for_the_next() {
    let (brokers, dialer) = two();
    brokers.network.stop("two");
    let (found, _) = tokio::join!(dialer.dial_leader("one", "t", 1), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        brokers.change(|state| state.topics.get_mut("t").unwrap()[1].leader = 1);
    });
    assert_eq!(found.unwrap().address().host(), "one");
    brokers.change(|state| state.topics.get_mut("t").unwrap()[1].leader = 2);
    let begin = Instant::now();
    let error = dialer.dial_leader("one", "t", 1).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("broker two:9092") && begin.elapsed() <= dialer.timeout, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_created_only_where_asked_for_and_allowed() {
    let (brokers, dialer) = two();
    let error = dialer.dial_leader_with("one", "new", 0, CREATE).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic, "the broker does not allow it");
    brokers.change(|state| state.auto_create = true);
    let error = dialer.dial_leader("one", "new", 0).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic, "nobody asked for it");
    assert!(dialer.lookup_partitions("one", "new").await.is_err());
    let mut conn = dialer.dial_leader_with("one", "new", 0, CREATE).await.unwrap();
    conn.write(b"x").await.unwrap();
    let error = dialer.dial_leader_with("one", "another", 1, CREATE).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownPartition, "it has the partitions that the broker gives it");
}
