//! Scripts: what goes into a session at what time, and what must come out.

mod patience;
mod sasl;
mod throttle;

use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use kafka_protocol::{ApiKey, Message};
use proptest::prelude::*;
use std::io;
use std::time::Duration;

use super::*;
use crate::call::Body;
use crate::sasl::SaslError;

/// A session, the broker's end of its stream, and a clock in milliseconds.
struct Script {
    start: Instant,
    now: Instant,
    session: Session<&'static str>,
    outgoing: FrameDecoder,
}

/// A request as the broker sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    api: ApiKey,
    version: i16,
    id: i32,
    client: Option<String>,
    body: Bytes,
}

const HANDSHAKE_MS: u64 = 10_000;
const LIST: &[(ApiKey, i16, i16)] =
    &[(ApiKey::PRODUCE, 0, 13), (ApiKey::FETCH, 4, 18), (ApiKey::METADATA, 0, 13), (ApiKey::API_VERSIONS, 0, 4)];

impl Script {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(sasl: Option<SaslConfig>) -> Self {
        let client_id = "tester".into();
        let config = SessionConfig { client_id, max_handshake_frame: 512 << 10, max_frame: 100 << 20, sasl };
        let start = Instant::now();
        let session = Session::new(config, start, start + Duration::from_millis(HANDSHAKE_MS));
        Self { start, now: start, session, outgoing: FrameDecoder::new(1 << 30) }
    }

    /// Past the handshake.
    fn ready() -> Self {
        let mut script = Self::new();
        let [request] = script.recv();
        script.send(request.id, 18, 4, &versions(LIST));
        script.expect(&["ready"]);
        script
    }

    fn at(&mut self, ms: u64) {
        self.now = self.start + Duration::from_millis(ms);
        if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
        }
    }

    fn call(&mut self, token: &'static str, timeout_ms: u64) {
        let mut body = BytesMut::new();
        MetadataRequest::default().encode(12, &mut body).unwrap();
        self.call_raw(token, timeout_ms, Expect::Answer, ApiKey::METADATA, 12, body.into());
    }

    fn call_raw(&mut self, token: &'static str, ms: u64, expect: Expect, api_key: ApiKey, version: i16, body: Body) {
        let deadline = self.now + Duration::from_millis(ms);
        let request = RawRequest { api_key, version, body };
        self.session.handle_call(self.now, Call { request, expect, deadline, token });
    }

    /// What is to be written.
    fn chunks(&mut self) -> Vec<Bytes> {
        let mut chunks = VecDeque::new();
        self.session.poll_transmit(&mut chunks);
        chunks.into()
    }

    /// Writes everything; returns the requests that arrive.
    fn recv<const N: usize>(&mut self) -> [Seen; N] {
        for chunk in self.chunks() {
            self.outgoing.handle_bytes(&chunk);
            self.session.handle_transmitted(chunk.len());
        }
        let seen: Vec<_> = std::iter::from_fn(|| self.outgoing.poll_frame().unwrap()).map(see).collect();
        assert!(!self.outgoing.is_within_frame(), "half a request");
        seen.try_into().unwrap_or_else(|seen| panic!("{N} requests expected, not {seen:?}"))
    }

    fn send<M: Message>(&mut self, id: i32, api: i16, version: i16, answer: &M) {
        let bytes = frame(id, ApiKey(api), version, answer);
        self.session.handle_bytes(self.now, &bytes);
    }

    fn answer(&mut self, id: i32) {
        self.send(id, 3, 12, &MetadataResponse::default());
    }

    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        let events: Vec<_> = std::iter::from_fn(|| self.session.poll_event()).map(tell).collect();
        assert_eq!(events, expected);
    }
}

fn see(mut frame: Bytes) -> Seen {
    let (api, version) = (ApiKey(i16::from_be_bytes([frame[0], frame[1]])), i16::from_be_bytes([frame[2], frame[3]]));
    let header_version = api.request_header_version(version);
    let header = RequestHeader::decode_prefix(header_version, &mut frame, &Limits::default()).unwrap();
    Seen { api, version, id: header.correlation_id, client: header.client_id.map(Into::into), body: frame }
}

fn tell(event: Event<&'static str>) -> String {
    let error_text = |error: &Error| {
        let unsent = if error.is_unsent() { " unsent" } else { "" };
        let kind = format!("{:?}", error.kind());
        format!("{}{unsent}", kind.split(" { ").next().unwrap_or_default())
    };
    match event {
        Event::Authenticate => "authenticate".into(),
        Event::Challenge(challenge) => format!("challenge {:?}", challenge),
        Event::Ready(_) => "ready".into(),
        Event::Reauthenticated => "reauthenticated".into(),
        Event::Throttled { pause, .. } => format!("throttled {pause:?}"),
        Event::Answered { token, .. } => format!("answered {token}"),
        Event::Sent { token } => format!("sent {token}"),
        Event::Late { request, error } => format!("late {}: {}", request.correlation_id, error_text(&error)),
        Event::Failed { token, error } => format!("failed {token}: {}", error_text(&error)),
        Event::Closing { error } => format!("closing: {}", error_text(&error)),
        Event::Closed { error } => format!("closed: {}", error_text(&error)),
    }
}

fn frame<M: Message>(id: i32, api: ApiKey, version: i16, answer: &M) -> BytesMut {
    let mut body = BytesMut::new();
    ResponseHeader { correlation_id: id, ..Default::default() }
        .encode(api.response_header_version(version), &mut body)
        .unwrap();
    answer.encode(version, &mut body).unwrap();
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn versions(list: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
    let api = |&(key, min_version, max_version): &(ApiKey, i16, i16)| ApiVersion {
        api_key: key.0,
        min_version,
        max_version,
        ..Default::default()
    };
    ApiVersionsResponse { api_keys: list.iter().map(api).collect(), ..Default::default() }
}

fn refusal(list: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: 35, ..versions(list) }
}

#[test]
fn handshake() {
    let mut script = Script::new();
    let [request] = script.recv();
    assert_eq!((request.api, request.version, request.id), (ApiKey::API_VERSIONS, 4, FIRST_CORRELATION_ID));
    assert_eq!(request.client.as_deref(), Some("tester"));
    let body = ApiVersionsRequest::decode(4, request.body).unwrap();
    assert_eq!(body.client_software_name, "kafka-conn");
    assert_eq!(body.client_software_version, env!("CARGO_PKG_VERSION"));
    script.send(FIRST_CORRELATION_ID, 18, 4, &versions(LIST));
    let Some(Event::Ready(known)) = script.session.poll_event() else { panic!("not ready") };
    assert_eq!(known.negotiate(ApiKey::METADATA), Ok(13));
    assert_eq!(script.session.poll_timeout(), None);
}

#[test]
fn handshake_falls_back_to_the_version_that_the_broker_names() {
    let mut script = Script::new();
    let [first] = script.recv();
    script.send(first.id, 18, 0, &refusal(&[(ApiKey::API_VERSIONS, 0, 2)]));
    let [second] = script.recv();
    assert_eq!((second.version, second.id), (2, 1));
    script.send(1, 18, 2, &versions(LIST));
    script.expect(&["ready"]);
}

#[test]
fn handshake_falls_back_to_0_where_the_broker_names_none() {
    let mut script = Script::new();
    let [first] = script.recv();
    script.send(first.id, 18, 0, &refusal(&[]));
    let [second] = script.recv();
    assert_eq!(second.version, 0);
    script.send(1, 18, 0, &versions(LIST));
    script.expect(&["ready"]);
}

#[test]
fn handshake_ends_whatever_the_broker_refuses() {
    let mut script = Script::new();
    let mut asked = 0;
    while !script.session.is_closed() {
        let [request] = script.recv();
        script.send(request.id, 18, 0, &refusal(&[(ApiKey::API_VERSIONS, 0, 99)]));
        asked += 1;
    }
    assert_eq!(asked, 5);
    script.expect(&["closed: Broker(UNSUPPORTED_VERSION (35))"]);
}

#[test]
fn handshake_with_a_broker_too_old() {
    let mut script = Script::new();
    let [_] = script.recv();
    script.send(FIRST_CORRELATION_ID, 18, 4, &versions(&[(ApiKey::METADATA, 0, 6), (ApiKey::PRODUCE, 0, 6)]));
    script.expect(&["closed: BrokerTooOld"]);
}

#[test]
fn handshake_with_a_broker_of_2_1() {
    let mut script = Script::new();
    let [_] = script.recv();
    let list = [(ApiKey::METADATA, 0, 7), (ApiKey::PRODUCE, 0, 7), (ApiKey::FETCH, 0, 10)];
    script.send(FIRST_CORRELATION_ID, 18, 4, &versions(&list));
    script.expect(&["ready"]);
}

#[test]
fn handshake_with_an_error() {
    let mut script = Script::new();
    let [_] = script.recv();
    let answer = ApiVersionsResponse { error_code: 31, ..Default::default() };
    script.send(FIRST_CORRELATION_ID, 18, 4, &answer);
    script.expect(&["closed: Broker(CLUSTER_AUTHORIZATION_FAILED (31))"]);
}

#[test]
fn handshake_that_the_broker_closes() {
    let mut script = Script::new();
    let [_] = script.recv();
    script.session.handle_end();
    script.expect(&["closed: ClosedDuring"]);
    assert_eq!(script.chunks(), Vec::<Bytes>::new());
}

#[test]
fn handshake_that_nobody_answers() {
    let mut script = Script::new();
    let [_] = script.recv();
    script.at(HANDSHAKE_MS - 1);
    script.expect(&[]);
    script.at(HANDSHAKE_MS);
    script.expect(&["closed: Timeout"]);
}

#[test]
fn handshake_with_what_is_not_kafka() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "closed: NotKafka"),
        (&[0x15, 3, 3, 0, 2, 2, 80][..], "closed: TlsOnPlain"),
        (&[0xff, 0xff, 0xff, 0xff][..], "closed: InvalidFrame"),
        (&[0, 0, 0, 3, 0, 0, 0][..], "closed: InvalidFrame"),
        (&[0, 8, 0, 1][..], "closed: FrameTooLarge"),
        (b"\0\0\0\x06\r\n\r\n\0\0", "closed: Decode"),
    ] {
        let mut script = Script::new();
        let [_] = script.recv();
        script.session.handle_bytes(script.now, bytes);
        script.expect(&[expected]);
    }
}

#[test]
fn the_frame_limit_grows_when_ready() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.session.handle_bytes(script.now, &(1u32 << 20).to_be_bytes());
    script.expect(&[]);
}

#[test]
fn a_call_before_the_handshake_is_refused() {
    let mut script = Script::new();
    script.call("a", 1000);
    script.expect(&["failed a: Closed unsent"]);
}

#[test]
fn pipelining() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    script.call("c", 1000);
    let seen: [Seen; 3] = script.recv();
    assert_eq!(seen.map(|request| request.id), [1, 2, 3]);
    script.answer(1);
    script.expect(&["answered a"]);
    script.call("d", 1000);
    let [request] = script.recv();
    assert_eq!(request.id, 4);
    let mut bytes = Vec::new();
    for id in [2, 3, 4] {
        bytes.extend(frame(id, ApiKey::METADATA, 12, &MetadataResponse::default()));
    }
    script.session.handle_bytes(script.now, &bytes);
    script.expect(&["answered b", "answered c", "answered d"]);
    assert_eq!((script.session.in_flight(), script.session.poll_timeout()), (0, None));
}

#[test]
fn an_answer_carries_its_request_and_time() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.at(300);
    script.answer(1);
    let Some(Event::Answered { request, elapsed, body, .. }) = script.session.poll_event() else { panic!("no answer") };
    assert_eq!(request, RequestInfo { api_key: ApiKey::METADATA, version: 12, correlation_id: 1 });
    assert_eq!(elapsed, Duration::from_millis(300));
    assert_eq!(MetadataResponse::decode(12, body).unwrap(), MetadataResponse::default());
}

#[test]
fn a_wrong_correlation_id() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.answer(2);
    script.expect(&["failed a: OutOfStep", "failed b: ConnectionLost", "closed: OutOfStep"]);
}

#[test]
fn an_answer_without_a_request() {
    let mut script = Script::ready();
    script.answer(1);
    script.expect(&["closed: OutOfStep"]);
}

#[test]
fn the_broker_closes_within_a_frame() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    let bytes = frame(1, ApiKey::METADATA, 12, &MetadataResponse::default());
    script.session.handle_bytes(script.now, &bytes[..bytes.len() - 1]);
    script.expect(&[]);
    script.session.handle_end();
    script.expect(&["failed a: ConnectionLost", "closed: ConnectionLost"]);
    script.session.handle_bytes(script.now, &bytes);
    script.session.handle_end();
    script.expect(&[]);
}

#[test]
fn what_was_not_written_is_known_to_be_unsent() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let chunks = script.chunks();
    let first = script.chunks();
    assert_eq!((chunks.len(), first.len()), (1, 0), "two small requests are one write");
    script.session.handle_transmitted(chunks[0].len() / 2 + 1);
    script.call("c", 1000);
    script.session.handle_lost(io::ErrorKind::ConnectionReset.into());
    script.expect(&[
        "failed a: ConnectionLost",
        "failed b: ConnectionLost",
        "failed c: ConnectionLost unsent",
        "closed: ConnectionLost",
    ]);
}

#[test]
fn the_oldest_call_out_of_time_ends_the_connection() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 5000);
    let [_, _] = script.recv();
    script.at(999);
    script.expect(&[]);
    script.at(1000);
    script.expect(&["failed a: Timeout", "failed b: ConnectionLost", "closed: Timeout"]);
}

#[test]
fn a_later_call_out_of_time_does_not() {
    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 1000);
    script.call("c", 6000);
    let [_, _, _] = script.recv();
    script.at(1000);
    script.expect(&["late 2: Timeout"]);
    assert_eq!(script.session.token_mut(2).copied(), Some("b"));
    script.at(4000);
    script.answer(1);
    script.expect(&["answered a"]);
    // It only just became the oldest: its time begins anew.
    script.at(4900);
    script.answer(2);
    script.answer(3);
    script.expect(&["answered b", "answered c"]);
}

#[test]
fn a_later_call_out_of_time_gets_its_time_once_it_is_the_oldest() {
    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.at(1000);
    script.expect(&["late 2: Timeout"]);
    script.at(4000);
    script.answer(1);
    script.expect(&["answered a"]);
    script.at(4999);
    script.expect(&[]);
    script.at(5000);
    script.expect(&["failed b: Timeout", "closed: Timeout"]);
}

#[test]
fn a_call_that_nobody_waits_for_keeps_its_place() {
    // A caller that is gone has no way to say so: its token comes back like any other.
    let mut script = Script::ready();
    script.call("gone", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.answer(1);
    script.answer(2);
    script.expect(&["answered gone", "answered b"]);
}

#[test]
fn a_request_without_answer_is_done_when_written() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let body = Body::from(Bytes::from_static(&[0; 10]));
    script.call_raw("fire", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body);
    script.call("b", 1000);
    assert_eq!(script.session.in_flight(), 2);
    let bytes = script.chunks().concat();
    // "a" and "b" are of one size.
    let before_b = bytes.len() - 4 - usize::from(bytes[3]);
    script.session.handle_transmitted(before_b - 1);
    script.expect(&[]);
    script.session.handle_transmitted(1);
    script.expect(&["sent fire"]);
    script.session.handle_transmitted(bytes.len() - before_b);
    script.answer(1);
    script.answer(3);
    script.expect(&["answered a", "answered b"]);
}

#[test]
fn a_request_without_answer_that_cannot_be_written() {
    let mut script = Script::ready();
    let body = Body::from(Bytes::from_static(&[0; 10]));
    script.call_raw("fire", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body);
    let _unwritten = script.chunks();
    script.at(1000);
    script.expect(&["failed fire: ConnectionLost unsent", "closed: Timeout"]);
}

#[test]
fn a_request_without_answer_is_unsent_only_where_no_byte_was_written() {
    let mut script = Script::ready();
    let body = Body::from(Bytes::from_static(&[0; 10]));
    script.call_raw("begun", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body.clone());
    script.call_raw("waiting", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body);
    let _handed_out = script.chunks();
    script.session.handle_transmitted(1);
    script.session.handle_end();
    script.expect(&["failed begun: ConnectionLost", "failed waiting: ConnectionLost unsent", "closed: ConnectionLost"]);
}

#[test]
fn a_call_that_is_late_already_does_not_touch_the_connection() {
    let mut script = Script::ready();
    script.at(500);
    script.call("late", 0);
    let body = Body::from(Bytes::from_static(&[0; 10]));
    script.call_raw("late send", 0, Expect::Nothing, ApiKey::PRODUCE, 7, body);
    script.at(1000);
    script.expect(&["failed late: Timeout unsent", "failed late send: Timeout unsent"]);
    assert_eq!((script.chunks(), script.session.in_flight()), (Vec::new(), 0));
}

#[test]
fn large_pieces_are_not_copied() {
    let mut script = Script::ready();
    let records = Bytes::from(vec![7; 1 << 20]);
    let mut body = Body::from(Bytes::from_static(b"head"));
    body.push(records.clone());
    body.push(Bytes::from_static(b"tail"));
    script.call_raw("a", 1000, Expect::Answer, ApiKey::PRODUCE, 9, body.clone());
    let chunks = script.chunks();
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[1].as_ptr(), records.as_ptr());
    let whole = chunks.concat();
    assert_eq!(whole[..4], u32::try_from(whole.len() - 4).unwrap().to_be_bytes());
    assert!(whole.ends_with(&body.pieces().flatten().copied().collect::<Vec<_>>()));
}

#[test]
fn bodies_with_secrets_are_not_copied_however_small() {
    let mut script = Script::ready();
    for (token, api_key) in [
        ("a", ApiKey::ALTER_USER_SCRAM_CREDENTIALS),
        ("b", ApiKey::RENEW_DELEGATION_TOKEN),
        ("c", ApiKey::EXPIRE_DELEGATION_TOKEN),
        ("d", ApiKey::INCREMENTAL_ALTER_CONFIGS),
    ] {
        let secret = Bytes::from(b"secret".to_vec());
        script.call_raw(token, 1000, Expect::Answer, api_key, 0, Body::from(secret.clone()));
        let chunks = script.chunks();
        assert_eq!(chunks.last().map(|chunk| chunk.as_ptr()), Some(secret.as_ptr()), "{api_key}");
    }
}

#[test]
fn the_gathering_buffer_is_used_again() {
    let mut script = Script::ready();
    let mut places = std::collections::HashSet::new();
    for id in 1..10_000 {
        script.call("a", 1000);
        let chunks = script.chunks();
        places.insert(chunks[0].as_ptr() as usize / (64 << 10));
        script.session.handle_transmitted(chunks[0].len());
        drop(chunks);
        script.answer(id);
        script.expect(&["answered a"]);
    }
    assert!(places.len() <= 4, "{}", places.len());
}

#[test]
fn a_client_id_too_long_fails_the_call_only() {
    let mut script = Script::ready();
    script.session.header.client_id = Some("x".repeat(40_000).into());
    script.call("a", 1000);
    script.expect(&["failed a: Encode unsent"]);
    assert_eq!(script.chunks(), Vec::<Bytes>::new());
}

#[test]
fn an_oversized_answer() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.session.handle_bytes(script.now, &((100u32 << 20) + 1).to_be_bytes());
    script.expect(&["failed a: FrameTooLarge", "closed: FrameTooLarge"]);
}

#[test]
fn close_drains() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    script.session.handle_close(script.now);
    script.session.handle_close(script.now);
    script.call("c", 1000);
    script.expect(&["failed c: Closed unsent"]);
    let [_, _] = script.recv();
    script.answer(1);
    script.expect(&["answered a"]);
    script.answer(2);
    script.expect(&["answered b", "closed: Closed"]);
}

#[test]
fn close_waits_for_what_is_to_be_written() {
    let mut script = Script::ready();
    let body = Body::from(Bytes::from_static(&[0; 10]));
    script.call_raw("fire", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body);
    script.session.handle_close(script.now);
    script.expect(&[]);
    let [_] = script.recv();
    script.expect(&["sent fire", "closed: Closed"]);
}

#[test]
fn close_of_an_idle_session_is_immediate() {
    let mut script = Script::ready();
    script.session.handle_close(script.now);
    script.expect(&["closed: Closed"]);
}

#[test]
fn close_does_not_wait_for_answers_that_nobody_waits_for() {
    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 1000);
    script.call("c", 6000);
    let [_, _, _] = script.recv();
    script.at(1000);
    script.expect(&["late 2: Timeout"]);
    script.session.handle_close(script.now);
    script.at(4000);
    script.answer(1);
    script.at(4900);
    script.answer(2);
    script.expect(&["answered a", "answered b"]);
    script.answer(3);
    script.expect(&["answered c", "closed: Closed"]);

    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 4500);
    let [_, _] = script.recv();
    script.at(4500);
    script.expect(&["late 2: Timeout"]);
    script.session.handle_close(script.now);
    script.at(4999);
    script.answer(1);
    // The second has its time anew, but for nobody.
    script.expect(&["answered a"]);
    script.at(5000);
    script.expect(&["failed b: Closed", "closed: Closed"]);
}

#[test]
fn close_tells_who_is_late_before_it_ends() {
    let mut script = Script::ready();
    script.call("a", 500);
    script.call("b", 200);
    script.call("c", 900);
    let [_, _, _] = script.recv();
    script.at(300);
    script.expect(&["late 2: Timeout"]);
    script.session.handle_close(script.now);
    script.at(800);
    script.expect(&["failed a: Timeout", "failed b: ConnectionLost", "failed c: ConnectionLost", "closed: Timeout"]);

    let mut script = Script::ready();
    script.call("a", 500);
    script.call("b", 200);
    script.call("c", 550);
    let [_, _, _] = script.recv();
    script.at(300);
    script.session.handle_close(script.now);
    script.at(450);
    script.answer(1);
    script.expect(&["late 2: Timeout", "answered a"]);
    script.at(550);
    script.expect(&["late 3: Timeout"]);
    script.at(550);
    script.expect(&["failed b: Closed", "failed c: Closed", "closed: Closed"]);
}

#[test]
fn close_has_a_deadline() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.session.handle_close(script.now);
    let [_] = script.recv();
    script.at(1000);
    script.expect(&["failed a: Timeout", "closed: Timeout"]);
}

#[test]
fn correlation_ids_never_become_negative() {
    let mut script = Script::ready();
    script.session.header.correlation_id = i32::MAX;
    script.call("a", 1000);
    script.call("b", 1000);
    let seen: [Seen; 2] = script.recv();
    assert_eq!(seen.map(|request| request.id), [i32::MAX, 0]);
    script.answer(i32::MAX);
    script.answer(0);
    script.expect(&["answered a", "answered b"]);
}

#[derive(Clone, Debug)]
enum Operation {
    Call(u64),
    Send,
    Answer,
    Throttle(i32),
    Say,
    GiveUp,
    Garbage(Vec<u8>),
    Transmit(usize),
    Wait(u64),
    Close,
    End,
}

/// What the mechanism was asked for.
enum Asked {
    First,
    Challenge,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (1u64..5000).prop_map(Operation::Call),
        2 => Just(Operation::Send),
        6 => Just(Operation::Answer),
        1 => (0..3000).prop_map(Operation::Throttle),
        4 => Just(Operation::Say),
        1 => Just(Operation::GiveUp),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Operation::Garbage),
        6 => (0usize..2000).prop_map(Operation::Transmit),
        3 => (0u64..2000).prop_map(Operation::Wait),
        1 => Just(Operation::Close),
        1 => Just(Operation::End),
    ]
}

proptest! {
    /// Whatever happens in whatever order: every call ends exactly once, and `Closed` is the last event.
    #[test]
    fn every_call_ends_once(with_sasl in any::<bool>(), operations in prop::collection::vec(operation(), 0..80)) {
        let mut script = if with_sasl { Script::authenticated(3000) } else { Script::ready() };
        let (mut made, mut ended, mut closed) = (0, 0, 0);
        let (mut chunks, mut asked, mut ms) = (VecDeque::new(), None, 0);
        for operation in operations.into_iter().chain([Operation::End]) {
            match operation {
                Operation::Call(timeout) => { made += 1; script.call("call", timeout) }
                Operation::Send => {
                    made += 1;
                    let body = Body::from(Bytes::from_static(&[0; 10]));
                    script.call_raw("send", 1000, Expect::Nothing, ApiKey::PRODUCE, 7, body);
                }
                Operation::Answer if script.session.in_flight() == 0 => script.answer(1),
                Operation::Answer => script.answer_front(0),
                Operation::Throttle(ms) => script.answer_front(ms),
                Operation::Say => match asked.take() {
                    Some(Asked::First) => script.say("again"),
                    Some(Asked::Challenge) => script.done(),
                    None => {}
                },
                Operation::GiveUp => if asked.take().is_some() {
                    script.give_up(SaslError::Credentials("none".into()));
                },
                Operation::Garbage(bytes) => script.session.handle_bytes(script.now, &bytes),
                Operation::Transmit(count) => {
                    script.session.poll_transmit(&mut chunks);
                    let have: usize = chunks.iter().map(Bytes::len).sum();
                    let count = count.min(have);
                    let mut rest = BytesMut::from(&chunks.iter().flatten().copied().collect::<Vec<_>>()[..]);
                    let _written = rest.split_to(count);
                    chunks = VecDeque::from([rest.freeze()]);
                    script.session.handle_transmitted(count);
                }
                Operation::Wait(more) => { ms += more; script.at(ms) }
                Operation::Close => script.session.handle_close(script.now),
                Operation::End => script.session.handle_end(),
            }
            // An end that is due comes after those who are late have been told: in two steps at most.
            for _ in 0..2 {
                while let Some(event) = script.session.poll_event() {
                    match event {
                        Event::Answered { .. } | Event::Sent { .. } | Event::Failed { .. } => ended += 1,
                        Event::Closed { .. } => closed += 1,
                        Event::Authenticate => asked = Some(Asked::First),
                        Event::Challenge(_) => asked = Some(Asked::Challenge),
                        _ => {}
                    }
                }
                script.at(ms);
            }
            prop_assert!(script.session.poll_timeout().is_none_or(|at| at > script.now) || script.session.is_closed());
        }
        prop_assert_eq!((ended, closed), (made, 1));
        prop_assert_eq!(script.session.poll_timeout(), None);
    }
}
