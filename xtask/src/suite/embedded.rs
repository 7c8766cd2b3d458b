//! Embedded brokers as a target of the suites: a cluster for each kind of listener, since each of them has just one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use kafka_conn::BrokerAddress;
use kafka_embedded::{AutoCreate, Cluster, ClusterBuilder, Sasl, SaslMechanism, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Failure;
use super::target::{SESSION_LIFETIME, listeners};
use crate::kafka::{Certificates, ClientAuth, User};
use crate::proxy::Doors;

/// The clusters; they end with this value.
#[derive(Debug)]
pub(super) struct Embedded {
    clusters: BTreeMap<&'static str, Cluster>,
    pub(super) certificates: Certificates,
    /// Of the proxy before one of the clusters.
    pub(super) doors: Doors,
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
        let doors = Doors::bind(1)?;
        let mut clusters = BTreeMap::new();
        for (name, builder) in builders(&certificates, &doors)? {
            // As the launcher's: what a scenario forgot to make, it is to miss.
            let builder = builder.auto_create_topics(AutoCreate::Disabled);
            clusters.insert(name, runtime.block_on(builder.start())?);
        }
        Ok(Self { clusters, certificates, doors, _folder: folder, _runtime: runtime })
    }

    /// `host:port` of a listener's broker.
    pub(super) fn address(&self, listener: &str) -> Option<String> {
        Some(self.clusters.get(listener)?.bootstrap())
    }

    /// The brokers behind the proxy, and where they really are.
    pub(super) fn behind_proxy(&self) -> Vec<(i32, SocketAddr)> {
        let address = self.address(listeners::PROXIED).and_then(|address| address.parse().ok());
        address.into_iter().map(|address| (1, address)).collect()
    }
}

fn builders(files: &Certificates, doors: &Doors) -> Result<Vec<(&'static str, ClusterBuilder)>, Failure> {
    let cluster = Cluster::builder;
    let tls = Tls::new(server(files, &files.broker, ClientAuth::None)?);
    let mutual = Tls::new(server(files, &files.broker, ClientAuth::Required)?);
    let expired = Tls::new(server(files, &files.expired, ClientAuth::None)?);
    let mut proxied = cluster();
    for (broker, door) in (1..).zip(doors.addresses()) {
        proxied = proxied.advertise(broker, BrokerAddress::new(door.ip().to_string(), door.port())?);
    }
    let sasl = sasl(&[
        SaslMechanism::Plain,
        SaslMechanism::ScramSha256,
        SaslMechanism::ScramSha512,
        SaslMechanism::OAuthBearer,
    ]);
    let short = sasl.clone().session_lifetime(SESSION_LIFETIME);
    Ok(vec![
        (listeners::PLAINTEXT, cluster()),
        (listeners::PROXIED, proxied),
        (listeners::TLS, cluster().tls(tls.clone())),
        // What examples of TLS and SASL write to, which have no listener without to make it on.
        (listeners::MTLS, cluster().tls(mutual).topic(EXAMPLES, 2, 1)),
        (listeners::EXPIRED, cluster().tls(expired)),
        (listeners::SASL, cluster().sasl(sasl.clone()).topic(EXAMPLES, 2, 1)),
        (listeners::SASL_TLS, cluster().tls(tls.clone()).sasl(sasl)),
        (listeners::SASL_SHORT, cluster().sasl(short.clone())),
        (listeners::SASL_TLS_SHORT, cluster().tls(tls).sasl(short)),
        (listeners::SCRAM_ONLY, cluster().sasl(self::sasl(&[SaslMechanism::ScramSha512]))),
    ])
}

const EXAMPLES: &str = "topic-A";

fn sasl(mechanisms: &[SaslMechanism]) -> Sasl {
    let User { name, password } = User::default();
    Sasl::new(mechanisms.iter().copied()).user(name, password)
}

/// What a broker shows, and whether it demands to be shown something.
fn server(files: &Certificates, own: &Path, client_auth: ClientAuth) -> Result<Arc<ServerConfig>, Failure> {
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
    let key = PrivateKeyDer::from_pem_file(own)?;
    Ok(Arc::new(builder.with_single_cert(certificates(own)?, key)?))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let reader = BufReader::new(File::open(file)?);
    Ok(CertificateDer::pem_reader_iter(reader).collect::<Result<_, _>>()?)
}
