//! One partition, from an offset on, without a group (kafka-go's README: Reader).

mod common;

use kafka_reader::{Partitions, Reader, ReaderConfig, StartOffset};

#[tokio::main]
async fn main() -> common::Outcome {
    let config = ReaderConfig {
        topic: common::topic().into(),
        partitions: Partitions::One(0),
        start_offset: StartOffset::First,
        ..ReaderConfig::default()
    };
    let mut reader = Reader::new(common::connect().await?, config).await?;
    let end = reader.end_offsets().await?;
    while let Some(message) = reader.fetch_until(&end).await? {
        common::show(&message);
    }
    reader.close().await;
    Ok(())
}
