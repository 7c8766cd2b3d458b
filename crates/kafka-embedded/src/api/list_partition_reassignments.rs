//! `ListPartitionReassignments`: partitions that are on their way to other brokers (KIP-455).
//!
//! Sans-IO.

use kafka_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};
use smol_str::SmolStr;

use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ListPartitionReassignmentsRequest) -> Reply {
    let mut response = ListPartitionReassignmentsResponse { error_message: None, ..Default::default() };
    if let Some(code) = call.injected_whole() {
        (response.error_code, response.error_message) = (code.0, Some(code.text().into()));
        return response.into();
    }
    let asked: Vec<(SmolStr, i32)> = match request.topics {
        Some(topics) => {
            let of = |index, name: &SmolStr| (name.clone(), index);
            topics.iter().flat_map(|one| one.partition_indexes.iter().map(|index| of(*index, &one.name))).collect()
        }
        None => state.all_partitions(),
    };
    for (name, partition_index) in unique(asked, Clone::clone) {
        let Some(partition) = state.partition(&name, partition_index) else {
            continue;
        };
        let Some(reassignment) = &partition.reassignment else {
            continue;
        };
        let ongoing = OngoingPartitionReassignment {
            partition_index,
            replicas: partition.replicas.clone(),
            adding_replicas: reassignment.adding(),
            removing_replicas: reassignment.removing(),
            ..Default::default()
        };
        match response.topics.last_mut().filter(|last| last.name == name) {
            Some(last) => last.partitions.push(ongoing),
            None => {
                let partitions = vec![ongoing];
                response.topics.push(OngoingTopicReassignment { name, partitions, ..Default::default() });
            }
        }
    }
    response.into()
}
