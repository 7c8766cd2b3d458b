//! Partitions that move, elect, and lose their beginning, by scripts.

mod support;

use std::time::Duration;

use kafka_embedded::core::{BrokerConfig, Config, ConnectionId};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use kafka_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponsePartition};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::Producer;
use support::{Script, batch};

/// Three brokers, and the topic `t` of one partition on brokers 1 and 2, with three records.
fn cluster() -> (Script, ConnectionId) {
    let brokers = (1..=3).map(BrokerConfig::new).collect();
    let mut script = Script::new(Config { brokers, ..Config::default() });
    let one = script.open(1);
    let assignments = vec![CreatableReplicaAssignment { broker_ids: vec![1, 2], ..Default::default() }];
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    assert_eq!(script.call(one, 7, &request).topics[0].error_code, 0);
    let partition_data = vec![PartitionProduceData { records: Some(batch(3, Producer::NONE)), ..Default::default() }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data, ..Default::default() };
    assert_eq!(script.call(one, 11, &request).responses[0].partition_responses[0].error_code, 0);
    (script, one)
}

fn partition(script: &mut Script) -> MetadataResponsePartition {
    let at = script.open(3);
    let topic = MetadataRequestTopic { name: Some("t".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    script.call(at, 9, &request).topics[0].partitions[0].clone()
}

fn reassign(script: &mut Script, replicas: Option<Vec<i32>>) -> ErrorCode {
    let at = script.open(3);
    let partitions = vec![ReassignablePartition { replicas, ..Default::default() }];
    let topics = vec![ReassignableTopic { name: "t".into(), partitions, ..Default::default() }];
    let request = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
    ErrorCode(script.call(at, 0, &request).responses[0].partitions[0].error_code)
}

/// The replicas that come, and those that go.
fn under_way(script: &mut Script) -> Option<(Vec<i32>, Vec<i32>)> {
    let at = script.open(3);
    let listed = script.call(at, 0, &ListPartitionReassignmentsRequest::default()).topics;
    let partition = listed.first()?.partitions.first()?;
    Some((partition.adding_replicas.clone(), partition.removing_replicas.clone()))
}

#[test]
fn a_partition_moves_and_takes_its_records_along() {
    let (mut script, _) = cluster();
    assert_eq!(reassign(&mut script, Some(vec![3, 2])), ErrorCode::NONE);
    let moved = partition(&mut script);
    assert_eq!((moved.leader_id, moved.replica_nodes, moved.leader_epoch), (3, vec![3, 2], 1));
    assert_eq!(under_way(&mut script), None, "nothing holds it up");
    let three = script.open(3);
    let asked = ListOffsetsPartition { timestamp: -1, ..Default::default() };
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions: vec![asked], ..Default::default() }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    assert_eq!(script.call(three, 7, &request).topics[0].partitions[0].offset, 3);
    for (replicas, code) in [
        (Some(vec![]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (Some(vec![9]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (Some(vec![1, 1]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (None, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS),
    ] {
        assert_eq!(reassign(&mut script, replicas), code);
    }
}

#[test]
fn a_move_that_is_held_up_is_listed_and_can_be_called_off() {
    let (mut script, _) = cluster();
    script.core.set_lagging(script.now, 3, true);
    assert_eq!(reassign(&mut script, Some(vec![3])), ErrorCode::NONE);
    assert_eq!(under_way(&mut script), Some((vec![3], vec![1, 2])));
    let moving = partition(&mut script);
    assert_eq!((moving.leader_id, moving.replica_nodes, moving.isr_nodes), (1, vec![3, 1, 2], vec![1, 2]));
    assert_eq!(reassign(&mut script, None), ErrorCode::NONE);
    assert_eq!((partition(&mut script).replica_nodes, under_way(&mut script)), (vec![1, 2], None));
    assert_eq!(reassign(&mut script, Some(vec![3])), ErrorCode::NONE);
    script.core.set_lagging(script.now, 3, false);
    assert_eq!((partition(&mut script).replica_nodes, under_way(&mut script)), (vec![3], None));
}

#[test]
fn leaders_are_elected_as_asked() {
    let (mut script, _) = cluster();
    let elect = |script: &mut Script, election_type: i8, all: bool| {
        let at = script.open(3);
        let topic = TopicPartitions { topic: "t".into(), partitions: vec![0], ..Default::default() };
        let topic_partitions = (!all).then(|| vec![topic]);
        let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
        let results = script.call(at, 2, &request).replica_election_results;
        results.first().map(|topic| ErrorCode(topic.partition_result[0].error_code))
    };
    assert_eq!(elect(&mut script, 0, false), Some(ErrorCode::ELECTION_NOT_NEEDED));
    assert_eq!(elect(&mut script, 0, true), None, "there is nothing to tell");
    script.core.stop_broker(script.now, 1);
    assert_eq!(elect(&mut script, 0, false), Some(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE));
    script.core.start_broker(script.now, 1);
    assert_eq!((partition(&mut script).leader_id, elect(&mut script, 0, true)), (2, Some(ErrorCode::NONE)));
    assert_eq!(partition(&mut script).leader_id, 1);
    assert_eq!(elect(&mut script, 1, false), Some(ErrorCode::ELECTION_NOT_NEEDED));
    script.core.stop_broker(script.now, 2);
    script.core.stop_broker(script.now, 1);
    assert_eq!(elect(&mut script, 1, false), Some(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE));
    script.core.start_broker(script.now, 2);
    assert_eq!(partition(&mut script).leader_id, -1, "who was out of sync does not lead by itself");
    assert_eq!(elect(&mut script, 1, false), Some(ErrorCode::NONE));
    assert_eq!(partition(&mut script).leader_id, 2);
}

#[test]
fn records_are_deleted_from_all_replicas_that_are_there() {
    let (mut script, one) = cluster();
    let delete = |offset| {
        let partitions = vec![DeleteRecordsPartition { offset, ..Default::default() }];
        let topics = vec![DeleteRecordsTopic { name: "t".into(), partitions, ..Default::default() }];
        DeleteRecordsRequest { topics, timeout_ms: 1_000, ..Default::default() }
    };
    let answer = script.call(one, 2, &delete(1)).topics[0].partitions[0].clone();
    assert_eq!((answer.error_code, answer.low_watermark), (0, 1));
    script.core.set_lagging(script.now, 2, true);
    script.send(one, 2, &delete(2));
    script.pass(Duration::from_millis(999));
    assert!(script.take(one).is_none(), "a follower has them still");
    script.pass(Duration::from_millis(1));
    let answer = script.answer::<DeleteRecordsRequest>(one, 2).unwrap().topics[0].partitions[0].clone();
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::REQUEST_TIMED_OUT);
    script.send(one, 2, &delete(-1));
    script.core.set_lagging(script.now, 2, false);
    script.collect();
    let answer = script.answer::<DeleteRecordsRequest>(one, 2).unwrap().topics[0].partitions[0].clone();
    assert_eq!((answer.error_code, answer.low_watermark), (0, 3));
    // The newest record by its time was deleted, and so is not found any more.
    let asked = ListOffsetsPartition { timestamp: -3, ..Default::default() };
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions: vec![asked], ..Default::default() }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    assert_eq!(script.call(one, 7, &request).topics[0].partitions[0].offset, -1);
}
