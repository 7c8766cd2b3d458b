//! What the APIs of transactions have in common: the coordinator.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::core::Call;
use crate::state::State;
use crate::transaction::Moment;

/// Whether a request for a transactional id has come to its coordinator; a test may want it otherwise.
pub(crate) fn check(state: &State, call: &mut Call, id: &SmolStr) -> Result<(), ErrorCode> {
    if let Some(code) = call.injected_whole() {
        return Err(code);
    }
    if id.is_empty() || id.len() > MAX_ID {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if state.coordinator(TRANSACTION, id) == Some(call.broker) { Ok(()) } else { Err(ErrorCode::NOT_COORDINATOR) }
}

/// Now, on both clocks.
pub(crate) fn moment(state: &State) -> Moment {
    Moment { now: state.now, wall_clock: state.wall_clock() }
}

/// The type of a coordinator's key: a transactional id.
pub(crate) const TRANSACTION: i8 = 1;
/// Bytes of an id. Kafka takes any length.
const MAX_ID: usize = 1_024;
