//! Counts a cluster's topics as a user with a password: `PASSWORD=… cargo run -p kafka-conn --example sasl -- HOST:PORT
//! USER [SCRAM-SHA-256|SCRAM-SHA-512|PLAIN]`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::sync::Arc;

use kafka_conn::sasl::{Mechanism, Plain, Scram, ScramHash};
use kafka_conn::{BrokerAddress, Dialer, Result, Route, Secret, Transport, TransportConfig};
use kafka_protocol::messages::metadata::MetadataRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "localhost".into());
    let user = arguments.next().unwrap_or_else(|| "admin".into());
    // Never on the command line, where everybody on this machine could read it.
    let password = Secret::from(std::env::var("PASSWORD").unwrap_or_default());
    let mechanism: Arc<dyn Mechanism> = match arguments.next().as_deref() {
        // The password itself goes over the wire. With TLS, leave out the permission to do without.
        Some("PLAIN") => Arc::new(Plain::new(user, password).allow_unencrypted()),
        Some("SCRAM-SHA-512") => Arc::new(Scram::new(ScramHash::Sha512, user, password)),
        _ => Arc::new(Scram::new(ScramHash::Sha256, user, password)),
    };

    let dialer = Dialer { sasl: Some(mechanism), ..Dialer::default() };
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?;
    let everything = MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
    println!("{} topics", transport.call(&everything, Route::Any).await?.topics.len());
    transport.close().await;
    Ok(())
}
