//! A follower in the reader's rack serves it (KIP-392), and the leader does once that is gone.

use std::time::{Duration, Instant};

use kafka_protocol::ApiKey;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Message, Writer, WriterConfig};

use super::blow::Blow;
use super::brokers::Brokers;
use crate::proxy::Proxy;
use crate::suite::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("reader::the_nearest_replica_serves_and_the_leader_when_it_is_gone", |target| async move {
        closest(&target).await
    })]
}

const LEADER: i32 = 1;
/// In rack `b`.
const FOLLOWER: i32 = 2;
const RECORDS: i64 = 20_000;

async fn closest(target: &Target) -> Result<(), Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("closest", &[&[LEADER, FOLLOWER]], &[("min.insync.replicas", "1")]).await?;
    let config = WriterConfig { topic: Some(topic.as_str().into()), batch_messages: 100, ..WriterConfig::default() };
    let writer = Writer::new(target.transport().await?, config)?;
    let message = |number: i64| Message { value: Some(value(number).into()), ..Message::default() };
    writer.write_messages(&(0..RECORDS).map(message).collect::<Vec<_>>()).await?;
    writer.close().await?;

    let (proxy, transport) = target.transport_through_proxy(0, Vec::new()).await?;
    // Little at a time, and little ahead: most of it is still to be fetched when the follower goes.
    let config = ReaderConfig {
        topic: topic.as_str().into(),
        rack: Some("b".into()),
        max_bytes: 16 << 10,
        prefetch_bytes: 32 << 10,
        ..ReaderConfig::default()
    };
    let mut reader = Reader::new(transport, config).await?;
    read(&mut reader, 0..RECORDS / 2).await?;
    let (led, followed) = (fetches(&proxy, LEADER), fetches(&proxy, FOLLOWER));
    // The first one, which the leader answers with the follower's id, and such as go back to ask again.
    check(led * 10 < followed, || format!("the leader had {led} fetches, the follower in the rack {followed}"))?;

    brokers.strike(FOLLOWER, Blow::Kill).await?;
    let longest = read(&mut reader, RECORDS / 2..RECORDS).await?;
    let led_since = fetches(&proxy, LEADER) - led;
    check(led_since > 10, || format!("the leader had {led_since} fetches since the follower is gone"))?;
    println!("    {followed} of {} fetches to the follower; gone, the leader served after {longest:?}", led + followed);
    reader.close().await;
    brokers.heal(FOLLOWER, Blow::Kill).await?;
    brokers.settle(&topic).await
}

/// Reads exactly these, and returns the longest wait for one.
async fn read(reader: &mut Reader, numbers: std::ops::Range<i64>) -> Result<Duration, Failure> {
    let mut longest = Duration::ZERO;
    for number in numbers {
        let begin = Instant::now();
        let message = tokio::time::timeout(LIMIT, reader.fetch_message()).await??;
        longest = longest.max(begin.elapsed());
        let right = message.offset == number && message.value.as_deref() == Some(value(number).as_bytes());
        check(right, || format!("{message:?} in place of number {number}"))?;
    }
    Ok(longest)
}

fn value(number: i64) -> String {
    format!("{number} of a topic that has a replica in the rack of its reader, and its leader elsewhere")
}

fn fetches(proxy: &Proxy, broker: i32) -> u64 {
    proxy.counts().by_broker.get(&(broker, ApiKey::FETCH)).copied().unwrap_or_default()
}

const LIMIT: Duration = Duration::from_secs(60);
