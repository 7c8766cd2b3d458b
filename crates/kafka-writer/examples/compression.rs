//! Compresses what it writes.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example compression`

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Compression, Message, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let topic = Some("topic-A".into());
    let topic_auto_creation = TopicAutoCreation::Ask;
    let compression = Compression::Snappy;
    let writer =
        Writer::new(transport, WriterConfig { topic, compression, topic_auto_creation, ..WriterConfig::default() })?;
    let text = "Hello World! ".repeat(1000);
    writer.send(Message { value: Some(text.clone().into()), ..Message::default() }).await?.await?;
    let stats = writer.stats();
    eprintln!("{} bytes became {}", text.len(), stats.bytes);
    writer.close().await?;
    Ok(())
}
