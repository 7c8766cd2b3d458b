//! TLS through rustls: versions 1.2 and 1.3, and no switch that turns verification off.

mod load;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use smol_str::SmolStr;
use tokio_rustls::TlsConnector;
use tracing::warn;

use crate::address::BrokerAddress;
use crate::connector::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use load::Loaded;
use stream::{Identity, TlsStream};

/// How connections are encrypted, and who is trusted. All fields have defaults; [`Tls::new`] makes of it what a
/// [`Dialer`](crate::Dialer) uses.
///
/// ```no_run
/// use kafka_conn::{ClientCertificate, Dialer, Pem, Roots, Tls, TlsConfig};
///
/// let certificate = ClientCertificate { chain: Pem::file("client.pem"), key: Pem::file("client.key") };
/// let tls = Tls::new(TlsConfig {
///     roots: vec![Roots::Pem(Pem::file("ca.pem"))],
///     certificate: Some(certificate),
///     ..TlsConfig::default()
/// })?;
/// let dialer = Dialer { tls: Some(tls), ..Dialer::default() };
/// # Ok::<(), kafka_conn::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// Who is trusted to sign brokers' certificates; several are added up. Default none, which means those of the
    /// system (feature `tls-system-roots`), or else of the web (`tls-web-roots`) (`ssl.truststore.location`).
    pub roots: Vec<Roots>,
    /// What brokers that ask are shown. Default none (`ssl.keystore.location`).
    pub certificate: Option<ClientCertificate>,
    /// The name that brokers' certificates must have, whatever address was dialled. Default: the host of the address.
    pub server_name: Option<SmolStr>,
}

/// Authorities that are trusted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Roots {
    /// Those that this machine trusts, as they are when [`Tls::new`] is called.
    #[cfg(feature = "tls-system-roots")]
    System,
    /// Those that Mozilla trusts, compiled in.
    #[cfg(feature = "tls-web-roots")]
    Web,
    /// Certificates of one's own.
    Pem(Pem),
}

/// What this client proves its identity with.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate, followed by those that lead to its authority.
    pub chain: Pem,
    /// The private key: PKCS #8, PKCS #1 or SEC 1, not encrypted. May be the same file as `chain`.
    pub key: Pem,
}

/// Certificates or a key in PEM form (`-----BEGIN …`).
#[derive(Clone, Debug)]
pub enum Pem {
    /// A file. It is read again for each new connection: one that has changed is used from then on.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

impl Pem {
    /// The file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The text itself.
    pub fn text(text: impl Into<Secret>) -> Self {
        Self::Text(text.into())
    }
}

/// A [`TlsConfig`] that is read and found sound. Clones share it, and the sessions that brokers let resume.
///
/// Certificates and keys in files are read again for each new connection. Where that fails, because one of two files is
/// not replaced yet for instance, the old ones stay in use, and a warning is logged.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    origin: Origin,
    server_name: Option<SmolStr>,
}

enum Origin {
    /// The lock is held to copy out or to replace, never over a wait.
    Config {
        config: TlsConfig,
        loaded: Mutex<Loaded>,
    },
    Rustls(Arc<ClientConfig>),
}

impl Tls {
    /// Reads what `config` names. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig): a file that cannot be read, no certificate or key in it, a key that
    /// does not belong to its certificate, no authority to trust.
    pub fn new(config: TlsConfig) -> Result<Self> {
        let loaded = Mutex::new(Loaded::load(&config)?);
        let server_name = config.server_name.clone();
        let tls = Self(Arc::new(Inner { origin: Origin::Config { config, loaded }, server_name }));
        tls.check_server_name()
    }

    /// Uses a configuration of rustls as it is, for all that [`TlsConfig`] cannot say: other verification, other
    /// providers of cryptography, keys in hardware. `server_name` is that of [`TlsConfig`].
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) where `server_name` is none.
    pub fn from_rustls(config: Arc<ClientConfig>, server_name: Option<SmolStr>) -> Result<Self> {
        Self(Arc::new(Inner { origin: Origin::Rustls(config), server_name })).check_server_name()
    }

    /// Encrypts `stream`, once the broker has shown that it is who it should be.
    pub(crate) async fn connect(&self, address: &BrokerAddress, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        let config = self.client_config().await;
        let identity = if config.client_auth_cert_resolver.has_certs() { Identity::Shown } else { Identity::None };
        let name = self.0.server_name.as_deref().unwrap_or_else(|| address.host());
        let connecting = TlsConnector::from(config).connect(server_name(name)?, stream);
        let stream = connecting.await.map_err(|error| stream::handshake_error(error, identity))?;
        Ok(Box::new(TlsStream::new(stream, identity)))
    }

    /// The configuration for a new connection: files are read again, where they do not block the runtime.
    async fn client_config(&self) -> Arc<ClientConfig> {
        let Origin::Config { config, loaded } = &self.0.origin else {
            return self.loaded();
        };
        if load::has_files(config) {
            let before = lock(loaded).clone();
            let config = config.clone();
            match tokio::task::spawn_blocking(move || before.reload(&config)).await {
                Ok(Ok(Some(newer))) => *lock(loaded) = newer,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => warn!(error = %format_args!("{error:#}"), "certificates changed and cannot be used"),
                // The runtime is going down.
                Err(_) => {}
            }
        }
        self.loaded()
    }

    fn loaded(&self) -> Arc<ClientConfig> {
        match &self.0.origin {
            Origin::Config { loaded, .. } => lock(loaded).client_config(),
            Origin::Rustls(config) => Arc::clone(config),
        }
    }

    fn check_server_name(self) -> Result<Self> {
        if let Some(name) = &self.0.server_name {
            server_name(name)?;
        }
        Ok(self)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tls = f.debug_struct("Tls");
        match &self.0.origin {
            Origin::Config { config, .. } => tls.field("config", config).finish(),
            Origin::Rustls(_) => tls.field("server_name", &self.0.server_name).finish_non_exhaustive(),
        }
    }
}

fn lock(loaded: &Mutex<Loaded>) -> std::sync::MutexGuard<'_, Loaded> {
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name or an IP address that a certificate can be for.
fn server_name(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name).map(|name| name.to_owned()).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig("no certificate can be for this host name"))
            .with_source(error)
            .with_unsent()
    })
}
