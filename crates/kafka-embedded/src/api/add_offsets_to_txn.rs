//! `AddOffsetsToTxn`: the group whose offsets a producer is about to commit.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::api::transaction;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::Part;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: AddOffsetsToTxnRequest) -> Reply {
    let code = add(state, call, request).err().unwrap_or(ErrorCode::NONE);
    AddOffsetsToTxnResponse { error_code: code.0, ..Default::default() }.into()
}

fn add(state: &mut State, call: &mut Call, request: AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let id = &request.transactional_id;
    transaction::check(state, call, id)?;
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let producer = (request.producer_id, request.producer_epoch);
    let moment = transaction::moment(state);
    let added = state.transactions.add(id, producer, moment, [Part::Group(request.group_id)], &state.config.limits);
    // Who is fenced was told so otherwise before version 2 (KIP-588).
    added.map_err(|code| match code {
        ErrorCode::PRODUCER_FENCED if call.version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    })
}
