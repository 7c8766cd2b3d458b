//! Producers and transactions: those that are open, those that are fenced, those that hang (KIP-664).

use kafka_admin::{
    Admin, CommittedOffset, ErrorKind, HangingTransaction, Membership, Outcome, Producer, TopicPartition,
    TransactionEnd, TransactionProtocol,
};
use serde_json::{Value, json};

use super::{Failure, Stage, check, ours, records};

pub(super) async fn transactions(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "transactions", &[&[1, 2]]).await?;
    fenced(&stage, &admin, &topic).await?;
    let group = stage.name("read");
    let producer = records::producer(&admin, &stage.name("transaction")).await?;
    for (offset, end) in [(1, TransactionEnd::Commit), (2, TransactionEnd::Abort)] {
        admin.add_offsets_to_transaction(&producer, &group).await?;
        commit(&admin, &producer, &group, &topic, offset).await?;
        let next = admin.end_transaction(&producer, end).await?;
        check(next == producer, || format!("its epoch stays: {next:?}"))?;
        // What was aborted is not the group's.
        committed(&stage, &group, &topic, 1).await?;
    }
    second_protocol(&stage, &admin, producer, &group, &topic).await
}

/// A transaction that is open, until its producer is fenced.
async fn fenced(stage: &Stage, admin: &Admin, topic: &str) -> Result<(), Failure> {
    let producer = records::producer(admin, &stage.name("transaction")).await?;
    let (id, partition) = (producer.transactional_id.as_str(), TopicPartition::new(topic, 0));
    done(admin.add_partitions_to_transaction(&producer, std::slice::from_ref(&partition)).await?)?;
    records::write_as(admin, topic, &producer).await?;
    let ids = json!({ "ids": [id] });
    let described = stage.both_at_last(admin, "transactions.describe", ids.clone()).await?;
    check(described[id][0] == "Ongoing", || described.to_string())?;
    let place = json!({ "topic": topic, "partition": 0 });
    let producers = stage.both_at_last(admin, "producers.describe", place.clone()).await?;
    check(producers[format!("{topic}-0")][0][4] == 0, || format!("it begins at 0: {producers}"))?;
    stage.both_at_last(admin, "transactions.list", json!({})).await?;
    stage.both(admin, "transactions.describe", json!({ "ids": ["no such id"] })).await?;

    let fenced = ours::call(admin, "transactions.fence", &ids).await;
    check(fenced == json!({ id: "ok" }), || fenced.to_string())?;
    let is_open = |answer: &Value| answer[id][0] == "Ongoing";
    stage.until("transactions.describe", ids, |answer| !is_open(answer)).await?;
    let ended = |answer: &Value| answer[format!("{topic}-0")][0][4].is_null();
    stage.until("producers.describe", place, ended).await?;
    let late = records::write_as(admin, topic, &producer).await;
    check(late.is_err(), || "a producer that was fenced writes on".to_owned())?;
    let late = admin.end_transaction(&producer, TransactionEnd::Commit).await;
    check(is(&late, &ErrorKind::ProducerFenced), || format!("a producer that was fenced: {late:?}"))?;
    let late = admin.bump_producer_epoch(&producer, std::time::Duration::from_secs(60)).await;
    check(is(&late, &ErrorKind::ProducerFenced), || format!("a producer that was fenced: {late:?}"))
}

/// Nothing has to be added, and the epoch is another after each end (KIP-890); older brokers do not offer it.
async fn second_protocol(
    stage: &Stage,
    admin: &Admin,
    producer: Producer,
    group: &str,
    topic: &str,
) -> Result<(), Failure> {
    let producer = Producer { protocol: TransactionProtocol::V2, ..producer };
    if !stage.is_new() {
        let refused = admin.end_transaction(&producer, TransactionEnd::Abort).await;
        return check(is(&refused, &ErrorKind::NotOffered), || format!("{refused:?}"));
    }
    records::write_as(admin, topic, &producer).await?;
    commit(admin, &producer, group, topic, 3).await?;
    let id = producer.transactional_id.as_str();
    let described = stage.both_at_last(admin, "transactions.describe", json!({ "ids": [id] })).await?;
    let partitions = described[id][5].to_string();
    let is_all = partitions.contains("__consumer_offsets-") && partitions.contains(&format!("{topic}-0"));
    check(described[id][0] == "Ongoing" && is_all, || described.to_string())?;
    let next = admin.end_transaction(&producer, TransactionEnd::Commit).await?;
    check((next.id, next.epoch) == (producer.id, producer.epoch + 1), || format!("{producer:?}, then {next:?}"))?;
    committed(stage, group, topic, 3).await?;
    let is_next = |answer: &Value| answer[id][0] == "CompleteCommit" && answer[id][2] == next.epoch;
    stage.until("transactions.describe", json!({ "ids": [id] }), is_next).await?;
    let late = commit(admin, &producer, group, topic, 4).await;
    check(late.is_err(), || "an epoch that is over commits on".to_owned())?;
    commit(admin, &next, group, topic, 5).await?;
    admin.end_transaction(&next, TransactionEnd::Abort).await?;
    committed(stage, group, topic, 3).await
}

/// Commits, with the transaction, that a group has read partition 0 up to `offset`.
async fn commit(admin: &Admin, producer: &Producer, group: &str, topic: &str, offset: i64) -> Result<(), Failure> {
    let offsets = [(TopicPartition::new(topic, 0), CommittedOffset::at(offset))].into();
    done(admin.commit_transaction_offsets(producer, &Membership::of_nobody(group), &offsets).await?)
}

/// Java sees that a group has committed this.
async fn committed(stage: &Stage, group: &str, topic: &str, offset: i64) -> Result<(), Failure> {
    let is_committed = |answer: &Value| answer[format!("{topic}-0")][0] == offset;
    stage.until("committed.list", json!({ "group": group }), is_committed).await.map(drop)
}

fn done<T>(outcomes: Vec<Outcome<T, TopicPartition>>) -> Result<(), Failure> {
    Ok(outcomes.into_iter().try_for_each(|outcome| outcome.result.map(drop))?)
}

fn is<T>(answer: &kafka_admin::Result<T>, kind: &ErrorKind) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == kind)
}

/// Its coordinator knows of no transaction, and the partition of one that nobody ends.
pub(super) async fn hanging(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let topic = stage.topic(&admin, "hanging", &[&[1, 2]]).await?;
    let producer = records::producer(&admin, &stage.name("hanging")).await?;
    records::write_as(&admin, &topic, &producer).await?;
    let id = producer.transactional_id.as_str();
    let partition = TopicPartition::new(topic.as_str(), 0);
    let place = json!({ "topic": topic, "partition": 0 });
    stage.both_at_last(&admin, "producers.describe", place.clone()).await?;
    let described = stage.both(&admin, "transactions.describe", json!({ "ids": [id] })).await?;
    check(described[id][0] == "Empty", || described.to_string())?;
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
