//! What became of records that members of share groups were given (KIP-932).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::Uuid;
use kafka_protocol::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, PartitionData, ShareAcknowledgeRequest,
};

use crate::admin::Admin;
use crate::call::duration;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::resource::TopicIdPartition;
use crate::share_sessions::{AcquiredRecords, FIRST_WITH_RENEWAL, ShareSession, outcome};

/// What became of a range of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Their partition.
    pub partition: TopicIdPartition,
    /// The first offset.
    pub first_offset: i64,
    /// The last offset.
    pub last_offset: i64,
    /// What became of them.
    pub kind: AcknowledgeType,
}

/// What becomes of a record of a share group (Java's enum of that name).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgeType {
    /// There is none at these offsets.
    Gap,
    /// It is done with.
    Accept,
    /// It is to be given to a member again.
    Release,
    /// It is not to be given to anybody again.
    Reject,
    /// It is still being worked on: the member's lock on it begins anew (KIP-1222, Kafka 4.2 and later).
    Renew,
}

impl AcquiredRecords {
    /// What became of all of them.
    pub fn acknowledge(&self, partition: TopicIdPartition, kind: AcknowledgeType) -> Acknowledgement {
        Acknowledgement { partition, first_offset: self.first_offset, last_offset: self.last_offset, kind }
    }
}

/// What became of acknowledgements.
#[derive(Clone, Debug)]
pub struct ShareAcknowledged {
    /// The session to go on with.
    pub session: ShareSession,
    /// How long the member has records to itself that it renewed; `None` where the broker does not tell (before
    /// Kafka 4.2).
    pub lock_timeout: Option<Duration>,
    /// An outcome for each partition, in order.
    pub partitions: Vec<Outcome<(), TopicIdPartition>>,
}

impl Admin {
    /// Says what became of records that a member of a share group was given, and takes no others (ShareAcknowledge,
    /// Kafka 4.1 and later). It ends a session that is [ending](ShareSession::ending), and cannot begin one. It is
    /// tried once.
    ///
    /// # Errors
    /// Per partition: [`InvalidRecordState`](crate::ErrorKind::InvalidRecordState),
    /// [`UnknownTopic`](crate::ErrorKind::UnknownTopic), [`NotLeader`](crate::ErrorKind::NotLeader),
    /// [`NotAuthorized`](crate::ErrorKind::NotAuthorized). For all: those of [`share_fetch`](Self::share_fetch).
    pub async fn share_acknowledge(
        &self,
        session: &ShareSession,
        acknowledgements: &[Acknowledgement],
    ) -> Result<ShareAcknowledged> {
        let (request, min_version) = acknowledge_request(session, acknowledgements);
        let answered = self.ask_broker(session.broker, &request, min_version).await;
        let response = answered.map_err(|error| session.about(error))?;
        Error::check(response.error_code, response.error_message.as_ref()).map_err(|error| session.about(error))?;
        let answers = response.responses.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| (TopicIdPartition::new(topic.topic_id, one.partition_index), one))
        });
        let answers: BTreeMap<_, _> = answers.collect();
        let partitions = acknowledgements.iter().map(|one| one.partition).collect::<BTreeSet<_>>();
        let partitions = partitions.into_iter().map(|partition| {
            let read = |answer: &&PartitionData| Error::check(answer.error_code, answer.error_message.as_ref());
            outcome(partition, answers.get(&partition).map(read))
        });
        let lock_timeout = duration(response.acquisition_lock_timeout_ms);
        Ok(ShareAcknowledged {
            session: session.next(),
            lock_timeout: Some(lock_timeout).filter(|timeout| !timeout.is_zero()),
            partitions: partitions.collect(),
        })
    }
}

/// The request, and the oldest version that can say it.
fn acknowledge_request(
    session: &ShareSession,
    acknowledgements: &[Acknowledgement],
) -> (ShareAcknowledgeRequest, Option<i16>) {
    let batches = by_partition(acknowledgements, |one, kind| AcknowledgementBatch {
        first_offset: one.first_offset,
        last_offset: one.last_offset,
        acknowledge_types: vec![kind],
        ..AcknowledgementBatch::default()
    });
    let mut topics = BTreeMap::<Uuid, Vec<AcknowledgePartition>>::new();
    for (TopicIdPartition { topic_id, partition }, acknowledgement_batches) in batches {
        topics.entry(topic_id).or_default().push(AcknowledgePartition {
            partition_index: partition,
            acknowledgement_batches,
            ..AcknowledgePartition::default()
        });
    }
    let topic = |(topic_id, partitions)| AcknowledgeTopic { topic_id, partitions, ..AcknowledgeTopic::default() };
    let is_renewal = is_renewal(acknowledgements);
    let request = ShareAcknowledgeRequest {
        group_id: Some(session.group.clone()),
        member_id: Some(session.member_id.clone()),
        share_session_epoch: session.epoch,
        is_renew_ack: is_renewal,
        topics: topics.into_iter().map(topic).collect(),
        ..ShareAcknowledgeRequest::default()
    };
    (request, is_renewal.then_some(FIRST_WITH_RENEWAL))
}

/// Acknowledgements by partition and offset: brokers refuse them in another order.
pub(crate) fn by_partition<B>(
    acknowledgements: &[Acknowledgement],
    batch: impl Fn(&Acknowledgement, i8) -> B,
) -> BTreeMap<TopicIdPartition, Vec<B>> {
    let mut sorted: Vec<_> = acknowledgements.iter().collect();
    sorted.sort_by_key(|one| (one.partition, one.first_offset));
    let mut batches = BTreeMap::<_, Vec<B>>::new();
    for one in sorted {
        batches.entry(one.partition).or_default().push(batch(one, one.kind.code()));
    }
    batches
}

pub(crate) fn is_renewal(acknowledgements: &[Acknowledgement]) -> bool {
    acknowledgements.iter().any(|one| one.kind == AcknowledgeType::Renew)
}

impl AcknowledgeType {
    fn code(self) -> i8 {
        match self {
            Self::Gap => 0,
            Self::Accept => 1,
            Self::Release => 2,
            Self::Reject => 3,
            Self::Renew => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_conn::BrokerId;

    use super::*;
    use crate::membership::Membership;

    fn range(partition: i32, first_offset: i64, kind: AcknowledgeType) -> Acknowledgement {
        let partition = TopicIdPartition::new(Uuid::from_bytes([1; 16]), partition);
        Acknowledgement { partition, first_offset, last_offset: first_offset + 1, kind }
    }

    #[test]
    fn acknowledgements_are_by_partition_and_in_order() {
        let ranges = [range(1, 4, AcknowledgeType::Reject), range(0, 8, AcknowledgeType::Accept)];
        let ranges = [ranges[0], ranges[1], range(1, 0, AcknowledgeType::Release)];
        let session = ShareSession { epoch: 3, ..ShareSession::new(&Membership::joining("g"), BrokerId(1)) };
        let (request, min_version) = acknowledge_request(&session, &ranges);
        assert_eq!((request.share_session_epoch, request.topics.len(), min_version), (3, 1, None));
        let partitions = request.topics[0].partitions.iter().map(|partition| {
            let batches = partition.acknowledgement_batches.iter();
            batches.map(|one| (one.first_offset, one.acknowledge_types[0])).collect::<Vec<_>>()
        });
        assert_eq!(partitions.collect::<Vec<_>>(), [vec![(8, 1)], vec![(0, 2), (4, 3)]]);
    }
}
