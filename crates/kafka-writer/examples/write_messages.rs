//! Writes messages to a topic, spread by least bytes, and reports on each: kafka-go's first example of a writer.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example write_messages`

use std::sync::Arc;

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{LeastBytes, Message, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let writer = Writer::new(
        transport,
        WriterConfig {
            topic: Some("topic-A".into()),
            balancer: Arc::new(LeastBytes::default()),
            topic_auto_creation: TopicAutoCreation::Ask,
            ..WriterConfig::default()
        },
    )?;
    let message = |key: &'static str, value: &'static str| Message {
        key: Some(key.into()),
        value: Some(value.into()),
        ..Message::default()
    };
    let messages = [message("Key-A", "Hello World!"), message("Key-B", "One!"), message("Key-C", "Two!")];
    match writer.write_messages(&messages).await {
        Ok(written) => written.iter().for_each(|written| eprintln!("{written:?}")),
        Err(errors) => errors.errors().for_each(|(index, error)| eprintln!("message {index}: {error}")),
    }
    writer.close().await?;
    Ok(())
}
