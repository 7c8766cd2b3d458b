//! `ElectLeaders`: the preferred replicas lead again, or any that is left (KIP-183, KIP-460).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use smol_str::SmolStr;

use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::{Election, State};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ElectLeadersRequest) -> Reply {
    let mut response = ElectLeadersResponse::default();
    let election = match request.election_type {
        PREFERRED => Election::Preferred,
        UNCLEAN => Election::Unclean,
        _ => {
            response.error_code = ErrorCode::INVALID_REQUEST.0;
            return response.into();
        }
    };
    let all = request.topic_partitions.is_none();
    let asked: Vec<(SmolStr, i32)> = match request.topic_partitions {
        Some(topics) => topics
            .into_iter()
            .flat_map(|one| one.partitions.into_iter().map(move |index| (one.topic.clone(), index)))
            .collect(),
        None => state.all_partitions(),
    };
    for (topic, index) in unique(asked, Clone::clone) {
        let injected = call.injected(&topic, index).map_or(Ok(()), Err);
        let elected = injected.and_then(|()| state.elect_anew(&topic, index, election));
        // Who asks for all wants to hear of what was to be done only.
        if all && elected == Err(ErrorCode::ELECTION_NOT_NEEDED) {
            continue;
        }
        let (code, text) = elected.err().map_or((0, None), |code| (code.0, Some(code.text().into())));
        let result =
            PartitionResult { partition_id: index, error_code: code, error_message: text, ..Default::default() };
        match response.replica_election_results.last_mut().filter(|last| last.topic == topic) {
            Some(last) => last.partition_result.push(result),
            None => response.replica_election_results.push(ReplicaElectionResult {
                topic,
                partition_result: vec![result],
                ..Default::default()
            }),
        }
    }
    response.into()
}

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;
