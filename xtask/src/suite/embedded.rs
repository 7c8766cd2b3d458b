//! Embedded brokers as a target of the suites: a cluster for each kind of listener, since each of them has just one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use kafka_embedded::{Cluster, ClusterBuilder, Sasl, SaslMechanism, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Failure;
use super::target::{SESSION_LIFETIME, listeners};
use crate::kafka::{Certificates, ClientAuth, User};

/// The clusters; they end with this value.
#[derive(Debug)]
pub(super) struct Embedded {
    clusters: BTreeMap<&'static str, Cluster>,
    pub(super) certificates: Certificates,
    /// Where the certificates are.
    _folder: TempDir,
    /// Where the brokers run: scenarios come and go with runtimes of their own.
    _runtime: Runtime,
}

impl Embedded {
    pub(super) fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let certificates = Certificates::below(folder.path());
        certificates.create()?;
        let runtime = Runtime::new()?;
        let mut clusters = BTreeMap::new();
        for (name, builder) in builders(&certificates)? {
            clusters.insert(name, runtime.block_on(builder.start())?);
        }
        Ok(Self { clusters, certificates, _folder: folder, _runtime: runtime })
    }

    /// `host:port` of a listener's broker.
    pub(super) fn address(&self, listener: &str) -> Option<String> {
        Some(self.clusters.get(listener)?.bootstrap())
    }
}

fn builders(files: &Certificates) -> Result<Vec<(&'static str, ClusterBuilder)>, Failure> {
    let cluster = Cluster::builder;
    let tls = Tls::new(server(files, ClientAuth::None)?);
    let sasl = sasl(&[
        SaslMechanism::Plain,
        SaslMechanism::ScramSha256,
        SaslMechanism::ScramSha512,
        SaslMechanism::OAuthBearer,
    ]);
    let short = sasl.clone().session_lifetime(SESSION_LIFETIME);
    Ok(vec![
        (listeners::PLAINTEXT, cluster()),
        (listeners::TLS, cluster().tls(tls.clone())),
        (listeners::MTLS, cluster().tls(Tls::new(server(files, ClientAuth::Required)?))),
        (listeners::SASL, cluster().sasl(sasl.clone())),
        (listeners::SASL_TLS, cluster().tls(tls.clone()).sasl(sasl)),
        (listeners::SASL_SHORT, cluster().sasl(short.clone())),
        (listeners::SASL_TLS_SHORT, cluster().tls(tls).sasl(short)),
        (listeners::SCRAM_ONLY, cluster().sasl(self::sasl(&[SaslMechanism::ScramSha512]))),
    ])
}

fn sasl(mechanisms: &[SaslMechanism]) -> Sasl {
    let User { name, password } = User::default();
    Sasl::new(mechanisms.iter().copied()).user(name, password)
}

/// What a broker shows, and whether it demands to be shown something.
fn server(files: &Certificates, client_auth: ClientAuth) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if client_auth == ClientAuth::Required {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            roots.add(certificate)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build()?)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(&files.broker)?;
    Ok(Arc::new(builder.with_single_cert(certificates(&files.broker)?, key)?))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let reader = BufReader::new(File::open(file)?);
    Ok(CertificateDer::pem_reader_iter(reader).collect::<Result<_, _>>()?)
}
