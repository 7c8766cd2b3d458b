//! Share sessions (KIP-932): a member of a share group takes records from the leaders of partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kafka_conn::{BrokerId, CallOptions, SendOptions};
use kafka_protocol::messages::share_fetch::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic, PartitionData, ShareFetchRequest,
};
use kafka_protocol::{Request, Uuid};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::{Attempts, duration, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::membership::Membership;
use crate::outcome::Outcome;
use crate::resource::{Resource, TopicIdPartition, by_topic_id};
use crate::share_acknowledgements::{Acknowledgement, by_partition, is_renewal};

/// What a member of a share group has with one broker: the partitions that it fetches from it, and the records that it
/// was given and has not acknowledged.
///
/// Each request is one step of it, and its answer has the session to go on with. After an error, or where an answer was
/// not awaited, nobody knows at which step it is: [`new`](Self::new) begins another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSession {
    /// The group.
    pub group: SmolStr,
    /// The member's id.
    pub member_id: SmolStr,
    /// The broker.
    pub broker: BrokerId,
    /// The number of its next request: 0 begins it, -1 ends it.
    pub epoch: i32,
}

impl ShareSession {
    /// Of a member with a broker, about to begin. It begins with a [fetch](Admin::share_fetch) that names its
    /// partitions.
    pub fn new(member: &Membership, broker: BrokerId) -> Self {
        Self { group: member.group.clone(), member_id: member.member_id.clone(), broker, epoch: BEGIN }
    }

    /// The same, to end with the next request: what is not acknowledged is others' to have.
    #[must_use]
    pub fn ending(&self) -> Self {
        Self { epoch: END, ..self.clone() }
    }

    /// After a request.
    pub(crate) fn next(&self) -> Self {
        let epoch = match self.epoch {
            END => BEGIN,
            // Never 0 again.
            epoch => epoch.checked_add(1).unwrap_or(1),
        };
        Self { epoch, ..self.clone() }
    }

    /// What went wrong, for the group.
    pub(crate) fn about(&self, error: Error) -> Error {
        error.about(Resource::Group(self.group.clone()))
    }
}

/// What to fetch for a member of a share group. Leave what does not matter at its default, with
/// `..ShareFetch::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareFetch {
    /// Partitions that the session shall have from now on. Default: those that it has.
    pub partitions: Vec<TopicIdPartition>,
    /// Partitions that it shall have no more. Default: none.
    pub forgotten: Vec<TopicIdPartition>,
    /// What became of records that came before. Default: nothing. With a [`Renew`](crate::AcknowledgeType::Renew) among
    /// them, no records come.
    pub acknowledgements: Vec<Acknowledgement>,
    /// How long the broker may wait for `min_bytes`. Default: 500 ms (`fetch.max.wait.ms`).
    pub max_wait: Duration,
    /// How many bytes are worth an answer at once. Default: 1 (`fetch.min.bytes`).
    pub min_bytes: i32,
    /// How many bytes come at most, but for a first batch that is larger. Default: 50 MiB (`fetch.max.bytes`).
    pub max_bytes: i32,
    /// How many records come at most. Default: 500 (`max.poll.records`).
    pub max_records: i32,
    /// How many records are given together, where the broker can choose. Default: 500.
    pub batch_size: i32,
    /// How strictly `max_records` holds (`share.acquire.mode`).
    pub acquire_mode: ShareAcquireMode,
}

impl Default for ShareFetch {
    fn default() -> Self {
        Self {
            partitions: Vec::new(),
            forgotten: Vec::new(),
            acknowledgements: Vec::new(),
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 << 20,
            max_records: 500,
            batch_size: 500,
            acquire_mode: ShareAcquireMode::BatchOptimized,
        }
    }
}

/// How strictly a share fetch keeps to its number of records (KIP-1206).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareAcquireMode {
    /// Batches are given whole, even where they have more records.
    #[default]
    BatchOptimized,
    /// No more records are given than that (Kafka 4.2 and later).
    RecordLimit,
}

/// What a share fetch brought.
#[derive(Clone, Debug)]
pub struct ShareFetched {
    /// The session to go on with.
    pub session: ShareSession,
    /// How long the member has the records to itself.
    pub lock_timeout: Duration,
    /// What came, by partition; those without news are left out.
    pub partitions: Vec<Outcome<SharedRecords, TopicIdPartition>>,
    /// What became of the acknowledgements, for each partition that had any.
    pub acknowledged: Vec<Outcome<(), TopicIdPartition>>,
}

/// Records of a partition for a member of a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRecords {
    /// Batches as they are on the wire, to be read with `kafka_protocol::records`. They may have more records than are
    /// the member's.
    pub records: Bytes,
    /// Which of them are the member's.
    pub acquired: Vec<AcquiredRecords>,
}

/// A range of records that a member of a share group was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquiredRecords {
    /// The first offset.
    pub first_offset: i64,
    /// The last offset.
    pub last_offset: i64,
    /// How often they were given to a member, this time included.
    pub delivery_count: i16,
}

impl Admin {
    /// Takes records for a member of a share group from the broker of its session, and acknowledges earlier ones
    /// (ShareFetch, Kafka 4.1 and later). The broker has to lead the partitions. It is tried once.
    ///
    /// ```no_run
    /// # async fn example(admin: kafka_admin::Admin, leader: kafka_conn::BrokerId) -> kafka_admin::Result<()> {
    /// use kafka_admin::{AcknowledgeType, Membership, ShareFetch, ShareHeartbeat, ShareSession};
    ///
    /// let hello = ShareHeartbeat::joining(Membership::joining("billing"), ["orders"]);
    /// let member = admin.share_group_heartbeat(&hello).await?;
    /// let partitions = member.assignment.unwrap_or_default(); // … those that `leader` leads.
    /// let session = ShareSession::new(&member.membership, leader);
    /// let fetch = ShareFetch { partitions, ..ShareFetch::default() };
    /// let fetched = admin.share_fetch(&session, &fetch).await?;
    /// let mut done = Vec::new();
    /// for outcome in fetched.partitions {
    ///     let records = outcome.result?;
    ///     done.extend(records.acquired.iter().map(|range| range.acknowledge(outcome.item, AcknowledgeType::Accept)));
    /// }
    /// let acknowledged = admin.share_acknowledge(&fetched.session, &done).await?;
    /// admin.share_acknowledge(&acknowledged.session.ending(), &[]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Per partition: [`UnknownTopic`](ErrorKind::UnknownTopic), [`NotLeader`](ErrorKind::NotLeader),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized), and for acknowledgements
    /// [`InvalidRecordState`](ErrorKind::InvalidRecordState). For all:
    /// [`ShareSessionLost`](ErrorKind::ShareSessionLost), [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Broker`](ErrorKind::Broker) with `SHARE_SESSION_LIMIT_REACHED`, [`NotOffered`](ErrorKind::NotOffered),
    /// [`Connection`](ErrorKind::Connection).
    pub async fn share_fetch(&self, session: &ShareSession, fetch: &ShareFetch) -> Result<ShareFetched> {
        let max_wait_ms = millis(fetch.max_wait).min(Attempts::new(self).timeout_ms());
        let (request, min_version) = fetch_request(session, fetch, max_wait_ms);
        let answered = self.ask_broker(session.broker, &request, min_version).await;
        let response = answered.map_err(|error| session.about(error))?;
        Error::check(response.error_code, response.error_message.as_ref()).map_err(|error| session.about(error))?;
        let answers = response.responses.into_iter().flat_map(|topic| {
            let at =
                move |answer: PartitionData| (TopicIdPartition::new(topic.topic_id, answer.partition_index), answer);
            topic.partitions.into_iter().map(at)
        });
        let answers: BTreeMap<_, _> = answers.collect();
        let acknowledged = fetch.acknowledgements.iter().map(|one| one.partition).collect::<BTreeSet<_>>();
        let acknowledged = acknowledged.into_iter().map(|partition| {
            let read = |answer: &PartitionData| {
                Error::check(answer.acknowledge_error_code, answer.acknowledge_error_message.as_ref())
            };
            outcome(partition, answers.get(&partition).map(read))
        });
        Ok(ShareFetched {
            session: session.next(),
            lock_timeout: duration(response.acquisition_lock_timeout_ms),
            acknowledged: acknowledged.collect(),
            partitions: answers
                .into_iter()
                .map(|(partition, answer)| outcome(partition, Some(shared(answer))))
                .collect(),
        })
    }

    /// Sends a request to a broker that has at least this version.
    pub(crate) async fn ask_broker<R: Request>(
        &self,
        broker: BrokerId,
        request: &R,
        least: Option<i16>,
    ) -> Result<R::Response> {
        let call = CallOptions { min_version: least, ..CallOptions::default() };
        let options = SendOptions { broker: Some(broker), call };
        Ok(self.client().send_with(request, options).await?.complete()?)
    }
}

/// The request, and the oldest version that can say it.
fn fetch_request(session: &ShareSession, fetch: &ShareFetch, max_wait_ms: i32) -> (ShareFetchRequest, Option<i16>) {
    let is_renewal = is_renewal(&fetch.acknowledgements);
    // A renewal is refused where there is room for records.
    let room = |limit: i32| if is_renewal { 0 } else { limit };
    let mut batches = by_partition(&fetch.acknowledgements, |one, kind| AcknowledgementBatch {
        first_offset: one.first_offset,
        last_offset: one.last_offset,
        acknowledge_types: vec![kind],
        ..AcknowledgementBatch::default()
    });
    let partitions: Vec<_> = fetch.partitions.iter().chain(batches.keys()).copied().collect();
    let mut topic = |(topic_id, indexes): (Uuid, BTreeSet<i32>)| {
        let partition = |partition_index| FetchPartition {
            partition_index,
            acknowledgement_batches: batches
                .remove(&TopicIdPartition::new(topic_id, partition_index))
                .unwrap_or_default(),
            ..FetchPartition::default()
        };
        FetchTopic { topic_id, partitions: indexes.into_iter().map(partition).collect(), ..FetchTopic::default() }
    };
    let forgotten = |(topic_id, indexes): (Uuid, BTreeSet<i32>)| ForgottenTopic {
        topic_id,
        partitions: indexes.into_iter().collect(),
        ..ForgottenTopic::default()
    };
    let request = ShareFetchRequest {
        group_id: Some(session.group.clone()),
        member_id: Some(session.member_id.clone()),
        share_session_epoch: session.epoch,
        max_wait_ms: room(max_wait_ms),
        min_bytes: room(fetch.min_bytes),
        max_bytes: room(fetch.max_bytes),
        max_records: room(fetch.max_records),
        batch_size: fetch.batch_size,
        share_acquire_mode: i8::from(fetch.acquire_mode == ShareAcquireMode::RecordLimit),
        is_renew_ack: is_renewal,
        topics: by_topic_id(&partitions).into_iter().map(&mut topic).collect(),
        forgotten_topics_data: by_topic_id(&fetch.forgotten).into_iter().map(forgotten).collect(),
        ..ShareFetchRequest::default()
    };
    let is_new = is_renewal || fetch.acquire_mode == ShareAcquireMode::RecordLimit;
    (request, is_new.then_some(FIRST_WITH_RENEWAL))
}

fn shared(answer: PartitionData) -> Result<SharedRecords> {
    Error::check(answer.error_code, answer.error_message.as_ref())?;
    let acquired = answer.acquired_records.into_iter().map(|range| AcquiredRecords {
        first_offset: range.first_offset,
        last_offset: range.last_offset,
        delivery_count: range.delivery_count,
    });
    Ok(SharedRecords { records: answer.records, acquired: acquired.collect() })
}

/// What a partition was answered, if it was.
pub(crate) fn outcome<T>(partition: TopicIdPartition, answered: Option<Result<T>>) -> Outcome<T, TopicIdPartition> {
    let result = answered.unwrap_or_else(|| Err(Error::new(ErrorKind::NoAnswer)));
    Outcome::new(partition, result.map_err(|error| error.about(Resource::PartitionById(partition))))
}

const BEGIN: i32 = 0;
const END: i32 = -1;
/// ShareFetch and ShareAcknowledge: the version that knows renewals and how to acquire.
pub(crate) const FIRST_WITH_RENEWAL: i16 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share_acknowledgements::AcknowledgeType;

    fn session(epoch: i32) -> ShareSession {
        ShareSession { epoch, ..ShareSession::new(&Membership::joining("g"), BrokerId(1)) }
    }

    #[test]
    fn a_session_counts_on_and_begins_only_once() {
        let next = |epoch| session(epoch).next().epoch;
        assert_eq!([next(0), next(1), next(i32::MAX), session(7).ending().next().epoch], [1, 2, 1, 0]);
    }

    #[test]
    fn a_renewal_leaves_no_room_for_records_and_needs_a_new_broker() {
        let range = AcquiredRecords { first_offset: 0, last_offset: 1, delivery_count: 1 };
        let partition = TopicIdPartition::new(Uuid::from_bytes([1; 16]), 0);
        let renewal = vec![range.acknowledge(partition, AcknowledgeType::Renew)];
        let fetch = ShareFetch { acknowledgements: renewal, ..ShareFetch::default() };
        let (request, min_version) = fetch_request(&session(1), &fetch, 500);
        let limits = [request.max_wait_ms, request.min_bytes, request.max_bytes, request.max_records];
        assert_eq!((limits, request.is_renew_ack, min_version), ([0; 4], true, Some(2)));
        let (request, min_version) = fetch_request(&session(1), &ShareFetch::default(), 500);
        assert_eq!((request.max_wait_ms, request.max_records, min_version), (500, 500, None));
    }
}
