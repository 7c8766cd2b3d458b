//! An election that loses records: the reader says so, and reads what came in their place.

use std::time::Duration;

use kafka_admin::Election;
use kafka_reader::{ErrorKind, Reader, ReaderConfig};
use kafka_writer::{Message, Writer, WriterConfig};

use super::blow::Blow;
use super::brokers::Brokers;
use crate::suite::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("reader::an_election_that_loses_records_skips_none_of_the_new_ones", |target| async move {
        truncation(&target).await
    })]
}

/// Records that both replicas have, those that the leader alone has, and those that come instead.
const COMMON: i64 = 200;
const LOST: i64 = 500;
const NEW: i64 = 700;

/// The replicas of the topic's one partition: its leader, and the follower that will lead without having everything.
const LEADER: i32 = 1;
const FOLLOWER: i32 = 2;

async fn truncation(target: &Target) -> Result<(), Failure> {
    let brokers = Brokers::new(target).await?;
    let configs = [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "false")];
    let topic = brokers.topic("truncation", &[&[LEADER, FOLLOWER]], &configs).await?;
    let transport = target.transport().await?;
    let config = WriterConfig { topic: Some(topic.as_str().into()), ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let config = ReaderConfig { topic: topic.as_str().into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;

    write(&writer, "common", COMMON).await?;
    read(&mut reader, "common", 0, COMMON).await?;
    brokers.strike(FOLLOWER, Blow::Kill).await?;
    brokers.await_in_sync(&topic, 0, &[LEADER]).await?;
    write(&writer, "lost", LOST).await?;
    read(&mut reader, "lost", COMMON, LOST).await?;
    brokers.strike(LEADER, Blow::Kill).await?;
    brokers.heal(FOLLOWER, Blow::Kill).await?;
    brokers.await_no_leader(&topic, 0).await?;
    brokers.elect(&topic, Election::Unclean).await?;
    // More than was lost: the new log reaches beyond where the reader is, and nothing is out of range.
    write(&writer, "new", NEW).await?;

    let error = tokio::time::timeout(LIMIT, reader.fetch_message()).await?.err().ok_or("a message, and no error")?;
    let expected = ErrorKind::DataLoss { from: COMMON + LOST, to: COMMON };
    check(*error.kind() == expected, || format!("{error}, not {expected}"))?;
    read(&mut reader, "new", COMMON, NEW).await?;
    brokers.heal(LEADER, Blow::Kill).await?;
    brokers.settle(&topic).await?;
    reader.close().await;
    Ok(writer.close().await?)
}

/// Writes so many records, and waits until they are written.
async fn write(writer: &Writer, about: &str, count: i64) -> Result<(), Failure> {
    let value = |number: i64| Some(format!("{about} {number}").into());
    let messages: Vec<_> = (0..count).map(|number| Message { value: value(number), ..Message::default() }).collect();
    writer.write_messages(&messages).await?;
    Ok(())
}

/// Reads exactly these, from this offset on.
async fn read(reader: &mut Reader, about: &str, from: i64, count: i64) -> Result<(), Failure> {
    for number in 0..count {
        let message = tokio::time::timeout(LIMIT, reader.fetch_message()).await??;
        let expected = format!("{about} {number}");
        let right = message.offset == from + number && message.value.as_deref() == Some(expected.as_bytes());
        check(right, || format!("{message:?}, and not {expected} at offset {}", from + number))?;
    }
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(60);
