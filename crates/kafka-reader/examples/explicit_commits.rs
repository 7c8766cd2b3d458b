//! A member of a group that says itself what it has processed (kafka-go's README: Explicit Commits).

mod common;

use std::time::Duration;

use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> common::Outcome {
    let group = GroupConfig {
        group_id: "example-explicit".into(),
        topics: [common::topic()].into(),
        // Each commit is there when the call returns; the default is once a second, in the background.
        commit_interval: Duration::ZERO,
        ..GroupConfig::default()
    };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    let mut reader = Reader::new(common::connect().await?, config).await?;
    // Until nothing came for a while.
    while let Ok(message) = timeout(Duration::from_secs(10), reader.fetch_message()).await {
        let message = message?;
        common::show(&message);
        reader.commit_messages([&message]).await?;
    }
    reader.close().await;
    Ok(())
}
