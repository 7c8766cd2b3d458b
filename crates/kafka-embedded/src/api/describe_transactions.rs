//! `DescribeTransactions`: where transactional ids are (KIP-664).
//!
//! Sans-IO.

use std::collections::BTreeMap;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData, TransactionState,
};
use smol_str::SmolStr;

use crate::api::transaction;
use crate::api::unique::unique;
use crate::core::{Call, Reply};
use crate::state::State;

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DescribeTransactionsRequest) -> Reply {
    let ids = unique(request.transactional_ids, SmolStr::clone);
    let transaction_states = ids.into_iter().map(|id| {
        describe(state, call, &id).unwrap_or_else(|code| TransactionState {
            error_code: code.0,
            transactional_id: id,
            ..Default::default()
        })
    });
    DescribeTransactionsResponse { transaction_states: transaction_states.collect(), ..Default::default() }.into()
}

fn describe(state: &State, call: &mut Call, id: &SmolStr) -> Result<TransactionState, ErrorCode> {
    transaction::check(state, call, id)?;
    let transaction = state.transactions.get(id).ok_or(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND)?;
    let mut topics = BTreeMap::<&SmolStr, Vec<i32>>::new();
    for (topic, partition) in transaction.ongoing().into_iter().flat_map(|ongoing| &ongoing.partitions) {
        topics.entry(topic).or_default().push(*partition);
    }
    let topic =
        |(topic, partitions): (&SmolStr, _)| TopicData { topic: topic.clone(), partitions, ..Default::default() };
    Ok(TransactionState {
        transactional_id: id.clone(),
        transaction_state: SmolStr::new_static(transaction.state()),
        transaction_timeout_ms: i32::try_from(transaction.timeout.as_millis()).unwrap_or(i32::MAX),
        transaction_start_time_ms: transaction.ongoing().map_or(-1, |ongoing| ongoing.began_ms),
        producer_id: transaction.producer_id,
        producer_epoch: transaction.epoch,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    })
}
