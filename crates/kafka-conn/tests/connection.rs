//! The connection's task over streams in memory: calls, their order, their end.

mod support;

use std::time::Duration;

use bytes::Bytes;
use kafka_conn::{Body, CallOptions, Connection, ConnectionLimits, Dialer, ErrorKind, RawRequest};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse, MetadataResponseBroker};
use kafka_protocol::{ApiKey, Versions};
use support::{Network, Peer};

/// A connection, and the broker's end of it.
async fn connect(change: impl FnOnce(&mut Dialer)) -> (Connection, Peer) {
    let network = Network::default();
    let mut listener = network.listen("broker:9092");
    let mut dialer = network.dialer();
    change(&mut dialer);
    let (connection, peer) = tokio::join!(dialer.dial("broker"), async {
        let mut peer = listener.recv().await.unwrap();
        peer.handshake().await;
        peer
    });
    (connection.unwrap(), peer)
}

fn named(name: &str) -> MetadataResponse {
    MetadataResponse { cluster_id: Some(name.into()), ..Default::default() }
}

fn produce(bytes: &'static [u8]) -> RawRequest {
    RawRequest { api_key: ApiKey::PRODUCE, version: 9, body: Body::from(Bytes::from_static(bytes)) }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered() {
    let (connection, mut peer) = connect(|_| {}).await;
    assert_eq!(connection.address().to_string(), "broker:9092");
    assert_eq!(connection.versions(ApiKey::METADATA), Versions::new(0, 13));
    assert_eq!(connection.version_for::<MetadataRequest>(Some(4)).unwrap(), 4);
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        let seen = peer.recv().await.unwrap();
        assert_eq!((seen.api, seen.version), (ApiKey::METADATA, 13));
        peer.answer(&seen, &named("one")).await;
    });
    assert_eq!(answer.unwrap().cluster_id.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn calls_are_pipelined_and_answered_in_order() {
    let (connection, mut peer) = connect(|_| {}).await;
    let mut pending = Vec::new();
    for version in 5..13 {
        let options = CallOptions { max_version: Some(version), ..CallOptions::default() };
        let connection = connection.clone();
        pending.push(tokio::spawn(async move { connection.call_with(&MetadataRequest::default(), options).await }));
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    for _ in 5..13 {
        seen.push(peer.recv().await.unwrap());
    }
    for request in &seen {
        peer.answer(request, &named(&request.version.to_string())).await;
    }
    for (version, answer) in (5..13).zip(pending) {
        assert_eq!(answer.await.unwrap().unwrap().cluster_id, Some(version.to_string().into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_in_small_pieces() {
    let (connection, mut peer) = connect(|_| {}).await;
    let broker = MetadataResponseBroker { host: "x".repeat(1 << 10).into(), ..Default::default() };
    let large = MetadataResponse { brokers: vec![broker; 1 << 10], ..named("large") };
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        let seen = peer.recv().await.unwrap();
        peer.answer(&seen, &large).await;
    });
    assert_eq!(answer.unwrap(), large);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_does_not_disturb_the_next() {
    let (connection, mut peer) = connect(|_| {}).await;
    let dropped = connection.start_raw(produce(b"first"), CallOptions::default()).await.unwrap();
    drop(dropped);
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        let first = peer.recv().await.unwrap();
        assert_eq!(first.body, "first");
        let second = peer.recv().await.unwrap();
        peer.answer(&first, &named("dropped")).await;
        peer.answer(&second, &named("second")).await;
    });
    assert_eq!(answer.unwrap().cluster_id.as_deref(), Some("second"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_is_done_when_the_socket_took_it() {
    let (connection, mut peer) = connect(|_| {}).await;
    connection.send_raw(produce(b"no answer"), CallOptions::default()).await.unwrap();
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        assert_eq!(peer.recv().await.unwrap().body, "no answer");
        let seen = peer.recv().await.unwrap();
        peer.answer(&seen, &named("next")).await;
    });
    assert_eq!(answer.unwrap().cluster_id.as_deref(), Some("next"));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_answer_times_out_and_ends_the_connection() {
    let (connection, mut peer) = connect(|_| {}).await;
    let options = CallOptions { timeout: Some(Duration::from_secs(3)), ..CallOptions::default() };
    let error = connection.call_with(&MetadataRequest::default(), options).await.unwrap_err();
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::Timeout { after: Some(after), .. } if after.as_secs() == 3), "{error}");
    assert!(error.is_timeout() && !error.is_unsent());
    assert!(error.to_string().starts_with("broker broker:9092, Metadata v13: timed out"), "{error}");
    assert!(connection.is_closed());
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
    assert!(error.is_unsent(), "{error}");
    assert!(peer.recv().await.is_some() && peer.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_goes_away() {
    let (connection, mut peer) = connect(|_| {}).await;
    let earlier = connection.start_raw(produce(b"0"), CallOptions::default()).await.unwrap();
    let seen = peer.recv().await.unwrap();
    peer.answer(&seen, &named("0")).await;
    earlier.await.unwrap();
    let first = connection.start_raw(produce(b"1"), CallOptions::default()).await.unwrap();
    let second = connection.start_raw(produce(b"2"), CallOptions::default()).await.unwrap();
    peer.recv().await.unwrap();
    peer.recv().await.unwrap();
    drop(peer);
    for pending in [first, second] {
        let error = pending.await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
        assert!(!error.is_unsent() && error.is_retriable() && error.needs_metadata_refresh());
    }
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_before_the_broker_closed_counts() {
    let (connection, mut peer) = connect(|_| {}).await;
    let first = connection.start_raw(produce(b"1"), CallOptions::default()).await.unwrap();
    let seen = peer.recv().await.unwrap();
    // The task has not run since: it meets a stream that it can read but no longer write.
    let mut second = std::pin::pin!(connection.start_raw(produce(b"2"), CallOptions::default()));
    let answered = std::pin::pin!(async {
        peer.answer(&seen, &named("one")).await;
        drop(peer);
    });
    let (second, ()) = tokio::join!(second.as_mut(), answered);
    assert!(first.await.is_ok(), "the answer was there to be read");
    let error = second.unwrap().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
    assert!(error.is_unsent(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_time_does_not_end_the_connection() {
    let (connection, mut peer) = connect(|_| {}).await;
    let options = CallOptions { timeout: Some(Duration::ZERO), ..CallOptions::default() };
    let error = connection.call_with(&MetadataRequest::default(), options).await.unwrap_err();
    assert!(error.is_timeout() && error.is_unsent(), "{error}");
    assert!(!connection.is_closed());
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        let seen = peer.recv().await.unwrap();
        peer.answer(&seen, &named("one")).await;
    });
    assert!(answer.is_ok());
}

#[tokio::test(start_paused = true)]
async fn close_drains() {
    let (connection, mut peer) = connect(|_| {}).await;
    let pending = connection.start_raw(produce(b"1"), CallOptions::default()).await.unwrap();
    let closing = tokio::spawn({
        let connection = connection.clone();
        async move { connection.close().await }
    });
    let seen = peer.recv().await.unwrap();
    // Closing: in flight is answered, new calls are not made.
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Closed, "{error}");
    assert!(connection.is_closed() && !closing.is_finished());
    peer.answer(&seen, &named("late")).await;
    assert!(pending.await.is_ok());
    closing.await.unwrap();
    assert!(peer.recv().await.is_none());
    connection.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_drains_too() {
    let (connection, mut peer) = connect(|_| {}).await;
    let pending = connection.start_raw(produce(b"1"), CallOptions::default()).await.unwrap();
    drop(connection);
    let seen = peer.recv().await.unwrap();
    peer.answer(&seen, &named("late")).await;
    assert!(pending.await.is_ok());
    assert!(peer.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn slots_are_bounded_and_kept_until_answered() {
    let limits = ConnectionLimits { max_in_flight: 2, ..ConnectionLimits::default() };
    let (connection, mut peer) = connect(|dialer| dialer.limits = limits).await;
    let long = CallOptions { timeout: Some(Duration::from_secs(100)), ..CallOptions::default() };
    let short = CallOptions { timeout: Some(Duration::from_secs(1)), ..CallOptions::default() };
    let first = connection.start_raw(produce(b"1"), long.clone()).await.unwrap();
    let second = connection.start_raw(produce(b"2"), short.clone()).await.unwrap();
    // Behind another: told in time, but the connection lives and the slot is taken.
    let error = second.await.unwrap_err();
    assert!(error.is_timeout() && !error.is_unsent(), "{error}");
    let error = connection.start_raw(produce(b"3"), short).await.unwrap_err();
    assert!(error.is_timeout() && error.is_unsent(), "{error}");
    assert!(!connection.is_closed());
    for _ in 0..2 {
        let seen = peer.recv().await.unwrap();
        peer.answer(&seen, &named("")).await;
    }
    assert!(first.await.is_ok());
    let fourth = connection.start_raw(produce(b"4"), long).await.unwrap();
    let seen = peer.recv().await.unwrap();
    assert_eq!(seen.body, "4");
    peer.answer(&seen, &named("")).await;
    assert!(fourth.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_fails_its_call_only() {
    let (connection, mut peer) = connect(|_| {}).await;
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call(&request), async {
        let seen = peer.recv().await.unwrap();
        peer.answer_bytes(&seen, b"\x00garbage").await;
    });
    let error = answer.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Decode);
    assert!(!connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beyond_the_clock() {
    let (connection, mut peer) = connect(|_| {}).await;
    let options = CallOptions { timeout: Some(Duration::MAX), ..CallOptions::default() };
    let request = MetadataRequest::default();
    let (answer, _) = tokio::join!(connection.call_with(&request, options), async {
        let seen = peer.recv().await.unwrap();
        peer.answer(&seen, &named("one")).await;
    });
    assert!(answer.is_ok());
}
