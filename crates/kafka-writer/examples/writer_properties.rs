//! A writer by the properties that Java's and librdkafka's clients have, security included.
//!
//! `PASSWORD=… cargo run -p kafka-writer --example writer_properties -- bootstrap.servers=HOST:PORT
//! security.protocol=SASL_PLAINTEXT sasl.mechanism=SCRAM-SHA-512 sasl.username=USER linger.ms=20`

use kafka_conn::Transport;
use kafka_writer::{Message, Properties, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut properties: Vec<_> = arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
    // Never on the command line, where everybody on this machine could read it.
    let password = std::env::var("PASSWORD").unwrap_or_default();
    if !password.is_empty() {
        properties.push(("sasl.password", &password));
    }
    // A name that nobody knows is an error, which tells the nearest one.
    let Properties { transport, writer } = Properties::parse(properties)?;
    let transport = Transport::connect(transport).await?;
    let writer = Writer::new(transport, WriterConfig { topic: Some("topic-A".into()), ..writer })?;
    let message = Message { value: Some("Hello World!".into()), ..Message::default() };
    eprintln!("{:?}", writer.send(message).await?.await?);
    writer.close().await?;
    Ok(())
}
