//! Futures of `Connection`.

use bytes::{Bytes, BytesMut};
use kafka_conn::{CallOptions, Connection, ErrorKind, RawRequest};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
use kafka_protocol::{ApiKey, Message};

use super::{Row, check, dropped_after, row, world};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("Connection::call", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, connection.call(&request())).await.is_some();
            check(&brokers, connection).await;
            completed
        }),
        row!("Connection::call_with", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, connection.call_with(&request(), CallOptions::default())).await;
            check(&brokers, connection).await;
            completed.is_some()
        }),
        row!("Connection::call_raw", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, connection.call_raw(raw(), CallOptions::default())).await;
            check(&brokers, connection).await;
            completed.is_some()
        }),
        row!("Connection::start_raw", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, connection.start_raw(raw(), CallOptions::default())).await;
            check(&brokers, connection).await;
            completed.is_some()
        }),
        row!("PendingResponse", |polls| {
            let (brokers, connection) = world().await;
            let pending = connection.start_raw(raw(), CallOptions::default()).await.unwrap();
            let completed = dropped_after(polls, pending).await;
            check(&brokers, connection).await;
            completed.is_some()
        }),
        row!("Connection::send", |polls| {
            let (brokers, connection) = world().await;
            let request = unacknowledged();
            // The last version that has topic names.
            let options = CallOptions { max_version: Some(12), ..CallOptions::default() };
            let completed = dropped_after(polls, connection.send(&request, options)).await;
            check_sent(polls, &brokers, connection).await;
            completed.is_some()
        }),
        row!("Connection::send_raw", |polls| {
            let (brokers, connection) = world().await;
            let mut body = BytesMut::new();
            unacknowledged().encode(9, &mut body).unwrap();
            let request = RawRequest { api_key: ApiKey::PRODUCE, version: 9, body: body.into() };
            let completed = dropped_after(polls, connection.send_raw(request, CallOptions::default())).await;
            check_sent(polls, &brokers, connection).await;
            completed.is_some()
        }),
        row!("Connection::close", |polls| {
            let (brokers, connection) = world().await;
            let completed = dropped_after(polls, connection.close()).await.is_some();
            if polls == 0 {
                check(&brokers, connection).await;
                return completed;
            }
            // It was begun, so it goes on.
            brokers.until_open(0).await;
            let error = connection.call(&request()).await.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Closed, "{error}");
            completed
        }),
    ]
}

pub(super) fn request() -> MetadataRequest {
    // Unlike what `check` asks for.
    let topic = MetadataRequestTopic { name: Some("another".into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() }
}

fn raw() -> RawRequest {
    let mut body = BytesMut::new();
    request().encode(9, &mut body).unwrap();
    RawRequest { api_key: ApiKey::METADATA, version: 9, body: body.into() }
}

/// Writes a message to partition 1 of `t`, with `acks=0`.
pub(super) fn unacknowledged() -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(0, None, Some(b"x"), []).unwrap();
    let records: Bytes = builder.seal(&mut Compressor::default()).unwrap();
    let partition = PartitionProduceData { index: 1, records: Some(records), ..Default::default() };
    let topic = TopicProduceData { name: "t".into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks: 0, topic_data: vec![topic], ..Default::default() }
}

/// What was polled once is sent whole, once.
pub(super) async fn check_sent(polls: usize, brokers: &super::Brokers, connection: Connection) {
    check(brokers, connection).await;
    assert_eq!(brokers.state().topics["t"][1].end, i64::from(polls > 0));
}
