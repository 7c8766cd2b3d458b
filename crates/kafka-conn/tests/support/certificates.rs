//! Authorities and certificates, made anew for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_conn::{ClientCertificate, Pem, Roots, Tls, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, crypto, version};

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM form.
#[derive(Clone)]
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
}

impl Authority {
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("Authority {}", MADE.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn roots(&self) -> Vec<Roots> {
        vec![Roots::Pem(Pem::text(self.pem()))]
    }

    /// A certificate for a host.
    pub fn sign(&self, host: &str, validity: Validity) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if let Validity::Past = validity {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        Certificate { chain: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The authority's own certificate, which no server should show.
    pub fn itself(&self) -> Certificate {
        Certificate { chain: self.pem(), key: self.0.key().serialize_pem() }
    }

    /// What a client is configured with that trusts this authority.
    pub fn tls(&self) -> Tls {
        Tls::new(TlsConfig { roots: self.roots(), ..TlsConfig::default() }).unwrap()
    }

    /// The same with a certificate of the client's.
    pub fn tls_with(&self, certificate: &Certificate) -> Tls {
        let certificate = Some(certificate.for_client());
        Tls::new(TlsConfig { roots: self.roots(), certificate, ..TlsConfig::default() }).unwrap()
    }
}

impl Certificate {
    pub fn for_client(&self) -> ClientCertificate {
        ClientCertificate { chain: Pem::text(self.chain.clone()), key: Pem::text(self.key.clone()) }
    }
}

/// A server's side, in TLS 1.2 and 1.3; `clients` is the authority that clients' certificates must be from.
pub fn acceptor(certificate: &Certificate, clients: Option<&Authority>) -> TlsAcceptor {
    acceptor_of(&[&version::TLS12, &version::TLS13], certificate, clients)
}

pub fn acceptor_of(
    versions: &[&'static SupportedProtocolVersion],
    certificate: &Certificate,
    clients: Option<&Authority>,
) -> TlsAcceptor {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}
