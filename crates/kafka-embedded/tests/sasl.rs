//! Logins, by scripts: what may be asked before, how long they last, and how they are renewed.

mod support;

use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::core::{Config, ConnectionId, Output};
use kafka_embedded::{Fault, Sasl, SaslMechanism};
use kafka_protocol::messages::api_versions::ApiVersionsRequest;
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::messages::sasl_handshake::SaslHandshakeRequest;
use kafka_protocol::{ApiKey, ErrorCode};
use support::Script;

fn cluster(lifetime: Option<Duration>) -> (Script, ConnectionId) {
    let sasl = Sasl::new([SaslMechanism::Plain, SaslMechanism::ScramSha256]).user("alice", "secret").user("bob", "b");
    let sasl = match lifetime {
        Some(lifetime) => sasl.session_lifetime(lifetime),
        None => sasl,
    };
    let mut script = Script::new(Config { sasl: Some(sasl), ..Config::default() });
    let one = script.open(1);
    (script, one)
}

fn handshake(script: &mut Script, at: ConnectionId, mechanism: &str) -> ErrorCode {
    let request = SaslHandshakeRequest { mechanism: mechanism.into(), ..Default::default() };
    ErrorCode(script.call(at, 1, &request).error_code)
}

fn authenticate(script: &mut Script, at: ConnectionId, message: &'static str) -> SaslAuthenticateResponse {
    let auth_bytes = Bytes::from_static(message.as_bytes());
    script.call(at, 2, &SaslAuthenticateRequest { auth_bytes, ..Default::default() })
}

fn is_closed(script: &mut Script, connection: ConnectionId) -> bool {
    script.take(connection) == Some(Output::Close { connection })
}

#[test]
fn nothing_is_served_before_a_login_but_versions() {
    let (mut script, one) = cluster(None);
    script.call(one, 2, &ApiVersionsRequest::default());
    script.send(one, 12, &MetadataRequest::default());
    assert!(is_closed(&mut script, one));
}

#[test]
fn the_right_password_opens_the_door_and_the_wrong_one_closes_it() {
    let (mut script, one) = cluster(None);
    assert_eq!(handshake(&mut script, one, "PLAIN"), ErrorCode::NONE);
    let answer = authenticate(&mut script, one, "\0alice\0secret");
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 0));
    script.call(one, 12, &MetadataRequest::default());
    assert_eq!(handshake(&mut script, one, "PLAIN"), ErrorCode::ILLEGAL_SASL_STATE, "it lasts for ever");

    let two = script.open(1);
    handshake(&mut script, two, "PLAIN");
    let answer = authenticate(&mut script, two, "\0alice\0wrong");
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert_eq!(answer.error_message.as_deref(), Some("Authentication failed: Invalid username or password"));
    assert!(is_closed(&mut script, two));
}

#[test]
fn a_mechanism_that_is_not_offered_is_refused_by_name_of_those_that_are() {
    let (mut script, one) = cluster(None);
    let request = SaslHandshakeRequest { mechanism: "GSSAPI".into(), ..Default::default() };
    let answer = script.call(one, 1, &request);
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    assert_eq!(answer.mechanisms, ["PLAIN", "SCRAM-SHA-256"]);
    assert!(is_closed(&mut script, one));
}

#[test]
fn a_login_that_is_not_renewed_ends() {
    let (mut script, one) = cluster(Some(Duration::from_secs(3)));
    handshake(&mut script, one, "PLAIN");
    assert_eq!(authenticate(&mut script, one, "\0alice\0secret").session_lifetime_ms, 3_000);
    script.pass(Duration::from_millis(2_900));
    handshake(&mut script, one, "PLAIN");
    assert_eq!(authenticate(&mut script, one, "\0alice\0secret").session_lifetime_ms, 3_000);
    script.pass(Duration::from_millis(2_900));
    script.call(one, 12, &MetadataRequest::default());
    script.pass(Duration::from_millis(100));
    script.send(one, 12, &MetadataRequest::default());
    assert!(is_closed(&mut script, one));
}

#[test]
fn nobody_becomes_somebody_else() {
    let (mut script, one) = cluster(Some(Duration::from_secs(3)));
    handshake(&mut script, one, "PLAIN");
    authenticate(&mut script, one, "\0alice\0secret");
    handshake(&mut script, one, "PLAIN");
    let answer = authenticate(&mut script, one, "\0bob\0b");
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(is_closed(&mut script, one));
}

#[test]
fn after_handshake_0_messages_come_bare() {
    let (mut script, one) = cluster(None);
    script.call(one, 0, &SaslHandshakeRequest { mechanism: "PLAIN".into(), ..Default::default() });
    script.core.handle_request(script.now, one, Bytes::from_static(b"\0alice\0secret"));
    script.collect();
    assert_eq!(script.take(one), Some(Output::Answer { connection: one, frame: Bytes::from_static(&[0; 4]) }));
    script.call(one, 12, &MetadataRequest::default());
}

#[test]
fn passwords_are_not_logged_and_logins_can_fail_on_demand() {
    let (mut script, one) = cluster(None);
    script.core.inject(Fault::error(ApiKey::SASL_AUTHENTICATE, ErrorCode::SASL_AUTHENTICATION_FAILED));
    handshake(&mut script, one, "PLAIN");
    let answer = authenticate(&mut script, one, "\0alice\0secret");
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(is_closed(&mut script, one));
    let shown = format!("{:?}", script.core);
    assert!(!shown.contains("secret") && !shown.contains("115, 101, 99, 114, 101, 116"), "{shown}");
}
