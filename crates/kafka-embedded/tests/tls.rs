//! A listener with TLS, reached through a connector that speaks it.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Result, Stream, TcpConnector};
use kafka_embedded::{Cluster, Tls};
use kafka_protocol::messages::metadata::MetadataRequest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
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
    assert_eq!(cluster.connection_count(), 0);
    Ok(())
}
