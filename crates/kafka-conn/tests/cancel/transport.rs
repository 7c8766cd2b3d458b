//! Futures of `Transport`.

use kafka_conn::{BrokerId, CallOptions, CoordinatorKind, ErrorKind, Lane, Route, Transport, TransportConfig};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};

use super::{Brokers, Row, dropped_after, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("Transport::connect", |polls| {
            let brokers = Brokers::one();
            let completed = dropped_after(polls, Transport::connect(config(&brokers))).await.is_some();
            brokers.until_open(0).await;
            completed
        }),
        row!("Transport::refresh", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.refresh(&["t"])).await.is_some();
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::topic", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.topic("missing")).await.is_some();
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::leader", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.leader("t", 1)).await.is_some();
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::call", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.call(&request("another"), Route::Leader("t", 0))).await;
            check_transport(&brokers, transport).await;
            completed.is_some()
        }),
        row!("Transport::call_with", |polls| {
            let (brokers, transport) = connect().await;
            let request = request("another");
            let call = transport.call_with(&request, Route::Controller, CallOptions::default());
            let completed = dropped_after(polls, call).await.is_some();
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::connection", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.connection(Route::Any, Lane::Produce)).await.is_some();
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::coordinator", |polls| {
            let (brokers, transport) = connect().await;
            let found = dropped_after(polls, transport.coordinator(CoordinatorKind::Group, "g")).await;
            assert!(found.as_ref().is_none_or(|found| *found.as_ref().unwrap() == BrokerId(1)));
            assert_eq!(transport.coordinator(CoordinatorKind::Group, "g").await.unwrap(), BrokerId(1));
            check_transport(&brokers, transport).await;
            found.is_some()
        }),
        row!("Transport::dedicated", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.dedicated(BrokerId(1))).await.is_some();
            // Nobody has it, so it is closed, and the shared one is left.
            brokers.until_open(1).await;
            check_transport(&brokers, transport).await;
            completed
        }),
        row!("Transport::close", |polls| {
            let (brokers, transport) = connect().await;
            let completed = dropped_after(polls, transport.close()).await.is_some();
            if completed {
                let error = transport.refresh(&[]).await.unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::Closed, "{error}");
            }
            drop(transport);
            brokers.until_open(0).await;
            completed
        }),
    ]
}

fn config(brokers: &Brokers) -> TransportConfig {
    TransportConfig { bootstrap: vec!["one".parse().unwrap()], dialer: brokers.dialer(), ..TransportConfig::default() }
}

pub(super) async fn connect() -> (Brokers, Transport) {
    let brokers = Brokers::one();
    let transport = Transport::connect(config(&brokers)).await.unwrap();
    (brokers, transport)
}

pub(super) fn request(topic: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() }
}

/// Calls get the answers to them, leaders are found, and nothing is left open.
pub(super) async fn check_transport(brokers: &Brokers, transport: Transport) {
    let request = request("t");
    let (answer, leader) = tokio::join!(transport.call(&request, Route::Any), transport.leader("t", 0));
    assert_eq!(answer.unwrap().topics[0].partitions.len(), 2);
    assert_eq!(leader.unwrap(), BrokerId(1));
    drop(transport);
    brokers.until_open(0).await;
}
