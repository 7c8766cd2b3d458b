//! TLS against servers of rustls, with certificates of every kind of wrong.
#![cfg(feature = "tls")]

mod support;

use std::time::Duration;

use kafka_conn::{ClientCertificate, Connection, Dialer, Error, ErrorKind, Pem, Roots, Step, Tls, TlsConfig};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use support::certificates::{Authority, Certificate, Validity, acceptor, acceptor_of};
use support::{Peer, api_versions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::version;

fn dialer(tls: Tls) -> Dialer {
    Dialer { timeout: Duration::from_secs(60), tls: Some(tls), ..Dialer::default() }
}

/// Serves one connection of a broker that answers the handshake and one Metadata request.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let (stream, _) = listener.accept().await.unwrap();
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut peer = Peer(stream);
    while let Some(request) = peer.recv().await {
        match request.api {
            kafka_protocol::ApiKey::API_VERSIONS => peer.answer(&request, &api_versions()).await,
            _ => peer.answer(&request, &MetadataResponse::default()).await,
        }
    }
}

/// Dials a server of this kind by the name of `localhost`.
async fn dial(acceptor: TlsAcceptor, dialer: &Dialer) -> Result<Connection, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let server = tokio::spawn(serve(listener, acceptor));
    let result = dialer.dial(&address).await;
    if let Err(error) = &result {
        server.abort();
        assert!(error.to_string().starts_with(&format!("broker {address}")), "{error}");
        assert!(error.is_unsent(), "{error}");
    }
    result
}

async fn call(connection: &Connection) {
    connection.call(&MetadataRequest::default()).await.unwrap();
}

#[track_caller]
fn assert_final(error: &Error, kind: ErrorKind, text: &str) {
    assert_eq!(*error.kind(), kind, "{error:#}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(!error.is_retriable() && error.is_authentication(), "{error}");
}

#[tokio::test]
async fn encrypted_in_both_versions() {
    let authority = Authority::new();
    let certificate = authority.sign("localhost", Validity::Now);
    for version in [&version::TLS12, &version::TLS13] {
        let connection = dial(acceptor_of(&[version], &certificate, None), &dialer(authority.tls())).await.unwrap();
        call(&connection).await;
        connection.close().await;
    }
}

#[tokio::test]
async fn a_client_certificate_in_both_versions() {
    let authority = Authority::new();
    let certificate = authority.sign("localhost", Validity::Now);
    let tls = authority.tls_with(&authority.sign("client", Validity::Now));
    for version in [&version::TLS12, &version::TLS13] {
        let acceptor = acceptor_of(&[version], &certificate, Some(&authority));
        call(&dial(acceptor, &dialer(tls.clone())).await.unwrap()).await;
    }
}

#[tokio::test]
async fn another_name_than_the_address() {
    let authority = Authority::new();
    let certificate = authority.sign("kafka.example.com", Validity::Now);
    let server_name = Some("kafka.example.com".into());
    let tls = Tls::new(TlsConfig { roots: authority.roots(), server_name, ..TlsConfig::default() }).unwrap();
    call(&dial(acceptor(&certificate, None), &dialer(tls)).await.unwrap()).await;
}

#[tokio::test]
async fn a_rustls_configuration_of_ones_own() {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto, pki_types::CertificateDer};

    let authority = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let tls = Tls::from_rustls(config.into(), None).unwrap();
    let certificate = authority.sign("localhost", Validity::Now);
    call(&dial(acceptor(&certificate, None), &dialer(tls)).await.unwrap()).await;
}

#[tokio::test]
async fn an_unknown_authority() {
    let certificate = Authority::new().sign("localhost", Validity::Now);
    let error = dial(acceptor(&certificate, None), &dialer(Authority::new().tls())).await.unwrap_err();
    assert_final(&error, ErrorKind::UnknownCa, "from an unknown authority; configure the certificate of the authority");
}

#[tokio::test]
async fn an_authority_that_only_has_the_name() {
    let certificate = Authority::named("same").sign("localhost", Validity::Now);
    let error = dial(acceptor(&certificate, None), &dialer(Authority::named("same").tls())).await.unwrap_err();
    assert_final(&error, ErrorKind::UnknownCa, "from an unknown authority");
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let authority = Authority::new();
    let certificate = authority.sign("localhost", Validity::Past);
    let error = dial(acceptor(&certificate, None), &dialer(authority.tls())).await.unwrap_err();
    assert_final(&error, ErrorKind::CertificateExpired, "not valid at this time; renew");
    assert!(format!("{error:#}").contains("expired"), "{error:#}");
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let authority = Authority::new();
    let certificate = authority.sign("kafka.example.com", Validity::Now);
    let error = dial(acceptor(&certificate, None), &dialer(authority.tls())).await.unwrap_err();
    assert_final(&error, ErrorKind::WrongHostName, "for another host name; dial a name that the certificate has");
    assert!(format!("{error:#}").contains("kafka.example.com"), "{error:#}");
}

#[tokio::test]
async fn a_certificate_that_is_an_authoritys() {
    let authority = Authority::new();
    let certificate = authority.itself();
    let error = dial(acceptor(&certificate, None), &dialer(authority.tls())).await.unwrap_err();
    assert_final(&error, ErrorKind::InvalidCertificate, "not acceptable; have the broker's certificate made anew");
}

#[tokio::test]
async fn a_client_certificate_that_is_missing() {
    let authority = Authority::new();
    let certificate = authority.sign("localhost", Validity::Now);
    for version in [&version::TLS12, &version::TLS13] {
        let acceptor = acceptor_of(&[version], &certificate, Some(&authority));
        let error = dial(acceptor, &dialer(authority.tls())).await.unwrap_err();
        assert_final(&error, ErrorKind::ClientCertificateRequired, "demands a client certificate; configure");
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let certificate = authority.sign("localhost", Validity::Now);
    for (shown, why) in [
        (stranger.sign("client", Validity::Now), "UnknownCA"),
        (authority.sign("client", Validity::Past), "CertificateExpired"),
    ] {
        for version in [&version::TLS12, &version::TLS13] {
            let acceptor = acceptor_of(&[version], &certificate, Some(&authority));
            let error = dial(acceptor, &dialer(authority.tls_with(&shown))).await.unwrap_err();
            assert_final(&error, ErrorKind::ClientCertificateRefused, "refused the client certificate; check that");
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}

#[tokio::test]
async fn no_version_in_common_is_told() {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

    let provider = std::sync::Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&version::TLS13]).unwrap();
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let tls = Tls::from_rustls(config.into(), None).unwrap();
    let certificate = Authority::new().sign("localhost", Validity::Now);
    let error = dial(acceptor_of(&[&version::TLS12], &certificate, None), &dialer(tls)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Tls, "{error:#}");
    assert!(error.to_string().contains("other protocol versions"), "{error}");
}

/// What dialling by TLS is told where a server without does this.
async fn dial_plain(reply: &'static [u8]) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        stream.read_exact(&mut rest).await.unwrap();
        stream.write_all(reply).await.unwrap();
    });
    let error = dialer(Authority::new().tls()).dial(&address).await.unwrap_err();
    server.await.unwrap();
    error
}

#[tokio::test]
async fn a_port_without_tls() {
    let error = dial_plain(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(*error.kind(), ErrorKind::PlainOnTls, "{error:#}");
    assert!(error.to_string().contains("not TLS, this connection is; do without TLS"), "{error}");
    assert!(!error.is_retriable());
    // What Kafka does: the first bytes are an absurd size.
    let error = dial_plain(b"").await;
    assert_eq!(*error.kind(), ErrorKind::ClosedDuring { step: Step::TlsHandshake }, "{error:#}");
    let text = error.to_string();
    assert!(
        text.contains("closed during the TLS handshake; the likely cause, inferred, is a port that expects"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let short = Dialer { timeout: Duration::from_millis(250), ..dialer(Authority::new().tls()) };
    let error = short.dial(&address).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { step: Step::TlsHandshake, after: Some(_) }), "{error:#}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn files_are_read_again_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (roots, chain, key) = (folder.path().join("ca"), folder.path().join("cert"), folder.path().join("key"));
    let write = |authority: &Authority, certificate: &Certificate| {
        std::fs::write(&roots, authority.pem()).unwrap();
        std::fs::write(&chain, &certificate.chain).unwrap();
        std::fs::write(&key, &certificate.key).unwrap();
    };
    let (old, new) = (Authority::new(), Authority::new());
    write(&old, &old.sign("client", Validity::Now));
    let config = TlsConfig {
        roots: vec![Roots::Pem(Pem::file(&roots))],
        certificate: Some(ClientCertificate { chain: Pem::file(&chain), key: Pem::file(&key) }),
        ..TlsConfig::default()
    };
    let dialer = dialer(Tls::new(config).unwrap());
    let serves = |authority: &Authority| acceptor(&authority.sign("localhost", Validity::Now), Some(authority));
    call(&dial(serves(&old), &dialer).await.unwrap()).await;
    assert_eq!(*dial(serves(&new), &dialer).await.unwrap_err().kind(), ErrorKind::UnknownCa);
    write(&new, &new.sign("client", Validity::Now));
    call(&dial(serves(&new), &dialer).await.unwrap()).await;
    // Half of a change: what was read before stays in use.
    std::fs::write(&key, "not yet").unwrap();
    call(&dial(serves(&new), &dialer).await.unwrap()).await;
    std::fs::remove_file(&roots).unwrap();
    call(&dial(serves(&new), &dialer).await.unwrap()).await;
}

#[test]
fn configurations_that_cannot_work() {
    let authority = Authority::new();
    let (one, other) = (authority.sign("one", Validity::Now), authority.sign("other", Validity::Now));
    let with = |chain: &str, key: &str| {
        let certificate = ClientCertificate { chain: Pem::text(chain), key: Pem::text(key) };
        TlsConfig { roots: authority.roots(), certificate: Some(certificate), ..TlsConfig::default() }
    };
    let roots = |roots: Pem| TlsConfig { roots: vec![Roots::Pem(roots)], ..TlsConfig::default() };
    for (config, expected) in [
        (roots(Pem::file("/does/not/exist")), "a file for TLS cannot be read: /does/not/exist"),
        (roots(Pem::text("")), "has no certificate"),
        (roots(Pem::text("-----BEGIN CERTIFICATE-----\n????\n")), "cannot be read"),
        (roots(Pem::text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), "cannot be used"),
        (with("", &one.key), "has no certificate"),
        (with(&one.chain, ""), "private key cannot be read"),
        (with(&one.chain, &other.key), "do not belong together"),
        (with(&one.chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"), "encrypted: decrypt it first"),
        (TlsConfig { roots: authority.roots(), server_name: Some("a b".into()), ..TlsConfig::default() }, "host name"),
    ] {
        let error = Tls::new(config).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidConfig(_)), "{error:#}");
        assert!(format!("{error:#}").contains(expected), "{error:#}");
        assert!(!format!("{error:#} {error:?}").contains(one.key.lines().nth(1).unwrap()), "a key was shown");
    }
}

#[cfg(feature = "tls-web-roots")]
#[tokio::test]
async fn the_webs_authorities_do_not_know_ours() {
    let tls = Tls::new(TlsConfig { roots: vec![Roots::Web], ..TlsConfig::default() }).unwrap();
    let certificate = Authority::new().sign("localhost", Validity::Now);
    let error = dial(acceptor(&certificate, None), &dialer(tls)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::UnknownCa);
}
