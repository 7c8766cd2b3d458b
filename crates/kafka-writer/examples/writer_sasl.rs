//! Two writers of a user with a password, over the connections of one transport.
//!
//! `PASSWORD=… cargo run -p kafka-writer --example writer_sasl -- HOST:PORT USER`

use std::sync::Arc;

use kafka_conn::sasl::{Scram, ScramHash};
use kafka_conn::{BrokerAddress, Dialer, Secret, Transport, TransportConfig};
use kafka_writer::{Message, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let user = arguments.next().unwrap_or_else(|| "admin".to_owned());
    // Never on the command line, where everybody on this machine could read it.
    let password = Secret::from(std::env::var("PASSWORD").unwrap_or_default());

    let dialer = Dialer { sasl: Some(Arc::new(Scram::new(ScramHash::Sha512, user, password))), ..Dialer::default() };
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?;
    for _ in 0..2 {
        let config = WriterConfig { topic: Some("topic-A".into()), ..WriterConfig::default() };
        let writer = Writer::new(transport.clone(), config)?;
        let message = Message { value: Some("Hello World!".into()), ..Message::default() };
        eprintln!("{:?}", writer.send(message).await?.await?);
        writer.close().await?;
    }
    Ok(())
}
