//! Futures of `Conn`.

use std::time::{Duration, UNIX_EPOCH};

use kafka_conn::{Compression, Conn, Message, ReadBatchConfig, Whence};
use kafka_protocol::messages::create_topics::CreatableTopic;

use super::{Brokers, Row, VALUES, check, dropped_after, row, world};

/// A row of a question, whose answer changes nothing.
macro_rules! question {
    ($name:literal, |$conn:ident| $ask:expr) => {
        row!($name, |polls| {
            let (brokers, $conn) = bound().await;
            let completed = dropped_after(polls, $ask).await.is_some();
            assert_eq!($conn.offset(), (1, Whence::Absolute));
            done(&brokers, $conn).await;
            completed
        })
    };
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = questions();
    rows.extend(changes());
    rows
}

fn questions() -> Vec<Row> {
    vec![
        question!("Conn::api_versions", |conn| conn.api_versions()),
        question!("Conn::brokers", |conn| conn.brokers()),
        question!("Conn::controller", |conn| conn.controller()),
        question!("Conn::read_first_offset", |conn| conn.read_first_offset()),
        question!("Conn::read_last_offset", |conn| conn.read_last_offset()),
        question!("Conn::read_offset", |conn| conn.read_offset(UNIX_EPOCH)),
        question!("Conn::read_offsets", |conn| conn.read_offsets()),
        question!("Conn::read_partitions", |conn| conn.read_partitions(&["another"])),
        question!("Conn::create_topics", |conn| conn.create_topics(&[CreatableTopic {
            name: "new".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        }])),
        question!("Conn::delete_topics", |conn| conn.delete_topics(&["another"])),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        row!("Conn::seek", |polls| {
            let (brokers, mut conn) = bound().await;
            let sought = dropped_after(polls, conn.seek(1, Whence::End)).await;
            let expected = if sought.is_some() { VALUES - 1 } else { 1 };
            assert_eq!(conn.offset(), (expected, Whence::Absolute));
            check_reads(&brokers, conn, expected).await;
            sought.is_some()
        }),
        row!("Conn::read_message", |polls| {
            let (brokers, mut conn) = bound().await;
            conn.seek_unchecked(0, Whence::End).unwrap();
            append_later(&brokers);
            let read = dropped_after(polls, conn.read_message(MANY)).await.map(|read| read.unwrap().offset);
            assert!(read.is_none_or(|offset| offset == VALUES));
            check_reads_appended(&brokers, conn, read).await;
            read.is_some()
        }),
        row!("Conn::read", |polls| {
            let (brokers, mut conn) = bound().await;
            conn.seek_unchecked(0, Whence::End).unwrap();
            append_later(&brokers);
            let mut buffer = [0; 8];
            let read = dropped_after(polls, conn.read(&mut buffer)).await.map(|read| read.unwrap());
            assert!(read.is_none_or(|len| &buffer[..len] == b"first"));
            check_reads_appended(&brokers, conn, read.map(|_| VALUES)).await;
            read.is_some()
        }),
        row!("Conn::read_batch", |polls| {
            let (brokers, mut conn) = bound().await;
            let read = dropped_after(polls, conn.read_batch(1, MANY)).await.map(|batch| drop(batch.unwrap()));
            check_reads(&brokers, conn, 1).await;
            read.is_some()
        }),
        row!("Conn::read_batch_with", |polls| {
            let (brokers, mut conn) = bound().await;
            conn.seek_unchecked(1, Whence::Start).unwrap();
            let config = ReadBatchConfig::default();
            let read = dropped_after(polls, conn.read_batch_with(config)).await.map(|batch| drop(batch.unwrap()));
            check_reads(&brokers, conn, 1).await;
            read.is_some()
        }),
        row!("Conn::write", |polls| {
            let (brokers, mut conn) = bound().await;
            let written = dropped_after(polls, conn.write(b"a")).await;
            check_writes(&brokers, conn, &["a"], written.is_some()).await
        }),
        row!("Conn::write_messages", |polls| {
            let (brokers, mut conn) = bound().await;
            let written = dropped_after(polls, conn.write_messages(&[text("a"), text("b")])).await;
            check_writes(&brokers, conn, &["a", "b"], written.is_some()).await
        }),
        row!("Conn::write_compressed_messages", |polls| {
            let (brokers, mut conn) = bound().await;
            let messages = [text("a"), text("b")];
            let written = dropped_after(polls, conn.write_compressed_messages(Compression::Gzip, &messages)).await;
            check_writes(&brokers, conn, &["a", "b"], written.is_some()).await
        }),
        row!("Conn::close", |polls| {
            let (brokers, conn) = bound().await;
            let completed = dropped_after(polls, conn.close()).await.is_some();
            brokers.until_open(0).await;
            completed
        }),
    ]
}

/// A broker with a few messages, and a connection that reads the second one next.
async fn bound() -> (Brokers, Conn) {
    let (brokers, connection) = world().await;
    let mut conn = Conn::bind(connection, "t", 0);
    conn.seek_unchecked(1, Whence::Absolute).unwrap();
    (brokers, conn)
}

fn append_later(brokers: &Brokers) {
    let brokers = brokers.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        brokers.change_log(|log| log.append_values(["first".to_owned(), "second".to_owned()]));
    });
}

async fn done(brokers: &Brokers, conn: Conn) {
    let connection = conn.connection().clone();
    drop(conn);
    check(brokers, connection).await;
}

/// From `offset` on, no message is missing and none comes twice.
async fn check_reads(brokers: &Brokers, mut conn: Conn, offset: i64) {
    for offset in offset..VALUES {
        assert_eq!(conn.read_message(MANY).await.unwrap().offset, offset);
    }
    done(brokers, conn).await;
}

/// What was waited for at the end, while it was dropped: `read` was, if it is there.
async fn check_reads_appended(brokers: &Brokers, mut conn: Conn, read: Option<i64>) {
    let next = conn.read_message(MANY).await.unwrap().offset;
    assert_eq!(next, read.map_or(VALUES, |offset| offset + 1));
    done(brokers, conn).await;
}

/// What was being written is there whole or not at all, and what is written next is there once, behind it.
async fn check_writes(brokers: &Brokers, mut conn: Conn, values: &[&str], completed: bool) -> bool {
    let written = conn.write_messages(&[text("next")]).await.unwrap();
    let contents = brokers.state().topics["t"][0].contents();
    let new: Vec<_> = contents.iter().skip(VALUES as usize).map(|message| message.value.clone().unwrap()).collect();
    let all: Vec<_> = values.iter().copied().chain(["next"]).collect();
    assert!(new == all || (new == ["next"] && !completed), "{new:?}");
    assert_eq!(written.offset, Some(VALUES + new.len() as i64 - 1), "the answer is that to this write");
    done(brokers, conn).await;
    completed
}

fn text(value: &'static str) -> Message {
    Message { value: Some(value.into()), ..Message::default() }
}

const MANY: usize = 1 << 20;
