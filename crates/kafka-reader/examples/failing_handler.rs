//! What becomes of a message whose handler fails: it is tried again, and then put aside in a list of its own, so that the
//! messages behind it are not kept waiting. (A service would write it to a dead-letter topic with kafka-writer before it
//! commits; what counts is the order: put aside first, commit then.)

mod common;

use std::time::Duration;

use kafka_conn::Message;
use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use tokio::time::{sleep, timeout};

const ATTEMPTS: u32 = 3;

async fn handle(message: &Message) -> Result<(), String> {
    match &message.value {
        Some(value) if !value.starts_with(b"bad") => Ok(()),
        _ => Err(format!("offset {} cannot be handled", message.offset)),
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let group =
        GroupConfig { group_id: "example-handler".into(), topics: [common::topic()].into(), ..GroupConfig::default() };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    let mut reader = Reader::new(common::connect().await?, config).await?;
    let mut dead_letters = Vec::new();
    while let Ok(message) = timeout(Duration::from_secs(10), reader.fetch_message()).await {
        let message = message?;
        for attempt in 1..=ATTEMPTS {
            match handle(&message).await {
                Ok(()) => break,
                Err(_) if attempt < ATTEMPTS => sleep(Duration::from_millis(100) * attempt).await,
                Err(error) => {
                    eprintln!("{error}");
                    dead_letters.push(message.clone());
                }
            }
        }
        // Only now: a crash before this has the message read again, never lost.
        reader.commit_messages([&message]).await?;
    }
    reader.close().await;
    eprintln!("{} dead letters", dead_letters.len());
    Ok(())
}
