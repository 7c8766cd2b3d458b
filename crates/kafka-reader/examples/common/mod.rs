//! What all examples need: the brokers, from the environment, and the topic, from the command line.
#![allow(clippy::print_stdout, dead_code, reason = "an example shows what it does, and each needs a part of this")]

use kafka_conn::{BrokerAddress, Transport, TransportConfig};

/// The result of an example.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connects to the brokers in `KAFKA_BROKERS`, or to the one on this machine.
pub(crate) async fn connect() -> Outcome<Transport> {
    let brokers = std::env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    Ok(Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?)
}

/// The topic: the first argument, or `orders`.
pub(crate) fn topic() -> String {
    std::env::args().nth(1).unwrap_or_else(|| "orders".to_owned())
}

/// Prints a message.
pub(crate) fn show(message: &kafka_conn::Message) {
    let text =
        |bytes: &Option<bytes::Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let kafka_conn::Message { topic, partition, offset, key, value, .. } = message;
    println!("{topic}/{partition}/{offset}: {} = {}", text(key), text(value));
}
