//! Makes a few calls and shows what was counted: `cargo run -p kafka-conn --example stats -- HOST:PORT,…`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use kafka_conn::{BrokerAddress, Client, Result, Transport, TransportConfig};
use kafka_protocol::messages::metadata::MetadataRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "localhost".into());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let client = Client::new(transport.clone());
    for _ in 0..100 {
        client.call(&MetadataRequest::default()).await?;
    }

    // A snapshot costs a few hundred loads; the difference of two says what happened between them.
    let stats = transport.stats();
    println!("{} connections, {} opened again", stats.open_connections(), stats.reconnects);
    println!("{} bytes out, {} bytes in", stats.bytes_out, stats.bytes_in);
    for api in &stats.apis {
        let (mean, most) = (api.latency.mean().unwrap_or_default(), api.latency.quantile(0.99).unwrap_or_default());
        println!("{}: {} requests, {} failed", api.api, api.requests, api.failures.total());
        println!("    mean {mean:?}, 99 % below {most:?}");
    }
    transport.close().await;
    Ok(())
}
