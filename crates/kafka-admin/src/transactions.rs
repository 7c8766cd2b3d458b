//! Producers and transactions (KIP-664): describe, list, abort what hangs, fence.

use std::collections::HashMap;

use kafka_conn::{CallOptions, Item, Route};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_producers::{DescribeProducersRequest, PartitionResponse, TopicRequest};
use kafka_protocol::messages::describe_transactions::{self, DescribeTransactionsRequest};
use kafka_protocol::messages::init_producer_id::InitProducerIdRequest;
use kafka_protocol::messages::list_transactions::ListTransactionsRequest;
use kafka_protocol::messages::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::by_partition::ByPartition;
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, by_topic};

/// A producer, as the leader of a partition knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The number of its last record; `None` where it wrote none that is remembered.
    pub last_sequence: Option<i32>,
    /// The timestamp of its last record, in milliseconds since 1970; `None` as above.
    pub last_timestamp_ms: Option<i64>,
    /// The epoch of the coordinator of its last transaction; `None` where it had none.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins; `None` where it has none.
    pub transaction_start_offset: Option<i64>,
}

/// Which transactions a list has. Default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// In these states, such as `Ongoing`. Empty: any.
    pub states: Vec<SmolStr>,
    /// Of these producers. Empty: any.
    pub producer_ids: Vec<i64>,
    /// That have been open for longer than this (KIP-994, Kafka 3.8 and later).
    pub open_for: Option<std::time::Duration>,
    /// Whose ids this regular expression of RE2 matches (KIP-1152, Kafka 4.1 and later).
    pub id_pattern: Option<SmolStr>,
}

/// A transaction as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionListing {
    /// Its transactional id.
    pub id: SmolStr,
    /// Its producer.
    pub producer_id: i64,
    /// Its state.
    pub state: SmolStr,
}

/// The transactions of a cluster, as far as they are known.
#[derive(Clone, Debug)]
pub struct TransactionList {
    /// The transactions, by id.
    pub transactions: Vec<TransactionListing>,
    /// The brokers that did not answer, each with the reason: the transactions that they coordinate are missing.
    pub missing: Vec<Error>,
}

/// A transaction, as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Its state: `Empty`, `Ongoing`, `PrepareCommit`, …
    pub state: SmolStr,
    /// Its producer.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// After how many milliseconds it is aborted.
    pub timeout_ms: i32,
    /// When it began, in milliseconds since 1970; `None` where none is open.
    pub started_ms: Option<i64>,
    /// The partitions that it has written to.
    pub partitions: Vec<TopicPartition>,
}

/// A transaction that hangs, to be aborted: [`describe_producers`](Admin::describe_producers) tells all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HangingTransaction {
    /// The partition in which it hangs.
    pub partition: TopicPartition,
    /// Its producer.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The epoch of its coordinator.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// The producers that the leaders of these partitions remember (DescribeProducers). The outcomes are in the order
    /// of `partitions`.
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](ErrorKind::UnknownTopic), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection) (brokers before Kafka 2.8 do not have it).
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Outcome<Vec<ProducerState>, TopicPartition>>> {
        let topic = |(name, partition_indexes)| TopicRequest { name, partition_indexes, ..TopicRequest::default() };
        let request = DescribeProducersRequest {
            topics: by_topic(partitions).into_iter().map(topic).collect(),
            ..DescribeProducersRequest::default()
        };
        let (response, failures) = self.send(&request).await?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        Ok(answers.outcomes(partitions, producers, |partition| failures.partition(partition)))
    }

    /// The transactions of the cluster (ListTransactions, asked of every broker).
    ///
    /// # Errors
    /// Where no broker could be asked; [`InvalidRequest`](ErrorKind::InvalidRequest) for a state that brokers do not
    /// know.
    pub async fn list_transactions(&self, filter: &TransactionFilter) -> Result<TransactionList> {
        let request = ListTransactionsRequest {
            state_filters: filter.states.clone(),
            producer_id_filters: filter.producer_ids.clone(),
            duration_filter: filter
                .open_for
                .map_or(-1, |duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
            transactional_id_pattern: filter.id_pattern.clone(),
            ..ListTransactionsRequest::default()
        };
        let (response, failures) = self.client().send(&request).await?.into_parts();
        Error::check(response.error_code, None)?;
        if let Some(state) = response.unknown_state_filters.first() {
            let what = smol_str::format_smolstr!("transaction state {state:?}");
            return Err(Error::new(ErrorKind::InvalidRequest).about(Resource::Other(what)));
        }
        let mut transactions: Vec<_> = response
            .transaction_states
            .into_iter()
            .map(|state| TransactionListing {
                id: state.transactional_id,
                producer_id: state.producer_id,
                state: state.transaction_state,
            })
            .collect();
        transactions.sort();
        let missing = failures.into_iter().map(|failure| {
            let error = Error::from(failure.error);
            if let Item::Broker(id) = failure.item { error.about(Resource::Broker(id)) } else { error }
        });
        Ok(TransactionList { transactions, missing: missing.collect() })
    }

    /// Describes transactions, each by its coordinator (DescribeTransactions). The outcomes are in the order of `ids`.
    ///
    /// # Errors
    /// Per id: [`NotFound`](ErrorKind::NotFound), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn describe_transactions(&self, ids: &[&str]) -> Result<Vec<Outcome<TransactionDescription>>> {
        let ids: Vec<_> = ids.iter().copied().map(SmolStr::new).collect();
        let request =
            DescribeTransactionsRequest { transactional_ids: ids.clone(), ..DescribeTransactionsRequest::default() };
        let (response, failures) = self.send(&request).await?;
        let answers: HashMap<_, _> =
            response.transaction_states.into_iter().map(|state| (state.transactional_id.clone(), state)).collect();
        let outcome = |id: &SmolStr| {
            let result = match answers.get(id) {
                Some(state) => described(state),
                None => Err(failures.transaction(id)),
            };
            Outcome::new(id.clone(), result.map_err(|error| error.about(Resource::Transaction(id.clone()))))
        };
        Ok(ids.iter().map(outcome).collect())
    }

    /// Aborts a transaction that hangs in a partition, though its coordinator knows of none (WriteTxnMarkers, to the
    /// partition's leader). **What it wrote there is lost to readers of committed records.**
    ///
    /// # Errors
    /// [`ProducerFenced`](ErrorKind::ProducerFenced), or [`Broker`](ErrorKind::Broker) with
    /// `TRANSACTION_COORDINATOR_FENCED`, where it is not the one that is open,
    /// [`UnknownTopic`](ErrorKind::UnknownTopic), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn abort_transaction(&self, transaction: &HangingTransaction) -> Result<()> {
        let TopicPartition { topic, partition } = &transaction.partition;
        let marker = WritableTxnMarker {
            producer_id: transaction.producer_id,
            producer_epoch: transaction.producer_epoch,
            transaction_result: false,
            topics: vec![WritableTxnMarkerTopic {
                name: topic.clone(),
                partition_indexes: vec![*partition],
                ..WritableTxnMarkerTopic::default()
            }],
            coordinator_epoch: transaction.coordinator_epoch.max(0),
            ..WritableTxnMarker::default()
        };
        let request = WriteTxnMarkersRequest { markers: vec![marker], ..WriteTxnMarkersRequest::default() };
        let mut attempts = Attempts::new(self);
        loop {
            let response = attempts.call(&request, Route::Leader(topic, *partition), None).await?;
            let topics = response.markers.into_iter().flat_map(|marker| marker.topics);
            let mut partitions = topics.filter(|answer| answer.name == *topic).flat_map(|answer| answer.partitions);
            let result = match partitions.find(|answer| answer.partition_index == *partition) {
                Some(answer) if ErrorCode(answer.error_code).needs_metadata_refresh() => {
                    if attempts.pause(0).await {
                        // If this fails, so will the next attempt, and say why.
                        let _refreshed = self.transport().refresh(&[topic]).await;
                        continue;
                    }
                    Error::check(answer.error_code, None)
                }
                Some(answer) => Error::check(answer.error_code, None),
                None => Err(Error::new(ErrorKind::NoAnswer)),
            };
            return result.map_err(|error| error.about(Resource::Partition(transaction.partition.clone())));
        }
    }

    /// Fences the producers of transactional ids: what they have open is aborted, and they may write no more
    /// (InitProducerId). The outcomes are in the order of `ids`: producer id and epoch that are in force from now on.
    ///
    /// # Errors
    /// Per id: [`NotAuthorized`](ErrorKind::NotAuthorized), [`Connection`](ErrorKind::Connection), …
    pub async fn fence_producers(&self, ids: &[&str]) -> Vec<Outcome<(i64, i16)>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids.iter().copied().map(SmolStr::new) {
            let result = self.fence(&id).await;
            outcomes.push(Outcome::new(id, result));
        }
        outcomes
    }

    async fn fence(&self, id: &SmolStr) -> Result<(i64, i16)> {
        let request = |timeout_ms: i32| InitProducerIdRequest {
            transactional_id: Some(id.clone()),
            // The coordinator takes it for the time that it has to write this down, too (KAFKA-16047).
            transaction_timeout_ms: timeout_ms.clamp(1, MAX_FENCE_TIMEOUT_MS),
            ..InitProducerIdRequest::default()
        };
        self.init(request, CallOptions::default()).await
    }
}

/// What brokers take by default (`transaction.max.timeout.ms`).
const MAX_FENCE_TIMEOUT_MS: i32 = 60_000;

fn producers(answer: &PartitionResponse) -> Result<Vec<ProducerState>> {
    Error::check(answer.error_code, answer.error_message.as_ref())?;
    let state = |state: &kafka_protocol::messages::describe_producers::ProducerState| ProducerState {
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        last_sequence: (state.last_sequence >= 0).then_some(state.last_sequence),
        last_timestamp_ms: (state.last_timestamp >= 0).then_some(state.last_timestamp),
        coordinator_epoch: (state.coordinator_epoch >= 0).then_some(state.coordinator_epoch),
        transaction_start_offset: (state.current_txn_start_offset >= 0).then_some(state.current_txn_start_offset),
    };
    Ok(answer.active_producers.iter().map(state).collect())
}

fn described(state: &describe_transactions::TransactionState) -> Result<TransactionDescription> {
    Error::check(state.error_code, None)?;
    let partitions = state.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| TopicPartition::new(topic.topic.clone(), *partition))
    });
    Ok(TransactionDescription {
        state: state.transaction_state.clone(),
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        timeout_ms: state.transaction_timeout_ms,
        started_ms: (state.transaction_start_time_ms >= 0).then_some(state.transaction_start_time_ms),
        partitions: partitions.collect(),
    })
}
