//! Consumer groups whose members come and go in every way, with each assignor, other clients' members among ours.

mod foreign;
mod group;
mod log;
mod member;
mod shake;
mod soak;
mod trail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_conn::{Message, Transport};
use kafka_reader::{
    Assignor, CooperativeStickyAssignor, GroupConfig, RackAffinityAssignor, RangeAssignor, Reader, ReaderConfig,
    RoundRobinAssignor, StickyAssignor,
};
use kafka_writer::{Writer, WriterConfig};
use tokio::sync::watch;
use tokio::time::sleep;

use self::shake::Churn;
use super::{Failure, Scenario, check, scenario};

pub(crate) use group::{Account, Group};
pub(super) use log::Log;
pub(super) use member::Member;
pub(crate) use soak::GroupsSoak;

/// A group of ours and Java's members, and each change once. `cargo xtask soak groups` has all assignors, for minutes.
pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("groups::members_of_two_clients_come_and_go", |target| async move {
        let assignor = Arc::new(CooperativeStickyAssignor);
        let churn = Churn { assignor, seed: 1, lasts: Duration::ZERO, pause_ms: 200..=800 };
        println!("    {}", churn.run(&target).await?);
        Ok(())
    })]
}

pub(super) fn assignors() -> [Arc<dyn Assignor>; 5] {
    [
        Arc::new(RangeAssignor),
        Arc::new(RoundRobinAssignor),
        Arc::new(StickyAssignor),
        Arc::new(CooperativeStickyAssignor),
        Arc::new(RackAffinityAssignor::default()),
    ]
}

pub(super) const PARTITIONS: i32 = 6;
/// Longer than any of it takes.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// The shortest that brokers take.
const SESSION: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_millis(500);

pub(super) fn config(topic: &str, group_id: &str, assignor: Arc<dyn Assignor>) -> ReaderConfig {
    let group = GroupConfig {
        group_id: group_id.into(),
        topics: [topic].into(),
        assignors: vec![assignor],
        session_timeout: SESSION,
        heartbeat_interval: HEARTBEAT,
        rebalance_timeout: Duration::from_secs(10),
        commit_interval: Duration::from_millis(100),
        ..GroupConfig::default()
    };
    ReaderConfig { group: Some(group), ..ReaderConfig::default() }
}

/// Writes a few hundred messages a second, until it is told to stop.
async fn write_until(transport: Transport, topic: String, mut stopped: watch::Receiver<bool>) -> Result<(), Failure> {
    let config = WriterConfig { topic: Some(topic.as_str().into()), ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    for number in 0.. {
        let (key, value) = (Some(format!("{}", number % 97).into()), Some(number.to_string().into()));
        let delivery = writer.send(Message { key, value, ..Message::default() }).await?;
        if number % 10 == 9 {
            delivery.await?;
            if tokio::time::timeout(Duration::from_millis(30), stopped.wait_for(|stop| *stop)).await.is_ok() {
                break;
            }
        }
    }
    writer.flush().await?;
    Ok(writer.close().await?)
}

/// The end of each partition.
pub(super) async fn ends(transport: &Transport, topic: &str) -> Result<BTreeMap<i32, i64>, Failure> {
    let reader =
        Reader::new(transport.clone(), ReaderConfig { topic: topic.into(), ..ReaderConfig::default() }).await?;
    let ends = reader.end_offsets().await?.iter().map(|(partition, end)| (partition.partition, end)).collect();
    reader.close().await;
    Ok(ends)
}

/// Waits until everything was read.
pub(super) async fn all_read(log: &Log, ends: &BTreeMap<i32, i64>) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let missing = log.missing(ends);
        if missing.is_empty() {
            return Ok(());
        }
        check(begun.elapsed() < LIMIT, || {
            let some = &missing[..missing.len().min(10)];
            format!("{} messages were not read, {some:?} among them, of {ends:?}", missing.len())
        })?;
        sleep(Duration::from_millis(50)).await;
    }
}
