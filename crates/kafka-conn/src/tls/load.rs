//! From what a configuration names to what rustls uses.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{ClientCertificate, Pem, Roots, TlsConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// What was read, and what was made of it.
#[derive(Clone)]
pub(super) struct Loaded {
    /// The contents of all files, in the order of the configuration.
    files: Vec<Secret>,
    config: Arc<ClientConfig>,
}

impl Loaded {
    pub(super) fn load(config: &TlsConfig) -> Result<Self> {
        let files = read_files(config)?;
        let config = Arc::new(client_config(config, &files)?);
        Ok(Self { files, config })
    }

    /// What is in the files now, if that is not what was read before.
    pub(super) fn reload(&self, config: &TlsConfig) -> Result<Option<Self>> {
        let files = read_files(config)?;
        let same = files.iter().zip(&self.files).all(|(new, old)| new.expose() == old.expose());
        if same {
            return Ok(None);
        }
        let config = Arc::new(client_config(config, &files)?);
        Ok(Some(Self { files, config }))
    }

    pub(super) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

/// Whether anything may change.
pub(super) fn has_files(config: &TlsConfig) -> bool {
    pems(config).any(|pem| matches!(pem, Pem::File(_)))
}

/// All that a configuration has in PEM form: roots, then the certificate, then the key.
fn pems(config: &TlsConfig) -> impl Iterator<Item = &Pem> {
    let roots = config.roots.iter().flat_map(|roots| match roots {
        Roots::Pem(pem) => std::slice::from_ref(pem),
        #[cfg(any(feature = "tls-system-roots", feature = "tls-web-roots"))]
        _ => &[],
    });
    roots.chain(config.certificate.iter().flat_map(|certificate| [&certificate.chain, &certificate.key]))
}

fn read_files(config: &TlsConfig) -> Result<Vec<Secret>> {
    pems(config).map(read).collect()
}

fn read(pem: &Pem) -> Result<Secret> {
    match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => std::fs::read(path).map(Secret::from).map_err(|error| {
            let source = Unusable { what: path.display().to_string(), source: Box::new(error) };
            invalid("a file for TLS cannot be read").with_source(source)
        }),
    }
}

fn client_config(config: &TlsConfig, files: &[Secret]) -> Result<ClientConfig> {
    let mut files = files.iter();
    let mut next = || files.next().ok_or_else(|| invalid("a file for TLS cannot be read"));
    let builder = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("the provider of cryptography cannot do TLS").with_source(error))?;
    let mut store = RootCertStore::empty();
    for roots in defaults(&config.roots) {
        match roots {
            Roots::Pem(pem) => add_pem(&mut store, pem, next()?)?,
            #[cfg(feature = "tls-system-roots")]
            Roots::System => add_system(&mut store)?,
            #[cfg(feature = "tls-web-roots")]
            Roots::Web => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
    }
    if store.is_empty() {
        return Err(invalid("there is nobody to trust: no certificate of an authority is configured"));
    }
    let builder = builder.with_root_certificates(store);
    match &config.certificate {
        None => Ok(builder.with_no_client_auth()),
        Some(certificate) => {
            let chain = certificates(&certificate.chain, next()?)?;
            let key = private_key(certificate, next()?)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let what = match error {
                    rustls::Error::InconsistentKeys(_) => {
                        "the client's certificate and private key do not belong together"
                    }
                    _ => "the client's certificate or private key cannot be used",
                };
                invalid(what).with_source(error)
            })
        }
    }
}

#[cfg(feature = "tls-aws-lc-rs")]
fn provider() -> Result<Arc<CryptoProvider>> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "tls", not(feature = "tls-aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "tls", feature = "tls-aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>> {
    Err(invalid("TLS was compiled without cryptography: use a rustls configuration, or the feature `tls`"))
}

fn defaults(roots: &[Roots]) -> &[Roots] {
    const DEFAULT: &[Roots] = &[
        #[cfg(feature = "tls-system-roots")]
        Roots::System,
        #[cfg(all(feature = "tls-web-roots", not(feature = "tls-system-roots")))]
        Roots::Web,
    ];
    if roots.is_empty() { DEFAULT } else { roots }
}

#[cfg(feature = "tls-system-roots")]
fn add_system(store: &mut RootCertStore) -> Result<()> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _ignored) = store.add_parsable_certificates(found.certs);
    match found.errors.into_iter().next() {
        Some(error) if added == 0 => {
            Err(invalid("this machine's trusted certificates cannot be read").with_source(error))
        }
        _ => Ok(()),
    }
}

fn add_pem(store: &mut RootCertStore, pem: &Pem, text: &Secret) -> Result<()> {
    for certificate in certificates(pem, text)? {
        store.add(certificate).map_err(|error| unusable("an authority's certificate cannot be used", pem, error))?;
    }
    Ok(())
}

fn certificates(pem: &Pem, text: &Secret) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.expose()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(unusable("a PEM text for TLS has no certificate", pem, rustls::pki_types::pem::Error::NoItemsFound))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable("a PEM text for TLS cannot be read", pem, error)),
    }
}

fn private_key(certificate: &ClientCertificate, text: &Secret) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(text.expose()).map_err(|error| {
        let encrypted = text.expose().windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        let what = if encrypted {
            "the client's private key is encrypted: decrypt it first, with `openssl pkcs8` for instance"
        } else {
            "the client's private key cannot be read"
        };
        unusable(what, &certificate.key, error)
    })
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig(what)).with_unsent()
}

fn unusable(what: &'static str, pem: &Pem, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    let place = match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => "given as text".to_owned(),
    };
    invalid(what).with_source(Unusable { what: place, source: Box::new(source) })
}

/// Which of the files.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Unusable {
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";
