//! Every way to authenticate, at the most verbose logging: no secret shows up in logs, errors or `Debug`, in no form.

mod support;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka_conn::sasl::{Mechanism, OAuthBearer, Plain, Scram, ScramHash, Token};
use kafka_conn::{Dialer, ErrorKind, Secret};
use kafka_protocol::messages::metadata::MetadataRequest;
use support::Network;
use support::sasl::{Broker, USER, salted_password};
use support::seen::{Seen, assert_unseen};

const PASSWORD: &str = "canary-Pa55word-7f3a";
const WRONG: &str = "canary-Wr0ng-91bc";
const TOKEN: &str = "canary.tOken.e4d2";

/// Authenticates by a mechanism, calls, and notes all there is to see.
async fn authenticate(seen: &Seen, broker: Broker, mechanism: impl Mechanism) -> Option<ErrorKind> {
    let network = Network::default();
    let mut listener = network.listen("broker:9092");
    tokio::spawn(async move {
        while let Some(peer) = listener.recv().await {
            tokio::spawn(broker.clone().serve(peer));
        }
    });
    let dialer = Dialer { sasl: Some(Arc::new(mechanism)), ..network.dialer() };
    seen.note(&dialer);
    match dialer.dial("broker").await {
        Ok(connection) => {
            seen.note(&connection);
            for _ in 0..3 {
                connection.call(&MetadataRequest::default()).await.unwrap();
                // Past the session's end, so that it authenticates anew.
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            connection.close().await;
            None
        }
        Err(error) => {
            seen.note(&error);
            writeln!(seen.clone(), "{error} {error:#}").unwrap();
            Some(error.kind().clone())
        }
    }
}

fn bearer(token: &'static str) -> OAuthBearer {
    OAuthBearer::new(move || async move { Ok(Token::new(token).with_extension("traceId", "7")) }).allow_unencrypted()
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_seen() {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(seen.clone()).finish()).unwrap();

    let knows = |mechanism, secret| Broker { lifetime: Duration::from_secs(3), ..Broker::new(mechanism, secret) };
    let plain = |password| Plain::new(USER, password).allow_unencrypted();
    assert_eq!(authenticate(&seen, knows("PLAIN", PASSWORD), plain(PASSWORD)).await, None);
    assert!(authenticate(&seen, knows("PLAIN", PASSWORD), plain(WRONG)).await.is_some());
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let broker = knows(hash.mechanism(), PASSWORD);
        assert_eq!(authenticate(&seen, broker.clone(), Scram::new(hash, USER, PASSWORD)).await, None);
        assert!(authenticate(&seen, broker.clone(), Scram::new(hash, USER, WRONG)).await.is_some());
        let forged = Broker { forge: true, ..broker };
        assert!(authenticate(&seen, forged, Scram::new(hash, USER, PASSWORD)).await.is_some());
    }
    assert_eq!(authenticate(&seen, knows("OAUTHBEARER", TOKEN), bearer(TOKEN)).await, None);
    assert!(authenticate(&seen, knows("OAUTHBEARER", TOKEN), bearer(WRONG)).await.is_some());
    assert!(authenticate(&seen, knows("OAUTHBEARER", TOKEN), Plain::new(USER, PASSWORD)).await.is_some());
    seen.note(&(Secret::from(PASSWORD), Token::new(TOKEN)));
    #[cfg(feature = "tls")]
    let key = tls(&seen).await;

    let text = seen.text();
    for expected in ["TRACE", "connected", "authenticated anew", "no connection", "refused to authenticate", USER] {
        assert!(text.contains(expected), "the test sees too little: {expected}");
    }
    assert_unseen(&text, PASSWORD.as_bytes());
    assert_unseen(&text, WRONG.as_bytes());
    assert_unseen(&text, TOKEN.as_bytes());
    assert_unseen(&text, &salted_password(PASSWORD));
    #[cfg(feature = "tls")]
    assert_unseen(&text, &key);
}

/// Shows a client certificate, which a broker accepts, and one that it refuses; returns the key.
#[cfg(feature = "tls")]
async fn tls(seen: &Seen) -> Vec<u8> {
    use support::certificates::{Authority, Validity, acceptor};
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.sign("broker", Validity::Now);
    let client = authority.sign("client", Validity::Now);
    for clients in [&authority, &stranger] {
        let network = Network::default();
        let mut listener = network.listen("broker:9092");
        let acceptor = acceptor(&server, Some(clients));
        tokio::spawn(async move {
            let peer = listener.recv().await.unwrap();
            let Ok(stream) = acceptor.accept(peer.0).await else { return };
            Broker::new("PLAIN", PASSWORD).serve(support::Peer(stream)).await;
        });
        let tls = Some(authority.tls_with(&client));
        let dialer = Dialer { tls, sasl: Some(Arc::new(Plain::new(USER, PASSWORD))), ..network.dialer() };
        seen.note(&dialer);
        match dialer.dial("broker").await {
            Ok(connection) => seen.note(&connection),
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::ClientCertificateRefused);
                seen.note(&error);
            }
        }
    }
    PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap().secret_der().to_vec()
}

#[test]
fn the_test_would_see_a_secret() {
    for leak in [
        format!("password={PASSWORD}"),
        format!("{:?}", format!("\0{USER}\0{PASSWORD}").as_bytes()),
        format!("{:#?}", (PASSWORD.as_bytes(),)),
        STANDARD.encode(format!("\0{USER}\0{PASSWORD}")),
        STANDARD.encode(format!("x{PASSWORD}y")),
        STANDARD.encode(format!("xy{PASSWORD}z")),
        PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        assert!(std::panic::catch_unwind(|| assert_unseen(&leak, PASSWORD.as_bytes())).is_err(), "{leak}");
    }
}
