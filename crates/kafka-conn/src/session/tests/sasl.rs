//! Authenticating, the first time and again.

use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::*;
use crate::sasl::{Reply, SaslError};

const AUTH_MS: u64 = 2_000;
const WITH_SASL: &[(ApiKey, i16, i16)] = &[
    (ApiKey::METADATA, 0, 13),
    (ApiKey::API_VERSIONS, 0, 4),
    (ApiKey::SASL_HANDSHAKE, 0, 1),
    (ApiKey::SASL_AUTHENTICATE, 0, 2),
];

impl Script {
    fn sasl() -> Self {
        let sasl = SaslConfig { mechanism: "TEST".into(), timeout: Duration::from_millis(AUTH_MS), permille: 900 };
        Self::with(Some(sasl))
    }

    /// Past version negotiation.
    fn negotiated(list: &[(ApiKey, i16, i16)]) -> Self {
        let mut script = Self::sasl();
        script.expect(&["authenticate"]);
        let [request] = script.recv();
        script.send(request.id, 18, 4, &versions(list));
        script
    }

    /// Past the first authentication, by two messages.
    pub(super) fn authenticated(session_lifetime_ms: i64) -> Self {
        let mut script = Self::negotiated(WITH_SASL);
        script.say("one");
        script.agree_on_mechanism(1);
        let message = script.recv_message("one", 2);
        script.challenge(message, "really?", 0);
        script.expect(&[r#"challenge b"really?""#]);
        script.say("two");
        let message = script.recv_message("two", 3);
        script.challenge(message, "", session_lifetime_ms);
        script.expect(&[r#"challenge b"""#]);
        script.done();
        script.expect(&["ready"]);
        script
    }

    /// What our mechanism says.
    pub(super) fn say(&mut self, message: &str) {
        self.session.handle_authentication(self.now, Ok(Reply::Message(message.into())));
    }

    pub(super) fn done(&mut self) {
        self.session.handle_authentication(self.now, Ok(Reply::Done));
    }

    pub(super) fn give_up(&mut self, error: SaslError) {
        self.session.handle_authentication(self.now, Err(error.into_error("TEST")));
    }

    /// Answers the oldest request, whatever it is.
    pub(super) fn answer_front(&mut self, throttle_time_ms: i32) {
        let Some(slot) = self.session.in_flight.front() else { return };
        let RequestInfo { api_key, version, correlation_id } = slot.request;
        match api_key {
            ApiKey::SASL_HANDSHAKE => self.send(correlation_id, 17, version, &SaslHandshakeResponse::default()),
            ApiKey::SASL_AUTHENTICATE => {
                let answer = SaslAuthenticateResponse { session_lifetime_ms: 3000, ..Default::default() };
                self.send(correlation_id, 36, version, &answer);
            }
            _ => {
                let answer = MetadataResponse { throttle_time_ms, ..Default::default() };
                self.send(correlation_id, 3, version, &answer);
            }
        }
    }

    fn recv_handshake(&mut self, id: i32) -> Seen {
        let [request] = self.recv();
        assert_eq!((request.api, request.version, request.id), (ApiKey::SASL_HANDSHAKE, 1, id));
        assert_eq!(SaslHandshakeRequest::decode(1, request.body.clone()).unwrap().mechanism, "TEST");
        request
    }

    fn agree_on_mechanism(&mut self, id: i32) {
        self.recv_handshake(id);
        self.send(id, 17, 1, &SaslHandshakeResponse { mechanisms: vec!["TEST".into()], ..Default::default() });
    }

    fn recv_message(&mut self, expected: &str, id: i32) -> Seen {
        let [request] = self.recv();
        assert_eq!((request.api, request.id), (ApiKey::SASL_AUTHENTICATE, id));
        let body = SaslAuthenticateRequest::decode(request.version, request.body.clone()).unwrap();
        assert_eq!(body.auth_bytes, expected.as_bytes());
        request
    }

    fn challenge(&mut self, request: Seen, challenge: &'static str, session_lifetime_ms: i64) {
        let answer = SaslAuthenticateResponse {
            auth_bytes: Bytes::from_static(challenge.as_bytes()),
            session_lifetime_ms,
            ..Default::default()
        };
        self.send(request.id, 36, request.version, &answer);
    }

    /// Authenticates anew, from SaslHandshake on; ids are counted from `id`.
    fn renew(&mut self, id: i32, session_lifetime_ms: i64) {
        self.agree_on_mechanism(id);
        let message = self.recv_message("again", id + 1);
        self.challenge(message, "", session_lifetime_ms);
        self.expect(&[r#"challenge b"""#]);
        self.done();
        self.expect(&["reauthenticated"]);
    }
}

#[test]
fn rounds_until_the_mechanism_is_done() {
    let mut script = Script::authenticated(0);
    assert_eq!(script.session.poll_timeout(), None, "a session without end");
    script.call("a", 1000);
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["answered a"]);
}

#[test]
fn a_mechanism_may_be_slow() {
    let mut script = Script::negotiated(WITH_SASL);
    script.agree_on_mechanism(1);
    let [] = script.recv();
    script.at(HANDSHAKE_MS - 1);
    script.say("one");
    let message = script.recv_message("one", 2);
    script.challenge(message, "", 0);
    script.expect(&[r#"challenge b"""#]);
    script.done();
    script.expect(&["ready"]);
}

#[test]
fn a_mechanism_may_be_fast() {
    let mut script = Script::sasl();
    script.say("one");
    let [request] = script.recv();
    script.send(request.id, 18, 4, &versions(WITH_SASL));
    script.agree_on_mechanism(1);
    script.recv_message("one", 2);
}

#[test]
fn a_mechanism_may_be_too_slow() {
    let mut script = Script::negotiated(WITH_SASL);
    script.agree_on_mechanism(1);
    script.at(HANDSHAKE_MS);
    script.expect(&["closed: Timeout"]);
}

#[test]
fn messages_before_kafka_2_2_and_after() {
    for version in 0..=2 {
        let list = [&WITH_SASL[..3], &[(ApiKey::SASL_AUTHENTICATE, 0, version)]].concat();
        let mut script = Script::negotiated(&list);
        script.say("one");
        script.agree_on_mechanism(1);
        let message = script.recv_message("one", 2);
        assert_eq!(message.version, version);
        script.challenge(message, "", 10_000);
        script.expect(&[r#"challenge b"""#]);
        script.done();
        script.expect(&["ready"]);
        assert_eq!(script.session.poll_timeout().is_some(), version > 0, "version 0 knows no lifetime");
    }
}

#[test]
fn a_broker_without_sasl_authenticate() {
    let mut script = Script::negotiated(&WITH_SASL[..3]);
    script.expect(&["closed: VersionUnsupported"]);
}

#[test]
fn a_mechanism_that_is_not_offered() {
    let mut script = Script::negotiated(WITH_SASL);
    script.recv_handshake(1);
    let mechanisms = vec!["PLAIN".into(), "A\u{1b}[2J".into()];
    script.send(1, 17, 1, &SaslHandshakeResponse { error_code: 33, mechanisms, ..Default::default() });
    let Some(Event::Closed { error }) = script.session.poll_event() else { panic!("not closed") };
    let text = error.to_string();
    assert!(text.contains("does not offer the SASL mechanism TEST, it offers PLAIN, A\\u{1b}[2J"), "{text}");
    assert!(!error.is_retriable() && error.is_authentication());
}

#[test]
fn a_listener_without_sasl() {
    let mut script = Script::negotiated(WITH_SASL);
    script.recv_handshake(1);
    script.send(1, 17, 1, &SaslHandshakeResponse { error_code: 34, ..Default::default() });
    script.expect(&["closed: SaslNotEnabled"]);
}

#[test]
fn credentials_that_are_refused() {
    let mut script = Script::negotiated(WITH_SASL);
    script.say("one");
    script.agree_on_mechanism(1);
    let message = script.recv_message("one", 2);
    let answer = SaslAuthenticateResponse {
        error_code: 58,
        error_message: Some(format!("wrong\n{}", "x".repeat(10_000)).into()),
        ..Default::default()
    };
    script.send(message.id, 36, message.version, &answer);
    let Some(Event::Closed { error }) = script.session.poll_event() else { panic!("not closed") };
    let text = error.to_string();
    assert!(text.contains(r#"refused to authenticate this client by TEST: "wrong\nxxx"#), "{text}");
    assert!(text.len() < 1000 && !error.is_retriable() && !error.is_connection(), "{text}");
}

#[test]
fn a_mechanism_that_gives_up() {
    for (error, expected) in [
        (SaslError::Refused("no".into()), "closed: AuthenticationFailed"),
        (SaslError::Challenge("what?"), "closed: InvalidChallenge"),
        (SaslError::Unproven, "closed: InvalidChallenge"),
        (SaslError::Credentials("none".into()), "closed: NoCredentials"),
    ] {
        let mut script = Script::negotiated(WITH_SASL);
        script.give_up(error);
        script.expect(&[expected]);
    }
}

#[test]
fn a_mechanism_that_is_done_before_the_broker_has_agreed() {
    let mut script = Script::negotiated(WITH_SASL);
    script.agree_on_mechanism(1);
    script.done();
    script.expect(&["closed: InvalidChallenge"]);
}

#[test]
fn a_broker_that_never_ends() {
    let mut script = Script::negotiated(WITH_SASL);
    script.say("m");
    script.agree_on_mechanism(1);
    let mut rounds = 0;
    while !script.session.is_closed() {
        let message = script.recv_message("m", rounds + 2);
        script.challenge(message, "more", 0);
        script.expect(&[r#"challenge b"more""#]);
        script.say("m");
        rounds += 1;
    }
    assert_eq!(rounds, 32);
    script.expect(&["closed: InvalidChallenge"]);
}

#[test]
fn a_broker_that_closes_says_at_which_step() {
    let step = |script: &mut Script| {
        script.session.handle_end();
        match script.session.poll_event() {
            Some(Event::Closed { error }) => error.kind().clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut script = Script::negotiated(WITH_SASL);
    assert_eq!(step(&mut script), ErrorKind::ClosedDuring { step: Step::SaslHandshake });
    let mut script = Script::negotiated(WITH_SASL);
    script.agree_on_mechanism(1);
    assert_eq!(step(&mut script), ErrorKind::ClosedDuring { step: Step::Authentication });
    let mut script = Script::authenticated(0);
    script.call("a", 1000);
    let [_] = script.recv();
    script.session.handle_end();
    script.expect(&["failed a: ConnectionLost", "closed: ConnectionLost"]);
}

#[test]
fn authenticates_anew_under_load_without_failing_a_call() {
    let mut script = Script::authenticated(10_000);
    script.at(8_999);
    script.call("a", 30_000);
    let [_] = script.recv();
    script.expect(&[]);
    script.at(9_000);
    script.expect(&["authenticate"]);
    // Until there is something to say, calls go on.
    script.call("b", 30_000);
    let [_] = script.recv();
    script.say("again");
    script.call("c", 30_000);
    let [] = script.recv();
    script.answer(4);
    script.expect(&["answered a"]);
    let [] = script.recv();
    script.answer(5);
    script.expect(&["answered b"]);
    script.renew(6, 10_000);
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["answered c"]);
    // And again, counted from then.
    script.at(18_000);
    script.expect(&["authenticate"]);
}

#[test]
fn an_idle_session_authenticates_anew_at_once() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.renew(4, 0);
    assert_eq!(script.session.poll_timeout(), None, "the new session has no end");
}

#[test]
fn calls_that_wait_have_their_time_only() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.call("a", 500);
    script.call("b", 5_000);
    script.at(9_500);
    script.expect(&["failed a: Timeout unsent"]);
    script.renew(4, 10_000);
    let [_] = script.recv();
}

#[test]
fn brokers_refuse_more_than_once_a_second() {
    let mut script = Script::authenticated(500);
    script.at(1_000);
    script.expect(&[]);
    script.at(1_050);
    script.expect(&["authenticate"]);
}

#[test]
fn a_provider_that_fails_is_asked_again_while_there_is_time() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.give_up(SaslError::Credentials("away".into()));
    script.call("a", 30_000);
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["answered a"]);
    script.at(9_250);
    script.expect(&["authenticate"]);
    script.at(9_950);
    script.give_up(SaslError::Credentials("still away".into()));
    // No time for another attempt, but there still is a session.
    script.expect(&[]);
    script.call("b", 30_000);
    let [request] = script.recv();
    script.at(10_000);
    script.expect(&["closing: NoCredentials"]);
    script.answer(request.id);
    script.expect(&["answered b", "closed: NoCredentials"]);
}

#[test]
fn a_provider_that_hangs_is_asked_again_and_ends_no_session_before_its_time() {
    let mut script = Script::authenticated(30_000);
    script.at(27_000);
    script.expect(&["authenticate"]);
    script.call("a", 30_000);
    let [request] = script.recv();
    script.answer(request.id);
    script.at(27_000 + AUTH_MS);
    script.expect(&["answered a", "authenticate"]);
    script.call("b", 30_000);
    let [request] = script.recv();
    // It ends while the provider is asked for the last time.
    script.at(30_000);
    script.call("c", 30_000);
    script.call("d", 500);
    let [] = script.recv();
    script.at(30_500);
    script.expect(&["failed d: Timeout unsent"]);
    script.at(27_000 + 2 * AUTH_MS);
    script.expect(&["failed c: ConnectionLost unsent", "closing: Timeout"]);
    script.call("e", 30_000);
    script.expect(&["failed e: ConnectionLost unsent"]);
    script.answer(request.id);
    script.expect(&["answered b", "closed: Timeout"]);
}

#[test]
fn no_call_goes_out_after_the_sessions_end() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.at(9_999);
    script.call("in time", 30_000);
    let [request] = script.recv();
    script.at(10_000);
    script.call("too late", 30_000);
    let [] = script.recv();
    script.answer(request.id);
    script.expect(&["answered in time"]);
    let [] = script.recv();
    // The provider was slow, but there.
    script.at(10_500);
    script.say("again");
    script.renew(5, 10_000);
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["answered too late"]);
}

#[test]
fn the_session_lasts_from_when_the_broker_could_have_agreed() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.agree_on_mechanism(4);
    let message = script.recv_message("again", 5);
    // The broker is slow to answer, or the network is.
    script.at(10_900);
    script.challenge(message, "", 3_000);
    script.expect(&[r#"challenge b"""#]);
    script.done();
    script.expect(&["reauthenticated"]);
    script.at(11_949);
    script.expect(&[]);
    script.at(11_950);
    script.expect(&["authenticate"]);
    script.at(12_000);
    script.call("a", 30_000);
    let [] = script.recv();
}

#[test]
fn a_pause_does_not_count_as_time_to_authenticate_anew() {
    let mut script = Script::authenticated(10_000);
    script.at(8_900);
    script.call("a", 30_000);
    let [request] = script.recv();
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    // Until then the broker reads nothing from us.
    script.send(request.id, 3, 12, &MetadataResponse { throttle_time_ms: 5_000, ..MetadataResponse::default() });
    script.expect(&["throttled 5s", "answered a"]);
    script.recv_handshake(5);
    script.at(14_000);
    script.expect(&[]);
    script.send(5, 17, 1, &SaslHandshakeResponse::default());
    let message = script.recv_message("again", 6);
    script.at(15_999);
    script.challenge(message, "", 10_000);
    script.expect(&[r#"challenge b"""#]);
    script.done();
    script.expect(&["reauthenticated"]);

    let mut script = Script::authenticated(10_000);
    script.call("a", 30_000);
    let [request] = script.recv();
    script.send(request.id, 3, 12, &MetadataResponse { throttle_time_ms: 9_500, ..MetadataResponse::default() });
    script.expect(&["throttled 9.5s", "answered a"]);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.recv_handshake(5);
    script.at(9_500 + AUTH_MS);
    script.expect(&["closed: Timeout"]);
}

#[test]
fn a_broker_that_refuses_the_second_time() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.call("a", 30_000);
    script.agree_on_mechanism(4);
    let message = script.recv_message("again", 5);
    let answer = SaslAuthenticateResponse { error_code: 58, ..Default::default() };
    script.send(message.id, 36, message.version, &answer);
    // The call was never sent; another connection will tell why.
    script.expect(&["failed a: ConnectionLost unsent", "closed: AuthenticationFailed"]);
}

#[test]
fn a_broker_that_is_silent_the_second_time() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.recv_handshake(4);
    script.at(9_000 + AUTH_MS);
    script.expect(&["closed: Timeout"]);
}

#[test]
fn close_before_authenticating_anew_does_not() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.call("a", 30_000);
    let [request] = script.recv();
    script.say("again");
    script.call("b", 30_000);
    let [] = script.recv();
    script.session.handle_close(script.now);
    let [held] = script.recv();
    script.say("out of date");
    script.answer(request.id);
    script.answer(held.id);
    script.expect(&["answered a", "answered b", "closed: Closed"]);
}

#[test]
fn close_after_the_sessions_end_serves_who_waits() {
    for provider_fails in [false, true] {
        let mut script = Script::authenticated(10_000);
        script.at(9_000);
        script.expect(&["authenticate"]);
        script.at(10_000);
        script.call("a", 30_000);
        script.session.handle_close(script.now);
        let [] = script.recv();
        if provider_fails {
            script.give_up(SaslError::Credentials("none".into()));
            script.expect(&["failed a: ConnectionLost unsent", "closed: Closed"]);
        } else {
            script.say("again");
            script.renew(4, 10_000);
            let [request] = script.recv();
            script.answer(request.id);
            script.expect(&["answered a", "closed: Closed"]);
        }
    }
}

#[test]
fn close_while_authenticating_anew_serves_who_waits() {
    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.agree_on_mechanism(4);
    script.call("a", 30_000);
    script.session.handle_close(script.now);
    script.expect(&[]);
    let message = script.recv_message("again", 5);
    script.challenge(message, "", 10_000);
    script.expect(&[r#"challenge b"""#]);
    script.done();
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["reauthenticated", "answered a", "closed: Closed"]);

    let mut script = Script::authenticated(10_000);
    script.at(9_000);
    script.expect(&["authenticate"]);
    script.say("again");
    script.recv_handshake(4);
    script.session.handle_close(script.now);
    script.expect(&["closed: Closed"]);
}

#[test]
fn close_during_the_first_authentication() {
    let mut script = Script::negotiated(WITH_SASL);
    script.session.handle_close(script.now);
    script.say("too late");
    script.expect(&["closed: Closed"]);
    assert_eq!(script.session.poll_timeout(), None);
}

#[test]
fn no_message_is_shown_by_debug() {
    let mut script = Script::negotiated(WITH_SASL);
    script.say("canary");
    let shown = format!("{:?}", script.session);
    script.agree_on_mechanism(1);
    let shown = shown + &format!("{:?}", script.session);
    assert!(!shown.contains("canary") && !shown.contains("[99, 97"), "{shown}");
}
