//! `AlterPartitionReassignments`: partitions move to other brokers, or stay where they were (KIP-455).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartitionResponse,
    ReassignableTopicResponse,
};

use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: AlterPartitionReassignmentsRequest) -> Reply {
    let may_change_factor = request.allow_replication_factor_change;
    let mut response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: may_change_factor,
        error_message: None,
        ..Default::default()
    };
    if let Some(code) = call.injected_whole() {
        (response.error_code, response.error_message) = (code.0, Some(code.text().into()));
        return response.into();
    }
    for topic in unique(request.topics, |topic| topic.name.clone()) {
        let mut partitions = Vec::new();
        for asked in unique(topic.partitions, |partition| partition.partition_index) {
            let partition_index = asked.partition_index;
            let altered = match (call.injected(&topic.name, partition_index), asked.replicas) {
                (Some(code), _) => Err((code, code.text().to_owned())),
                (None, Some(target)) => state.reassign(&topic.name, partition_index, target, may_change_factor),
                (None, None) => state.cancel_reassignment(&topic.name, partition_index),
            };
            let (code, text) = altered.err().map_or((ErrorCode::NONE, None), |(code, text)| (code, Some(text.into())));
            let (error_code, error_message) = (code.0, text);
            partitions.push(ReassignablePartitionResponse {
                partition_index,
                error_code,
                error_message,
                ..Default::default()
            });
        }
        response.responses.push(ReassignableTopicResponse { name: topic.name, partitions, ..Default::default() });
    }
    response.into()
}
