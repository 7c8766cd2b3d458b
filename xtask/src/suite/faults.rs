//! Faults between us and a broker, made by the proxy.

use std::collections::HashSet;
use std::time::Duration;

use kafka_conn::Transport;
use kafka_protocol::ApiKey;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Fate, Writer, WriterConfig};

use super::{Failure, Scenario, Target, Text, check, scenario};
use crate::proxy::{ConnectionFault, Fault, Often, Proxy, RequestFault, Rule};

const LINES: usize = 10_000;
const PARTITIONS: i32 = 4;
const SEED: u64 = 11;
/// Smaller batches make more requests, and so more faults.
const BATCH_MESSAGES: usize = 50;
/// How often all connections of a reader are cut at once.
const CUTS: usize = 5;

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("faults::an_answer_lost_on_the_way_leaves_the_message_written", |target| async move {
            answer_lost(&target, RequestFault::DropAnswerAndCut, Written::Yes).await
        }),
        scenario("faults::a_request_cut_off_leaves_nothing_written", |target| async move {
            answer_lost(&target, RequestFault::Cut, Written::No).await
        }),
        scenario("faults::a_broker_that_falls_silent_is_left", |target| async move {
            answer_lost(&target, RequestFault::DropAnswerAndFallSilent, Written::Yes).await
        }),
        scenario("faults::a_connection_that_stalls_is_left", |target| async move {
            answer_lost(&target, RequestFault::Stall, Written::No).await
        }),
        scenario("faults::a_new_connection_that_stalls_is_given_up", |target| async move {
            new_connection_stalls(&target).await
        }),
        scenario(
            "faults::the_writer_writes_each_message_once",
            |target| async move { writer_writes_all(&target).await },
        ),
        scenario("faults::the_reader_sees_each_message_once", |target| async move { reader_sees_all(&target).await }),
    ]
}

/// Whether the broker has the message of a request whose answer never came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

/// A message whose answer never comes fails with an unknown fate; the log tells what became of it.
async fn answer_lost(target: &Target, fault: RequestFault, written: Written) -> Result<(), Failure> {
    let rule = Rule { broker: None, often: Often::Next(1), fault: Fault::Request(Some(ApiKey::PRODUCE), fault) };
    let (proxy, through) = target.transport_through_proxy(SEED, vec![rule]).await?;
    let direct = target.transport_past_proxy().await?;
    let topic = target.new_topic(&direct, "faults", 1).await?;
    let config = WriterConfig {
        topic: Some(topic.as_str().into()),
        retries: 0,
        request_timeout: Duration::from_secs(2),
        ..WriterConfig::default()
    };
    let writer = Writer::new(through, config)?;
    let delivery = writer.send(Text::read()?.message(0)).await?;
    let error = delivery.await.err().ok_or("the message was written, although its answer was lost")?;
    check(error.fate() == Fate::PossiblyPersisted, || format!("its fate is {:?}: {error}", error.fate()))?;
    // The flush tells of the failure too.
    let _ = writer.close().await;

    let faults = proxy.counts().request_faults;
    check(faults.get(&ApiKey::PRODUCE) == Some(&1), || format!("the proxy's faults: {faults:?}"))?;
    let found = read(direct, &topic).await?.len();
    check(found == usize::from(written == Written::Yes), || format!("{found} messages are in the log"))
}

/// Nobody answers on the writer's first connection: it makes another.
async fn new_connection_stalls(target: &Target) -> Result<(), Failure> {
    let fault = Fault::Connection(ConnectionFault::Stall);
    let rule = Rule { broker: None, often: Often::Next(1), fault };
    let (proxy, through) = target.transport_through_proxy(SEED, vec![rule]).await?;
    let direct = target.transport_past_proxy().await?;
    let topic = target.new_topic(&direct, "faults", PARTITIONS).await?;
    write(through, &topic).await?;
    let counts = proxy.counts();
    check(counts.connection_faults == 1, || format!("the proxy's counts: {counts:?}"))?;
    let found = read(direct, &topic).await?.len();
    check(found == LINES, || format!("{found} messages of {LINES} are in the log"))
}

/// What was written although its answer was lost is sent again, and the broker recognises it.
async fn writer_writes_all(target: &Target) -> Result<(), Failure> {
    let (proxy, through) = target.transport_through_proxy(SEED, rough(Some(ApiKey::PRODUCE))).await?;
    let direct = target.transport_past_proxy().await?;
    let topic = target.new_topic(&direct, "faults", PARTITIONS).await?;
    write(through, &topic).await?;
    check_faults(&proxy)?;
    let text = Text::read()?;
    let found = read(direct, &topic).await?;
    let copies = found.len();
    let found: HashSet<_> = found.into_iter().collect();
    let lost = (0..LINES).filter(|number| !found.contains(&text.line(*number)[..])).count();
    check(lost == 0 && copies == LINES, || format!("of {LINES} lines {lost} are lost, {copies} are in the log"))
}

async fn reader_sees_all(target: &Target) -> Result<(), Failure> {
    let direct = target.transport_past_proxy().await?;
    let topic = target.new_topic(&direct, "faults", PARTITIONS).await?;
    write(direct.clone(), &topic).await?;
    let expected = read(direct, &topic).await?;
    let (proxy, through) = target.transport_through_proxy(SEED, rough(None)).await?;
    // Little at a time makes more requests.
    let config = ReaderConfig { topic: topic.as_str().into(), max_bytes: 64 << 10, ..ReaderConfig::default() };
    let mut seen = 0;
    let found = read_with(through, config, || {
        seen += 1;
        if seen % (LINES / CUTS) == 0 {
            proxy.cut_all();
        }
    });
    let found = found.await?;
    check_faults(&proxy)?;
    check(found.len() == expected.len(), || format!("read {} messages of {}", found.len(), expected.len()))?;
    let all: HashSet<_> = found.into_iter().collect();
    check(expected.iter().all(|line| all.contains(line)), || "other messages were read than written".to_owned())
}

/// A bad network: of the requests one in twenty or so meets each fault, and some connections fail at once.
fn rough(api: Option<ApiKey>) -> Vec<Rule> {
    let request = |share, fault| (share, Fault::Request(api, fault));
    let faults = [
        request(0.04, RequestFault::DropAnswerAndCut),
        request(0.04, RequestFault::Cut),
        request(0.10, RequestFault::Delay(Duration::from_millis(20))),
        (0.2, Fault::Connection(ConnectionFault::Cut)),
        (0.2, Fault::Connection(ConnectionFault::Delay(Duration::from_millis(20)))),
    ];
    faults.into_iter().map(|(share, fault)| Rule { broker: None, often: Often::Share(share), fault }).collect()
}

/// A run without faults proves nothing.
fn check_faults(proxy: &Proxy) -> Result<(), Failure> {
    let counts = proxy.counts();
    let faults: u64 = counts.request_faults.values().sum();
    check(faults > 0 && counts.malformed == 0, || format!("the proxy's counts: {counts:?}"))
}

async fn write(transport: Transport, topic: &str) -> Result<(), Failure> {
    let config = WriterConfig { topic: Some(topic.into()), batch_messages: BATCH_MESSAGES, ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    let text = Text::read()?;
    let mut deliveries = Vec::with_capacity(LINES);
    for number in 0..LINES {
        deliveries.push(writer.send(text.message(number)).await?);
    }
    writer.flush().await?;
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(writer.close().await?)
}

/// The values in the topic, from its beginning to its present end.
async fn read(transport: Transport, topic: &str) -> Result<Vec<Vec<u8>>, Failure> {
    read_with(transport, ReaderConfig { topic: topic.into(), ..ReaderConfig::default() }, || {}).await
}

/// The same, with a call after each message.
async fn read_with(
    transport: Transport,
    config: ReaderConfig,
    mut each: impl FnMut(),
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut reader = Reader::new(transport, config).await?;
    let end = reader.end_offsets().await?;
    let mut values = Vec::new();
    while let Some(message) = reader.fetch_until(&end).await? {
        values.push(message.value.unwrap_or_default().to_vec());
        each();
    }
    reader.close().await;
    Ok(values)
}
