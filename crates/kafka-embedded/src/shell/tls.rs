//! TLS on the brokers' side.

use std::fmt;
use std::sync::Arc;

use kafka_conn::Stream;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate for the brokers, and who has to show one of their own.
///
/// ```
/// # fn main() -> Result<(), kafka_embedded::TlsError> {
/// let tls = kafka_embedded::Tls::self_signed()?;
/// // What clients are to trust.
/// assert!(tls.certificate_pem().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: Option<String>,
}

impl Tls {
    /// A configuration of rustls, for everything that it can do: client certificates, other versions, expired ones.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { config, certificate: None }
    }

    /// A new certificate that signs itself, for `localhost`, `127.0.0.1` and `::1`; clients need show none.
    ///
    /// # Errors
    /// [`TlsError`] where the machine has no randomness.
    pub fn self_signed() -> Result<Self, TlsError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_no_client_auth().with_single_cert(chain, key)?;
        Ok(Self { config: Arc::new(config), certificate: Some(made.cert.pem()) })
    }

    /// The certificate that signed itself, in PEM, for clients to trust; `None` with a configuration of your own.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Shakes hands on a stream; `None` where the client will not.
    pub(super) async fn accept(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        match TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(error) => {
                tracing::debug!(%error, "a client failed the TLS handshake");
                None
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// It could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// It could not be used.
    #[error("cannot use the certificate: {0}")]
    Config(#[from] rustls::Error),
}
