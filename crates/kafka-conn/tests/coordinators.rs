//! Coordinators are found, remembered, shared and forgotten: scripted brokers, in memory and on virtual time.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use futures_util::future::join_all;
use kafka_conn::{BrokerId, CoordinatorKind, ErrorKind, Lane, Route, Step};
use kafka_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_protocol::{ApiKey, ErrorCode};
use support::Seen;
use support::cluster::{Cluster, Reply};

const GROUP: CoordinatorKind = CoordinatorKind::Group;

/// Three brokers; groups are coordinated by the one whose id is in the returned number, -1 for none.
fn cluster() -> (Cluster, Arc<AtomicI32>) {
    let cluster = Cluster::new(&[(1, "one"), (2, "two"), (3, "three")]);
    let coordinator = Arc::new(AtomicI32::new(2));
    let at = Arc::clone(&coordinator);
    cluster.on(ApiKey::FIND_COORDINATOR, move |_, request| found(request, at.load(Ordering::SeqCst)));
    (cluster, coordinator)
}

fn found(request: &Seen, node_id: i32) -> Reply {
    let asked: FindCoordinatorRequest = request.decode();
    let error_code = if node_id < 0 { ErrorCode::COORDINATOR_NOT_AVAILABLE.0 } else { 0 };
    let host = ["", "one", "two", "three", "four"][usize::try_from(node_id).unwrap_or_default()];
    let answer = |key| Coordinator { key, node_id, host: host.into(), port: 9092, error_code, ..Default::default() };
    let answer = if request.version < 4 {
        FindCoordinatorResponse { node_id, host: host.into(), port: 9092, error_code, ..Default::default() }
    } else {
        let coordinators = asked.coordinator_keys.into_iter().map(answer).collect();
        FindCoordinatorResponse { coordinators, ..Default::default() }
    };
    Reply::of(request, &answer)
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_is_looked_up_once_and_remembered() {
    let (cluster, _) = cluster();
    let transport = cluster.connect("one").await;
    let all = join_all((0..50).map(|_| transport.coordinator(GROUP, "g"))).await;
    assert!(all.iter().all(|found| *found.as_ref().unwrap() == BrokerId(2)));
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(2));
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 1);
    transport.coordinator(CoordinatorKind::Transaction, "g").await.unwrap();
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 2, "a group is no transactional id");
    let connection = transport.connection(Route::Group("g"), Lane::General).await.unwrap();
    assert_eq!(connection.address().host(), "two");
}

#[tokio::test(start_paused = true)]
async fn brokers_that_take_one_at_a_time() {
    let (cluster, _) = cluster();
    cluster.limit(ApiKey::FIND_COORDINATOR, 3);
    let transport = cluster.connect("one").await;
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(2));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_available_yet_is_waited_for() {
    let (cluster, coordinator) = cluster();
    coordinator.store(-1, Ordering::SeqCst);
    let transport = cluster.connect("one").await;
    let (found, ()) = tokio::join!(transport.coordinator(GROUP, "g"), async {
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        coordinator.store(3, Ordering::SeqCst);
    });
    assert_eq!(found.unwrap(), BrokerId(3));
    coordinator.store(-1, Ordering::SeqCst);
    let error = transport.coordinator(GROUP, "h").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert!(error.to_string().contains("group \"h\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final() {
    let (cluster, _) = cluster();
    cluster.on(ApiKey::FIND_COORDINATOR, |_, request| {
        let refused = Coordinator { key: "g".into(), error_code: 30, ..Coordinator::default() };
        Reply::of(request, &FindCoordinatorResponse { coordinators: vec![refused], ..Default::default() })
    });
    let transport = cluster.connect("one").await;
    let error = transport.coordinator(GROUP, "g").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_forgotten_is_looked_up_again() {
    let (cluster, coordinator) = cluster();
    let transport = cluster.connect("one").await;
    transport.coordinator(GROUP, "g").await.unwrap();
    coordinator.store(3, Ordering::SeqCst);
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(2), "remembered");
    transport.forget_coordinator(GROUP, "g", BrokerId(2));
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(3));
    transport.forget_coordinator(GROUP, "g", BrokerId(2));
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(3));
    assert_eq!(cluster.asked(ApiKey::FIND_COORDINATOR).len(), 2, "who is late undoes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_down_is_looked_up_again_within_the_call() {
    let (cluster, coordinator) = cluster();
    let transport = cluster.connect("one").await;
    transport.coordinator(GROUP, "g").await.unwrap();
    cluster.network.stop("two");
    coordinator.store(3, Ordering::SeqCst);
    let answer = transport.call(&MetadataRequest::default(), Route::Group("g")).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(transport.coordinator(GROUP, "g").await.unwrap(), BrokerId(3));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_metadata_does_not_know_yet_is_reached_all_the_same() {
    let (cluster, coordinator) = cluster();
    cluster.serve("four");
    coordinator.store(4, Ordering::SeqCst);
    let transport = cluster.connect("one").await;
    let connection = transport.connection(Route::Group("g"), Lane::General).await.unwrap();
    assert_eq!(connection.address().host(), "four");
    assert!(transport.cluster().broker(BrokerId(4)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_is_not_waited_for_without_end() {
    let (cluster, _) = cluster();
    cluster.on(ApiKey::FIND_COORDINATOR, |_, _| Reply::Silence);
    let transport = cluster.connect("one").await;
    let before = tokio::time::Instant::now();
    let error = transport.coordinator(GROUP, "g").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { step: Step::Coordinator | Step::Call, .. }), "{error}");
    assert!(error.is_unsent(), "nothing of the caller's own");
    assert!(before.elapsed() <= transport.config().dialer.call_timeout);
}
