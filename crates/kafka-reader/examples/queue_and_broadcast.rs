//! Queue against publish-subscribe: members of one group share the messages, members of different groups each get all.

mod common;

use std::time::Duration;

use kafka_conn::Transport;
use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use tokio::time::timeout;

/// Reads as a member of `group_id` until nothing came for a while; returns how many messages there were.
async fn count(transport: Transport, topic: String, group_id: &str) -> common::Outcome<usize> {
    let group = GroupConfig { group_id: group_id.into(), topics: [topic].into(), ..GroupConfig::default() };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;
    let mut count = 0;
    while let Ok(message) = timeout(Duration::from_secs(12), reader.read_message()).await {
        message?;
        count += 1;
    }
    reader.close().await;
    Ok(count)
}

#[tokio::main]
async fn main() -> common::Outcome {
    let (transport, topic) = (common::connect().await?, common::topic());
    let run = |group_id: &'static str| tokio::spawn(count(transport.clone(), topic.clone(), group_id));
    let (one, two, other) = (run("workers"), run("workers"), run("audit"));
    let (one, two, other) = (one.await??, two.await??, other.await??);
    eprintln!("two workers shared {} messages ({one} and {two}), the audit got {other}", one + two);
    Ok(())
}
