//! What a writer has to say goes to `tracing`, and from there wherever the program sends it: here to standard error.
//!
//! `KAFKA_BROKERS=localhost:9092 RUST_LOG=debug cargo run -p kafka-writer --example writer_logging`

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Message, RequiredAcks, TopicAutoCreation, Writer, WriterConfig};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();

    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    // Which gives up idempotence: worth a warning.
    let required_acks = RequiredAcks::One;
    let topic_auto_creation = TopicAutoCreation::Ask;
    let topic = Some("topic-A".into());
    let writer =
        Writer::new(transport, WriterConfig { topic, required_acks, topic_auto_creation, ..WriterConfig::default() })?;
    let message = Message { value: Some("Hello World!".into()), ..Message::default() };
    eprintln!("{:?}", writer.send(message).await?.await?);
    writer.close().await?;
    Ok(())
}
