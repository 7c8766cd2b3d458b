//! Where a reader stands: after elections that lose records, where offsets are out of range, and where it is told to.

mod support;

use std::time::{Duration, UNIX_EPOCH};

use kafka_protocol::ErrorCode;
use kafka_reader::{ErrorKind, OutOfRange, Partitions, Reader, ReaderConfig, StartOffset, TopicPartition};
use support::{TOPIC, World};
use tokio::time::timeout;

fn config() -> ReaderConfig {
    ReaderConfig { topic: TOPIC.into(), ..ReaderConfig::default() }
}

async fn reader(world: &World, config: ReaderConfig) -> Reader {
    Reader::new(world.transport().await, config).await.unwrap()
}

/// The values of the next messages.
async fn values(reader: &mut Reader, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    for _ in 0..count {
        let message = timeout(Duration::from_secs(60), reader.fetch_message()).await.expect("in time").unwrap();
        values.push(String::from_utf8(message.value.unwrap().to_vec()).unwrap());
    }
    values
}

async fn error(reader: &mut Reader) -> ErrorKind {
    timeout(Duration::from_secs(60), reader.fetch_message()).await.expect("in time").unwrap_err().kind().clone()
}

#[tokio::test(start_paused = true)]
async fn records_that_an_election_lost_are_told_once_and_those_in_their_place_are_read() {
    let world = World::new(&[0]);
    ["abc", "def", "ghi"]
        .iter()
        .for_each(|batch| world.append(0, &batch.split("").filter(|v| !v.is_empty()).collect::<Vec<_>>()));
    let mut reader = reader(&world, config()).await;
    assert_eq!(values(&mut reader, 9).await.concat(), "abcdefghi");
    // The new leader has the first six, and got more than the old one had.
    world.truncate(0, 6, 1);
    ["uvw", "xyz"]
        .iter()
        .for_each(|batch| world.append(0, &batch.split("").filter(|v| !v.is_empty()).collect::<Vec<_>>()));
    assert_eq!(error(&mut reader).await, ErrorKind::DataLoss { from: 9, to: 6 });
    assert_eq!(reader.offset(0), Some(6));
    assert_eq!(values(&mut reader, 6).await.concat(), "uvwxyz");
    // Another election, that loses nothing.
    world.move_leader(0, 2);
    world.append(0, &["1"]);
    assert_eq!(values(&mut reader, 1).await, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_behind_the_end_is_a_loss_where_an_election_explains_it() {
    let world = World::new(&[0]);
    world.append(0, &["a", "b"]);
    world.append(0, &["c", "d"]);
    let mut reader = reader(&world, config()).await;
    assert_eq!(values(&mut reader, 4).await.concat(), "abcd");
    world.truncate(0, 2, 1);
    assert_eq!(error(&mut reader).await, ErrorKind::DataLoss { from: 4, to: 2 });
    world.append(0, &["e"]);
    assert_eq!(values(&mut reader, 1).await, ["e"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_is_an_error_or_passed_over_and_counted_as_configured() {
    for policy in [OutOfRange::Error, OutOfRange::Earliest, OutOfRange::Latest] {
        let world = World::new(&[0]);
        (0..5).for_each(|_| world.append(0, &["a", "b"]));
        world.change(|state| {
            let log = &mut state.logs[0];
            (log.start, log.batches) = (6, log.batches.split_off(3));
        });
        let config = ReaderConfig { start_offset: StartOffset::At(2), out_of_range: policy, ..config() };
        let mut reader = reader(&world, config).await;
        match policy {
            OutOfRange::Error => {
                let kind = ErrorKind::OffsetOutOfRange { offset: 2, first: 6, last: 10 };
                assert_eq!(error(&mut reader).await, kind);
            }
            OutOfRange::Earliest => {
                assert_eq!(values(&mut reader, 4).await.concat(), "abab");
                assert_eq!(reader.stats().skipped, 4);
            }
            OutOfRange::Latest => {
                let nothing = timeout(Duration::from_secs(5), reader.fetch_message()).await;
                assert!(nothing.is_err());
                world.append(0, &["new"]);
                assert_eq!(values(&mut reader, 1).await, ["new"]);
                assert_eq!(reader.stats().skipped, 8);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_from_wherever_it_is_told_to() {
    let world = World::new(&[0, 1]);
    (0..2).for_each(|partition| (0..10).for_each(|number| world.append(partition, &[&number.to_string()])));
    let mut reader = reader(&world, ReaderConfig { partitions: Partitions::One(0), ..config() }).await;
    assert_eq!(values(&mut reader, 3).await.concat(), "012");
    reader.set_offset(0, StartOffset::At(7)).await.unwrap();
    assert_eq!(reader.offset(0), Some(7));
    assert_eq!(values(&mut reader, 3).await.concat(), "789");
    reader.set_offset(0, StartOffset::First).await.unwrap();
    assert_eq!(values(&mut reader, 1).await, ["0"]);
    assert_eq!(reader.read_lag(0).await.unwrap(), 9);
    reader.set_offset_at(UNIX_EPOCH + Duration::from_millis(1_700_000_000_004)).await.unwrap();
    assert_eq!(values(&mut reader, 2).await.concat(), "45");
    reader.set_offset(0, StartOffset::Last).await.unwrap();
    world.append(0, &["new"]);
    assert_eq!(values(&mut reader, 1).await, ["new"]);
    // Later than everything is behind everything.
    reader.set_offset_at(UNIX_EPOCH + Duration::from_secs(1 << 40)).await.unwrap();
    assert_eq!(reader.offset(0), Some(11));
    assert!(matches!(reader.set_offset(5, StartOffset::First).await.unwrap_err().kind(), ErrorKind::UnknownPartition));
    assert!(matches!(reader.commit_messages([]).await.unwrap_err().kind(), ErrorKind::NoGroup));
}

#[tokio::test(start_paused = true)]
async fn between_two_times_is_what_was_written_then() {
    let world = World::new(&[0, 1]);
    (0..2).for_each(|partition| (0..10).for_each(|number| world.append(partition, &[&number.to_string()])));
    let mut reader = reader(&world, config()).await;
    let at = |offset: u64| UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + offset);
    reader.set_offset_at(at(3)).await.unwrap();
    let end = reader.end_offsets_at(at(6)).await.unwrap();
    let mut read = Vec::new();
    while let Some(message) = reader.fetch_until(&end).await.unwrap() {
        if message.offset < end.offset(message.partition).unwrap() {
            read.push((message.partition, message.offset));
        }
    }
    read.sort_unstable();
    assert_eq!(read, [(0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_keeps_what_it_has_and_stalls_no_other() {
    let world = World::new(&[0, 0]);
    (0..2).for_each(|partition| world.append(partition, &["a", "b", "c", "d"]));
    let mut reader = reader(&world, config()).await;
    let first = timeout(Duration::from_secs(60), reader.fetch_message()).await.unwrap().unwrap();
    let (paused, other) = (TopicPartition::new(TOPIC, first.partition), 1 - first.partition);
    reader.pause([&paused]);
    assert!(reader.paused().eq([paused.clone()]));
    assert_eq!(values(&mut reader, 4).await.concat(), "abcd");
    world.append(usize::try_from(other).unwrap(), &["e"]);
    world.append(usize::try_from(first.partition).unwrap(), &["e"]);
    assert_eq!(values(&mut reader, 1).await, ["e"]);
    assert!(timeout(Duration::from_secs(5), reader.fetch_message()).await.is_err());
    reader.resume([&paused]);
    assert_eq!(values(&mut reader, 4).await.concat(), "bcde");
}

#[tokio::test(start_paused = true)]
async fn stats_tell_what_was_done_since_they_were_read() {
    let world = World::new(&[0]);
    world.append(0, &["a", "b", "c"]);
    let mut reader = reader(&world, config()).await;
    values(&mut reader, 2).await;
    let stats = reader.stats();
    assert_eq!((stats.dials, stats.messages, stats.errors), (1, 3, 0));
    assert!(stats.fetches >= 1 && stats.bytes > 0 && stats.fetch_bytes.sum == stats.bytes);
    assert_eq!((stats.partitions[0].offset, stats.partitions[0].lag), (2, Some(1)));
    assert_eq!(stats.partitions[0].partition, TopicPartition::new(TOPIC, 0));
    values(&mut reader, 1).await;
    assert_eq!((reader.stats().messages, reader.stats().dials), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_nearer_serves_and_the_leader_does_when_it_does_not() {
    let world = World::new(&[0]);
    world.change(|state| state.logs[0].follower = Some((1, "near")));
    world.append(0, &["a", "b"]);
    let mut far = reader(&world, config()).await;
    assert_eq!(values(&mut far, 2).await.concat(), "ab");
    assert_eq!(world.state().logs[0].asked_follower, 0);
    far.close().await;
    let mut near = reader(&world, ReaderConfig { rack: Some("near".into()), ..config() }).await;
    assert_eq!(values(&mut near, 2).await.concat(), "ab");
    assert!(world.state().logs[0].asked_follower > 0);
    // It does not have the replica any more.
    world.change(|state| state.logs[0].follower = None);
    world.append(0, &["c"]);
    let begun = tokio::time::Instant::now();
    assert_eq!(values(&mut near, 1).await, ["c"]);
    assert!(begun.elapsed() < Duration::from_secs(2));
    // It says that there is no such offset: it is only behind.
    world.change(|state| state.logs[0].follower = Some((1, "near")));
    world.append(0, &["d"]);
    assert_eq!(values(&mut near, 1).await, ["d"]);
    world.change(|state| state.logs[0].errors.push_back(ErrorCode::OFFSET_OUT_OF_RANGE));
    world.append(0, &["e"]);
    assert_eq!(values(&mut near, 1).await, ["e"]);
    assert_eq!(near.stats().skipped, 0);
}
