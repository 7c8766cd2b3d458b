//! Writes to several topics with one writer: each message names its own.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example many_topics`

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Message, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let config = WriterConfig { topic_auto_creation: TopicAutoCreation::Ask, ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    for (topic, value) in [("topic-A", "Hello World!"), ("topic-B", "One!"), ("topic-C", "Two!")] {
        let message = Message { topic: topic.into(), value: Some(value.into()), ..Message::default() };
        let written = writer.send(message).await?.await?;
        eprintln!("{topic}: {written:?}");
    }
    writer.close().await?;
    Ok(())
}
