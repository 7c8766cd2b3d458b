//! Sends each key where clients of another kind send it: sarama, librdkafka, Java.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example compatible_balancers`

use std::sync::Arc;

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Balancer, Crc32, Hash, Message, Murmur2, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let balancers: [(&str, Arc<dyn Balancer>); 3] = [
        ("sarama", Arc::new(Hash::default())),
        ("librdkafka", Arc::new(Crc32::default())),
        ("Java", Arc::new(Murmur2::default())),
    ];
    for (name, balancer) in balancers {
        let topic = Some("topic-A".into());
        let topic_auto_creation = TopicAutoCreation::Ask;
        let config = WriterConfig { topic, balancer, topic_auto_creation, ..WriterConfig::default() };
        let writer = Writer::new(transport.clone(), config)?;
        let message = Message { key: Some("Key-A".into()), value: Some("Hello World!".into()), ..Message::default() };
        let delivery = writer.send(message).await?;
        eprintln!("{name}: partition {}", delivery.partition());
        delivery.await?;
        writer.close().await?;
    }
    Ok(())
}
