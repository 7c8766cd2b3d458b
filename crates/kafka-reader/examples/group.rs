//! A member of a group, which commits what it has processed, and leaves gracefully on SIGINT and SIGTERM (kafka-go's
//! README: Consumer Groups).

mod common;

use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> common::Outcome {
    let topic = common::topic();
    let group = GroupConfig { group_id: "example".into(), topics: [topic].into(), ..GroupConfig::default() };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    let mut reader = Reader::new(common::connect().await?, config).await?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        // Asking for the next message says that the one before is processed.
        let message = tokio::select! {
            message = reader.read_message() => message?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        common::show(&message);
    }
    // Commits, and leaves: others go on at once, rather than when the session is over.
    reader.close().await;
    Ok(())
}
