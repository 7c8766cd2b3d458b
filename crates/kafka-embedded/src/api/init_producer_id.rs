//! `InitProducerId`: the identity of an idempotent producer (KIP-98, KIP-360).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: InitProducerIdRequest) -> Reply {
    let refused = |code: ErrorCode| {
        let (producer_id, producer_epoch) = (-1, -1);
        InitProducerIdResponse { error_code: code.0, producer_id, producer_epoch, ..Default::default() }.into()
    };
    if let Some(code) = call.injected_whole() {
        return refused(code);
    }
    match request.transactional_id {
        None => {}
        Some(id) if id.is_empty() => return refused(ErrorCode::INVALID_REQUEST),
        // Transactions are not served; what is not listed is not asked for, but this API is.
        Some(_) => return refused(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    }
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    // Without a transactional id nobody else can have the id: as Kafka, a new one, whatever the old one was.
    let producer_id = state.next_producer_id;
    state.next_producer_id = producer_id.saturating_add(1);
    InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }.into()
}
