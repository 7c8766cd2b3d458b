//! `DescribeProducers`: who writes to a partition with a producer id, and what they have open (KIP-664).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::log::Log;
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DescribeProducersRequest) -> Reply {
    let mut response = DescribeProducersResponse::default();
    for topic in unique(request.topics, |topic| topic.name.clone()) {
        let mut partitions = Vec::new();
        for partition_index in unique(topic.partition_indexes, |index| *index) {
            let mut answer = PartitionResponse { partition_index, ..Default::default() };
            let injected = call.injected(&topic.name, partition_index).map_or(Ok(()), Err);
            let leading = injected.and_then(|()| state.led_by(call.broker, &topic.name, partition_index, -1));
            match leading.and_then(|partition| partition.leader_log().ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)) {
                Ok(log) => answer.active_producers = producers(log),
                Err(code) => (answer.error_code, answer.error_message) = (code.0, Some(code.text().into())),
            }
            partitions.push(answer);
        }
        response.topics.push(TopicResponse { name: topic.name, partitions, ..Default::default() });
    }
    response.into()
}

fn producers(log: &Log) -> Vec<ProducerState> {
    let known = log.producers().iter().map(|known| ProducerState {
        producer_id: known.id,
        producer_epoch: known.epoch.into(),
        last_sequence: known.last_sequence,
        last_timestamp: known.last_timestamp,
        coordinator_epoch: known.coordinator_epoch,
        current_txn_start_offset: log.transactions().open_since(known.id).unwrap_or(-1),
        ..Default::default()
    });
    known.collect()
}
