//! Shows what a broker speaks, over TLS: `cargo run -p kafka-conn --features tls,tls-system-roots --example tls --
//! HOST:PORT [CA.pem [CLIENT.pem CLIENT.key]]`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use kafka_conn::{ClientCertificate, Dialer, Pem, Result, Roots, Tls, TlsConfig};
use kafka_protocol::ApiKey;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost:9093".into());
    // Without an authority of our own, those that this machine trusts.
    let roots = arguments.next().map(|file| Roots::Pem(Pem::file(file))).into_iter().collect();
    let certificate = arguments.next().zip(arguments.next());
    let certificate =
        certificate.map(|(chain, key)| ClientCertificate { chain: Pem::file(chain), key: Pem::file(key) });

    let tls = Tls::new(TlsConfig { roots, certificate, ..TlsConfig::default() })?;
    let connection = Dialer { tls: Some(tls), ..Dialer::default() }.dial(&broker).await?;
    for api in ApiKey::ALL {
        println!("{api}: versions {}", connection.versions(*api));
    }
    connection.close().await;
    Ok(())
}
