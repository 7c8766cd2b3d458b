//! Members of groups against an embedded cluster, on virtual time: joining, sharing, commits, handing over.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_conn::Message;
use kafka_embedded::Cluster;
use kafka_protocol::ApiKey;
use kafka_reader::{Assignor, CooperativeStickyAssignor, ErrorKind, GroupConfig, RangeAssignor, Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};
use tokio::time::{Instant, timeout};

type Outcome = Result<(), Box<dyn Error>>;

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 4;
const MINUTE: Duration = Duration::from_secs(60);

fn cluster() -> Result<Cluster, kafka_embedded::StartError> {
    Cluster::builder().brokers(3).topic(TOPIC, PARTITIONS, 3).start_in_memory()
}

fn group() -> GroupConfig {
    GroupConfig { group_id: "g".into(), topics: [TOPIC].into(), ..GroupConfig::default() }
}

async fn member(cluster: &Cluster, group: GroupConfig) -> Result<Reader, Box<dyn Error>> {
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    Ok(Reader::new(cluster.transport().await?, config).await?)
}

/// Writes these numbers, round the partitions.
async fn write(cluster: &Cluster, numbers: std::ops::Range<i32>) -> Outcome {
    let config = WriterConfig { topic: Some(TOPIC.into()), ..WriterConfig::default() };
    let writer = Writer::new(cluster.transport().await?, config)?;
    for number in numbers {
        let value = Some(Bytes::from(number.to_string()));
        drop(writer.send(Message { key: value.clone(), value, ..Message::default() }).await?);
    }
    writer.close().await?;
    Ok(())
}

fn number(message: &Message) -> i32 {
    std::str::from_utf8(message.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

fn assigned(reader: &Reader) -> BTreeSet<i32> {
    reader.positions().map(|(partition, _)| partition.partition).collect()
}

/// Lets both members read until each has half of the partitions; what they read, and committed, is added to `seen`.
async fn share(one: &mut Reader, other: &mut Reader, seen: &mut BTreeMap<i32, usize>) -> Outcome {
    let begun = Instant::now();
    let half = usize::try_from(PARTITIONS)? / 2;
    while assigned(one).len() != half || assigned(other).len() != half {
        assert!(begun.elapsed() < MINUTE, "{:?} {:?}", assigned(one), assigned(other));
        take(one, seen).await?;
        take(other, seen).await?;
    }
    assert!(assigned(one).is_disjoint(&assigned(other)));
    Ok(())
}

/// Reads what comes within a while, and commits it.
async fn take(reader: &mut Reader, seen: &mut BTreeMap<i32, usize>) -> Outcome {
    while let Ok(message) = timeout(Duration::from_millis(500), reader.fetch_message()).await {
        let message = message?;
        *seen.entry(number(&message)).or_default() += 1;
        reader.commit_async([&message])?.await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_member_goes_on_where_the_commit_of_the_last_one_was() -> Outcome {
    let cluster = cluster()?;
    write(&cluster, 0..100).await?;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let mut reader = member(&cluster, GroupConfig { commit_interval: Duration::ZERO, ..group() }).await?;
        for _ in 0..25 {
            let message = timeout(MINUTE, reader.fetch_message()).await??;
            assert!(seen.insert(number(&message)), "{message:?}");
            reader.commit_messages([&message]).await?;
        }
        // One more that is not processed: it comes again.
        if seen.len() < 100 {
            timeout(MINUTE, reader.fetch_message()).await??;
        }
        let begun = Instant::now();
        reader.close().await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert_eq!(seen, (0..100).collect());
    assert_eq!(cluster.count(ApiKey::LEAVE_GROUP), 4, "each said goodbye");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_members_share_and_whoever_closes_hands_over() -> Outcome {
    for assignor in [Arc::new(RangeAssignor) as Arc<dyn Assignor>, Arc::new(CooperativeStickyAssignor)] {
        let cluster = cluster()?;
        let group = || GroupConfig { assignors: vec![Arc::clone(&assignor)], ..group() };
        write(&cluster, 0..100).await?;
        let mut seen = BTreeMap::new();
        let mut one = member(&cluster, group()).await?;
        take(&mut one, &mut seen).await?;
        assert_eq!(assigned(&one).len(), 4, "alone it has all");
        let mut other = member(&cluster, group()).await?;
        share(&mut one, &mut other, &mut seen).await?;
        write(&cluster, 100..200).await?;
        take(&mut one, &mut seen).await?;
        take(&mut other, &mut seen).await?;
        let closed = Instant::now();
        other.close().await;
        while assigned(&one).len() < 4 {
            take(&mut one, &mut seen).await?;
        }
        // A heartbeat interval, and what the loop above waits for messages.
        assert!(closed.elapsed() < Duration::from_secs(5), "{:?}", closed.elapsed());
        write(&cluster, 200..300).await?;
        take(&mut one, &mut seen).await?;
        one.close().await;
        assert_eq!(seen, (0..300).map(|number| (number, 1)).collect(), "each once");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_dropped_loses_nothing_that_it_processed() -> Outcome {
    let cluster = cluster()?;
    write(&cluster, 0..100).await?;
    let group = || GroupConfig { session_timeout: Duration::from_secs(10), ..group() };
    let mut seen = BTreeMap::new();
    let (mut one, mut other) = (member(&cluster, group()).await?, member(&cluster, group()).await?);
    share(&mut one, &mut other, &mut seen).await?;
    drop(other);
    write(&cluster, 100..200).await?;
    let begun = Instant::now();
    while seen.len() < 200 {
        assert!(begun.elapsed() < MINUTE, "{}", seen.len());
        take(&mut one, &mut seen).await?;
    }
    assert_eq!(assigned(&one).len(), 4);
    assert_eq!(seen, (0..200).map(|number| (number, 1)).collect(), "all that it had processed was committed");
    one.close().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_slower_than_allowed_is_told_and_commits_nothing_that_others_have() -> Outcome {
    let cluster = cluster()?;
    write(&cluster, 0..100).await?;
    let group = || GroupConfig { max_poll_interval: Duration::from_secs(10), ..group() };
    let mut slow = member(&cluster, group()).await?;
    let message = timeout(MINUTE, slow.fetch_message()).await??;
    let mut other = member(&cluster, group()).await?;
    // It works on one message for half a minute, and sends heartbeats all the while.
    let begun = Instant::now();
    let mut seen = BTreeMap::new();
    while begun.elapsed() < MINUTE / 2 {
        take(&mut other, &mut seen).await?;
    }
    assert_eq!(assigned(&other).len(), 4, "the others do not wait for it");
    let refused = slow.commit_messages([&message]).await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::NotOwned);
    let mut told = None;
    while told.is_none() {
        told = timeout(MINUTE, slow.fetch_message()).await?.err();
    }
    assert_eq!(told.map(|error| error.kind().clone()), Some(ErrorKind::TooSlow));
    // It is back as soon as it asks.
    share(&mut slow, &mut other, &mut seen).await?;
    assert_eq!(seen, (0..100).map(|number| (number, 1)).collect(), "what it did not commit was read by the other one");
    Ok(())
}
