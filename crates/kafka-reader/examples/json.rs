//! Messages whose values are JSON, read into a type of one's own by serde.

mod common;

use kafka_reader::{Reader, ReaderConfig};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Order {
    id: u64,
    item: String,
}

#[tokio::main]
async fn main() -> common::Outcome {
    let config = ReaderConfig { topic: common::topic().into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(common::connect().await?, config).await?;
    let end = reader.end_offsets().await?;
    while let Some(message) = reader.fetch_until(&end).await? {
        match serde_json::from_slice::<Order>(message.value.as_deref().unwrap_or_default()) {
            Ok(Order { id, item }) => eprintln!("order {id}: {item}"),
            Err(error) => eprintln!("offset {} is no order: {error}", message.offset),
        }
    }
    reader.close().await;
    Ok(())
}
