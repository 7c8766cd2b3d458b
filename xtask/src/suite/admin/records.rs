//! Writing records as any producer, also as one that forgets to say so to its coordinator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_admin::{Admin, Producer, TransactionProtocol};
use kafka_conn::{CallOptions, Route};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{self, BatchBuilder, BatchOptions, Compressor};

use super::Failure;

/// Writes `count` records with values of `size` bytes to partition 0.
pub(super) async fn write(admin: &Admin, topic: &str, count: usize, size: usize) -> Result<(), Failure> {
    produce(admin, topic, None, count, size).await
}

/// A producer of transactions, which has begun nothing yet.
pub(super) async fn producer(admin: &Admin, transactional_id: &str) -> Result<Producer, Failure> {
    Ok(admin.init_producer_id(transactional_id, Duration::from_secs(60)).await?)
}

/// Writes a record to partition 0 as a producer, its first one there, and leaves its transaction open.
pub(super) async fn write_as(admin: &Admin, topic: &str, producer: &Producer) -> Result<(), Failure> {
    produce(admin, topic, Some(producer), 1, 10).await
}

async fn produce(
    admin: &Admin,
    topic: &str,
    writer: Option<&Producer>,
    count: usize,
    size: usize,
) -> Result<(), Failure> {
    let identity = writer.map_or(records::Producer::NONE, |writer| records::Producer {
        producer_id: writer.id,
        producer_epoch: writer.epoch,
        base_sequence: 0,
    });
    let options = BatchOptions { producer: identity, transactional: writer.is_some(), ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let value = Bytes::from(vec![b'v'; size]);
    for _ in 0..count {
        builder.append(now, None, Some(&value), [])?;
    }
    let records = Some(builder.seal(&mut Compressor::default())?);
    let partition = PartitionProduceData { index: 0, records, ..PartitionProduceData::default() };
    let data = TopicProduceData { name: topic.into(), partition_data: vec![partition], ..TopicProduceData::default() };
    let request = ProduceRequest {
        transactional_id: writer.map(|writer| writer.transactional_id.clone()),
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![data],
        ..ProduceRequest::default()
    };
    // From version 12 on, the leader tells the coordinator itself (KIP-890).
    let tells = writer.is_some_and(|writer| writer.protocol == TransactionProtocol::V2);
    let options = CallOptions { max_version: Some(if tells { 12 } else { 11 }), ..CallOptions::default() };
    let answer = admin.transport().call_with(&request, Route::Leader(topic, 0), options).await?;
    let answers = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let code = answers.map(|answer| answer.error_code).next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR.0);
    Ok(ErrorCode(code).check()?)
}
