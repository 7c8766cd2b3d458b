//! `EndTxn`: what was written counts, or does not.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};

use crate::api::transaction;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::{Ending, Outcome, check_end};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: EndTxnRequest) -> Reply {
    let code = end(state, call, &request).err().unwrap_or(ErrorCode::NONE);
    EndTxnResponse { error_code: code.0, ..Default::default() }.into()
}

fn end(state: &mut State, call: &mut Call, request: &EndTxnRequest) -> Result<(), ErrorCode> {
    let id = &request.transactional_id;
    transaction::check(state, call, id)?;
    let checked = state.transactions.check(id, request.producer_id, request.producer_epoch);
    // Who is fenced was told so otherwise before version 2 (KIP-588).
    let transaction = checked.map_err(|code| match code {
        ErrorCode::PRODUCER_FENCED if call.version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    })?;
    let outcome = if request.committed { Outcome::Commit } else { Outcome::Abort };
    if check_end(transaction, outcome)? == Ending::Now {
        state.end_transaction(id, outcome, false);
    }
    Ok(())
}
