//! Writes to a topic that need not exist: brokers that may do so make it, and the writer waits until it has leaders.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example missing_topic -- TOPIC`

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Message, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let topic = std::env::args().nth(1).unwrap_or_else(|| "topic-that-may-be-missing".to_owned());
    let config = WriterConfig { topic_auto_creation: TopicAutoCreation::Ask, ..WriterConfig::default() };
    let writer = Writer::new(transport, WriterConfig { topic: Some(topic.into()), ..config })?;
    // No loop around it: what may pass is tried again within `max_block` and `delivery_timeout`.
    match writer.send(Message { value: Some("Hello World!".into()), ..Message::default() }).await {
        Ok(delivery) => eprintln!("the topic is there: {:?}", delivery.await?),
        // With `auto.create.topics.enable=false` nobody makes it.
        Err(refused) => eprintln!("the topic is not there: {}", refused.error()),
    }
    writer.close().await?;
    Ok(())
}
