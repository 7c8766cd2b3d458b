//! Readers of several topics, against an embedded cluster: named ones, those that match, single partitions, and what is
//! added while they read.

mod embedded;

use std::collections::BTreeMap;
use std::time::Duration;

use embedded::{MINUTE, Outcome, create, delete, grow, part, place, places, process, write};
use kafka_embedded::Cluster;
use kafka_reader::{ErrorKind, GroupConfig, Partitions, Reader, ReaderConfig, StartOffset, TopicNames, TopicPartition};
use tokio::time::timeout;

fn cluster() -> Outcome<Cluster> {
    Ok(Cluster::builder().brokers(3).topic("orders", 2, 3).topic("returns", 1, 3).start_in_memory()?)
}

async fn reader(cluster: &Cluster, config: ReaderConfig) -> Outcome<Reader> {
    Ok(Reader::new(cluster.transport().await?, config).await?)
}

fn both() -> ReaderConfig {
    ReaderConfig { topics: ["orders", "returns"].into(), ..ReaderConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn all_partitions_of_several_topics_are_read_each_in_order() -> Outcome {
    let cluster = cluster()?;
    let all = [part("orders", 0), part("orders", 1), part("returns", 0)];
    for partition in &all {
        write(&cluster, partition, 0..20).await?;
    }
    let mut reader = reader(&cluster, both()).await?;
    assert!(reader.partitions().eq(all.clone()));
    let end = reader.end_offsets().await?;
    assert!(end.iter().eq(all.clone().map(|partition| (partition, 20))));
    let mut next: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    while let Some(message) = timeout(MINUTE, reader.fetch_until(&end)).await?? {
        let (partition, offset) = place(&message);
        let next = next.entry(partition).or_default();
        assert_eq!(offset, *next);
        *next += 1;
    }
    assert!(all.iter().all(|partition| next.get(partition) == Some(&20)));
    let stats = reader.stats();
    assert!(
        stats
            .partitions
            .iter()
            .map(|stats| (&stats.partition, stats.offset, stats.lag))
            .eq(all.iter().map(|partition| (partition, 20, Some(0))))
    );
    assert_eq!((stats.messages, reader.read_lag(&all[2]).await?, reader.lag(&all[2])), (60, 0, Some(0)));
    reader.close().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn each_partition_has_its_own_start_position_and_pause() -> Outcome {
    let cluster = cluster()?;
    let (first, second, other) = (part("orders", 0), part("orders", 1), part("returns", 0));
    for partition in [&first, &second, &other] {
        write(&cluster, partition, 0..10).await?;
    }
    let start_offsets = [(second.clone(), StartOffset::Last), (other.clone(), StartOffset::At(7))].into();
    let mut reader = reader(&cluster, ReaderConfig { start_offsets, ..both() }).await?;
    assert_eq!([&first, &second, &other].map(|part| reader.offset(part)), [Some(0), Some(10), Some(7)]);
    reader.pause([&first]);
    assert_eq!(places(&mut reader, 3).await?, (7..10).map(|offset| (other.clone(), offset)).collect::<Vec<_>>());
    write(&cluster, &second, 10..11).await?;
    assert_eq!(places(&mut reader, 1).await?, [(second.clone(), 10)]);
    reader.set_offset(&other, StartOffset::At(9)).await?;
    assert_eq!(places(&mut reader, 1).await?, [(other.clone(), 9)]);
    assert!(reader.paused().eq([first.clone()]));
    reader.resume([&first]);
    assert_eq!(places(&mut reader, 10).await?, (0..10).map(|offset| (first.clone(), offset)).collect::<Vec<_>>());
    // An index alone says too little here.
    assert_eq!((reader.offset(0), reader.halted(0).is_some()), (None, false));
    let error = reader.set_offset(0, StartOffset::First).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidConfig(_)), "{error}");
    let error = reader.set_offset(&part("orders", 5), StartOffset::First).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnknownPartition, "{error}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn single_partitions_of_several_topics() -> Outcome {
    let cluster = cluster()?;
    let named = vec![part("returns", 0), part("orders", 1)];
    for partition in [&named[0], &named[1], &part("orders", 0)] {
        write(&cluster, partition, 0..3).await?;
    }
    let config = |named| ReaderConfig { partitions: Partitions::Named(named), ..ReaderConfig::default() };
    let mut reader = reader(&cluster, config(named)).await?;
    assert!(reader.partitions().eq([part("orders", 1), part("returns", 0)]));
    let read = places(&mut reader, 6).await?;
    assert!(read.iter().all(|(partition, _)| *partition != part("orders", 0)), "{read:?}");
    for wrong in [part("orders", 9), part("nowhere", 0)] {
        let error = Reader::new(cluster.transport().await?, config(vec![wrong])).await.unwrap_err();
        assert!(error.is_unknown_topic(), "{error}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_are_found_and_read_from_their_first_message() -> Outcome {
    let cluster = cluster()?;
    let transport = cluster.transport().await?;
    write(&cluster, &part("orders", 0), 0..5).await?;
    // Also where reading starts behind the last: they were empty then.
    let config = ReaderConfig { topic: "orders".into(), start_offset: StartOffset::Last, ..ReaderConfig::default() };
    let mut reader = reader(&cluster, config).await?;
    grow(&transport, "orders", 4).await?;
    for index in [2, 3] {
        write(&cluster, &part("orders", index), 0..2).await?;
    }
    let found = [2, 3].map(|index| [(part("orders", index), 0), (part("orders", index), 1)]).concat();
    assert_eq!(places(&mut reader, 4).await?, found);
    assert_eq!((reader.offset(3), reader.partitions().len()), (Some(2), 4));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn topics_that_match_are_read_those_included_that_are_made_later() -> Outcome {
    let cluster = cluster()?;
    let transport = cluster.transport().await?;
    let topics = TopicNames::pattern("(orders|late-[0-9]+)")?;
    let mut reader = reader(&cluster, ReaderConfig { topics, ..ReaderConfig::default() }).await?;
    assert!(reader.partitions().eq([part("orders", 0), part("orders", 1)]));
    create(&transport, "late-1", 1).await?;
    create(&transport, "late-not", 1).await?;
    write(&cluster, &part("late-1", 0), 0..3).await?;
    assert_eq!(places(&mut reader, 3).await?, [0, 1, 2].map(|offset| (part("late-1", 0), offset)));
    write(&cluster, &part("late-not", 0), 0..1).await?;
    write(&cluster, &part("orders", 1), 0..1).await?;
    assert_eq!(places(&mut reader, 1).await?, [(part("orders", 1), 0)]);
    assert!(timeout(MINUTE, reader.fetch_message()).await.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_made_anew_is_told_and_read_when_the_caller_says_so() -> Outcome {
    let cluster = cluster()?;
    let transport = cluster.transport().await?;
    let partition = part("returns", 0);
    write(&cluster, &partition, 0..5).await?;
    let mut reader = reader(&cluster, ReaderConfig { topic: "returns".into(), ..ReaderConfig::default() }).await?;
    assert_eq!(places(&mut reader, 5).await?.len(), 5);
    delete(&transport, "returns").await?;
    create(&transport, "returns", 1).await?;
    write(&cluster, &partition, 0..2).await?;
    let error = timeout(MINUTE, reader.fetch_message()).await?.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TopicReplaced { .. }) && error.is_halt(), "{error}");
    assert_eq!(error.topic_partition(), Some(partition.clone()));
    assert!(reader.halted(&partition).is_some());
    reader.set_offset(&partition, StartOffset::First).await?;
    assert!(reader.halted(&partition).is_none());
    assert_eq!(places(&mut reader, 2).await?, [(partition.clone(), 0), (partition, 1)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_group_finds_topics_that_match_its_pattern() -> Outcome {
    let cluster = cluster()?;
    let transport = cluster.transport().await?;
    let group = GroupConfig {
        group_id: "g".into(),
        topics: TopicNames::pattern("late-.")?,
        topics_interval: Duration::from_secs(5),
        commit_interval: Duration::ZERO,
        ..GroupConfig::default()
    };
    let mut reader = reader(&cluster, ReaderConfig { group: Some(group), ..ReaderConfig::default() }).await?;
    for name in ["late-1", "late-2"] {
        create(&transport, name, 2).await?;
        let partition = part(name, 1);
        write(&cluster, &partition, 0..3).await?;
        assert_eq!(process(&mut reader, 3).await?, [0, 1, 2].map(|offset| (partition.clone(), offset)));
    }
    assert_eq!(reader.partitions().len(), 4);
    grow(&transport, "late-2", 3).await?;
    let partition = part("late-2", 2);
    write(&cluster, &partition, 0..1).await?;
    assert_eq!(places(&mut reader, 1).await?, [(partition, 0)]);
    reader.close().await;
    Ok(())
}
