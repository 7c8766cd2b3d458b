//! Transactions step by step against an embedded cluster, on virtual time: what readers and the group have after each
//! step, who is fenced, and what is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_admin::{
    Admin, CommittedOffset, ErrorKind, Membership, OffsetSpec, Producer, TopicPartition, TransactionEnd,
    TransactionProtocol,
};
use kafka_conn::{CallOptions, IsolationLevel, Route};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{self, BatchBuilder, BatchOptions, Compressor};
use kafka_protocol::{ApiKey, ErrorCode};

const ID: &str = "transfers";
const MINUTE: Duration = Duration::from_secs(60);

fn cluster() -> Cluster {
    Cluster::builder().brokers(2).topic("t", 2, 1).start_in_memory().unwrap()
}

async fn admin(cluster: &Cluster) -> Admin {
    Admin::new(cluster.transport().await.unwrap())
}

fn place(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn offsets(offset: i64) -> BTreeMap<TopicPartition, CommittedOffset> {
    [(place(1), CommittedOffset::at(offset))].into()
}

/// Adds partition 0.
async fn add(admin: &Admin, producer: &Producer) -> kafka_admin::Result<()> {
    let mut outcomes = admin.add_partitions_to_transaction(producer, &[place(0)]).await?;
    outcomes.remove(0).result
}

/// Commits an offset of partition 1 in the name of a group.
async fn commit(admin: &Admin, producer: &Producer, offset: i64) -> kafka_admin::Result<()> {
    let reader = Membership::of_nobody("g");
    let mut outcomes = admin.commit_transaction_offsets(producer, &reader, &offsets(offset)).await?;
    outcomes.remove(0).result
}

/// Writes a record to partition 0.
async fn write(admin: &Admin, producer: &Producer, base_sequence: i32) -> ErrorCode {
    let identity = records::Producer { producer_id: producer.id, producer_epoch: producer.epoch, base_sequence };
    let mut batch = BatchBuilder::new(BatchOptions { producer: identity, transactional: true, ..Default::default() });
    batch.append(1_000, None, Some(b"value"), []).unwrap();
    let records = Some(batch.seal(&mut Compressor::default()).unwrap());
    let partition_data = vec![PartitionProduceData { records, ..Default::default() }];
    let request = ProduceRequest {
        transactional_id: Some(producer.transactional_id.clone()),
        acks: -1,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }],
        ..Default::default()
    };
    let options = CallOptions { max_version: Some(11), ..CallOptions::default() };
    let answer = admin.transport().call_with(&request, Route::Leader("t", 0), options).await.unwrap();
    ErrorCode(answer.responses[0].partition_responses[0].error_code)
}

/// Where partition 0 ends for readers of committed records, and what the group has committed.
async fn seen(admin: &Admin) -> (i64, Option<i64>) {
    let places = [(place(0), OffsetSpec::Latest)];
    let end = admin.list_offsets(&places, IsolationLevel::ReadCommitted).await.unwrap().remove(0).result.unwrap();
    let committed = admin.list_group_offsets("g", Some(&[place(1)])).await.unwrap().remove(&place(1)).flatten();
    (end.offset.unwrap(), committed.map(|committed| committed.offset))
}

fn kind<T: std::fmt::Debug>(result: kafka_admin::Result<T>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

#[tokio::test(start_paused = true)]
async fn records_and_offsets_are_there_once_it_is_committed_and_not_if_it_is_aborted() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let mut producer = admin.init_producer_id(ID, MINUTE).await.unwrap();
    let ends = [(TransactionEnd::Abort, (2, None)), (TransactionEnd::Commit, (4, Some(7)))];
    for (sequence, (end, after)) in (0..).zip(ends) {
        let before = seen(&admin).await;
        add(&admin, &producer).await.unwrap();
        assert_eq!(write(&admin, &producer, sequence).await, ErrorCode::NONE);
        admin.add_offsets_to_transaction(&producer, "g").await.unwrap();
        commit(&admin, &producer, 7).await.unwrap();
        assert_eq!(seen(&admin).await, before, "nobody sees what is open");
        let open = admin.describe_transactions(&[ID]).await.unwrap().remove(0).result.unwrap();
        assert_eq!((open.state.as_str(), open.partitions), ("Ongoing", vec![place(0)]));
        let next = admin.end_transaction(&producer, end).await.unwrap();
        assert_eq!(next, producer, "its epoch stays, with the first protocol");
        producer = next;
        assert_eq!(seen(&admin).await, after);
    }
    admin.end_transaction(&producer, TransactionEnd::Commit).await.expect("the answer may have been lost");
    assert_eq!(kind(admin.end_transaction(&producer, TransactionEnd::Abort).await), ErrorKind::InvalidTransactionState);
}

#[tokio::test(start_paused = true)]
async fn who_is_replaced_is_told_so_at_each_step() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let old = admin.init_producer_id(ID, MINUTE).await.unwrap();
    add(&admin, &old).await.unwrap();
    let new = admin.init_producer_id(ID, MINUTE).await.unwrap();
    assert_eq!((new.id, new.epoch > old.epoch), (old.id, true));
    assert_eq!(kind(add(&admin, &old).await), ErrorKind::ProducerFenced);
    assert_eq!(kind(admin.add_offsets_to_transaction(&old, "g").await), ErrorKind::ProducerFenced);
    assert_eq!(kind(commit(&admin, &old, 1).await), ErrorKind::ProducerFenced);
    assert_eq!(kind(admin.end_transaction(&old, TransactionEnd::Commit).await), ErrorKind::ProducerFenced);
    let fenced = admin.bump_producer_epoch(&old, MINUTE).await.unwrap_err();
    assert_eq!(fenced.kind(), &ErrorKind::ProducerFenced);
    assert!(fenced.to_string().starts_with(r#"transactional id "transfers": "#), "{fenced}");
    let bumped = admin.bump_producer_epoch(&new, MINUTE).await.unwrap();
    assert_eq!((bumped.id, bumped.epoch), (new.id, new.epoch + 1));
    add(&admin, &bumped).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_step_out_of_order_names_what_is_missing() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let producer = admin.init_producer_id(ID, MINUTE).await.unwrap();
    let ended = admin.end_transaction(&producer, TransactionEnd::Commit).await;
    assert_eq!(kind(ended), ErrorKind::InvalidTransactionState);
    let error = commit(&admin, &producer, 1).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidTransactionState);
    assert!(error.to_string().contains("add the partition or the group first"), "{error}");
    let places = [place(0), TopicPartition::new("nowhere", 0)];
    let outcomes = admin.add_partitions_to_transaction(&producer, &places).await.unwrap();
    let kinds: Vec<_> = outcomes.into_iter().map(|outcome| kind(outcome.result)).collect();
    assert_eq!(kinds, [ErrorKind::NotAttempted, ErrorKind::UnknownTopic]);
    assert!(admin.add_partitions_to_transaction(&producer, &[]).await.unwrap().is_empty());
    let state = admin.describe_transactions(&[ID]).await.unwrap().remove(0).result.unwrap().state;
    assert_eq!(state, "Empty", "it was not opened");
    let endless = admin.init_producer_id(ID, Duration::from_secs(3600)).await.unwrap_err();
    assert_eq!(endless.kind(), &ErrorKind::InvalidTransactionTimeout);
    assert!(endless.to_string().contains("transaction.max.timeout.ms"), "{endless}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_the_group_does_not_have_commits_nothing() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let producer = admin.init_producer_id(ID, MINUTE).await.unwrap();
    admin.add_offsets_to_transaction(&producer, "g").await.unwrap();
    let stranger = Membership { epoch: 3, ..Membership::joining("g") };
    let outcomes = admin.commit_transaction_offsets(&producer, &stranger, &offsets(1)).await.unwrap();
    assert_eq!(outcomes.into_iter().map(|outcome| kind(outcome.result)).collect::<Vec<_>>(), [ErrorKind::MemberFenced]);
    admin.end_transaction(&producer, TransactionEnd::Commit).await.unwrap();
    assert_eq!(seen(&admin).await.1, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_ending_is_waited_for_and_a_coordinator_that_moved_is_found() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let producer = admin.init_producer_id(ID, MINUTE).await.unwrap();
    cluster.inject(Fault::error(ApiKey::ADD_PARTITIONS_TO_TXN, ErrorCode::CONCURRENT_TRANSACTIONS).times(3));
    add(&admin, &producer).await.unwrap();
    assert_eq!(cluster.count(ApiKey::ADD_PARTITIONS_TO_TXN), 4);
    for broker in [1, 2] {
        cluster.move_coordinator_of_transactions(ID, broker);
        cluster.move_coordinator("g", broker);
        admin.add_offsets_to_transaction(&producer, "g").await.unwrap();
        commit(&admin, &producer, 5).await.unwrap();
    }
    cluster.move_coordinator_of_transactions(ID, 1);
    admin.end_transaction(&producer, TransactionEnd::Commit).await.unwrap();
    assert_eq!(seen(&admin).await.1, Some(5));
    cluster.inject(Fault::error(ApiKey::ADD_OFFSETS_TO_TXN, ErrorCode::CONCURRENT_TRANSACTIONS).always());
    let error = admin.add_offsets_to_transaction(&producer, "g").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retriable()), (&ErrorKind::TransactionEnding, true));
}

#[tokio::test(start_paused = true)]
async fn the_second_protocol_is_not_asked_of_brokers_without_it() {
    let cluster = cluster();
    let admin = admin(&cluster).await;
    let producer = admin.init_producer_id(ID, MINUTE).await.unwrap();
    let producer = Producer { protocol: TransactionProtocol::V2, ..producer };
    assert_eq!(kind(admin.end_transaction(&producer, TransactionEnd::Abort).await), ErrorKind::NotOffered);
    assert_eq!(kind(commit(&admin, &producer, 1).await), ErrorKind::NotOffered);
    assert_eq!((cluster.count(ApiKey::END_TXN), cluster.count(ApiKey::TXN_OFFSET_COMMIT)), (0, 0));
}
