//! Writing records as any producer, also as one that forgets to say so to its coordinator.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_admin::Admin;
use kafka_conn::{CallOptions, Route};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use kafka_protocol::messages::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use kafka_protocol::messages::end_txn::EndTxnRequest;
use kafka_protocol::messages::init_producer_id::InitProducerIdRequest;
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, Producer};
use tokio::time::{Duration, sleep};

use super::Failure;

/// Writes `count` records with values of `size` bytes to partition 0.
pub(super) async fn write(admin: &Admin, topic: &str, count: usize, size: usize) -> Result<(), Failure> {
    produce(admin, topic, None, Producer::NONE, count, size).await
}

/// A producer with an open transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) producer: Producer,
}

impl Transaction {
    /// A producer, which has begun nothing yet.
    pub(super) async fn new(admin: &Admin, id: String) -> Result<Self, Failure> {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.as_str().into()),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        loop {
            // The coordinators' topic is made with the first one.
            let answer = admin.transport().call(&request, Route::Transaction(&id)).await?;
            let (producer_id, producer_epoch) = (answer.producer_id, answer.producer_epoch);
            match ErrorCode(answer.error_code) {
                ErrorCode::NONE => {
                    return Ok(Self { id, producer: Producer { producer_id, producer_epoch, base_sequence: 0 } });
                }
                code if code.is_retriable() => sleep(Duration::from_millis(20)).await,
                code => return Err(code.into()),
            }
        }
    }

    /// Tells the coordinator of the partition to be written to.
    pub(super) async fn add_partition(&self, admin: &Admin, topic: &str) -> Result<(), Failure> {
        let topics = vec![AddPartitionsToTxnTopic { name: topic.into(), partitions: vec![0], ..Default::default() }];
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.as_str().into(),
            v3_and_below_producer_id: self.producer.producer_id,
            v3_and_below_producer_epoch: self.producer.producer_epoch,
            v3_and_below_topics: topics,
            ..AddPartitionsToTxnRequest::default()
        };
        let options = CallOptions { max_version: Some(3), ..CallOptions::default() };
        let answer = admin.transport().call_with(&request, Route::Transaction(&self.id), options).await?;
        let topics = answer.results_by_topic_v3_and_below.iter();
        let mut partitions = topics.flat_map(|topic| &topic.results_by_partition);
        let code = partitions.next().map_or(ErrorCode::UNKNOWN_SERVER_ERROR.0, |one| one.partition_error_code);
        Ok(ErrorCode(code).check()?)
    }

    /// Commits, with the transaction, that `group` has read partition 0 up to `offset`.
    pub(super) async fn commit(&self, admin: &Admin, group: &str, topic: &str, offset: i64) -> Result<(), Failure> {
        // The coordinators' topic is made with the first question.
        admin.list_group_offsets(group, None).await?;
        let transport = admin.transport();
        let Producer { producer_id, producer_epoch, .. } = self.producer;
        let add = AddOffsetsToTxnRequest {
            transactional_id: self.id.as_str().into(),
            producer_id,
            producer_epoch,
            group_id: group.into(),
            ..AddOffsetsToTxnRequest::default()
        };
        // From these versions on, the epoch changes with each transaction (KIP-890).
        let options = |version| CallOptions { max_version: Some(version), ..CallOptions::default() };
        let added = transport.call_with(&add, Route::Transaction(&self.id), options(3)).await?;
        ErrorCode(added.error_code).check()?;
        let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic =
            TxnOffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
        let commit = TxnOffsetCommitRequest {
            transactional_id: self.id.as_str().into(),
            group_id: group.into(),
            producer_id,
            producer_epoch,
            topics: vec![topic],
            ..TxnOffsetCommitRequest::default()
        };
        let committed = transport.call_with(&commit, Route::Group(group), options(4)).await?;
        let mut codes = committed.topics.iter().flat_map(|topic| &topic.partitions);
        codes.try_for_each(|answer| ErrorCode(answer.error_code).check())?;
        let end = EndTxnRequest {
            transactional_id: self.id.as_str().into(),
            producer_id,
            producer_epoch,
            committed: true,
            ..EndTxnRequest::default()
        };
        let ended = transport.call_with(&end, Route::Transaction(&self.id), options(4)).await?;
        Ok(ErrorCode(ended.error_code).check()?)
    }

    /// Writes a record, and leaves the transaction open.
    pub(super) async fn write(&self, admin: &Admin, topic: &str) -> Result<(), Failure> {
        produce(admin, topic, Some(&self.id), self.producer, 1, 10).await
    }
}

async fn produce(
    admin: &Admin,
    topic: &str,
    transactional_id: Option<&str>,
    producer: Producer,
    count: usize,
    size: usize,
) -> Result<(), Failure> {
    let options = BatchOptions { producer, transactional: transactional_id.is_some(), ..BatchOptions::default() };
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
        transactional_id: transactional_id.map(Into::into),
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![data],
        ..ProduceRequest::default()
    };
    // From version 12 on, the leader would tell the coordinator itself (KIP-890).
    let options = CallOptions { max_version: Some(11), ..CallOptions::default() };
    let answer = admin.transport().call_with(&request, Route::Leader(topic, 0), options).await?;
    let answers = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let code = answers.map(|answer| answer.error_code).next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR.0);
    Ok(ErrorCode(code).check()?)
}
