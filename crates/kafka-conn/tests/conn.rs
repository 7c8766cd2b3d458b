//! The low-level API, over streams in memory and on virtual time.

mod support;

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kafka_conn::{
    Compression, Conn, ErrorKind, Header, IsolationLevel, Message, ReadBatchConfig, RequiredAcks, Whence,
};
use kafka_protocol::messages::create_topics::CreatableTopic;
use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{
    BatchBuilder, BatchOptions, Compressor, ControlRecord, ControlType, MessageFormat, MessageSetBuilder, Producer,
};
use kafka_protocol::{ApiKey, ErrorCode, Versions};
use support::broker::{Brokers, Log};
use tokio::time::Instant;

async fn connect(brokers: &Brokers) -> Conn {
    brokers.dialer().dial_leader("one", "t", 0).await.unwrap()
}

/// A broker whose partition has these values, and a connection to it.
async fn with_values(values: &[&str]) -> (Brokers, Conn) {
    let brokers = Brokers::one();
    brokers.change_log(|log| log.append_values(values.iter().map(ToString::to_string)));
    let conn = connect(&brokers).await;
    (brokers, conn)
}

fn text(value: &str) -> Message {
    Message { value: Some(Bytes::copy_from_slice(value.as_bytes())), ..Message::default() }
}

fn value(message: &Message) -> &str {
    std::str::from_utf8(message.value.as_deref().unwrap()).unwrap()
}

const MANY: usize = 1 << 20;

// Writing.

#[tokio::test(start_paused = true)]
async fn what_is_written_is_read() {
    let brokers = Brokers::one();
    let mut conn = connect(&brokers).await;
    assert_eq!((conn.topic(), conn.partition(), conn.address().host()), (Some("t"), Some(0), "one"));
    assert_eq!((conn.local_addr(), conn.remote_addr()), (None, None), "a stream in memory is no socket");
    let full = Message {
        topic: "t".into(),
        key: Some("key".into()),
        value: Some("value".into()),
        headers: vec![Header::new("a", "1"), Header { key: "a".into(), value: None }],
        timestamp: Some(UNIX_EPOCH + Duration::from_millis(1234)),
        ..Message::default()
    };
    let tombstone = Message { key: Some("key".into()), ..Message::default() };
    let empty = text("");
    for codec in Compression::ALL {
        let messages = [full.clone(), tombstone.clone(), empty.clone()];
        let written = conn.write_compressed_messages(codec, &messages).await.unwrap();
        assert_eq!((written.bytes, written.partition), (3 + 5 + 3, 0));
        assert_eq!(written.append_time, None);
        let base = written.offset.unwrap();
        for (index, expected) in messages.iter().enumerate() {
            let read = conn.read_message(MANY).await.unwrap();
            assert_eq!(read.offset, base + index as i64, "{codec}");
            assert_eq!((&*read.topic, read.partition, read.high_watermark), ("t", 0, base + 3));
            assert_eq!((&read.key, &read.value, &read.headers), (&expected.key, &expected.value, &expected.headers));
            assert!(read.timestamp.is_some());
        }
    }
    assert_eq!(brokers.state().topics["t"][0].contents()[0].timestamp, full.timestamp);
    assert_eq!(conn.write(b"plain").await.unwrap(), 5);
    assert_eq!(value(&conn.read_message(MANY).await.unwrap()), "plain");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_one_batch_and_none_without_messages() {
    let (brokers, mut conn) = with_values(&[]).await;
    let written = conn.write_messages(&[]).await.unwrap();
    assert_eq!((written.offset, brokers.count(ApiKey::PRODUCE)), (None, 0));
    let written = conn.write_messages(&[text("a"), text("b")]).await.unwrap();
    assert_eq!((written.offset, brokers.count(ApiKey::PRODUCE)), (Some(0), 1));
    let written = conn.write_messages(&[text("c")]).await.unwrap();
    assert_eq!(written.offset, Some(2));
}

#[tokio::test(start_paused = true)]
async fn messages_of_another_topic_or_partition_are_refused_before_anything_is_sent() {
    let (brokers, mut conn) = with_values(&[]).await;
    for message in [Message { topic: "u".into(), ..text("x") }, Message { partition: 1, ..text("x") }] {
        let error = conn.write_messages(&[text("fine"), message]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)) && error.is_unsent(), "{error}");
        assert!(error.to_string().contains("topic \"t\" partition 0"), "{error}");
    }
    assert_eq!(brokers.count(ApiKey::PRODUCE), 0);
}

#[tokio::test(start_paused = true)]
async fn required_acks() {
    let (brokers, mut conn) = with_values(&[]).await;
    conn.set_required_acks(RequiredAcks::None);
    let written = conn.write_messages(&[text("a")]).await.unwrap();
    assert_eq!(written.offset, None, "nobody told it");
    conn.set_required_acks(RequiredAcks::One);
    assert_eq!(conn.write_messages(&[text("b")]).await.unwrap().offset, Some(1));
    assert_eq!(brokers.count(ApiKey::PRODUCE), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_says_what_the_broker_says() {
    let (brokers, mut conn) = with_values(&[]).await;
    brokers.change(|state| state.refusals.insert(ApiKey::PRODUCE, (ErrorCode::INVALID_RECORD, 1)));
    let error = conn.write_messages(&[text("a")]).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
    let said = format!("{error:#}");
    assert!(said.contains("broker one:9092") && said.contains("no\\nreason"), "{said}");
    assert!(conn.write_messages(&[text("a")]).await.is_ok(), "the connection goes on");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_lead_refuses() {
    let (brokers, mut conn) = with_values(&["a"]).await;
    brokers.change_log(|log| log.leader = 2);
    let error = conn.write_messages(&[text("a")]).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(error.needs_metadata_refresh());
    let error = conn.seek_unchecked(0, Whence::Absolute).err();
    assert!(error.is_none(), "nothing is asked");
    let error = conn.read_message(MANY).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}

// Reading.

#[tokio::test(start_paused = true)]
async fn a_batch_moves_the_position_message_by_message() {
    let (_brokers, mut conn) = with_values(&["a", "b", "c"]).await;
    assert_eq!(conn.offset(), (0, Whence::Start));
    let mut batch = conn.read_batch(1, MANY).await.unwrap();
    assert_eq!((batch.offset(), batch.high_watermark(), batch.topic(), batch.partition()), (0, 3, "t", 0));
    assert_eq!((batch.last_stable_offset(), batch.log_start_offset()), (3, 0));
    assert_eq!((batch.throttle(), batch.preferred_read_replica()), (Duration::from_millis(7), None));
    assert_eq!(value(&batch.read_message().unwrap().unwrap()), "a");
    assert_eq!(batch.offset(), 1);
    batch.close().unwrap();
    assert_eq!(conn.offset(), (1, Whence::Absolute), "half read");
    let mut batch = conn.read_batch(1, MANY).await.unwrap();
    assert_eq!(value(&batch.read_message().unwrap().unwrap()), "b");
    assert_eq!(value(&batch.read_message().unwrap().unwrap()), "c");
    assert!(batch.read_message().unwrap().is_none() && batch.read_message().unwrap().is_none());
    drop(batch);
    assert_eq!(conn.offset(), (3, Whence::Absolute));
}

#[tokio::test(start_paused = true)]
async fn a_short_buffer_leaves_the_message() {
    let (_brokers, mut conn) = with_values(&["four", "a"]).await;
    let mut batch = conn.read_batch(1, MANY).await.unwrap();
    let mut buffer = [0; 4];
    let error = batch.read(&mut buffer[..3]).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ShortBuffer { needed: 4 }, "{error}");
    assert_eq!((batch.offset(), batch.error().is_some()), (0, true));
    assert_eq!(batch.read(&mut buffer).unwrap(), Some(4));
    assert_eq!((&buffer, batch.error().is_none()), (b"four", true));
    assert!(batch.read(&mut []).is_err());
    assert_eq!(*batch.close().unwrap_err().kind(), ErrorKind::ShortBuffer { needed: 1 });
    assert_eq!(conn.offset(), (1, Whence::Absolute));
    // The same without a batch.
    let error = conn.read(&mut []).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ShortBuffer { needed: 1 });
    assert_eq!(conn.read(&mut buffer).await.unwrap(), 1);
    assert_eq!((buffer[0], conn.offset()), (b'a', (2, Whence::Absolute)));
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_after_the_wait_is_no_error() {
    let (brokers, mut conn) = with_values(&["a"]).await;
    conn.seek(0, Whence::End).await.unwrap();
    let begin = Instant::now();
    let config = ReadBatchConfig { max_wait: Some(Duration::from_secs(3)), ..ReadBatchConfig::default() };
    let mut batch = conn.read_batch_with(config).await.unwrap();
    assert!(batch.read_message().unwrap().is_none());
    assert_eq!((begin.elapsed().as_secs(), batch.offset()), (3, 1));
    batch.close().unwrap();
    let mut batch = conn.read_batch(0, MANY).await.unwrap();
    assert!(batch.read_message().unwrap().is_none(), "no bytes are asked for: it does not wait");
    drop(batch);
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert!(brokers.state().timeouts.contains(&(ApiKey::FETCH, 3000)));
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_a_message() {
    let (brokers, mut conn) = with_values(&[]).await;
    let (read, _) = tokio::join!(conn.read_message(MANY), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        brokers.change_log(|log| log.append_values(["late".to_owned()]));
    });
    assert_eq!(value(&read.unwrap()), "late");
}

#[tokio::test(start_paused = true)]
async fn what_a_fetch_brought_is_read_without_another() {
    let (brokers, mut conn) = with_values(&["a", "b", "c"]).await;
    for expected in ["a", "b", "c"] {
        assert_eq!(value(&conn.read_message(MANY).await.unwrap()), expected);
    }
    assert_eq!(brokers.count(ApiKey::FETCH), 1);
    conn.seek(1, Whence::Absolute).await.unwrap();
    assert_eq!(value(&conn.read_message(MANY).await.unwrap()), "b", "a seek forgets what was ahead");
    assert_eq!(brokers.count(ApiKey::FETCH), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_max_bytes_comes_whole() {
    let long = "x".repeat(10_000);
    let (_brokers, mut conn) = with_values(&["a", &long, "b"]).await;
    for expected in ["a", &long, "b"] {
        assert_eq!(value(&conn.read_message(1).await.unwrap()), expected);
    }
    conn.seek(1, Whence::Absolute).await.unwrap();
    let mut batch = conn.read_batch(1, 10).await.unwrap();
    assert_eq!(value(&batch.read_message().unwrap().unwrap()).len(), 10_000);
    assert!(batch.read_message().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_position_passes_what_holds_no_message() {
    let brokers = Brokers::one();
    let producer = Producer { producer_id: 7, producer_epoch: 0, base_sequence: 0 };
    brokers.change_log(|log| {
        // Compaction left offsets 2 and 4 of 0 to 9, and nothing of 10 to 14; 15 is a marker.
        let mut gaps = BatchBuilder::new(BatchOptions { last_offset_delta: Some(9), ..BatchOptions::default() });
        gaps.append_at(2, 0, None, Some(b"two"), []).unwrap();
        gaps.append_at(4, 0, None, Some(b"four"), []).unwrap();
        log.append(gaps.seal(&mut Compressor::default()).unwrap(), 10);
        let empty = BatchOptions { base_offset: 10, last_offset_delta: Some(4), ..BatchOptions::default() };
        log.append(BatchBuilder::new(empty).seal(&mut Compressor::default()).unwrap(), 15);
        let control =
            BatchOptions { base_offset: 15, producer, transactional: true, control: true, ..Default::default() };
        let mut marker = BatchBuilder::new(control);
        let value = ControlRecord::end_marker_value(0);
        marker.append(0, Some(&ControlType::Commit.key()), Some(&value), []).unwrap();
        log.append(marker.seal(&mut Compressor::default()).unwrap(), 16);
    });
    let mut conn = connect(&brokers).await;
    let mut batch = conn.read_batch(1, MANY).await.unwrap();
    let offsets: Vec<_> = std::iter::from_fn(|| batch.read_message().unwrap()).map(|message| message.offset).collect();
    assert_eq!((offsets, batch.offset()), (vec![2, 4], 16));
    drop(batch);
    // A read that meets only such things goes on behind them.
    conn.seek(5, Whence::Absolute).await.unwrap();
    let (read, _) = tokio::join!(conn.read_message(MANY), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        brokers.change_log(|log| log.append_values(["behind".to_owned()]));
    });
    assert_eq!(read.unwrap().offset, 16);
}

#[tokio::test(start_paused = true)]
async fn read_committed_leaves_out_what_was_aborted() {
    let brokers = Brokers::one();
    brokers.change_log(|log| {
        for (producer_id, offset) in [(7, 0), (8, 1), (7, 2)] {
            let producer = Producer { producer_id, producer_epoch: 0, base_sequence: 0 };
            let options = BatchOptions { base_offset: offset, producer, transactional: true, ..Default::default() };
            let mut builder = BatchBuilder::new(options);
            builder.append(0, None, Some(b"v"), []).unwrap();
            log.append(builder.seal(&mut Compressor::default()).unwrap(), offset + 1);
        }
        log.aborted = vec![AbortedTransaction { producer_id: 7, first_offset: 0, ..Default::default() }];
    });
    let mut conn = connect(&brokers).await;
    for (isolation_level, expected) in
        [(IsolationLevel::ReadUncommitted, vec![0, 1, 2]), (IsolationLevel::ReadCommitted, vec![1])]
    {
        conn.seek(0, Whence::Start).await.unwrap();
        let mut batch = conn.read_batch_with(ReadBatchConfig { isolation_level, ..Default::default() }).await.unwrap();
        let offsets: Vec<_> = std::iter::from_fn(|| batch.read_message().unwrap()).map(|read| read.offset).collect();
        assert_eq!((offsets, batch.offset()), (expected, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn message_sets_of_old_topics() {
    let brokers = Brokers::one();
    brokers.change_log(|log| {
        let mut builder = MessageSetBuilder::new(MessageFormat::V1);
        (0..3).for_each(|offset| builder.append(offset, 5, Some(b"k"), Some(b"old")).unwrap());
        log.append(builder.seal(&mut Compressor::new(Compression::Gzip, None).unwrap()).unwrap(), 3);
    });
    let mut conn = connect(&brokers).await;
    conn.seek(1, Whence::Absolute).await.unwrap();
    let read = conn.read_message(MANY).await.unwrap();
    assert_eq!((read.offset, value(&read), read.timestamp), (1, "old", Some(UNIX_EPOCH + Duration::from_millis(5))));
}

#[tokio::test(start_paused = true)]
async fn corrupt_records_are_told_and_not_passed() {
    let (brokers, mut conn) = with_values(&["a"]).await;
    brokers.change_log(|log| {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: 1, ..BatchOptions::default() });
        builder.append(0, None, Some(b"b"), []).unwrap();
        let mut bytes = builder.seal(&mut Compressor::default()).unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        log.append(bytes.into(), 2);
    });
    let mut batch = conn.read_batch(1, MANY).await.unwrap();
    assert!(batch.read_message().unwrap().is_some());
    for _ in 0..2 {
        let error = batch.read_message().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::CorruptRecords { offset: 1 });
        assert!(error.to_string().contains("topic \"t\" partition 0: the records at offset 1"), "{error}");
    }
    assert_eq!(*batch.close().unwrap_err().kind(), ErrorKind::CorruptRecords { offset: 1 });
    assert_eq!(conn.offset(), (1, Whence::Absolute));
    for _ in 0..2 {
        let error = conn.read_message(MANY).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::CorruptRecords { offset: 1 });
    }
    assert_eq!(conn.offset(), (1, Whence::Absolute));
}

#[tokio::test(start_paused = true)]
async fn arguments_that_make_no_sense() {
    let (_brokers, mut conn) = with_values(&["a"]).await;
    let error = conn.read_batch(2, 1).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{error}");
    let error = conn.seek_unchecked(-1, Whence::Absolute).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{error}");
    let error = conn.seek_unchecked(i64::MAX, Whence::Start).err();
    assert!(error.is_none());
    let error = conn.seek_unchecked(1, Whence::Current).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_partition() {
    let brokers = Brokers::one();
    let mut conn = Conn::new(brokers.dialer().dial("one").await.unwrap());
    assert_eq!((conn.topic(), conn.partition()), (None, None));
    for error in [
        conn.read_message(MANY).await.map(drop).unwrap_err(),
        conn.read_batch(1, MANY).await.map(drop).unwrap_err(),
        conn.read(&mut [0]).await.map(drop).unwrap_err(),
        conn.write(b"x").await.map(drop).unwrap_err(),
        conn.read_offsets().await.map(drop).unwrap_err(),
        conn.seek(0, Whence::End).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{error}");
        assert!(error.to_string().contains("dial_leader"), "{error}");
    }
}

// Offsets.

#[tokio::test(start_paused = true)]
async fn offsets() {
    let (brokers, conn) = with_values(&["a", "b", "c", "d"]).await;
    brokers.change_log(|log| log.start = 1);
    assert_eq!(conn.read_first_offset().await.unwrap(), 1);
    assert_eq!(conn.read_last_offset().await.unwrap(), 4);
    assert_eq!(conn.read_offsets().await.unwrap(), (1, 4));
    // The log's timestamps are its offsets, in milliseconds.
    let at = |milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds);
    assert_eq!(conn.read_offset(at(2)).await.unwrap(), Some(2));
    assert_eq!(conn.read_offset(at(4)).await.unwrap(), None);
    assert_eq!(conn.read_offset(UNIX_EPOCH - Duration::from_secs(1)).await.unwrap(), Some(0), "no special number");
    brokers.change(|state| state.refusals.insert(ApiKey::LIST_OFFSETS, (ErrorCode::TOPIC_AUTHORIZATION_FAILED, 1)));
    let error = conn.read_last_offset().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
}

#[tokio::test(start_paused = true)]
async fn seeks() {
    let (brokers, mut conn) = with_values(&["a", "b", "c", "d", "e"]).await;
    brokers.change_log(|log| log.start = 1);
    for (offset, whence, expected) in [
        (0, Whence::Start, 1),
        (2, Whence::Start, 3),
        (2, Whence::Absolute, 2),
        (1, Whence::Current, 3),
        (-2, Whence::Current, 1),
        (1, Whence::End, 4),
        (0, Whence::End, 5),
        (5, Whence::Absolute, 5),
    ] {
        assert_eq!(conn.seek(offset, whence).await.unwrap(), expected, "{offset} {whence:?}");
        assert_eq!(conn.offset(), (expected, Whence::Absolute));
    }
    for (offset, whence, resolved) in [
        (0, Whence::Absolute, 0),
        (6, Whence::Absolute, 6),
        (-1, Whence::Start, 0),
        (-1, Whence::End, 6),
        (5, Whence::End, 0),
        (1, Whence::Current, 6),
        (i64::MIN, Whence::End, i64::MAX),
    ] {
        let error = conn.seek(offset, whence).await.unwrap_err();
        let expected = ErrorKind::OffsetOutOfRange { offset: resolved, first: 1, last: 5 };
        assert_eq!(*error.kind(), expected, "{offset} {whence:?}");
        assert_eq!(conn.offset(), (5, Whence::Absolute), "the position is as it was");
    }
    let before = brokers.count(ApiKey::LIST_OFFSETS);
    assert_eq!(conn.seek(5, Whence::Absolute).await.unwrap(), 5);
    assert_eq!(brokers.count(ApiKey::LIST_OFFSETS), before, "unchanged is free");
}

#[tokio::test(start_paused = true)]
async fn seeks_that_ask_nobody() {
    let (brokers, mut conn) = with_values(&["a", "b", "c"]).await;
    brokers.change_log(|log| log.start = 1);
    for (offset, whence, expected) in [
        (100, Whence::Absolute, (100, Whence::Absolute)),
        (-98, Whence::Current, (2, Whence::Absolute)),
        (1, Whence::End, (1, Whence::End)),
        (1, Whence::Current, (0, Whence::End)),
        (0, Whence::Start, (0, Whence::Start)),
        (1, Whence::Current, (1, Whence::Start)),
    ] {
        conn.seek_unchecked(offset, whence).unwrap();
        assert_eq!(conn.offset(), expected);
    }
    assert_eq!(brokers.count(ApiKey::LIST_OFFSETS), 0);
    assert_eq!(conn.read_message(MANY).await.unwrap().offset, 2, "one behind the start");
    conn.seek_unchecked(1, Whence::End).unwrap();
    assert_eq!(conn.read_message(MANY).await.unwrap().offset, 2, "one before the end");
    conn.seek_unchecked(100, Whence::Absolute).unwrap();
    let error = conn.read_message(MANY).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(conn.offset(), (100, Whence::Absolute));
}

// Time.

#[tokio::test(start_paused = true)]
async fn a_read_without_message_times_out_and_the_connection_goes_on() {
    let (brokers, mut conn) = with_values(&[]).await;
    conn.set_timeout(Duration::from_secs(8));
    let begin = Instant::now();
    let error = conn.read_message(MANY).await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("the wait for messages after 8.0s"), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 8);
    brokers.change_log(|log| log.append_values(["a".to_owned()]));
    assert_eq!(value(&conn.read_message(MANY).await.unwrap()), "a");
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_of_reads_and_writes_apart() {
    let (brokers, mut conn) = with_values(&["a"]).await;
    conn.set_read_deadline(Some(Instant::now()));
    assert!(conn.read_message(MANY).await.unwrap_err().is_timeout());
    assert!(conn.read_offsets().await.unwrap_err().is_timeout());
    assert!(conn.write(b"b").await.is_ok());
    conn.set_deadline(Some(Instant::now()));
    let error = conn.write(b"c").await.unwrap_err();
    assert!(error.is_timeout() && error.is_unsent(), "{error}");
    assert!(conn.create_topics(&[]).await.unwrap_err().is_timeout());
    conn.set_deadline(None);
    assert!(conn.write(b"c").await.is_ok() && conn.read_message(MANY).await.is_ok());
    // The nearer end counts, and the broker is told a little less.
    conn.set_timeout(Duration::from_secs(20));
    conn.set_write_deadline(Some(Instant::now() + Duration::from_secs(10)));
    brokers.state().timeouts.clear();
    conn.write(b"d").await.unwrap();
    conn.set_write_deadline(None);
    conn.write(b"d").await.unwrap();
    assert_eq!(brokers.state().timeouts, [(ApiKey::PRODUCE, 9000), (ApiKey::PRODUCE, 19_000)]);
}

// The cluster.

#[tokio::test(start_paused = true)]
async fn brokers_controller_and_versions() {
    let brokers = Brokers::start(&[(1, "one"), (2, "two")]);
    let conn = Conn::new(brokers.dialer().dial("two").await.unwrap());
    let all: Vec<_> =
        conn.brokers().await.unwrap().iter().map(|broker| (broker.id.0, broker.address.to_string())).collect();
    assert_eq!(all, [(1, "one:9092".to_owned()), (2, "two:9092".to_owned())]);
    assert_eq!(conn.controller().await.unwrap().id.0, 1);
    let versions = conn.api_versions().await.unwrap();
    assert_eq!(versions.of(ApiKey::FETCH), Versions::new(0, 18));
    brokers.change(|state| state.brokers.clear());
    let error = conn.controller().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoController);
    assert!(error.is_retriable());
}

#[tokio::test(start_paused = true)]
async fn partitions() {
    let brokers = Brokers::one();
    brokers.change(|state| state.topics.insert("u".into(), vec![Log::led_by(-1)]));
    let conn = connect(&brokers).await;
    let names = |partitions: Vec<kafka_conn::PartitionInfo>| {
        partitions.into_iter().map(|info| (info.topic.to_string(), info.partition)).collect::<Vec<_>>()
    };
    let t = [("t".to_owned(), 0), ("t".to_owned(), 1)];
    assert_eq!(names(conn.read_partitions(&[]).await.unwrap()), t, "of the connection's topic");
    let unbound = Conn::new(conn.connection().clone());
    assert_eq!(names(unbound.read_partitions(&[]).await.unwrap()).len(), 3, "of all");
    let u = conn.read_partitions(&["u"]).await.unwrap().remove(0);
    assert_eq!((u.leader, u.error), (None, ErrorCode::LEADER_NOT_AVAILABLE));
    let info = conn.read_partitions(&["t"]).await.unwrap().remove(1);
    assert_eq!(info.leader.unwrap().address.host(), "one");
    let ids = |ids: &[kafka_conn::BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(ids(&info.replicas), [1, 9], "also one that is down");
    assert_eq!((ids(&info.in_sync_replicas), ids(&info.offline_replicas)), (vec![1], vec![9]));
    brokers.change(|state| state.auto_create = true);
    let error = conn.read_partitions(&["t", "missing"]).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownTopic);
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(!brokers.state().topics.contains_key("missing"), "asking creates nothing");
    brokers.change(|state| state.refusals.insert(ApiKey::METADATA, (ErrorCode::TOPIC_AUTHORIZATION_FAILED, 1)));
    assert!(unbound.read_partitions(&[]).await.unwrap().is_empty(), "what nobody asked for by name is left out");
}

#[tokio::test(start_paused = true)]
async fn topics_are_created_and_deleted_with_an_outcome_each() {
    let brokers = Brokers::one();
    let conn = Conn::new(brokers.dialer().dial("one").await.unwrap());
    let topic = |name: &str, num_partitions| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let outcomes = conn.create_topics(&[topic("new", 2), topic("bad", 0), topic("t", 1)]).await.unwrap();
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.name.as_str()).collect();
    assert_eq!(names, ["new", "bad", "t"]);
    assert!(outcomes[0].result.is_ok() && outcomes[2].result.is_ok(), "one that is there counts as created");
    let error = outcomes[1].result.as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_PARTITIONS));
    let said = format!("{error:#}");
    assert!(said.contains("topic \"bad\"") && said.contains("as I said"), "{said}");
    assert_eq!(brokers.state().topics["new"].len(), 2);

    let outcomes = conn.delete_topics(&["new", "never"]).await.unwrap();
    assert!(outcomes[0].result.is_ok());
    let error = outcomes[1].result.as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(!brokers.state().topics.contains_key("new"));
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_calls_of_other_handles() {
    let (brokers, mut conn) = with_values(&[]).await;
    let other = Conn::bind(conn.connection().clone(), "t", 0);
    conn.set_timeout(Duration::from_secs(4));
    conn.seek_unchecked(0, Whence::Absolute).unwrap();
    let (read, ()) = tokio::join!(conn.read_batch(1, MANY), async {
        while brokers.count(ApiKey::FETCH) == 0 {
            tokio::task::yield_now().await;
        }
        other.close().await;
    });
    assert!(read.is_ok(), "an empty batch, after the wait");
    assert_eq!(*conn.write(b"x").await.unwrap_err().kind(), ErrorKind::Closed);
    brokers.until_open(0).await;
}
