//! `CreatePartitions`: a topic gets more of them.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::api::unique::repeated;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: CreatePartitionsRequest) -> Reply {
    let repeated = repeated(request.topics.iter().map(|topic| topic.name.clone()));
    let mut response = CreatePartitionsResponse::default();
    for topic in request.topics {
        let twice = repeated.contains(&topic.name);
        let assignments = topic.assignments.filter(|given| !given.is_empty());
        let assignments = assignments.map(|given| given.into_iter().map(|one| one.broker_ids).collect());
        let enlarged = match (twice, call.injected_topic(&topic.name)) {
            (_, Some(code)) => Err((code, code.text().to_owned())),
            (true, _) => Err((ErrorCode::INVALID_REQUEST, "Duplicate topic name.".to_owned())),
            (false, None) => state.enlarge_topic(&topic.name, topic.count, assignments, request.validate_only),
        };
        let mut result = CreatePartitionsTopicResult { name: topic.name, ..Default::default() };
        if let Err((code, text)) = enlarged {
            (result.error_code, result.error_message) = (code.0, Some(text.into()));
        }
        response.results.push(result);
    }
    response.into()
}
