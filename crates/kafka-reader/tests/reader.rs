//! A reader against brokers in memory, on virtual time: order, starts, moves, errors, ends.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{
    BatchBuilder, BatchOptions, Compression, Compressor, ControlRecord, ControlType, Producer,
};
use kafka_reader::{
    BatchDecoder, ErrorKind, IsolationLevel, Partitions, Reader, ReaderConfig, StartOffset, TopicPartition,
};
use support::{TOPIC, World};
use tokio::time::{Instant, timeout};

fn config() -> ReaderConfig {
    ReaderConfig { topic: TOPIC.into(), ..ReaderConfig::default() }
}

async fn reader(world: &World, config: ReaderConfig) -> Reader {
    Reader::new(world.transport().await, config).await.unwrap()
}

/// The values of the next `count` messages, by partition.
async fn values(reader: &mut Reader, count: usize) -> BTreeMap<i32, Vec<String>> {
    let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for _ in 0..count {
        let message = timeout(Duration::from_secs(60), reader.fetch_message()).await.expect("in time").unwrap();
        assert_eq!(message.key.as_deref(), Some(message.offset.to_string().as_bytes()));
        let value = String::from_utf8(message.value.unwrap().to_vec()).unwrap();
        values.entry(message.partition).or_default().push(value);
    }
    values
}

fn numbered(range: std::ops::Range<i32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn append_numbered(world: &World, partition: usize, range: std::ops::Range<i32>) {
    for batch in range.collect::<Vec<_>>().chunks(3) {
        let values: Vec<_> = batch.iter().map(ToString::to_string).collect();
        world.append(partition, &values.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_of_every_partition_in_order() {
    let world = World::new(&[0, 1, 2, 0]);
    (0..4).for_each(|partition| append_numbered(&world, partition, 0..50));
    let mut reader = reader(&world, config()).await;
    assert!(reader.partitions().eq((0..4).map(|index| TopicPartition::new(TOPIC, index))));
    assert_eq!((reader.offset(3), reader.offset(4)), (Some(0), None));
    let read = values(&mut reader, 200).await;
    assert!((0..4).all(|partition| read[&partition] == numbered(0..50)));
    assert_eq!((reader.offset(2), reader.lag(2)), (Some(50), Some(0)));
    // What comes later, too.
    append_numbered(&world, 1, 50..60);
    assert_eq!(values(&mut reader, 10).await[&1], numbered(50..60));
    let message = {
        world.append(2, &["x", "y"]);
        reader.fetch_message().await.unwrap()
    };
    assert_eq!((message.topic.as_str(), message.partition, message.offset, message.high_watermark), (TOPIC, 2, 50, 52));
    assert_eq!(message.headers, [kafka_conn::Header::new("h", &b"v"[..])]);
    assert_eq!(message.timestamp, Some(std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_050)));
    assert_eq!(reader.lag(2), Some(1));
    reader.close().await;
}

#[tokio::test(start_paused = true)]
async fn starts_first_last_and_within_a_compressed_batch() {
    let world = World::new(&[0, 0, 0]);
    let ten: Vec<_> = numbered(0..10);
    let ten: Vec<_> = ten.iter().map(String::as_str).collect();
    (0..3).for_each(|partition| world.append_with(partition, &ten, BatchOptions::default(), Compression::Gzip));
    let part = |index| TopicPartition::new(TOPIC, index);
    let start_offsets = BTreeMap::from([(part(1), StartOffset::Last), (part(2), StartOffset::At(7))]);
    let mut reader = reader(&world, ReaderConfig { start_offsets, ..config() }).await;
    assert_eq!([0, 1, 2].map(|partition| reader.offset(partition)), [Some(0), Some(10), Some(7)]);
    world.append(1, &["new"]);
    let read = values(&mut reader, 14).await;
    assert_eq!(read[&0], numbered(0..10));
    assert_eq!(read[&1], ["new"]);
    assert_eq!(read[&2], numbered(7..10));
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_all_that_requests_name_and_ids_need_their_version() {
    for (max, expected) in [(17, 17), (12, 12), (10, 10)] {
        let world = World::new(&[0, 0, 0, 0]);
        world.state().max_fetch_version = max;
        let mut reader = reader(&world, config()).await;
        for round in 0..5 {
            append_numbered(&world, 1, round..round + 1);
            assert_eq!(values(&mut reader, 1).await[&1], numbered(round..round + 1));
        }
        let fetches = world.state().fetches.clone();
        assert_eq!(fetches[0], (expected, 0, 4), "all of them at first");
        assert!(fetches[1..].iter().zip(1..).all(|(fetch, epoch)| *fetch == (expected, epoch, 1)), "{fetches:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_moves_and_nothing_is_lost_or_doubled() {
    let world = World::new(&[0, 1]);
    append_numbered(&world, 0, 0..10);
    let mut reader = reader(&world, ReaderConfig { partitions: Partitions::One(0), ..config() }).await;
    assert_eq!(values(&mut reader, 5).await[&0], numbered(0..5));
    for (leader, first) in [(1, 10), (2, 20), (0, 30), (1, 40)] {
        world.move_leader(0, leader);
        append_numbered(&world, 0, first..first + 10);
        let started = Instant::now();
        assert_eq!(values(&mut reader, 10).await[&0], numbered(first - 5..first + 5));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn passing_troubles_pass() {
    let world = World::new(&[0, 1]);
    let mut reader = reader(&world, config()).await;
    let codes = [
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::KAFKA_STORAGE_ERROR,
        // In range, says the leader when asked.
        ErrorCode::OFFSET_OUT_OF_RANGE,
    ];
    for (code, number) in codes.into_iter().zip(0..) {
        world.state().logs[0].errors.push_back(code);
        (0..2).for_each(|partition| append_numbered(&world, partition, number..number + 1));
        let read = values(&mut reader, 2).await;
        assert!((0..2).all(|partition| read[&partition] == numbered(number..number + 1)), "{code}");
    }
    for (code, number) in
        [ErrorCode::FETCH_SESSION_ID_NOT_FOUND, ErrorCode::INVALID_FETCH_SESSION_EPOCH, ErrorCode::UNKNOWN_SERVER_ERROR]
            .into_iter()
            .zip(6..)
    {
        world.state().session_errors.extend([code, code]);
        (0..2).for_each(|partition| append_numbered(&world, partition, number..number + 1));
        assert_eq!(values(&mut reader, 2).await.len(), 2, "{code}");
    }
    world.change(|state| {
        state.cuts = 3;
        state.sessions.clear();
    });
    (0..2).for_each(|partition| append_numbered(&world, partition, 9..10));
    assert_eq!(values(&mut reader, 2).await.len(), 2, "connections cut");
}

#[tokio::test(start_paused = true)]
async fn an_offset_out_of_range_is_an_error_that_names_the_range() {
    let world = World::new(&[0, 1]);
    append_numbered(&world, 0, 0..10);
    append_numbered(&world, 1, 0..10);
    world.state().logs[0].start = 6;
    let mut reader = reader(&world, ReaderConfig { start_offset: StartOffset::At(3), ..config() }).await;
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        match reader.fetch_message().await {
            Ok(message) => read.push((message.partition, message.offset)),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(read, (3..10).map(|offset| (1, offset)).collect::<Vec<_>>());
    assert_eq!(errors[0].kind(), &ErrorKind::OffsetOutOfRange { offset: 3, first: 6, last: 10 });
    assert_eq!((errors[0].context().partition, reader.offset(0)), (Some(0), Some(3)));
    assert!(reader.halted(0).is_some() && reader.halted(1).is_none());
    // It is not forgotten where the end of all partitions is waited for.
    let end = reader.end_offsets().await.unwrap();
    assert!(reader.fetch_until(&end).await.unwrap_err().is_offset_out_of_range());
    // Nor is it tried again when the log has grown.
    append_numbered(&world, 1, 10..11);
    assert_eq!(values(&mut reader, 1).await[&1], numbered(10..11));
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_batch_halts_its_partition_before_it() {
    let world = World::new(&[0, 0]);
    (0..2).for_each(|partition| append_numbered(&world, partition, 0..9));
    world.change(|state| {
        let mut bad = state.logs[0].batches[1].to_vec();
        *bad.last_mut().unwrap() ^= 1;
        state.logs[0].batches[1] = bad.into();
    });
    let mut reader = reader(&world, config()).await;
    let (mut read, mut errors) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for _ in 0..13 {
        match reader.fetch_message().await {
            Ok(message) => read.entry(message.partition).or_default().push(message.offset),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(read[&0], [0, 1, 2]);
    assert_eq!(read[&1], (0..9).collect::<Vec<_>>());
    assert_eq!((errors.len(), errors[0].kind(), errors[0].context().offset), (1, &ErrorKind::CorruptBatch, Some(3)));
    assert_eq!(reader.offset(0), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_decompressed_halts_its_partition_too() {
    let world = World::new(&[0]);
    world.append(0, &["a"]);
    world.append_with(0, &[&"x".repeat(100_000)], BatchOptions::default(), Compression::Gzip);
    world.append(0, &["b"]);
    let limits = kafka_protocol::Limits { max_decompressed_len: 1000, ..Default::default() };
    let mut reader = reader(&world, ReaderConfig { limits, ..config() }).await;
    assert_eq!(values(&mut reader, 1).await[&0], ["a"]);
    for _ in 0..3 {
        let error = reader.fetch_message().await.unwrap_err();
        assert_eq!((error.kind(), error.context().offset, error.is_halt()), (&ErrorKind::CorruptBatch, Some(1), true));
    }
    assert_eq!(reader.offset(0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_the_same_name_is_not_the_same_topic() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    let mut reader = reader(&world, config()).await;
    values(&mut reader, 3).await;
    world.change(|state| {
        state.topic_id = kafka_protocol::Uuid::from_bytes([8; 16]);
        state.sessions.clear();
        state.logs[0].errors.push_back(ErrorCode::UNKNOWN_TOPIC_ID);
        state.session_errors.extend([ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR]);
    });
    let error = timeout(Duration::from_secs(20), reader.fetch_message()).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TopicReplaced { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_fetch_loses_nothing() {
    let world = World::new(&[0, 1, 2]);
    let mut reader = reader(&world, config()).await;
    let writer = {
        let world = world.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                append_numbered(&world, number as usize % 3, number..number + 1);
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        })
    };
    let (mut read, mut dropped) = (BTreeMap::<_, Vec<_>>::new(), 0);
    let mut wait = 0;
    while read.values().map(Vec::len).sum::<usize>() < 100 {
        wait = (wait + 3) % 11;
        match timeout(Duration::from_millis(wait), reader.fetch_message()).await {
            Ok(message) => {
                let message = message.unwrap();
                read.entry(message.partition).or_default().push(message.offset);
            }
            Err(_) => dropped += 1,
        }
    }
    writer.await.unwrap();
    assert!(dropped > 20, "{dropped}");
    assert!(read.values().all(|offsets| offsets.iter().zip(0..).all(|(offset, expected)| *offset == expected)));
}

fn control(producer_id: i64, control_type: ControlType) -> bytes::Bytes {
    let producer = Producer { producer_id, producer_epoch: 0, base_sequence: -1 };
    let options = BatchOptions { producer, transactional: true, control: true, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    let (key, value) = (control_type.key(), ControlRecord::end_marker_value(0));
    builder.append(0, Some(&key), Some(&value), []).unwrap();
    builder.seal(&mut Compressor::default()).unwrap()
}

/// Offsets: 0 plain; 1, 2 aborted, 3 its marker; 4 committed, 5 its marker; 6 to 9 compacted away; 10 a marker.
fn transactions(world: &World) {
    let producer = Producer { producer_id: 7, producer_epoch: 0, base_sequence: 0 };
    let options = BatchOptions { producer, transactional: true, ..BatchOptions::default() };
    world.append(0, &["plain"]);
    world.append_with(0, &["aborted", "aborted"], options.clone(), Compression::None);
    world.append_batch(0, control(7, ControlType::Abort));
    world.append_with(0, &["committed"], options, Compression::None);
    world.append_batch(0, control(7, ControlType::Commit));
    let empty = BatchOptions { last_offset_delta: Some(3), ..BatchOptions::default() };
    world.append_batch(0, BatchBuilder::new(empty).seal(&mut Compressor::default()).unwrap());
    world.append_batch(0, control(7, ControlType::Abort));
    let aborted = AbortedTransaction { producer_id: 7, first_offset: 1, ..Default::default() };
    world.state().logs[0].aborted.push(aborted);
}

#[tokio::test(start_paused = true)]
async fn aborted_transactions_and_markers_are_not_returned_and_the_end_is_reached_behind_them() {
    for (isolation_level, expected) in [
        (IsolationLevel::ReadUncommitted, vec!["plain", "aborted", "aborted", "committed"]),
        (IsolationLevel::ReadCommitted, vec!["plain", "committed"]),
    ] {
        let world = World::new(&[0]);
        transactions(&world);
        let mut reader = reader(&world, ReaderConfig { isolation_level, ..config() }).await;
        let end = reader.end_offsets().await.unwrap();
        assert_eq!(end.iter().collect::<Vec<_>>(), [(TopicPartition::new(TOPIC, 0), 11)]);
        let mut read = Vec::new();
        while let Some(message) = timeout(Duration::from_secs(5), reader.fetch_until(&end)).await.unwrap().unwrap() {
            read.push(String::from_utf8(message.value.unwrap().to_vec()).unwrap());
        }
        assert_eq!(read, expected);
        assert_eq!((reader.offset(0), reader.lag(0)), (Some(11), Some(0)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_nothing_but_aborted_records_moves_on() {
    let world = World::new(&[0]);
    let producer = Producer { producer_id: 7, producer_epoch: 0, base_sequence: 0 };
    let options = BatchOptions { producer, transactional: true, ..BatchOptions::default() };
    world.append_with(0, &["aborted", "aborted"], options, Compression::None);
    world.append_batch(0, control(7, ControlType::Abort));
    let aborted = AbortedTransaction { producer_id: 7, first_offset: 0, ..Default::default() };
    world.state().logs[0].aborted.push(aborted);
    let config = ReaderConfig { isolation_level: IsolationLevel::ReadCommitted, ..config() };
    let mut reader = reader(&world, config).await;
    assert!(timeout(Duration::from_secs(5), reader.fetch_message()).await.is_err());
    assert_eq!((reader.offset(0), reader.lag(0)), (Some(3), Some(0)));
    world.append(0, &["plain"]);
    assert_eq!(values(&mut reader, 1).await[&0], ["plain"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_nothing_is_reached_at_once() {
    let world = World::new(&[0, 1]);
    let mut reader = reader(&world, config()).await;
    let end = reader.end_offsets().await.unwrap();
    assert!(reader.fetch_until(&end).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn batches_go_on_where_messages_stopped() {
    let world = World::new(&[0]);
    let values: Vec<_> = numbered(0..10);
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    world.append_with(0, &values, BatchOptions::default(), Compression::Lz4);
    world.append_with(0, &values, BatchOptions::default(), Compression::Zstd);
    let mut reader = reader(&world, config()).await;
    reader.fetch_message().await.unwrap();
    reader.fetch_message().await.unwrap();
    let mut decoder = BatchDecoder::default();
    let mut offsets = Vec::new();
    for expected in [2..=9, 10..=19] {
        let batch = reader.fetch_batch().await.unwrap();
        assert_eq!(batch.first_offset()..=batch.last_offset(), expected);
        offsets.extend(batch.records(&mut decoder).unwrap().map(|record| record.unwrap().offset));
        assert_eq!(reader.offset(0), Some(batch.last_offset() + 1));
    }
    assert_eq!(offsets, (2..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_range_of_time_end_with_it_and_a_halted_partition_is_told_each_time() {
    let world = World::new(&[0, 1]);
    (0..2).for_each(|partition| append_numbered(&world, partition, 0..30));
    let mut reader = reader(&world, config()).await;
    let time = |offset: u64| std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + offset);
    reader.set_offset_at(time(7)).await.unwrap();
    let end = reader.end_offsets_at(time(20)).await.unwrap();
    let (mut decoder, mut read) = (BatchDecoder::default(), BTreeMap::<_, Vec<_>>::new());
    while let Some(batch) = timeout(Duration::from_secs(60), reader.fetch_batch_until(&end)).await.unwrap().unwrap() {
        let within = |offset: &i64| end.offset(batch.partition()).is_some_and(|end| *offset < end);
        let offsets = batch.records(&mut decoder).unwrap().map(|record| record.unwrap().offset);
        read.entry(batch.partition()).or_default().extend(offsets.filter(within));
    }
    assert!((0..2).all(|partition| read[&partition] == (7..20).collect::<Vec<_>>()), "{read:?}");
    world.state().logs[0].start = 29;
    reader.set_offset(0, StartOffset::At(3)).await.unwrap();
    reader.set_offset(1, StartOffset::At(0)).await.unwrap();
    let (mut errors, mut batches) = (0, 0);
    while errors < 3 {
        match timeout(Duration::from_secs(60), reader.fetch_batch_until(&end)).await.unwrap() {
            Ok(batch) => batches += usize::from(batch.expect("one is halted").partition() == 1),
            Err(error) => errors += usize::from(error.is_offset_out_of_range()),
        }
    }
    assert!(batches >= 7, "{batches}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_messages() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..20);
    let mut reader = reader(&world, config()).await;
    let messages: Vec<_> = reader.messages().take(15).try_collect().await.unwrap();
    assert!(messages.iter().zip(0..).all(|(message, offset)| message.offset == offset));
    assert_eq!(reader.fetch_message().await.unwrap().offset, 15);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_no_broker() {
    let world = World::new(&[0, 1, 2]);
    let mut reader = reader(&world, ReaderConfig { max_wait: Duration::from_secs(3600), ..config() }).await;
    assert!(timeout(Duration::from_secs(1), reader.fetch_message()).await.is_err());
    assert_eq!(world.state().waiting, 3, "requests are under way");
    let before = Instant::now();
    reader.close().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_or_closed_leaves_no_task_behind() {
    let world = World::new(&[0, 1, 2]);
    let transport = world.transport().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = None;
    for round in 0..6 {
        let mut reader = Reader::new(transport.clone(), config()).await.unwrap();
        append_numbered(&world, 1, round..round + 1);
        reader.fetch_message().await.unwrap();
        if round % 2 == 0 {
            drop(reader)
        } else {
            reader.close().await
        }
        // The brokers' answers to what is under way, after which the connections end.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(*before.get_or_insert_with(tasks), tasks());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_stalls_only_its_own_and_is_told_of() {
    let world = World::new(&[0, 1]);
    let config = ReaderConfig { retry_timeout: Duration::from_secs(20), ..config() };
    let mut reader = reader(&world, config).await;
    world.state().silent.push(1);
    for number in 0..20 {
        append_numbered(&world, 0, number..number + 1);
        let started = Instant::now();
        assert_eq!(values(&mut reader, 1).await[&0], numbered(number..number + 1));
        assert!(started.elapsed() < Duration::from_millis(100));
    }
    let started = Instant::now();
    let error = timeout(Duration::from_secs(60), reader.fetch_message()).await.unwrap().unwrap_err();
    assert!(started.elapsed() >= Duration::from_secs(20));
    assert_eq!(error.context().partition, Some(1));
    assert!(!error.is_halt() && error.is_retriable(), "{error}");
    // A new leader is found while the old one still does not answer.
    world.move_leader(1, 0);
    append_numbered(&world, 1, 0..1);
    assert_eq!(values(&mut reader, 1).await[&1], numbered(0..1));
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_ahead_is_bounded() {
    let world = World::new(&[0, 1, 0, 1]);
    let value = "v".repeat(1000);
    for partition in 0..4 {
        (0..500).for_each(|_| world.append(partition, &[value.as_str()]));
    }
    let config = ReaderConfig { prefetch_bytes: 100_000, partition_max_bytes: 20_000, ..config() };
    let mut reader = reader(&world, config).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ahead = world.state().bytes_sent;
    // One answer of one broker more, as documented.
    assert!((40_000..=150_000).contains(&ahead), "{ahead}");
    for read in 1..=2000 {
        let message = reader.fetch_message().await.unwrap();
        assert_eq!(message.value.as_deref(), Some(value.as_bytes()));
        let ahead = world.state().bytes_sent.saturating_sub(read * 1000);
        assert!(ahead < 450_000, "{ahead} at {read}");
    }
    assert_eq!((0..4).map(|partition| reader.offset(partition)).collect::<Vec<_>>(), [Some(500); 4]);
}

#[tokio::test(start_paused = true)]
async fn many_small_answers_of_one_partition_keep_no_other_from_being_fetched() {
    let world = World::new(&[0, 0]);
    let mut reader = reader(&world, config()).await;
    for number in 0..400 {
        append_numbered(&world, 0, number..number + 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    append_numbered(&world, 1, 0..10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stats = reader.stats();
    assert_eq!((stats.queue_messages, stats.partitions[0].queue_messages), (410, 400));
    values(&mut reader, 410).await;
    assert!(timeout(Duration::from_secs(1), reader.fetch_message()).await.is_err());
    assert_eq!((reader.stats().queue_messages, reader.stats().queue_bytes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn messages_are_a_bound_too() {
    let world = World::new(&[0, 0]);
    let mut reader = reader(&world, ReaderConfig { prefetch_messages: 100, ..config() }).await;
    for number in 0..200 {
        append_numbered(&world, 0, number..number + 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // One half is anyone's; of the other, each partition has its part.
    assert_eq!(reader.stats().queue_messages, 50);
    (0..30).for_each(|number| append_numbered(&world, 1, number..number + 1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reader.stats().partitions[1].queue_messages, 30, "it has a share of its own");
    let read = values(&mut reader, 230).await;
    assert_eq!((&read[&0], &read[&1]), (&numbered(0..200), &numbered(0..30)));
}

#[tokio::test(start_paused = true)]
async fn a_full_partition_costs_others_nothing_and_goes_on_as_soon_as_there_is_room() {
    let world = World::new(&[0, 0]);
    let hour = Duration::from_secs(3600);
    let config = ReaderConfig { max_wait: hour, prefetch_messages: 8, ..config() };
    let transport = world.transport().await;
    let mut reader = Reader::new(transport, config).await.unwrap();
    append_numbered(&world, 0, 0..300);
    tokio::time::sleep(hour / 2).await;
    let fetches = world.state().fetches.len();
    assert!(fetches < 10, "nobody asks again and again: {fetches}");
    // The other one is waited for, with a request that the broker holds back for an hour.
    let started = Instant::now();
    assert_eq!(values(&mut reader, 300).await[&0], numbered(0..300));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    append_numbered(&world, 1, 0..3);
    assert_eq!(values(&mut reader, 3).await[&1], numbered(0..3));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused_at_once() {
    let world = World::new(&[0]);
    let transport = world.transport().await;
    let config = ReaderConfig { partitions: Partitions::Several(vec![0, 9]), ..config() };
    let error = Reader::new(transport, config).await.unwrap_err();
    assert!(error.is_unknown_topic() && error.context().partition == Some(9), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_every_limit_comes_nevertheless() {
    let world = World::new(&[0]);
    let large = "x".repeat(200_000);
    world.append(0, &[large.as_str()]);
    world.append(0, &["small"]);
    let config = ReaderConfig { partition_max_bytes: 1000, max_bytes: 2000, prefetch_bytes: 4000, ..config() };
    let mut reader = reader(&world, config).await;
    assert_eq!(values(&mut reader, 2).await[&0], [large.as_str(), "small"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_reached_where_the_tail_was_compacted_away() {
    let world = World::new(&[0, 0]);
    (0..2).for_each(|partition| append_numbered(&world, partition, 0..3));
    world.change(|state| state.logs[0].end = 10);
    let mut reader = reader(&world, config()).await;
    let end = reader.end_offsets().await.unwrap();
    let mut count = 0;
    while timeout(Duration::from_secs(5), reader.fetch_until(&end)).await.expect("in time").unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, reader.offset(0), reader.lag(0)), (6, Some(10), Some(0)));
    // It is found out once; and what comes later is read.
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.append(0, &["new"]);
    assert_eq!(values(&mut reader, 1).await[&0], ["new"]);
    assert_eq!(reader.offset(0), Some(11));
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_older_part_is_elsewhere_is_not_taken_for_empty() {
    let world = World::new(&[0]);
    let batches = {
        append_numbered(&world, 0, 0..3);
        world.change(|state| {
            state.logs[0].local_start = 3;
            std::mem::take(&mut state.logs[0].batches)
        })
    };
    let mut reader = reader(&world, config()).await;
    let end = reader.end_offsets().await.unwrap();
    assert!(timeout(Duration::from_secs(60), reader.fetch_until(&end)).await.is_err(), "the broker is slow");
    world.change(|state| state.logs[0].batches = batches);
    assert_eq!(values(&mut reader, 3).await[&0], numbered(0..3));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_reader_waits_as_long_as_it_is_told() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    world.state().throttled = 5;
    let mut reader = reader(&world, config()).await;
    let started = Instant::now();
    assert_eq!(values(&mut reader, 3).await[&0], numbered(0..3));
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(world.state().fetches[..6].iter().filter(|fetch| fetch.0 == 0).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_be_dialled_keeps_nothing_from_the_next_one() {
    let world = World::new(&[1]);
    append_numbered(&world, 0, 0..3);
    let transport = world.transport().await;
    let mut reader = Reader::new(transport.clone(), config()).await.unwrap();
    world.state().unreachable.push(1);
    assert!(timeout(Duration::from_secs(1), reader.fetch_message()).await.is_err());
    world.move_leader(0, 2);
    let started = Instant::now();
    transport.refresh(&[TOPIC]).await.unwrap();
    assert_eq!(values(&mut reader, 3).await[&0], numbered(0..3));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_do_not_get_anywhere_are_told_of() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    world.state().logs[0].end = 100;
    world.state().logs[0].stale = true;
    let config = ReaderConfig { retry_timeout: Duration::from_secs(5), start_offset: StartOffset::At(50), ..config() };
    let mut reader = reader(&world, config).await;
    let error = timeout(Duration::from_secs(20), reader.fetch_message()).await.expect("in time").unwrap_err();
    assert_eq!((error.kind(), error.is_halt()), (&ErrorKind::NoProgress, false));
    let fetches = world.state().fetches.len();
    assert!(fetches < 30, "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_hurt_on_the_way_is_not_told_as_a_halt() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    world.change(|state| {
        let good = state.logs[0].batches[0].clone();
        let mut bad = good.to_vec();
        *bad.last_mut().unwrap() ^= 1;
        state.logs[0].batches[0] = bad.into();
        state.logs[0].healed = Some(good);
    });
    let config = ReaderConfig { retry_timeout: Duration::ZERO, start_offset: StartOffset::At(0), ..config() };
    let mut reader = reader(&world, config).await;
    assert_eq!(values(&mut reader, 3).await[&0], numbered(0..3));
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_told_at_once() {
    let world = World::new(&[0]);
    world.state().logs[0].errors.extend([ErrorCode::TOPIC_AUTHORIZATION_FAILED; 100]);
    let mut reader = reader(&world, config()).await;
    let started = Instant::now();
    let error = reader.fetch_message().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_patience_the_first_error_is_told_and_nothing_else_changes() {
    let world = World::new(&[0, 1]);
    (0..2).for_each(|partition| append_numbered(&world, partition, 0..3));
    let config = ReaderConfig { retry_timeout: Duration::ZERO, ..config() };
    let mut reader = reader(&world, config.clone()).await;
    assert_eq!(values(&mut reader, 6).await.len(), 2);
    world.state().logs[0].errors.extend([ErrorCode::KAFKA_STORAGE_ERROR; 3]);
    append_numbered(&world, 0, 3..4);
    for _ in 0..3 {
        let error = timeout(Duration::from_secs(5), reader.fetch_message()).await.expect("in time").unwrap_err();
        assert_eq!((error.code(), error.is_halt()), (Some(ErrorCode::KAFKA_STORAGE_ERROR), false));
    }
    assert_eq!(values(&mut reader, 1).await[&0], ["3"]);
    // One at a time waits to be heard, however long nobody listens.
    world.state().logs[0].errors.extend([ErrorCode::KAFKA_STORAGE_ERROR; 20]);
    append_numbered(&world, 0, 4..5);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(reader.fetch_message().await.is_err());
    assert_eq!(values(&mut reader, 1).await[&0], ["4"]);
    world.state().silent.push(1);
    let started = Instant::now();
    assert!(reader.end_offsets().await.unwrap_err().is_retriable());
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_sessions_of_brokers_that_answer() {
    let world = World::new(&[0, 1, 2]);
    let mut reader = reader(&world, ReaderConfig { max_wait: Duration::from_secs(3600), ..config() }).await;
    (0..3).for_each(|partition| append_numbered(&world, partition, 0..3));
    values(&mut reader, 9).await;
    assert!(timeout(Duration::from_secs(1), reader.fetch_message()).await.is_err());
    world.state().silent.push(2);
    let before = Instant::now();
    reader.close().await;
    assert!(before.elapsed() <= Duration::from_millis(500), "{:?}", before.elapsed());
    assert_eq!(world.state().sessions_ended, 2, "two of three brokers are there");
}

#[tokio::test(start_paused = true)]
async fn any_duration_will_do() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    let config = ReaderConfig { retry_timeout: Duration::MAX, ..config() };
    let transport = world.transport_with(Duration::MAX).await;
    let mut reader = Reader::new(transport, config).await.unwrap();
    assert_eq!(values(&mut reader, 3).await[&0], numbered(0..3));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_replaced_is_noticed_with_the_next_snapshot() {
    let world = World::new(&[0]);
    append_numbered(&world, 0, 0..3);
    let transport = world.transport().await;
    let mut reader = Reader::new(transport.clone(), config()).await.unwrap();
    values(&mut reader, 3).await;
    world.state().topic_id = kafka_protocol::Uuid::from_bytes([8; 16]);
    transport.refresh(&[TOPIC]).await.unwrap();
    let error = timeout(Duration::from_secs(5), reader.fetch_message()).await.expect("in time").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TopicReplaced { .. }), "{error}");
}
