//! A listener with TLS, reached through a connector that speaks it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Result, Stream, TcpConnector};
use kafka_embedded::core::Limits;
use kafka_embedded::{Cluster, MemoryConnector, Tls};
use kafka_protocol::messages::metadata::MetadataRequest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Debug)]
struct Secure(Arc<ClientConfig>);

#[async_trait]
impl Connector for Secure {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let stream = TcpConnector::default().connect(address, options).await?;
        let name = ServerName::try_from(address.host().to_owned()).expect("an address");
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let stream = connector.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| kafka_conn::Error::connect(address, error))?))
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served() -> std::result::Result<(), Box<dyn Error>> {
    let tls = Tls::self_signed()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.certificate_pem().ok_or("none")?.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let cluster = Cluster::builder().tls(tls).start().await?;
    let dialer = Dialer { connector: Arc::new(Secure(config)), ..Dialer::default() };
    let connection = dialer.dial(&cluster.bootstrap()).await?;
    assert_eq!(connection.call(&MetadataRequest::default()).await?.brokers.len(), 1);
    Ok(())
}

#[tokio::test]
async fn plain_text_is_not() -> std::result::Result<(), Box<dyn Error>> {
    let cluster = Cluster::builder().tls(Tls::self_signed()?).start().await?;
    assert!(Dialer::default().dial(&cluster.bootstrap()).await.is_err());
    open_connections(&cluster, 0).await;
    Ok(())
}

/// Found in review: who only connected, and never said anything, was not counted.
#[tokio::test]
async fn who_does_not_shake_hands_takes_a_place_too() -> std::result::Result<(), Box<dyn Error>> {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let cluster = Cluster::builder().tls(Tls::self_signed()?).limits(limits).start().await?;
    let one = TcpStream::connect(cluster.bootstrap()).await?;
    let _two = TcpStream::connect(cluster.bootstrap()).await?;
    open_connections(&cluster, 2).await;
    let mut three = TcpStream::connect(cluster.bootstrap()).await?;
    assert_eq!(three.read(&mut [0]).await?, 0, "closed at once");
    drop(one);
    open_connections(&cluster, 1).await;
    cluster.stop_broker(1);
    open_connections(&cluster, 0).await;
    Ok(())
}

/// Keeps a stream to a cluster in memory, on which nothing is ever said.
struct Silent {
    connector: MemoryConnector,
    stream: Mutex<Option<Box<dyn Stream>>>,
}

impl fmt::Debug for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Silent")
    }
}

#[async_trait]
impl Connector for Silent {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        *self.stream.lock().unwrap() = Some(self.connector.connect(address, options).await?);
        Err(kafka_conn::Error::connect(address, io::ErrorKind::TimedOut.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_given_up() -> std::result::Result<(), Box<dyn Error>> {
    let cluster = Cluster::builder().tls(Tls::self_signed()?).start_in_memory()?;
    let connector = cluster.connector().ok_or("in memory there is one")?;
    let silent = Arc::new(Silent { connector, stream: Mutex::new(None) });
    let dialer = Dialer { connector: Arc::clone(&silent) as _, ..Dialer::default() };
    assert!(dialer.dial(&cluster.addresses()[0].to_string()).await.is_err());
    open_connections(&cluster, 1).await;
    let mut stream = silent.stream.lock().unwrap().take().ok_or("it was opened")?;
    // Nobody but the cluster ends it.
    assert_eq!(stream.read(&mut [0]).await?, 0);
    open_connections(&cluster, 0).await;
    Ok(())
}

/// Waits until there are so many.
async fn open_connections(cluster: &Cluster, count: usize) {
    while cluster.connection_count() != count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
