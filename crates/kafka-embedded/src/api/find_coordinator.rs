//! `FindCoordinator`: which broker looks after a group or a transactional id.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use smol_str::SmolStr;

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: FindCoordinatorRequest) -> Reply {
    let injected = call.injected_whole();
    if call.version < 4 {
        let found = find(state, request.key_type, request.key, injected);
        return FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        }
        .into();
    }
    let keys = request.coordinator_keys.into_iter();
    let coordinators = keys.map(|key| find(state, request.key_type, key, injected)).collect();
    // Its own text is not of this version.
    FindCoordinatorResponse { coordinators, ..Default::default() }.into()
}

fn find(state: &State, key_type: i8, key: SmolStr, injected: Option<ErrorCode>) -> Coordinator {
    let coordinator = match key_type {
        _ if injected.is_some() => Err(injected.unwrap_or_default()),
        GROUP | TRANSACTION => state.coordinator(key_type, &key).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        _ => Err(ErrorCode::INVALID_REQUEST),
    };
    let broker = coordinator.and_then(|id| state.brokers.get(&id).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    match broker {
        Ok(broker) => {
            let (node_id, host, port) = (broker.id, broker.host.clone(), broker.port.into());
            Coordinator { key, node_id, host, port, error_message: None, ..Default::default() }
        }
        Err(code) => {
            let (error_code, error_message) = (code.0, Some(code.text().into()));
            Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
        }
    }
}

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
