//! What becomes of a message whose handler fails: it is tried again, and then written to a topic of dead letters, which has
//! to exist, so that the messages behind it are not kept waiting. What counts is the order: put aside first, commit then.

mod common;

use std::time::Duration;

use kafka_conn::{Header, Message};
use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};
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
    let transport = common::connect().await?;
    let dead_letters = format!("{}-dead-letters", common::topic());
    let dead_letters = WriterConfig { topic: Some(dead_letters.into()), ..WriterConfig::default() };
    let dead_letters = Writer::new(transport.clone(), dead_letters)?;
    let mut reader = Reader::new(transport, config).await?;
    let mut count = 0;
    while let Ok(message) = timeout(Duration::from_secs(10), reader.fetch_message()).await {
        let message = message?;
        for attempt in 1..=ATTEMPTS {
            match handle(&message).await {
                Ok(()) => break,
                Err(_) if attempt < ATTEMPTS => sleep(Duration::from_millis(100) * attempt).await,
                Err(error) => {
                    eprintln!("{error}");
                    // Until it is there the message is not done with.
                    dead_letters.send(dead_letter(&message, error)).await?.await?;
                    count += 1;
                }
            }
        }
        // Only now: a crash before this has the message read again, never lost.
        reader.commit_messages([&message]).await?;
    }
    reader.close().await;
    dead_letters.close().await?;
    eprintln!("{count} dead letters");
    Ok(())
}

/// The message as it was, with where it came from and what is wrong with it.
fn dead_letter(message: &Message, error: String) -> Message {
    let Message { topic, partition, offset, key, value, headers, .. } = message.clone();
    let mut headers = headers;
    headers.push(Header::new("origin", format!("{topic}/{partition}/{offset}")));
    headers.push(Header::new("error", error));
    Message { key, value, headers, ..Message::default() }
}
