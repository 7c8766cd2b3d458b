//! Transactions, by scripts: who may write, what readers see, and how they end.

mod support;

use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::core::{BrokerConfig, Config, ConnectionId, Limits};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use kafka_protocol::messages::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use kafka_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::describe_producers::{DescribeProducersRequest, ProducerState, TopicRequest};
use kafka_protocol::messages::describe_transactions::DescribeTransactionsRequest;
use kafka_protocol::messages::end_txn::EndTxnRequest;
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use kafka_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use kafka_protocol::messages::list_transactions::ListTransactionsRequest;
use kafka_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponsePartitions,
};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, Producer};
use support::Script;

const ID: &str = "transfers";
const SECOND: Duration = Duration::from_secs(1);

/// One broker, and the topic `t` of two partitions.
fn cluster() -> (Script, ConnectionId) {
    cluster_of(1)
}

fn cluster_of(brokers: i32) -> (Script, ConnectionId) {
    let brokers = (1..=brokers).map(BrokerConfig::new).collect();
    cluster_with(Config { brokers, ..Config::default() })
}

fn cluster_with(config: Config) -> (Script, ConnectionId) {
    let mut script = Script::new(config);
    let one = script.open(1);
    let topic = CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
    script.call(one, 7, &CreateTopicsRequest { topics: vec![topic], ..Default::default() });
    (script, one)
}

/// A producer as its client sees it.
#[derive(Clone, Copy, Debug)]
struct Client {
    at: ConnectionId,
    id: i64,
    epoch: i16,
    sequence: i32,
}

fn init(script: &mut Script, at: ConnectionId, had: (i64, i16)) -> InitProducerIdResponse {
    let request = InitProducerIdRequest {
        transactional_id: Some(ID.into()),
        transaction_timeout_ms: 10_000,
        producer_id: had.0,
        producer_epoch: had.1,
        ..Default::default()
    };
    script.call(at, 5, &request)
}

impl Client {
    fn new(script: &mut Script, at: ConnectionId) -> Self {
        let answer = init(script, at, (-1, -1));
        assert_eq!(answer.error_code, 0);
        Self { at, id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 }
    }

    fn add(&self, script: &mut Script, partition: i32) -> ErrorCode {
        let topic = AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: ID.into(),
            v3_and_below_producer_id: self.id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        let answer = script.call(self.at, 3, &request);
        ErrorCode(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
    }

    fn batch(&self, count: i64, transactional: bool) -> Bytes {
        let producer = Producer { producer_id: self.id, producer_epoch: self.epoch, base_sequence: self.sequence };
        let mut batch = BatchBuilder::new(BatchOptions { producer, transactional, ..Default::default() });
        for number in 0..count {
            batch.append(1_000 + number, None, Some(b"value"), []).unwrap();
        }
        batch.seal(&mut Compressor::default()).unwrap()
    }

    fn write(&mut self, script: &mut Script, count: i64) -> ErrorCode {
        let batch = self.batch(count, true);
        let code = produce(script, self.at, Some(ID), batch);
        self.sequence += if code.is_error() { 0 } else { count as i32 };
        code
    }

    fn end(&self, script: &mut Script, committed: bool) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: ID.into(),
            producer_id: self.id,
            producer_epoch: self.epoch,
            committed,
            ..Default::default()
        };
        ErrorCode(script.call(self.at, 4, &request).error_code)
    }
}

fn produce(script: &mut Script, at: ConnectionId, id: Option<&str>, records: Bytes) -> ErrorCode {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(records), ..Default::default() }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    let transactional_id = id.map(Into::into);
    let request = ProduceRequest { transactional_id, acks: -1, timeout_ms: 1_000, topic_data, ..Default::default() };
    ErrorCode(script.call(at, 11, &request).responses[0].partition_responses[0].error_code)
}

fn fetch(script: &mut Script, at: ConnectionId) -> PartitionData {
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: "t".into(), partitions: vec![partition], ..Default::default() }];
    let request = FetchRequest { isolation_level: 1, topics, ..Default::default() };
    script.call(at, 12, &request).responses[0].partitions[0].clone()
}

/// The last stable offset, the high watermark, and where aborted transactions begin.
fn seen(script: &mut Script, at: ConnectionId) -> (i64, i64, Vec<i64>) {
    let data = fetch(script, at);
    let aborted = data.aborted_transactions.unwrap_or_default();
    (data.last_stable_offset, data.high_watermark, aborted.iter().map(|aborted| aborted.first_offset).collect())
}

fn state(script: &mut Script, at: ConnectionId) -> String {
    let request = DescribeTransactionsRequest { transactional_ids: vec![ID.into()], ..Default::default() };
    script.call(at, 0, &request).transaction_states[0].transaction_state.to_string()
}

fn producer(script: &mut Script, at: ConnectionId) -> ProducerState {
    let topics = vec![TopicRequest { name: "t".into(), partition_indexes: vec![0], ..Default::default() }];
    let answer = script.call(at, 0, &DescribeProducersRequest { topics, ..Default::default() });
    answer.topics[0].partitions[0].active_producers[0].clone()
}

#[test]
fn what_is_committed_is_seen_and_what_is_aborted_is_told() {
    let (mut script, one) = cluster();
    let mut client = Client::new(&mut script, one);
    assert_eq!(state(&mut script, one), "Empty");
    assert_eq!(client.write(&mut script, 2), ErrorCode::INVALID_TXN_STATE, "the partition was not added");
    for (committed, before) in [(true, 0), (false, 3), (true, 6)] {
        assert_eq!(client.add(&mut script, 0), ErrorCode::NONE);
        assert_eq!(client.write(&mut script, 2), ErrorCode::NONE);
        assert_eq!(state(&mut script, one), "Ongoing");
        let (stable, high_watermark, _) = seen(&mut script, one);
        assert_eq!((stable, high_watermark), (before, before + 2), "nobody sees what is open");
        let known = producer(&mut script, one);
        assert_eq!((known.current_txn_start_offset, known.last_sequence), (before, client.sequence - 1));
        assert_eq!(client.end(&mut script, committed), ErrorCode::NONE);
        assert_eq!(client.end(&mut script, committed), ErrorCode::NONE, "the answer may have been lost");
        assert_eq!(client.end(&mut script, !committed), ErrorCode::INVALID_TXN_STATE);
    }
    assert_eq!(seen(&mut script, one), (9, 9, vec![3]));
    let known = producer(&mut script, one);
    assert_eq!((known.current_txn_start_offset, known.coordinator_epoch), (-1, 0));
    let listed = script.call(one, 1, &ListTransactionsRequest::default()).transaction_states;
    assert_eq!((listed.len(), listed[0].transaction_state.as_str()), (1, "CompleteCommit"));
    let filters = vec!["Ongoing".into(), "Nonsense".into()];
    let listed = script.call(one, 1, &ListTransactionsRequest { state_filters: filters, ..Default::default() });
    assert_eq!((listed.transaction_states.len(), listed.unknown_state_filters.len()), (0, 1));
}

#[test]
fn who_is_replaced_is_fenced_and_what_it_had_open_aborted() {
    let (mut script, one) = cluster();
    let mut old = Client::new(&mut script, one);
    old.add(&mut script, 0);
    old.write(&mut script, 2);
    let two = script.open(1);
    let mut new = Client::new(&mut script, two);
    assert_eq!((new.id, new.epoch > old.epoch), (old.id, true));
    assert_eq!(seen(&mut script, one), (3, 3, vec![0]));
    assert_eq!(old.write(&mut script, 1), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(old.add(&mut script, 0), ErrorCode::PRODUCER_FENCED);
    assert_eq!(old.end(&mut script, true), ErrorCode::PRODUCER_FENCED);
    assert_eq!(ErrorCode(init(&mut script, one, (old.id, old.epoch)).error_code), ErrorCode::PRODUCER_FENCED);
    let again = init(&mut script, two, (new.id, new.epoch));
    assert_eq!((again.error_code, again.producer_epoch), (0, new.epoch + 1), "its own id may be had anew");
    new.epoch = again.producer_epoch;
    assert_eq!(new.add(&mut script, 0), ErrorCode::NONE);
    assert_eq!(new.write(&mut script, 1), ErrorCode::NONE);
}

#[test]
fn transactions_without_records_fill_no_memory() {
    let limits = Limits { max_log_bytes: 1_000, ..Limits::default() };
    let (mut script, one) = cluster_with(Config { limits, ..Config::default() });
    let client = Client::new(&mut script, one);
    let mut codes = (0..20).map(|_| {
        let code = client.add(&mut script, 0);
        client.end(&mut script, true);
        code
    });
    assert_eq!(codes.find(|code| code.is_error()), Some(ErrorCode::KAFKA_STORAGE_ERROR));
}

#[test]
fn what_is_open_for_too_long_is_aborted() {
    let (mut script, one) = cluster();
    let mut client = Client::new(&mut script, one);
    client.add(&mut script, 0);
    client.write(&mut script, 1);
    script.pass(9 * SECOND);
    assert_eq!(seen(&mut script, one), (0, 1, vec![]));
    script.pass(SECOND);
    assert_eq!(seen(&mut script, one), (2, 2, vec![0]));
    assert_eq!(client.end(&mut script, true), ErrorCode::PRODUCER_FENCED);
    assert_eq!(state(&mut script, one), "CompleteAbort");
}

#[test]
fn a_marker_waits_for_a_leader() {
    let (mut script, _) = cluster_of(2);
    // One of the brokers leads partition 0; the other one is to be the coordinator.
    let leader = if script.core.move_leader(script.now, "t", 0, 1).is_ok() { 1 } else { 2 };
    let other = 3 - leader;
    script.core.move_coordinator_of_transactions(script.now, ID, other);
    let (at_leader, at_other) = (script.open(leader), script.open(other));
    let mut client = Client::new(&mut script, at_other);
    client.add(&mut script, 0);
    let writer = Client { at: at_leader, ..client };
    assert_eq!(produce(&mut script, at_leader, Some(ID), writer.batch(1, true)), ErrorCode::NONE);
    client.sequence = 1;
    script.core.stop_broker(script.now, leader);
    assert_eq!(client.end(&mut script, true), ErrorCode::NONE);
    assert_eq!(state(&mut script, at_other), "PrepareCommit");
    assert_eq!(client.add(&mut script, 1), ErrorCode::CONCURRENT_TRANSACTIONS);
    script.core.start_broker(script.now, leader);
    assert_eq!(state(&mut script, at_other), "CompleteCommit");
    let at_leader = script.open(leader);
    assert_eq!(seen(&mut script, at_leader), (2, 2, vec![]));
}

#[test]
fn records_outside_a_transaction_do_not_mix_with_those_in_it() {
    let (mut script, one) = cluster();
    let mut client = Client::new(&mut script, one);
    client.add(&mut script, 0);
    client.write(&mut script, 1);
    let plain = client.batch(1, false);
    assert_eq!(produce(&mut script, one, None, plain), ErrorCode::INVALID_TXN_STATE);
    let nobodys = client.batch(1, true);
    assert_eq!(produce(&mut script, one, None, nobodys), ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    // What its coordinator knows nothing of can still be ended by hand.
    let topics = vec![WritableTxnMarkerTopic { name: "t".into(), partition_indexes: vec![0, 9], ..Default::default() }];
    let (producer_id, producer_epoch) = (client.id, client.epoch);
    let marker = WritableTxnMarker { producer_id, producer_epoch, topics, ..Default::default() };
    let answer = script.call(one, 1, &WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() });
    let codes = answer.markers[0].topics[0].partitions.iter().map(|one| ErrorCode(one.error_code)).collect::<Vec<_>>();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    assert_eq!(seen(&mut script, one), (2, 2, vec![0]));
}

#[test]
fn offsets_count_when_the_transaction_is_committed() {
    let (mut script, one) = cluster();
    let client = Client::new(&mut script, one);
    let commit = |script: &mut Script, offset: i64| {
        let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = TxnOffsetCommitRequest {
            transactional_id: ID.into(),
            group_id: "g".into(),
            producer_id: client.id,
            producer_epoch: client.epoch,
            topics: vec![topic],
            ..Default::default()
        };
        ErrorCode(script.call(one, 3, &request).topics[0].partitions[0].error_code)
    };
    let committed = |script: &mut Script, require_stable: bool| -> OffsetFetchResponsePartitions {
        let topic = OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
        let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
        script.call(one, 9, &request).groups[0].topics[0].partitions[0].clone()
    };
    assert_eq!(commit(&mut script, 7), ErrorCode::INVALID_TXN_STATE, "the group was not added");
    let mut last = -1;
    for (offset, commits) in [(7, false), (8, true), (9, false)] {
        let request = AddOffsetsToTxnRequest {
            transactional_id: ID.into(),
            producer_id: client.id,
            producer_epoch: client.epoch,
            group_id: "g".into(),
            ..Default::default()
        };
        assert_eq!(script.call(one, 3, &request).error_code, 0);
        assert_eq!(commit(&mut script, offset), ErrorCode::NONE);
        let undecided = committed(&mut script, true);
        assert_eq!(ErrorCode(undecided.error_code), ErrorCode::UNSTABLE_OFFSET_COMMIT);
        assert_eq!(committed(&mut script, false).committed_offset, last, "it does not count yet");
        assert_eq!(client.end(&mut script, commits), ErrorCode::NONE);
        last = if commits { offset } else { last };
        let decided = committed(&mut script, true);
        assert_eq!((decided.error_code, decided.committed_offset), (0, last));
    }
}
