//! Writes over TLS, with a certificate for brokers that ask for one.
//!
//! `cargo run -p kafka-writer --example writer_tls -- HOST:PORT CA.pem [CLIENT.pem CLIENT.key]`

use kafka_conn::{BrokerAddress, ClientCertificate, Dialer, Pem, Roots, Tls, TlsConfig, Transport, TransportConfig};
use kafka_writer::{Message, Writer, WriterConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "localhost:9093".to_owned());
    let roots = arguments.next().map(|file| Roots::Pem(Pem::file(file))).into_iter().collect();
    let certificate = arguments.next().zip(arguments.next());
    let certificate =
        certificate.map(|(chain, key)| ClientCertificate { chain: Pem::file(chain), key: Pem::file(key) });

    let tls = Tls::new(TlsConfig { roots, certificate, ..TlsConfig::default() })?;
    let dialer = Dialer { tls: Some(tls), ..Dialer::default() };
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?;
    let writer = Writer::new(transport, WriterConfig { topic: Some("topic-A".into()), ..WriterConfig::default() })?;
    let message = Message { value: Some("Hello World!".into()), ..Message::default() };
    eprintln!("{:?}", writer.send(message).await?.await?);
    writer.close().await?;
    Ok(())
}
