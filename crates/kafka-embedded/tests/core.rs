//! The core by scripts: request in, answer out, at so many milliseconds.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::core::{BrokerConfig, Config, ConnectionId, Output};
use kafka_embedded::{Fault, Hook, KafkaVersion, LoggedRequest, Verdict};
use kafka_protocol::messages::api_versions::ApiVersionsRequest;
use kafka_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use kafka_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult,
};
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use kafka_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, ControlRecord, ControlType, Producer};
use kafka_protocol::{ApiKey, ErrorCode};
use support::{Script, batch};

const MS: Duration = Duration::from_millis(1);

/// Three brokers, and the topic `t` of one partition on two of them, with configurations.
fn cluster(configs: &[(&str, &str)]) -> (Script, ConnectionId, ConnectionId) {
    let brokers = (1..=3).map(BrokerConfig::new).collect();
    let mut script = Script::new(Config { brokers, ..Config::default() });
    let one = script.open(1);
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 2,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    assert_eq!(script.call(one, 7, &request).topics[0].error_code, 0);
    let two = script.open(2);
    (script, one, two)
}

fn produce(acks: i16, records: Bytes) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(records), ..Default::default() }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    ProduceRequest { acks, timeout_ms: 1_000, topic_data, ..Default::default() }
}

fn write(script: &mut Script, at: ConnectionId, records: Bytes) -> PartitionProduceResponse {
    script.call(at, 12, &produce(-1, records)).responses[0].partition_responses[0].clone()
}

fn code(answer: &PartitionProduceResponse) -> ErrorCode {
    ErrorCode(answer.error_code)
}

fn fetch(offset: i64) -> FetchRequest {
    let partition = FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: "t".into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

fn only(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

fn len(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, Bytes::len)
}

#[test]
fn what_is_written_is_read_with_its_offsets() {
    let (mut script, one, _) = cluster(&[]);
    assert_eq!(write(&mut script, one, batch(3, Producer::NONE)).base_offset, 0);
    assert_eq!(write(&mut script, one, batch(2, Producer::NONE)).base_offset, 3);
    let response = script.call(one, 12, &fetch(0));
    let data = only(&response);
    assert_eq!((data.high_watermark, data.log_start_offset), (5, 0));
    let bases: Vec<_> = kafka_protocol::records::Batches::new(data.records.clone().unwrap())
        .map(|batch| batch.unwrap().last_offset())
        .collect();
    assert_eq!(bases, [2, 4]);
}

#[test]
fn a_fetch_waits_for_data_and_no_longer_than_it_says() {
    let (mut script, one, _) = cluster(&[]);
    let reader = script.open(1);
    script.send(reader, 12, &fetch(0));
    script.pass(499 * MS);
    assert!(script.answer::<FetchRequest>(reader, 12).is_none());
    script.pass(MS);
    assert_eq!(len(only(&script.answer::<FetchRequest>(reader, 12).unwrap())), 0);
    script.send(reader, 12, &fetch(0));
    write(&mut script, one, batch(1, Producer::NONE));
    assert!(len(only(&script.answer::<FetchRequest>(reader, 12).unwrap())) > 0);
}

#[test]
fn wrong_batches_are_refused_as_kafka_does() {
    let (mut script, one, _) = cluster(&[("max.message.bytes", "100")]);
    let mut flipped = batch(1, Producer::NONE).to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(code(&write(&mut script, one, flipped.into())), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(code(&write(&mut script, one, batch(20, Producer::NONE))), ErrorCode::MESSAGE_TOO_LARGE);
    let two = [batch(1, Producer::NONE), batch(1, Producer::NONE)].concat();
    assert_eq!(code(&write(&mut script, one, two.into())), ErrorCode::INVALID_RECORD);
    assert_eq!(code(&write(&mut script, one, Bytes::new())), ErrorCode::INVALID_RECORD);
    assert_eq!(write(&mut script, one, batch(1, Producer::NONE)).base_offset, 0, "nothing of it was appended");
}

#[test]
fn sequences_are_kept_and_duplicates_told_apart() {
    let (mut script, one, _) = cluster(&[]);
    let producer = |sequence| Producer { producer_id: 5, producer_epoch: 0, base_sequence: sequence };
    assert_eq!(write(&mut script, one, batch(2, producer(0))).base_offset, 0);
    assert_eq!(write(&mut script, one, batch(2, producer(2))).base_offset, 2);
    assert_eq!(write(&mut script, one, batch(2, producer(0))).base_offset, 0, "a duplicate");
    assert_eq!(code(&write(&mut script, one, batch(2, producer(6)))), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    // What was written at one leader is known to the next.
    script.core.move_leader(script.now, "t", 0, 2).unwrap();
    let two = script.open(2);
    assert_eq!(write(&mut script, two, batch(2, producer(2))).base_offset, 2);
    assert_eq!(write(&mut script, two, batch(2, producer(4))).base_offset, 4);
}

#[test]
fn without_enough_replicas_in_sync_nothing_is_written() {
    let (mut script, one, _) = cluster(&[("min.insync.replicas", "2")]);
    script.core.stop_broker(script.now, 2);
    assert_eq!(code(&write(&mut script, one, batch(1, Producer::NONE))), ErrorCode::NOT_ENOUGH_REPLICAS);
    script.core.start_broker(script.now, 2);
    assert_eq!(write(&mut script, one, batch(1, Producer::NONE)).base_offset, 0);
}

#[test]
fn acks_of_all_wait_for_the_followers() {
    let (mut script, one, _) = cluster(&[]);
    script.core.set_lagging(script.now, 2, true);
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    script.pass(1_000 * MS);
    let response = script.answer::<ProduceRequest>(one, 12).unwrap();
    assert_eq!(code(&response.responses[0].partition_responses[0]), ErrorCode::REQUEST_TIMED_OUT);
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    assert!(script.take(one).is_none());
    script.core.set_lagging(script.now, 2, false);
    script.collect();
    let response = script.answer::<ProduceRequest>(one, 12).unwrap();
    assert_eq!(response.responses[0].partition_responses[0].base_offset, 1);
}

#[test]
fn acks_of_none_have_no_answer_but_an_end() {
    let (mut script, one, two) = cluster(&[]);
    script.send(one, 12, &produce(0, batch(1, Producer::NONE)));
    assert_eq!(script.take(one), Some(Output::Done { connection: one }));
    script.send(two, 12, &produce(0, batch(1, Producer::NONE)));
    assert_eq!(script.take(two), Some(Output::Close { connection: two }), "not the leader");
}

#[test]
fn who_asks_the_wrong_broker_is_told_the_right_one() {
    let (mut script, _, two) = cluster(&[]);
    let response = script.call(two, 12, &produce(-1, batch(1, Producer::NONE)));
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!((code(answer), answer.current_leader.leader_id), (ErrorCode::NOT_LEADER_OR_FOLLOWER, 1));
    assert_eq!(response.node_endpoints[0].host, "broker-1");
}

#[test]
fn after_an_unclean_election_logs_part_where_the_epoch_ends() {
    let (mut script, one, _) = cluster(&[]);
    write(&mut script, one, batch(200, Producer::NONE));
    script.core.stop_broker(script.now, 2);
    write(&mut script, one, batch(500, Producer::NONE));
    script.core.stop_broker(script.now, 1);
    script.core.start_broker(script.now, 2);
    script.core.move_leader(script.now, "t", 0, 2).unwrap();
    script.core.start_broker(script.now, 1);
    let two = script.open(2);
    write(&mut script, two, batch(700, Producer::NONE));
    let asked = OffsetForLeaderPartition { leader_epoch: 0, ..Default::default() };
    let topic = OffsetForLeaderTopic { topic: "t".into(), partitions: vec![asked], ..Default::default() };
    let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
    let answer = script.call(two, 4, &request).topics[0].partitions[0].clone();
    assert_eq!((answer.leader_epoch, answer.end_offset), (0, 200));
    let mut stale = fetch(700);
    stale.topics[0].partitions[0].last_fetched_epoch = 0;
    let response = script.call(two, 12, &stale);
    assert_eq!((only(&response).diverging_epoch.epoch, only(&response).diverging_epoch.end_offset), (0, 200));
    stale.topics[0].partitions[0].current_leader_epoch = 0;
    let refused = script.call(two, 12, &stale);
    assert_eq!(ErrorCode(only(&refused).error_code), ErrorCode::FENCED_LEADER_EPOCH);
}

#[test]
fn sessions_only_speak_of_what_is_new() {
    let (mut script, one, _) = cluster(&[]);
    write(&mut script, one, batch(1, Producer::NONE));
    let step = |session_epoch, session_id, request: FetchRequest| FetchRequest {
        session_epoch,
        session_id,
        max_wait_ms: 0,
        ..request
    };
    let first = script.call(one, 12, &step(0, 0, fetch(1)));
    assert!(first.session_id > 0 && len(only(&first)) == 0);
    let nothing = FetchRequest { topics: Vec::new(), ..fetch(0) };
    let second = script.call(one, 12, &step(1, first.session_id, nothing.clone()));
    assert_eq!((second.responses.len(), second.error_code), (0, 0));
    let again = script.call(one, 12, &step(1, first.session_id, nothing.clone()));
    assert_eq!(ErrorCode(again.error_code), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    let writer = script.open(1);
    write(&mut script, writer, batch(1, Producer::NONE));
    let third = script.call(one, 12, &step(2, first.session_id, nothing.clone()));
    assert!(len(only(&third)) > 0);
    let unknown = script.call(one, 12, &step(2, 77, nothing));
    assert_eq!(ErrorCode(unknown.error_code), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn committed_readers_stop_at_open_transactions_and_hear_of_aborted_ones() {
    let (mut script, one, _) = cluster(&[]);
    let producer = Producer { producer_id: 9, producer_epoch: 0, base_sequence: 0 };
    let mut data = BatchBuilder::new(BatchOptions { producer, transactional: true, ..Default::default() });
    data.append(1, None, Some(b"aborted"), []).unwrap();
    let data = data.seal(&mut Compressor::default()).unwrap();
    assert_eq!(script.core.append(script.now, "t", 0, data), Some(0));
    let committed = FetchRequest { isolation_level: 1, max_wait_ms: 0, ..fetch(0) };
    let open = script.call(one, 12, &committed);
    assert_eq!((len(only(&open)), only(&open).last_stable_offset, only(&open).high_watermark), (0, 0, 1));
    let producer = Producer { base_sequence: -1, ..producer };
    let options = BatchOptions { producer, transactional: true, control: true, ..Default::default() };
    let mut marker = BatchBuilder::new(options);
    let value = ControlRecord::end_marker_value(0);
    marker.append(2, Some(&ControlType::Abort.key()), Some(&value), []).unwrap();
    script.core.append(script.now, "t", 0, marker.seal(&mut Compressor::default()).unwrap());
    let ended = script.call(one, 12, &committed);
    let aborted = only(&ended).aborted_transactions.clone().unwrap();
    assert_eq!((aborted[0].producer_id, aborted[0].first_offset, only(&ended).last_stable_offset), (9, 0, 2));
}

#[test]
fn offsets_are_found_by_their_time() {
    let (mut script, one, _) = cluster(&[]);
    write(&mut script, one, batch(5, Producer::NONE));
    let mut find = |timestamp| {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let answer = script.call(one, 7, &request).topics[0].partitions[0].clone();
        (answer.offset, answer.timestamp)
    };
    assert_eq!((find(-2), find(-1), find(-3)), ((0, -1), (5, -1), (4, 1_004)));
    assert_eq!((find(1_002), find(2_000)), ((2, 1_002), (-1, -1)));
}

#[test]
fn the_version_of_the_future_is_told_what_there_is() {
    let mut script = Script::new(Config::default());
    let one = script.open(1);
    // Version 99, correlation id 7, no client id, no tags.
    script.core.handle_request(script.now, one, Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 7, 255, 255, 0]));
    script.collect();
    let answer = script.answer::<ApiVersionsRequest>(one, 0).unwrap();
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!((answer.api_keys.len(), answer.api_keys[0].max_version), (1, 4));
}

#[test]
fn releases_differ_in_what_they_speak() {
    let mut script = Script::new(Config { version: KafkaVersion::V2_1, ..Config::default() });
    let one = script.open(1);
    let answer = script.call(one, 2, &ApiVersionsRequest::default());
    let fetch = answer.api_keys.iter().find(|api| api.api_key == ApiKey::FETCH.0).unwrap();
    assert_eq!((fetch.min_version, fetch.max_version), (4, 10));
    script.send(one, 11, &FetchRequest { max_wait_ms: 0, ..Default::default() });
    assert_eq!(script.take(one), Some(Output::Close { connection: one }));
}

#[test]
fn faults_happen_as_often_as_they_say() {
    let (mut script, one, _) = cluster(&[]);
    let error = Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_ENOUGH_REPLICAS);
    script.core.inject(error.clone().topic("other").always());
    script.core.inject(error.topic("t").partition(0).times(2));
    for _ in 0..2 {
        assert_eq!(code(&write(&mut script, one, batch(1, Producer::NONE))), ErrorCode::NOT_ENOUGH_REPLICAS);
    }
    assert_eq!(write(&mut script, one, batch(1, Producer::NONE)).base_offset, 0);

    script.core.inject(Fault::drop_answer(ApiKey::PRODUCE));
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    assert_eq!(script.take(one), Some(Output::Close { connection: one }));
    let one = script.open(1);
    assert_eq!(write(&mut script, one, batch(1, Producer::NONE)).base_offset, 2, "it was applied");

    script.core.inject(Fault::delay(None, 70 * MS));
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    script.pass(69 * MS);
    assert!(script.take(one).is_none());
    script.pass(MS);
    assert!(script.answer::<ProduceRequest>(one, 12).is_some());

    script.core.inject(Fault::throttle(ApiKey::PRODUCE, 50 * MS));
    assert_eq!(script.call(one, 12, &produce(-1, batch(1, Producer::NONE))).throttle_time_ms, 50);
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    assert!(script.take(one).is_none(), "muted");
    script.pass(50 * MS);
    assert!(script.answer::<ProduceRequest>(one, 12).is_some());
}

/// Found in review: faults were used up by requests that the hook had decided, and came before it.
#[test]
fn the_hook_comes_first_and_uses_up_no_faults_but_of_what_it_has_served() {
    let (mut script, one, _) = cluster(&[]);
    let verdicts = Arc::new(Mutex::new(Vec::new()));
    let next = Arc::clone(&verdicts);
    let decide = move |request: &LoggedRequest| match request.api {
        ApiKey::PRODUCE => next.lock().unwrap().pop().unwrap_or(Verdict::Pass),
        _ => Verdict::Pass,
    };
    script.core.set_hook(Hook::new(decide));
    let will = |verdict| verdicts.lock().unwrap().push(verdict);
    script.core.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_ENOUGH_REPLICAS));
    script.core.inject(Fault::delay(ApiKey::PRODUCE, 50 * MS));
    let refuse = Verdict::Error(ErrorCode::KAFKA_STORAGE_ERROR);
    will(refuse);
    assert_eq!(code(&write(&mut script, one, batch(1, Producer::NONE))), ErrorCode::KAFKA_STORAGE_ERROR);
    will(Verdict::Cut);
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    assert_eq!(script.take(one), Some(Output::Close { connection: one }));
    // Both faults are still there, and come on top of what the hook adds.
    let one = script.open(1);
    will(Verdict::Delay(20 * MS));
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    script.pass(69 * MS);
    assert!(script.take(one).is_none());
    script.pass(MS);
    let response = script.answer::<ProduceRequest>(one, 12).unwrap();
    assert_eq!(code(&response.responses[0].partition_responses[0]), ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(write(&mut script, one, batch(1, Producer::NONE)).base_offset, 0, "and now they are used up");
}

#[test]
fn a_frozen_broker_answers_when_it_goes_on() {
    let (mut script, one, _) = cluster(&[]);
    script.core.freeze_broker(script.now, 1);
    let late = script.open(1);
    script.send(one, 12, &produce(-1, batch(1, Producer::NONE)));
    script.send(
        late,
        4,
        &ApiVersionsRequest {
            client_software_name: "a".into(),
            client_software_version: "1".into(),
            ..Default::default()
        },
    );
    script.pass(10_000 * MS);
    assert!(script.outputs.is_empty());
    script.core.thaw_broker(script.now, 1);
    script.collect();
    assert!(script.answer::<ProduceRequest>(one, 12).is_some());
    assert!(script.answer::<ApiVersionsRequest>(late, 4).is_some());
}

/// Found in review: brokers could be configured one by one, but not all of them by default.
#[test]
fn brokers_have_defaults_in_common() {
    let (mut script, one, _) = cluster(&[]);
    let mut set = |name: &str, value: Option<&str>| {
        let config = AlterableConfig {
            name: "log.cleaner.threads".into(),
            config_operation: i8::from(value.is_none()),
            value: value.map(Into::into),
            ..Default::default()
        };
        let (resource_name, configs) = (name.into(), vec![config]);
        let resource = AlterConfigsResource { resource_type: 4, resource_name, configs, ..Default::default() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        assert_eq!(script.call(one, 1, &request).responses[0].error_code, 0);
        let describe = |name: &str| DescribeConfigsResource {
            resource_type: 4,
            resource_name: name.into(),
            configuration_keys: None,
            ..Default::default()
        };
        let resources = vec![describe("1"), describe("")];
        let request = DescribeConfigsRequest { resources, include_synonyms: true, ..Default::default() };
        let results = script.call(one, 4, &request).results;
        let of = |result: &DescribeConfigsResult| {
            assert_eq!(result.error_code, 0);
            let config = result.configs.first()?;
            let synonyms = config.synonyms.iter().map(|synonym| synonym.source).collect::<Vec<_>>();
            Some((config.value.clone().unwrap_or_default(), config.config_source, synonyms))
        };
        (of(&results[0]), of(&results[1]))
    };
    let default = Some(("3".into(), 3, vec![3]));
    assert_eq!(set("", Some("3")), (default.clone(), default.clone()));
    assert_eq!(set("1", Some("7")), (Some(("7".into(), 2, vec![2, 3])), default.clone()));
    assert_eq!(set("1", None), (default.clone(), default));
    assert_eq!(set("", None), (None, None));
}

#[test]
fn logs_keep_what_their_topic_says() {
    let (mut script, one, _) = cluster(&[("retention.bytes", "300"), ("message.timestamp.type", "LogAppendTime")]);
    for _ in 0..10 {
        let answer = write(&mut script, one, batch(2, Producer::NONE));
        assert_eq!(answer.log_append_time_ms, 1_767_225_600_000);
    }
    let response = script.call(one, 12, &fetch(0));
    assert_eq!(ErrorCode(only(&response).error_code), ErrorCode::OFFSET_OUT_OF_RANGE);
    let response = script.call(one, 12, &fetch(18));
    assert!(only(&response).log_start_offset > 10 && len(only(&response)) > 0);
}
