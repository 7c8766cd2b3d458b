//! Futures of `Client`, and of what stands between it and the connections.

use kafka_conn::{AnyRequest, BrokerId, CallOptions, Client, RoundTrip, SendOptions};

use super::connection::{check_sent, request as metadata, unacknowledged};
use super::transport::{check_transport, connect};
use super::{Row, check, dropped_after, row, world};

/// A row of a call through a client.
macro_rules! call {
    ($name:literal, |$client:ident| $call:expr) => {
        row!($name, |polls| {
            let (brokers, transport) = connect().await;
            let $client = Client::new(transport.clone());
            let completed = dropped_after(polls, $call).await.is_some();
            drop($client);
            check_transport(&brokers, transport).await;
            completed
        })
    };
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        call!("Client::send", |client| client.send(&metadata())),
        call!("Client::call", |client| client.call(&metadata())),
        call!("Client::send_to", |client| client.send_to(BrokerId(1), &metadata())),
        call!("Client::send_to_each", |client| client.send_to_each(&metadata())),
        call!("Client::send_with", |client| client.send_with(&metadata(), SendOptions::default())),
        row!("RoundTrip::round_trip", |polls| {
            let (brokers, transport) = connect().await;
            let sent = dropped_after(polls, transport.round_trip(&metadata(), &SendOptions::default())).await;
            check_transport(&brokers, transport).await;
            sent.is_some()
        }),
        row!("AnyRequest::call_on", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, metadata().call_on(&connection, CallOptions::default())).await;
            check(&brokers, connection).await;
            completed.is_some()
        }),
        row!("AnyRequest::send_on", |polls| {
            let (brokers, connection) = world().await;
            let options = CallOptions { max_version: Some(12), ..CallOptions::default() };
            let completed = dropped_after(polls, unacknowledged().send_on(&connection, options)).await.is_some();
            check_sent(polls, &brokers, connection).await;
            completed
        }),
    ]
}
