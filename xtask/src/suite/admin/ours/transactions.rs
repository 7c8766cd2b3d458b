//! Producers and transactions.

use kafka_admin::{Admin, HangingTransaction, ProducerState, TransactionDescription, TransactionFilter};
use serde_json::{Value, json};

use super::{each, number, ok, partition, partitions, sorted, texts};
use crate::suite::Failure;

pub(super) async fn run(admin: &Admin, call: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match call {
        "producers.describe" => each(admin.describe_producers(&[partition(args)?]).await?, producers),
        "transactions.list" => {
            let list = admin.list_transactions(&TransactionFilter::default()).await?;
            if let Some(error) = list.missing.into_iter().next() {
                return Err(error.into());
            }
            let transactions = list.transactions.into_iter();
            sorted(transactions.map(|one| format!("{} {} {}", one.id, one.producer_id, one.state)))
        }
        "transactions.describe" => each(admin.describe_transactions(&texts(args, "ids")).await?, described),
        "transactions.abort" => {
            let hanging = HangingTransaction {
                partition: partition(args)?,
                producer_id: number(args, "producer")?,
                producer_epoch: i16::try_from(number(args, "epoch")?)?,
                coordinator_epoch: i32::try_from(number(args, "coordinator")?)?,
            };
            admin.abort_transaction(&hanging).await.map(|()| ok())?
        }
        "transactions.fence" => each(admin.fence_producers(&texts(args, "ids")).await, |_| ok()),
        _ => return super::unknown(call),
    })
}

fn producers(states: Vec<ProducerState>) -> Value {
    let state = |state: ProducerState| {
        let (id, epoch) = (state.producer_id, state.producer_epoch);
        json!([id, epoch, state.last_sequence, state.coordinator_epoch, state.transaction_start_offset])
    };
    json!(states.into_iter().map(state).collect::<Vec<_>>())
}

fn described(one: TransactionDescription) -> Value {
    let partitions = partitions(&one.partitions);
    json!([one.state.as_str(), one.producer_id, one.producer_epoch, one.timeout_ms, one.started_ms, partitions])
}
