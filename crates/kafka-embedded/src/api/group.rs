//! What the APIs of groups have in common: the coordinator, and its group.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::core::Call;
use crate::group::{GroupState, Rules};
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

/// Who wants to commit offsets of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committer<'a> {
    pub(crate) group_id: &'a SmolStr,
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// -1 for who is no member.
    pub(crate) generation: i32,
    pub(crate) in_transaction: bool,
}

impl Committer<'_> {
    /// Whether it may: a member of this generation may, or anybody where the group has no members. Producers of older
    /// clients say of no member which it is, and may, too.
    pub(crate) fn check(self, state: &mut State, call: &Call) -> Result<(), ErrorCode> {
        let Self { group_id, member_id, instance_id, generation, in_transaction } = self;
        is_coordinator(state, call, group_id)?;
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let now = state.now;
        if state.groups.get(group_id).is_none() {
            // Nobody's member commits for itself; whoever says it is one, was, long ago.
            if generation >= 0 {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
            return state.groups.create(group_id, &state.config.limits);
        }
        let checked = state.groups.change(group_id, |group| {
            if generation < 0 && group.state() == GroupState::Empty {
                return Ok(());
            }
            let is_member = generation >= 0 || !member_id.is_empty() || instance_id.is_some();
            if is_member {
                group.check_member(member_id, instance_id, generation)?;
            } else if !in_transaction {
                return Err(ErrorCode::UNKNOWN_MEMBER_ID);
            }
            if group.state() == GroupState::CompletingRebalance {
                return Err(ErrorCode::REBALANCE_IN_PROGRESS);
            }
            if is_member {
                // It counts as a heartbeat, but is not refused while others join: so members commit before they do.
                let _rebalancing = group.heartbeat(now, member_id);
            }
            Ok(())
        });
        checked.unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID))
    }
}
