//! `ListTransactions`: the transactional ids that the broker coordinates (KIP-664, KIP-994).
//!
//! Sans-IO.

use kafka_protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};
use smol_str::SmolStr;

use crate::api::transaction::TRANSACTION;
use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::Transaction;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: ListTransactionsRequest) -> Reply {
    let mut response = ListTransactionsResponse::default();
    if let Some(code) = call.injected_whole() {
        response.error_code = code.0;
        return response.into();
    }
    let filters = unique(request.state_filters, SmolStr::clone);
    let (known, unknown): (Vec<_>, Vec<_>) = filters.into_iter().partition(|filter| STATES.contains(&filter.as_str()));
    let none_known = known.is_empty() && !unknown.is_empty();
    response.unknown_state_filters = unknown;
    if none_known {
        return response.into();
    }
    let now = state.wall_clock();
    let lasts = |transaction: &Transaction| {
        let since = transaction.ongoing().map(|ongoing| now.saturating_sub(ongoing.began_ms));
        request.duration_filter < 0 || since.is_some_and(|since| since > request.duration_filter)
    };
    let producers = &request.producer_id_filters;
    let wanted = |transaction: &Transaction| {
        (known.is_empty() || known.iter().any(|filter| filter == transaction.state()))
            && (producers.is_empty() || producers.contains(&transaction.producer_id))
            && lasts(transaction)
    };
    let here = state.transactions.iter().filter(|(id, _)| state.coordinator(TRANSACTION, id) == Some(call.broker));
    let listed = here.filter(|(_, transaction)| wanted(transaction)).map(|(id, transaction)| TransactionState {
        transactional_id: id.clone(),
        producer_id: transaction.producer_id,
        transaction_state: SmolStr::new_static(transaction.state()),
        ..Default::default()
    });
    response.transaction_states = listed.collect();
    response.into()
}

/// Every state that there is in Kafka.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];
