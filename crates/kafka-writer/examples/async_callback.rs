//! Sends without waiting, and hears of each message from a callback, as with Java's `send(record, callback)`.
//!
//! `KAFKA_BROKERS=localhost:9092 cargo run -p kafka-writer --example async_callback`

use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_writer::{Completion, Message, SendOptions, TopicAutoCreation, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let completion = Completion::new(|completed| {
        for (tag, written) in completed.messages() {
            match written {
                Ok(written) => eprintln!("message {}: {written:?}", tag.unwrap_or_default()),
                Err(error) => eprintln!("message {}: {error}", tag.unwrap_or_default()),
            }
        }
    });
    let topic = Some("topic-A".into());
    let topic_auto_creation = TopicAutoCreation::Ask;
    let config = WriterConfig { topic, topic_auto_creation, completion: Some(completion), ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    for number in 0..10 {
        let message = Message { value: Some(format!("message {number}").into()), ..Message::default() };
        let options = SendOptions { tag: Some(number), ..SendOptions::default() };
        // Nobody awaits the delivery: the callback tells what became of it.
        drop(writer.send_with(message, options).await?);
    }
    // Tells whether all went well.
    writer.flush().await?;
    writer.close().await?;
    Ok(())
}
