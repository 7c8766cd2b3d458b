//! A transaction, step by step (KIP-98): a producer's id, what belongs to the transaction, and its end.
//!
//! ```text
//!  init_producer_id ──► add_partitions_to_transaction ──► (write) ──┐
//!        Producer                                                   ├──► end_transaction ──► the Producer to go on with
//!                       add_offsets_to_transaction ──► commit_transaction_offsets
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_conn::CallOptions;
use kafka_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use kafka_protocol::messages::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use kafka_protocol::messages::end_txn::EndTxnRequest;
use kafka_protocol::messages::init_producer_id::InitProducerIdRequest;
use kafka_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::{ErrorCode, Request};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::admin::Admin;
use crate::by_partition::{ByPartition, no_answer};
use crate::call::{Attempts, millis};
use crate::error::{Error, Result};
use crate::group_offsets::CommittedOffset;
use crate::membership::Membership;
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicPartition, by_topic};

/// A producer of transactions, as its coordinator knows it: each step of a transaction names it, and each batch that it
/// writes has its id and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its transactional id, which others take over by asking for it (`transactional.id`).
    pub transactional_id: SmolStr,
    /// Its producer id.
    pub id: i64,
    /// Its epoch: whoever has a lower one is fenced.
    pub epoch: i16,
    /// How its transactions are made: [`V1`](TransactionProtocol::V1), unless it is set to be otherwise.
    pub protocol: TransactionProtocol,
}

/// How transactions are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionProtocol {
    /// As every broker takes it: what is written to is added first, and the epoch stays from one transaction to the
    /// next.
    #[default]
    V1,
    /// As brokers take it where the feature `transaction.version` is 2 or more (KIP-890, Kafka 4.0 and later;
    /// [`describe_features`](Admin::describe_features) tells): nothing has to be added, as leaders do that for a
    /// Produce of version 12 and the group's coordinator for offsets, and each end raises the epoch.
    V2,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// What it wrote can be read, and the offsets are the group's.
    Commit,
    /// Nobody who reads committed records sees what it wrote, and the group's offsets stay.
    Abort,
}

impl Admin {
    /// Gives a transactional id to a new producer (InitProducerId). What another had open under it is aborted, and that
    /// one is fenced. A transaction that is open for longer than `transaction_timeout` is aborted
    /// (`transaction.timeout.ms`; brokers take up to `transaction.max.timeout.ms`, 15 minutes by default).
    ///
    /// ```no_run
    /// # async fn example(admin: kafka_admin::Admin) -> kafka_admin::Result<()> {
    /// use std::time::Duration;
    ///
    /// use kafka_admin::{CommittedOffset, Membership, TopicPartition, TransactionEnd};
    ///
    /// let producer = admin.init_producer_id("transfers", Duration::from_secs(60)).await?;
    /// for outcome in admin.add_partitions_to_transaction(&producer, &[TopicPartition::new("orders", 0)]).await? {
    ///     outcome.result?;
    /// }
    /// // … write batches with `producer.id` and `producer.epoch` …
    /// let reader = Membership::of_nobody("billing");
    /// let offsets = [(TopicPartition::new("payments", 0), CommittedOffset::at(42))].into();
    /// admin.add_offsets_to_transaction(&producer, &reader.group).await?;
    /// for outcome in admin.commit_transaction_offsets(&producer, &reader, &offsets).await? {
    ///     outcome.result?;
    /// }
    /// let producer = admin.end_transaction(&producer, TransactionEnd::Commit).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`TransactionEnding`](crate::ErrorKind::TransactionEnding)
    /// where what was open has not ended in time,
    /// [`InvalidTransactionTimeout`](crate::ErrorKind::InvalidTransactionTimeout),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn init_producer_id(&self, transactional_id: &str, transaction_timeout: Duration) -> Result<Producer> {
        let transactional_id = SmolStr::new(transactional_id);
        let request = InitProducerIdRequest {
            transactional_id: Some(transactional_id.clone()),
            transaction_timeout_ms: millis(transaction_timeout),
            ..InitProducerIdRequest::default()
        };
        let (id, epoch) = self.init(|_| request.clone(), CallOptions::default()).await?;
        Ok(Producer { transactional_id, id, epoch, protocol: TransactionProtocol::V1 })
    }

    /// Gives a producer a higher epoch, after an error in which batches were lost (InitProducerId, KIP-360, Kafka 2.5
    /// and later). What it has open is aborted.
    ///
    /// # Errors
    /// [`ProducerFenced`](crate::ErrorKind::ProducerFenced) where another one has its transactional id by now,
    /// [`NotOffered`](crate::ErrorKind::NotOffered), and those of [`init_producer_id`](Self::init_producer_id).
    pub async fn bump_producer_epoch(&self, producer: &Producer, transaction_timeout: Duration) -> Result<Producer> {
        let request = InitProducerIdRequest {
            transactional_id: Some(producer.transactional_id.clone()),
            transaction_timeout_ms: millis(transaction_timeout),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..InitProducerIdRequest::default()
        };
        let options = CallOptions { min_version: Some(FIRST_WITH_PRODUCER), ..CallOptions::default() };
        let (id, epoch) = self.init(|_| request.clone(), options).await?;
        Ok(Producer { id, epoch, ..producer.clone() })
    }

    /// Adds partitions to the transaction of a producer, which opens it (AddPartitionsToTxn, in the versions for
    /// clients). It is all or nothing. The outcomes are in the order of `partitions`.
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), and for the others then
    /// [`NotAttempted`](crate::ErrorKind::NotAttempted); [`ProducerFenced`](crate::ErrorKind::ProducerFenced),
    /// [`TransactionEnding`](crate::ErrorKind::TransactionEnding). For all:
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn add_partitions_to_transaction(
        &self,
        producer: &Producer,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let topic = |(name, partitions)| AddPartitionsToTxnTopic { name, partitions, ..Default::default() };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: producer.transactional_id.clone(),
            v3_and_below_producer_id: producer.id,
            v3_and_below_producer_epoch: producer.epoch,
            v3_and_below_topics: by_topic(partitions).into_iter().map(topic).collect(),
            ..AddPartitionsToTxnRequest::default()
        };
        let options = CallOptions { max_version: Some(LAST_FOR_CLIENTS), ..CallOptions::default() };
        let ask = self.ask_while_ending(
            |_| request.clone(),
            options,
            |response| {
                let topics = response.results_by_topic_v3_and_below.iter();
                let codes =
                    topics.flat_map(|topic| &topic.results_by_partition).map(|answer| answer.partition_error_code);
                (any_ending(codes), response.throttle_time_ms)
            },
        );
        let response = ask.await.map_err(|error| about(error, producer))?;
        let topics = response.results_by_topic_v3_and_below.into_iter();
        let answers = ByPartition::new(topics.map(|topic| (topic.name, topic.results_by_partition)), |answer| {
            answer.partition_index
        });
        Ok(answers.outcomes(partitions, |answer| Error::check(answer.partition_error_code, None), no_answer))
    }

    /// Adds the offsets of a group to the transaction of a producer, which opens it (AddOffsetsToTxn). With
    /// [`V2`](TransactionProtocol::V2) it is not needed.
    ///
    /// # Errors
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), for the id or the group,
    /// [`ProducerFenced`](crate::ErrorKind::ProducerFenced),
    /// [`TransactionEnding`](crate::ErrorKind::TransactionEnding), [`Connection`](crate::ErrorKind::Connection).
    pub async fn add_offsets_to_transaction(&self, producer: &Producer, group: &str) -> Result<()> {
        let request = AddOffsetsToTxnRequest {
            transactional_id: producer.transactional_id.clone(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            group_id: group.into(),
            ..AddOffsetsToTxnRequest::default()
        };
        let answered = self.ask_while_ending(
            |_| request.clone(),
            CallOptions::default(),
            |response| (response.error_code, response.throttle_time_ms),
        );
        let response = answered.await.map_err(|error| about(error, producer))?;
        Error::check(response.error_code, None).map_err(|error| about(error, producer))
    }

    /// Commits offsets of a group with the transaction of a producer: they are the group's once it is committed
    /// (TxnOffsetCommit, to the group's coordinator). A member of the group is fenced by its epoch or generation
    /// (KIP-447, Kafka 2.5 and later); [`of_nobody`](Membership::of_nobody) is not. The outcomes are by partition.
    ///
    /// # Errors
    /// Per partition: [`InvalidTransactionState`](crate::ErrorKind::InvalidTransactionState) where the group was not
    /// [added](Self::add_offsets_to_transaction), [`MemberFenced`](crate::ErrorKind::MemberFenced),
    /// [`ProducerFenced`](crate::ErrorKind::ProducerFenced), [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized),
    /// [`TransactionAbortable`](crate::ErrorKind::TransactionAbortable),
    /// [`TransactionEnding`](crate::ErrorKind::TransactionEnding). For all:
    /// [`NotOffered`](crate::ErrorKind::NotOffered), [`Connection`](crate::ErrorKind::Connection).
    pub async fn commit_transaction_offsets(
        &self,
        producer: &Producer,
        reader: &Membership,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<Vec<Outcome<(), TopicPartition>>> {
        let request = commit_request(producer, reader, offsets);
        let ask = self.ask_while_ending(
            |_| request.clone(),
            commit_options(producer, reader),
            |response| {
                let codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|answer| answer.error_code);
                (any_ending(codes), response.throttle_time_ms)
            },
        );
        let response = ask.await.map_err(|error| error.about(Resource::Group(reader.group.clone())))?;
        let topics = response.topics.into_iter().map(|topic| (topic.name, topic.partitions));
        let answers = ByPartition::new(topics, |answer| answer.partition_index);
        Ok(answers.outcomes(offsets.keys(), |answer| Error::check_member(answer.error_code, None), no_answer))
    }

    /// Ends the transaction of a producer (EndTxn). The answer is the producer to go on with, whose epoch is another
    /// with [`V2`](TransactionProtocol::V2).
    ///
    /// It is safe to ask for the same end again where an answer was lost.
    ///
    /// # Errors
    /// [`InvalidTransactionState`](crate::ErrorKind::InvalidTransactionState) where nothing is open, or it has ended
    /// otherwise, [`ProducerFenced`](crate::ErrorKind::ProducerFenced),
    /// [`TransactionAbortable`](crate::ErrorKind::TransactionAbortable),
    /// [`TransactionEnding`](crate::ErrorKind::TransactionEnding),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`NotOffered`](crate::ErrorKind::NotOffered),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn end_transaction(&self, producer: &Producer, end: TransactionEnd) -> Result<Producer> {
        let request = EndTxnRequest {
            transactional_id: producer.transactional_id.clone(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            committed: end == TransactionEnd::Commit,
            ..EndTxnRequest::default()
        };
        let code = |response: &<EndTxnRequest as Request>::Response| (response.error_code, response.throttle_time_ms);
        let answered = self.ask_while_ending(|_| request.clone(), producer.protocol.options(), code);
        let response = answered.await.map_err(|error| about(error, producer))?;
        Error::check(response.error_code, None).map_err(|error| about(error, producer))?;
        match response.producer_id {
            -1 => Ok(producer.clone()),
            id => Ok(Producer { id, epoch: response.producer_epoch, ..producer.clone() }),
        }
    }

    /// Asks for a producer id and its epoch; the request is told how many milliseconds its coordinator may take.
    pub(crate) async fn init(
        &self,
        request: impl Fn(i32) -> InitProducerIdRequest,
        options: CallOptions,
    ) -> Result<(i64, i16)> {
        let id = request(0).transactional_id.unwrap_or_default();
        let code =
            |response: &<InitProducerIdRequest as Request>::Response| (response.error_code, response.throttle_time_ms);
        let answered = self.ask_while_ending(request, options, code).await;
        let checked = answered.and_then(|response| Error::check(response.error_code, None).map(|()| response));
        let response = checked.map_err(|error| error.about(Resource::Transaction(id)))?;
        Ok((response.producer_id, response.producer_epoch))
    }

    /// Asks a coordinator, and again while the transaction before is still ending: then nothing was done.
    async fn ask_while_ending<R: Request>(
        &self,
        request: impl Fn(i32) -> R,
        options: CallOptions,
        code: impl Fn(&R::Response) -> (i16, i32),
    ) -> Result<R::Response> {
        let (mut attempts, began) = (Attempts::new(self), Instant::now());
        loop {
            let response = self.since(began).call_with(&request(attempts.timeout_ms()), options.clone()).await?;
            let (code, throttle_ms) = code(&response);
            let is_ending = ErrorCode(code) == ErrorCode::CONCURRENT_TRANSACTIONS;
            if !(is_ending && attempts.pause(throttle_ms).await) {
                return Ok(response);
            }
        }
    }
}

impl TransactionProtocol {
    /// The versions of TxnOffsetCommit and EndTxn that are of this protocol: both have their last ones of the first.
    fn options(self) -> CallOptions {
        match self {
            Self::V1 => CallOptions { max_version: Some(LAST_OF_V1), ..CallOptions::default() },
            Self::V2 => CallOptions { min_version: Some(LAST_OF_V1 + 1), ..CallOptions::default() },
        }
    }
}

fn commit_options(producer: &Producer, reader: &Membership) -> CallOptions {
    let options = producer.protocol.options();
    let for_member = reader.is_somebody().then_some(FIRST_WITH_MEMBER);
    CallOptions { min_version: options.min_version.max(for_member), ..options }
}

fn commit_request(
    producer: &Producer,
    reader: &Membership,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> TxnOffsetCommitRequest {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for (TopicPartition { topic, partition }, commit) in offsets {
        let commit = TxnOffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: commit.offset,
            committed_leader_epoch: commit.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(commit.metadata.clone()),
            ..TxnOffsetCommitRequestPartition::default()
        };
        match topics.last_mut().filter(|last| last.name == *topic) {
            Some(last) => last.partitions.push(commit),
            None => topics.push(TxnOffsetCommitRequestTopic {
                name: topic.clone(),
                partitions: vec![commit],
                ..TxnOffsetCommitRequestTopic::default()
            }),
        }
    }
    TxnOffsetCommitRequest {
        transactional_id: producer.transactional_id.clone(),
        group_id: reader.group.clone(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        generation_id: reader.epoch,
        member_id: reader.member_id.clone(),
        group_instance_id: reader.instance_id.clone(),
        topics,
        ..TxnOffsetCommitRequest::default()
    }
}

/// The code of an answer that has one for each partition: that the transaction before is ending, if one says so.
fn any_ending(mut codes: impl Iterator<Item = i16>) -> i16 {
    let ending = ErrorCode::CONCURRENT_TRANSACTIONS.0;
    if codes.any(|code| code == ending) { ending } else { ErrorCode::NONE.0 }
}

fn about(error: Error, producer: &Producer) -> Error {
    error.about(Resource::Transaction(producer.transactional_id.clone()))
}

/// AddPartitionsToTxn: later versions are for brokers.
const LAST_FOR_CLIENTS: i16 = 3;
/// TxnOffsetCommit and EndTxn: later versions are of the second protocol.
const LAST_OF_V1: i16 = 4;
/// TxnOffsetCommit: the version that lets the group fence its member.
const FIRST_WITH_MEMBER: i16 = 3;
/// InitProducerId: the version that lets a producer name itself.
const FIRST_WITH_PRODUCER: i16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(protocol: TransactionProtocol) -> Producer {
        Producer { transactional_id: "t".into(), id: 7, epoch: 1, protocol }
    }

    #[test]
    fn versions_are_those_of_the_protocol_and_of_what_is_said() {
        let versions = |protocol, reader: &Membership| {
            let options = commit_options(&producer(protocol), reader);
            (options.min_version, options.max_version)
        };
        let (nobody, member) = (Membership::of_nobody("g"), Membership::joining("g"));
        assert_eq!(versions(TransactionProtocol::V1, &nobody), (None, Some(4)));
        assert_eq!(versions(TransactionProtocol::V1, &member), (Some(3), Some(4)));
        assert_eq!(versions(TransactionProtocol::V2, &nobody), (Some(5), None));
        assert_eq!(versions(TransactionProtocol::V2, &member), (Some(5), None));
    }

    #[test]
    fn a_commit_names_each_topic_once_and_nobody_as_kafka_does() {
        let place = |topic, partition| TopicPartition::new(topic, partition);
        let offsets = [(place("b", 0), 3), (place("a", 1), 2), (place("a", 0), 1)];
        let offsets = offsets.map(|(place, offset)| (place, CommittedOffset::at(offset))).into();
        let request = commit_request(&producer(TransactionProtocol::V1), &Membership::of_nobody("g"), &offsets);
        let topics = request.topics.iter().map(|topic| {
            let offsets = topic.partitions.iter().map(|commit| (commit.partition_index, commit.committed_offset));
            (topic.name.as_str(), offsets.collect::<Vec<_>>())
        });
        assert_eq!(topics.collect::<Vec<_>>(), [("a", vec![(0, 1), (1, 2)]), ("b", vec![(0, 3)])]);
        let TxnOffsetCommitRequest { generation_id, member_id, group_instance_id, .. } = request;
        assert_eq!((generation_id, member_id.as_str(), group_instance_id), (-1, "", None));
    }
}
