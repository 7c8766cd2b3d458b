//! Members of groups whose partitions cannot be read on: the caller decides where to go on, and the group notices nothing.

mod embedded;

use std::time::Duration;

use embedded::{MINUTE, Outcome, part, places, process, remove_before, write};
use kafka_embedded::Cluster;
use kafka_protocol::ApiKey;
use kafka_reader::{ErrorKind, GroupConfig, Reader, ReaderConfig, StartOffset};
use tokio::time::timeout;

const TOPIC: &str = "orders";

async fn member(cluster: &Cluster) -> Outcome<Reader> {
    let group = GroupConfig {
        group_id: "g".into(),
        topics: [TOPIC].into(),
        commit_interval: Duration::ZERO,
        ..GroupConfig::default()
    };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    Ok(Reader::new(cluster.transport().await?, config).await?)
}

#[tokio::test(start_paused = true)]
async fn what_retention_removed_is_told_and_reading_goes_on_where_the_caller_says() -> Outcome {
    let cluster = Cluster::builder().topic(TOPIC, 2, 1).start_in_memory()?;
    let (slow, other) = (part(TOPIC, 0), part(TOPIC, 1));
    write(&cluster, &slow, 0..20).await?;
    let mut reader = member(&cluster).await?;
    assert_eq!(process(&mut reader, 10).await?.last(), Some(&(slow.clone(), 9)));
    reader.close().await;
    remove_before(&cluster.transport().await?, &slow, 15).await?;

    let mut reader = member(&cluster).await?;
    let error = timeout(MINUTE, reader.fetch_message()).await?.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::OffsetOutOfRange { offset: 10, first: 15, last: 20 });
    assert_eq!((error.topic_partition(), error.is_halt()), (Some(slow.clone()), true));
    assert!(reader.halted(&slow).is_some_and(|halted| halted.kind() == error.kind()));
    // The others are read as before.
    write(&cluster, &other, 0..3).await?;
    assert_eq!(process(&mut reader, 3).await?, [0, 1, 2].map(|offset| (other.clone(), offset)));
    let joined = cluster.count(ApiKey::JOIN_GROUP);
    let refused = reader.set_offset(0, StartOffset::First).await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::NotInGroup, "an index alone is no partition of a group");
    reader.set_offset(&slow, StartOffset::First).await?;
    assert!(reader.halted(&slow).is_none());
    assert_eq!(process(&mut reader, 5).await?, [15, 16, 17, 18, 19].map(|offset| (slow.clone(), offset)));
    assert_eq!(cluster.count(ApiKey::JOIN_GROUP), joined, "it stayed in the group");
    reader.close().await;

    let mut next = member(&cluster).await?;
    write(&cluster, &slow, 20..21).await?;
    assert_eq!(places(&mut next, 1).await?, [(slow, 20)], "what was processed is committed");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn where_an_election_lost_records_commits_go_back_with_the_log() -> Outcome {
    let cluster = Cluster::builder().brokers(2).topic(TOPIC, 1, 2).start_in_memory()?;
    let partition = part(TOPIC, 0);
    let (leader, _) = cluster.leader(TOPIC, 0).ok_or("no leader")?;
    let follower = 3 - leader;
    write(&cluster, &partition, 0..5).await?;
    cluster.set_lagging(follower, true);
    // Until the follower is no longer in sync, and keeps nothing from being committed.
    tokio::time::sleep(Duration::from_secs(40)).await;
    write(&cluster, &partition, 5..10).await?;
    let mut reader = member(&cluster).await?;
    assert_eq!(process(&mut reader, 10).await?.len(), 10);
    cluster.move_leader(TOPIC, 0, follower)?;
    let error = timeout(MINUTE, reader.fetch_message()).await?.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::DataLoss { from: 10, to: 5 }, "{error}");
    assert!(!error.is_halt() && reader.halted(&partition).is_none());
    // What is there in their place is read, and the commits are those of what is read now.
    write(&cluster, &partition, 100..107).await?;
    assert_eq!(process(&mut reader, 2).await?, [5, 6].map(|offset| (partition.clone(), offset)));
    reader.close().await;
    let mut next = member(&cluster).await?;
    assert_eq!(places(&mut next, 5).await?, [7, 8, 9, 10, 11].map(|offset| (partition.clone(), offset)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_member_may_go_back_and_what_it_processes_again_is_committed() -> Outcome {
    let cluster = Cluster::builder().topic(TOPIC, 1, 1).start_in_memory()?;
    let partition = part(TOPIC, 0);
    write(&cluster, &partition, 0..10).await?;
    let mut reader = member(&cluster).await?;
    for _ in 0..8 {
        timeout(MINUTE, reader.read_message()).await??;
    }
    // What was returned last counts no more as processed.
    reader.set_offset(&partition, StartOffset::At(2)).await?;
    assert_eq!(reader.offset(&partition), Some(2));
    assert_eq!(process(&mut reader, 2).await?, [2, 3].map(|offset| (partition.clone(), offset)));
    reader.close().await;
    let mut next = member(&cluster).await?;
    assert_eq!(places(&mut next, 1).await?, [(partition, 4)]);
    Ok(())
}
