//! Producers and transactions: those that are open, those that are fenced, those that hang (KIP-664).

use kafka_admin::{HangingTransaction, TopicPartition};
use serde_json::{Value, json};

use super::records::Transaction;
use super::{Failure, Stage, check, ours};

pub(super) async fn transactions(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "transactions", &[&[1, 2]]).await?;
    let transaction = Transaction::new(&admin, stage.name("transaction")).await?;
    transaction.add_partition(&admin, &topic).await?;
    transaction.write(&admin, &topic).await?;
    let ids = json!({ "ids": [transaction.id] });
    let described = stage.both_at_last(&admin, "transactions.describe", ids.clone()).await?;
    check(described[&transaction.id][0] == "Ongoing", || described.to_string())?;
    let place = json!({ "topic": topic, "partition": 0 });
    let producers = stage.both_at_last(&admin, "producers.describe", place.clone()).await?;
    check(producers[format!("{topic}-0")][0][4] == 0, || format!("it begins at 0: {producers}"))?;
    stage.both_at_last(&admin, "transactions.list", json!({})).await?;
    stage.both(&admin, "transactions.describe", json!({ "ids": ["no such id"] })).await?;

    let fenced = ours::call(&admin, "transactions.fence", &ids).await;
    check(fenced == json!({ &transaction.id: "ok" }), || fenced.to_string())?;
    let is_open = |answer: &Value| answer[&transaction.id][0] == "Ongoing";
    stage.until("transactions.describe", ids, |answer| !is_open(answer)).await?;
    let ended = |answer: &Value| answer[format!("{topic}-0")][0][4].is_null();
    stage.until("producers.describe", place, ended).await?;
    let late = transaction.write(&admin, &topic).await;
    check(late.is_err(), || "a producer that was fenced writes on".to_owned())?;

    let (next, group) = (Transaction::new(&admin, stage.name("transaction")).await?, stage.name("read"));
    next.commit(&admin, &group, &topic, 1).await?;
    let committed = |answer: &Value| answer[format!("{topic}-0")][0] == 1;
    stage.until("committed.list", json!({ "group": group }), committed).await.map(drop)
}

/// Its coordinator knows of no transaction, and the partition of one that nobody ends.
pub(super) async fn hanging(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "hanging", &[&[1, 2]]).await?;
    let transaction = Transaction::new(&admin, stage.name("hanging")).await?;
    transaction.write(&admin, &topic).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let place = json!({ "topic": topic, "partition": 0 });
    stage.both_at_last(&admin, "producers.describe", place.clone()).await?;
    let described = stage.both(&admin, "transactions.describe", json!({ "ids": [transaction.id] })).await?;
    check(described[&transaction.id][0] == "Empty", || described.to_string())?;
    let states = admin.describe_producers(std::slice::from_ref(&partition)).await?;
    let states = states.into_iter().next().ok_or("no outcome")?.result?;
    let state = states.first().filter(|state| state.transaction_start_offset == Some(0)).ok_or("nothing hangs")?;
    let hanging = HangingTransaction {
        partition,
        producer_id: state.producer_id,
        producer_epoch: i16::try_from(state.producer_epoch)?,
        coordinator_epoch: state.coordinator_epoch.unwrap_or_default(),
    };
    let stranger = json!({
        "topic": topic, "partition": 0, "producer": hanging.producer_id, "epoch": hanging.producer_epoch - 1,
        "coordinator": hanging.coordinator_epoch,
    });
    stage.both(&admin, "transactions.abort", stranger).await?;
    admin.abort_transaction(&hanging).await?;
    let ended = |answer: &Value| answer[format!("{topic}-0")][0][4].is_null();
    stage.until("producers.describe", place, ended).await.map(drop)
}
