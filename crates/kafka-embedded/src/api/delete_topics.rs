//! `DeleteTopics`, by name or id.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DeleteTopicsRequest) -> Reply {
    let named = |name| DeleteTopicState { name: Some(name), ..Default::default() };
    let topics = match call.version {
        ..=5 => request.topic_names.into_iter().map(named).collect(),
        _ => request.topics,
    };
    let responses = topics.into_iter().map(|topic| delete(state, call, topic)).collect();
    DeleteTopicsResponse { responses, ..Default::default() }.into()
}

fn delete(state: &mut State, call: &mut Call, topic: DeleteTopicState) -> DeletableTopicResult {
    let by_id = topic.name.is_none();
    let name = topic.name.clone().or_else(|| state.name_of(topic.topic_id));
    let injected = name.as_ref().and_then(|name| call.injected_topic(name));
    let deleted = match (injected, &name) {
        (Some(code), _) => Err(code),
        (None, Some(name)) => state.delete_topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (None, None) => Err(ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let mut result = DeletableTopicResult { name: name.filter(|_| !by_id || deleted.is_ok()), ..Default::default() };
    match deleted {
        Ok(id) => result.topic_id = id,
        Err(code) => {
            result.topic_id = topic.topic_id;
            result.error_code = code.0;
            result.error_message = Some(code.text().into());
        }
    }
    result
}
