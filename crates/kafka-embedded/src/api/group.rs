//! What the APIs of groups have in common: the coordinator, and its group.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::core::Call;
use crate::group::Rules;
use crate::state::State;

/// Whether a request for a group has come to its coordinator; a test may want it otherwise.
pub(crate) fn check(state: &State, call: &mut Call, group: &SmolStr) -> Result<(), ErrorCode> {
    if let Some(code) = call.injected_whole() {
        return Err(code);
    }
    is_coordinator(state, call, group)
}

/// Whether the broker still coordinates a group.
pub(crate) fn is_coordinator(state: &State, call: &Call, group: &SmolStr) -> Result<(), ErrorCode> {
    if state.coordinator(0, group) == Some(call.broker) { Ok(()) } else { Err(ErrorCode::NOT_COORDINATOR) }
}

/// What the coordinator is configured as, and the room it has.
pub(crate) fn rules(state: &State) -> Rules {
    let (config, limits) = (&state.config, &state.config.limits);
    let room = limits.max_group_bytes.saturating_sub(state.groups.size());
    Rules { max_members: limits.max_group_members, initial_delay: config.initial_rebalance_delay, room }
}
