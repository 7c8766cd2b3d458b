//! Members of groups of each protocol, as few heartbeats as it takes.

use std::time::Duration;

use kafka_admin::{
    AcknowledgeType, Acknowledgement, AcquiredRecords, Admin, ConsumerHeartbeat, ErrorKind, HeartbeatAnswer,
    Membership, NewStreamsSubtopology, NewStreamsTopology, ShareAcknowledged, ShareFetch, ShareHeartbeat, ShareSession,
    StreamsHeartbeat, StreamsHeartbeatAnswer, StreamsInternalTopic, TopicIdPartition,
};
use kafka_conn::BrokerId;
use tokio::time::sleep;

use super::{Failure, Stage, check};

/// Joins a group of consumers that brokers balance (KIP-848), and stays until it has partitions.
pub(super) async fn consumer(admin: &Admin, group: &str, topic: &str) -> Result<HeartbeatAnswer, Failure> {
    let hello = ConsumerHeartbeat::joining(Membership::joining(group), [topic]);
    let mut answer = admin.consumer_group_heartbeat(&hello).await?;
    for _ in 0..MAX_HEARTBEATS {
        if answer.assignment.as_ref().is_some_and(|partitions| !partitions.is_empty()) {
            return Ok(answer);
        }
        sleep(PAUSE).await;
        answer = admin.consumer_group_heartbeat(&ConsumerHeartbeat::unchanged(answer.membership)).await?;
    }
    Err("a consumer is assigned nothing".into())
}

/// Joins a share group (KIP-932), and stays until it has partitions.
pub(super) async fn share(admin: &Admin, group: &str, topic: &str) -> Result<HeartbeatAnswer, Failure> {
    let hello = ShareHeartbeat::joining(Membership::joining(group), [topic]);
    let mut answer = admin.share_group_heartbeat(&hello).await?;
    for _ in 0..MAX_HEARTBEATS {
        if answer.assignment.as_ref().is_some_and(|partitions| !partitions.is_empty()) {
            return Ok(answer);
        }
        sleep(PAUSE).await;
        answer = admin.share_group_heartbeat(&ShareHeartbeat::unchanged(answer.membership)).await?;
    }
    Err("a member of a share group is assigned nothing".into())
}

pub(super) async fn share_leaves(admin: &Admin, member: &Membership) -> Result<(), Failure> {
    Ok(admin.share_group_heartbeat(&ShareHeartbeat::unchanged(member.leaving())).await.map(drop)?)
}

/// Takes the records of a partition from its leader, gives them back, takes them again, and says that all of them are done
/// with: what they are after each step. Returns the first and the last offset.
pub(super) async fn share_reads(
    stage: &Stage,
    admin: &Admin,
    member: &Membership,
    leader: BrokerId,
    partition: TopicIdPartition,
) -> Result<(i64, i64), Failure> {
    let (mut session, acquired) = takes(admin, ShareSession::new(member, leader), vec![partition]).await?;
    check(acquired.iter().all(|range| range.delivery_count == 1), || format!("the first time: {acquired:?}"))?;
    let all = |kind| acquired.iter().map(|range| range.acknowledge(partition, kind)).collect::<Vec<Acknowledgement>>();
    if stage.renews_locks() {
        let renewed = admin.share_acknowledge(&session, &all(AcknowledgeType::Renew)).await?;
        check(renewed.lock_timeout.is_some(), || format!("{renewed:?}"))?;
        session = acknowledged(renewed)?;
        // With a fetch, too.
        let acknowledgements = all(AcknowledgeType::Renew);
        let renewed = admin.share_fetch(&session, &ShareFetch { acknowledgements, ..ShareFetch::default() }).await?;
        check(renewed.acknowledged.iter().all(|outcome| outcome.is_ok()), || format!("{renewed:?}"))?;
        session = renewed.session;
    }
    session = acknowledged(admin.share_acknowledge(&session, &all(AcknowledgeType::Release)).await?)?;
    let late = admin.share_acknowledge(&session, &all(AcknowledgeType::Accept)).await?;
    let refused =
        late.partitions.first().and_then(|outcome| outcome.result.as_ref().err()).map(kafka_admin::Error::kind);
    check(refused == Some(&ErrorKind::InvalidRecordState), || format!("accepted once they are given back: {late:?}"))?;
    session = late.session;
    let (session, again) = takes(admin, session, Vec::new()).await?;
    check(again.iter().all(|range| range.delivery_count == 2), || format!("the second time: {again:?}"))?;
    let acknowledgements = all(AcknowledgeType::Accept);
    let fetch = ShareFetch { acknowledgements, max_wait: Duration::ZERO, ..ShareFetch::default() };
    let done = admin.share_fetch(&session, &fetch).await?;
    let told = done.acknowledged.iter().map(|outcome| (outcome.item, outcome.is_ok())).collect::<Vec<_>>();
    check(told == [(partition, true)], || format!("accepted: {told:?}"))?;
    admin.share_acknowledge(&done.session.ending(), &[]).await?;
    let lost = admin.share_acknowledge(&done.session, &[]).await.err();
    let lost_kind = lost.as_ref().map(kafka_admin::Error::kind);
    check(lost_kind == Some(&ErrorKind::ShareSessionLost), || format!("a session that has ended: {lost:?}"))?;
    let (first, last) = acquired.first().zip(acquired.last()).ok_or("nothing acquired")?;
    Ok((first.first_offset, last.last_offset))
}

/// Fetches until records come.
async fn takes(
    admin: &Admin,
    mut session: ShareSession,
    partitions: Vec<TopicIdPartition>,
) -> Result<(ShareSession, Vec<AcquiredRecords>), Failure> {
    // The session knows its partitions from the first request on.
    let mut fetch = ShareFetch { partitions, ..ShareFetch::default() };
    for _ in 0..MAX_HEARTBEATS {
        let fetched = admin.share_fetch(&session, &fetch).await?;
        (session, fetch) = (fetched.session, ShareFetch::default());
        for outcome in fetched.partitions {
            let records = outcome.result?;
            if !records.acquired.is_empty() {
                check(!records.records.is_empty(), || "records without bytes".to_owned())?;
                return Ok((session, records.acquired));
            }
        }
    }
    Err("no records to share".into())
}

fn acknowledged(answer: ShareAcknowledged) -> Result<ShareSession, Failure> {
    for outcome in answer.partitions {
        outcome.result?;
    }
    Ok(answer.session)
}

/// Joins a group of a Streams application (KIP-1071) that counts what is in `topic`.
pub(super) async fn streams(admin: &Admin, group: &str, topic: &str) -> Result<StreamsHeartbeatAnswer, Failure> {
    let changelog =
        StreamsInternalTopic { name: format!("{group}-counts-changelog").into(), ..StreamsInternalTopic::default() };
    let part = NewStreamsSubtopology {
        id: "0".into(),
        source_topics: vec![topic.into()],
        changelog_topics: vec![changelog],
        copartition_groups: vec![vec![topic.into()]],
        ..NewStreamsSubtopology::default()
    };
    let topology = NewStreamsTopology { epoch: 3, subtopologies: vec![part] };
    let hello = StreamsHeartbeat {
        client_tags: Some([("zone".into(), "a".into())].into()),
        ..StreamsHeartbeat::joining(Membership::joining(group), topology, "process")
    };
    Ok(admin.streams_group_heartbeat(&hello).await?)
}

pub(super) async fn streams_leaves(admin: &Admin, member: &Membership) -> Result<(), Failure> {
    Ok(admin.streams_group_heartbeat(&StreamsHeartbeat::unchanged(member.leaving())).await.map(drop)?)
}

const MAX_HEARTBEATS: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);
