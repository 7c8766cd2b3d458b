//! Authenticating to a broker that is as strict as Kafka: each mechanism, its refusals, and again and again under load.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kafka_conn::sasl::{Exchange, Mechanism, OAuthBearer, Plain, Reply, SaslError, Scram, ScramHash, Token};
use kafka_conn::{
    BrokerAddress, CallOptions, Connection, Dialer, Error, ErrorKind, Secret, Step, Transport, TransportConfig,
};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_protocol::messages::sasl_handshake::SaslHandshakeResponse;
use support::sasl::{Broker, USER};
use support::{Network, api_versions};

/// A broker in memory, and dialers that know it as `broker`.
fn start(broker: &Broker) -> Network {
    let network = Network::default();
    let mut listener = network.listen("broker:9092");
    let broker = broker.clone();
    tokio::spawn(async move {
        while let Some(peer) = listener.recv().await {
            tokio::spawn(broker.clone().serve(peer));
        }
    });
    network
}

fn dialer(network: &Network, mechanism: impl Mechanism) -> Dialer {
    Dialer { sasl: Some(Arc::new(mechanism)), ..network.dialer() }
}

async fn dial(broker: &Broker, mechanism: impl Mechanism) -> Result<Connection, Error> {
    let result = dialer(&start(broker), mechanism).dial("broker").await;
    if let Err(error) = &result {
        assert!(error.to_string().starts_with("broker broker:9092"), "{error}");
        assert!(error.is_unsent(), "{error}");
    }
    result
}

async fn call(connection: &Connection) {
    connection.call(&MetadataRequest::default()).await.unwrap();
}

fn plain(password: &str) -> Plain {
    Plain::new(USER, password).allow_unencrypted()
}

fn bearer(token: &'static str) -> OAuthBearer {
    OAuthBearer::new(move || async move { Ok(Token::new(token).with_extension("traceId", "7")) }).allow_unencrypted()
}

#[track_caller]
fn assert_refused(error: &Error, reason: &str) {
    let ErrorKind::AuthenticationFailed { reason: actual, .. } = error.kind() else { panic!("{error:#}") };
    assert!(actual.contains(reason), "{error:#}");
    let text = error.to_string();
    assert!(text.contains("refused to authenticate this client by") && text.contains("check the user"), "{text}");
    assert!(!error.is_retriable() && error.is_authentication() && !error.is_connection(), "{text}");
}

#[tokio::test(start_paused = true)]
async fn each_mechanism_authenticates_and_is_refused() {
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let broker = Broker::new(hash.mechanism(), "pâss,=word");
        call(&dial(&broker, Scram::new(hash, USER, "pâss,=word")).await.unwrap()).await;
        assert_refused(&dial(&broker, Scram::new(hash, USER, "wrong")).await.unwrap_err(), "invalid credentials");
        assert_eq!(broker.authentications(), 1);
    }
    let broker = Broker::new("PLAIN", "password");
    call(&dial(&broker, plain("password")).await.unwrap()).await;
    assert_refused(&dial(&broker, plain("wrong")).await.unwrap_err(), "Invalid username or password");
    let broker = Broker::new("OAUTHBEARER", "token");
    call(&dial(&broker, bearer("token")).await.unwrap()).await;
    assert_refused(&dial(&broker, bearer("wrong")).await.unwrap_err(), "invalid_token");
}

/// A password does not become right by being sent again: no broker is asked twice, none after one that refused, and that
/// is the answer, even where another broker is merely down.
#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_tried_in_a_loop() {
    for bootstrap in ["broker", "broker,away", "away,broker"] {
        let network = start(&Broker::new("PLAIN", "password"));
        let dialer = dialer(&network, plain("wrong"));
        let bootstrap = BrokerAddress::parse_list(bootstrap).unwrap();
        let brokers = bootstrap.len();
        let error = Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() });
        assert_refused(&error.await.unwrap_err(), "Invalid username or password");
        assert!((1..=brokers).contains(&network.dials()), "{} dials", network.dials());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_know_the_password() {
    let broker = Broker { forge: true, ..Broker::new("SCRAM-SHA-256", "password") };
    let error = dial(&broker, Scram::new(ScramHash::Sha256, USER, "password")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidChallenge { mechanism: "SCRAM-SHA-256".into() });
    assert!(format!("{error:#}").contains("did not prove that it knows the secret"), "{error:#}");
    assert!(!error.is_retriable() && error.is_authentication());
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_is_not_offered() {
    let broker = Broker { offered: vec!["GSSAPI", "SCRAM-SHA-512"], ..Broker::new("", "password") };
    let error = dial(&broker, plain("password")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("does not offer the SASL mechanism PLAIN, it offers GSSAPI, SCRAM-SHA-512"), "{text}");
    assert!(text.contains("use a mechanism that it offers"), "{text}");
    assert!(!error.is_retriable() && error.is_authentication());
}

#[tokio::test(start_paused = true)]
async fn secrets_are_not_sent_in_plain_text_unless_allowed() {
    let (network, token) = (Network::default(), || async { Ok(Token::new("token")) });
    for dialer in [dialer(&network, Plain::new(USER, "password")), dialer(&network, OAuthBearer::new(token))] {
        let error = dialer.dial("broker").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UnprotectedCredentials { .. }), "{error}");
        assert!(error.to_string().contains("not encrypted; configure TLS, or allow"), "{error}");
        assert!(!error.is_retriable());
    }
    assert_eq!(network.dials(), 0, "found out before anything was opened");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_expects_sasl() {
    let broker = Broker::new("PLAIN", "password");
    let connection = start(&broker).dialer().dial("broker").await.unwrap();
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SaslExpected, "{error}");
    let text = error.to_string();
    assert!(text.contains("broker broker:9092, Metadata v13: the connection was closed at the first call"), "{text}");
    assert!(text.contains("inferred, is a listener that expects SASL"), "{text}");
    assert!(text.contains("where it happens once, the broker may have gone down"), "not the only cause: {text}");
}

/// What a client with SASL is told by a broker that answers so much, and then closes.
async fn dial_until(steps: usize, handshake: SaslHandshakeResponse) -> Error {
    let network = Network::default();
    let mut listener = network.listen("broker:9092");
    let dialer = dialer(&network, plain("password"));
    let (result, ()) = tokio::join!(dialer.dial("broker"), async move {
        let mut peer = listener.recv().await.unwrap();
        for _ in 0..steps {
            let request = peer.recv().await.unwrap();
            match request.api {
                ApiKey::API_VERSIONS => peer.answer(&request, &api_versions()).await,
                _ => peer.answer(&request, &handshake).await,
            }
        }
        // What closes in answer to a request.
        peer.recv().await;
    });
    result.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_closes_names_the_step() {
    for (steps, step, text) in [
        (
            0,
            Step::ApiVersions,
            "closed during version negotiation (ApiVersions); the likely cause, inferred, is a port",
        ),
        (1, Step::SaslHandshake, "closed during the choice of a SASL mechanism (SaslHandshake); the likely cause"),
        (
            2,
            Step::Authentication,
            "closed during authentication (SaslAuthenticate); the likely cause, inferred, is that",
        ),
    ] {
        let error = dial_until(steps, SaslHandshakeResponse::default()).await;
        assert_eq!(*error.kind(), ErrorKind::ClosedDuring { step }, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_without_sasl() {
    let error = dial_until(2, SaslHandshakeResponse { error_code: 34, ..Default::default() }).await;
    assert_eq!(*error.kind(), ErrorKind::SaslNotEnabled);
    assert!(
        error.to_string().contains("SaslHandshake v1: the broker's listener does not use SASL; do without"),
        "{error}"
    );
    assert!(!error.is_retriable());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_or_hangs() {
    let broker = Broker::new("OAUTHBEARER", "token");
    let mechanism = OAuthBearer::new(|| async { Err("the server for tokens is down".into()) }).allow_unencrypted();
    let error = dial(&broker, mechanism).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoCredentials { mechanism: "OAUTHBEARER".into() });
    assert!(format!("{error:#}").ends_with("the server for tokens is down"), "{error:#}");
    assert!(error.is_retriable(), "it may be up again soon");
    let mechanism = OAuthBearer::new(std::future::pending).allow_unencrypted();
    let error = dial(&broker, mechanism).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout { step: Step::Authentication, after: None }, "{error}");
}

/// Panics when it is to answer.
#[derive(Debug)]
struct Panics;

#[async_trait]
impl Mechanism for Panics {
    fn name(&self) -> &str {
        "PLAIN"
    }

    async fn start(&self, _: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        Ok(Box::new(Self))
    }
}

impl Exchange for Panics {
    fn initial(&mut self) -> Result<Secret, SaslError> {
        Ok(format!("\0{USER}\0password").into())
    }

    fn respond(&mut self, _: &[u8]) -> Result<Reply, SaslError> {
        panic!("a bug in a mechanism")
    }
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_panics_harms_its_connection_only() {
    let error = dial(&Broker::new("PLAIN", "password"), Panics).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoCredentials { .. }), "{error:#}");
    assert!(format!("{error:#}").contains("a bug in a mechanism"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_sent() {
    let error = dial(&Broker::new("OAUTHBEARER", "token"), bearer("to ken")).await.unwrap_err();
    assert!(format!("{error:#}").contains("characters that no bearer token has"), "{error:#}");
}

/// KIP-368: sessions of 3 s, calls all the time, and none of them fails.
#[tokio::test(start_paused = true)]
async fn authenticates_anew_sixty_times_under_load() {
    let broker = Broker { lifetime: Duration::from_secs(3), ..Broker::new("SCRAM-SHA-256", "password") };
    let connection = dial(&broker, Scram::new(ScramHash::Sha256, USER, "password")).await.unwrap();
    let mut workers = Vec::new();
    for worker in 0..4 {
        let (connection, broker) = (connection.clone(), broker.clone());
        workers.push(tokio::spawn(async move {
            let mut made = 0;
            while broker.authentications() <= 60 {
                call(&connection).await;
                made += 1;
                tokio::time::sleep(Duration::from_millis(35 + worker)).await;
            }
            made
        }));
    }
    let mut made = 0;
    for worker in workers {
        made += worker.await.unwrap();
    }
    assert!(broker.authentications() > 60 && made > 5_000, "{made}");
    assert_eq!(broker.calls(), made);
    assert!(!connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_ahead_while_calls_go_on() {
    let broker = Broker { lifetime: Duration::from_secs(10), ..Broker::new("OAUTHBEARER", "token") };
    let slow = OAuthBearer::new(|| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(Token::new("token").with_extension("traceId", "7"))
    });
    let connection = dial(&broker, slow.allow_unencrypted()).await.unwrap();
    // Less than the provider takes: a call that waited for it would fail.
    let quick = CallOptions { timeout: Some(Duration::from_millis(200)), ..CallOptions::default() };
    while broker.authentications() < 5 {
        connection.call_with(&MetadataRequest::default(), quick.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_changed_meanwhile_ends_the_connection() {
    let broker = Broker { lifetime: Duration::from_secs(3), ..Broker::new("PLAIN", "password") };
    let connection = dial(&broker, plain("password")).await.unwrap();
    call(&connection).await;
    "changed".clone_into(&mut broker.secret.lock().unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert!(error.is_unsent() && error.is_connection(), "{error:#}");
    assert!(format!("{error:#}").contains("Invalid username or password"), "{error:#}");
}
