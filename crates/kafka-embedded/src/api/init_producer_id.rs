//! `InitProducerId`: the identity of an idempotent or transactional producer (KIP-98, KIP-360).
//!
//! Sans-IO.

use std::time::Duration;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use smol_str::SmolStr;

use crate::api::transaction;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::Outcome;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: InitProducerIdRequest) -> Reply {
    match init(state, call, &request) {
        Ok((producer_id, producer_epoch)) => {
            InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }
        }
        Err(code) => {
            let (producer_id, producer_epoch) = (-1, -1);
            InitProducerIdResponse { error_code: code.0, producer_id, producer_epoch, ..Default::default() }
        }
    }
    .into()
}

fn init(state: &mut State, call: &mut Call, request: &InitProducerIdRequest) -> Result<(i64, i16), ErrorCode> {
    let had = (request.producer_id, request.producer_epoch);
    if (had.0 == -1) != (had.1 == -1) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if let Some(id) = &request.transactional_id {
        transaction::check(state, call, id)?;
        return init_transactional(state, call, id, request);
    }
    if let Some(code) = call.injected_whole() {
        return Err(code);
    }
    // Without a transactional id nobody else can have the id: as Kafka, a new one, whatever the old one was.
    let producer_id = state.next_producer_id;
    state.next_producer_id = producer_id.saturating_add(1);
    Ok((producer_id, 0))
}

/// Whoever had the transactional id before is fenced, and what it has open is aborted.
fn init_transactional(
    state: &mut State,
    call: &Call,
    id: &SmolStr,
    request: &InitProducerIdRequest,
) -> Result<(i64, i16), ErrorCode> {
    let timeout = u64::try_from(request.transaction_timeout_ms).ok().filter(|timeout| *timeout > 0);
    let timeout = timeout.map(Duration::from_millis).filter(|timeout| *timeout <= MAX_TIMEOUT);
    let timeout = timeout.ok_or(ErrorCode::INVALID_TRANSACTION_TIMEOUT)?;
    if let Some(known) = state.transactions.get(id) {
        let had = (request.producer_id, request.producer_epoch);
        if had.0 >= 0 && had != (known.producer_id, known.epoch) {
            // Older versions have no word of their own for it (KIP-588).
            let fenced = if call.version >= 4 { ErrorCode::PRODUCER_FENCED } else { ErrorCode::INVALID_PRODUCER_EPOCH };
            return Err(fenced);
        }
        state.end_transaction(id, Outcome::Abort, true);
    }
    let State { transactions, next_producer_id, config, .. } = state;
    transactions.begin_producer(id, timeout, next_producer_id, &config.limits)
}

/// `transaction.max.timeout.ms`.
const MAX_TIMEOUT: Duration = Duration::from_secs(900);
