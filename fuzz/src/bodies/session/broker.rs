//! A broker of few words, at the other end of a session.

use std::collections::{HashSet, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_conn::frame::FrameDecoder;
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::messages::metadata::MetadataResponse;
use kafka_protocol::messages::produce::ProduceResponse;
use kafka_protocol::messages::sasl_authenticate::SaslAuthenticateResponse;
use kafka_protocol::messages::sasl_handshake::SaslHandshakeResponse;
use kafka_protocol::{ApiKey, Limits, Message};

/// What it was asked, and what it has said.
pub(super) struct Broker {
    incoming: FrameDecoder,
    /// Requests that it has not answered, oldest first.
    asked: VecDeque<(ApiKey, i16, i32)>,
    /// The calls that came, whole.
    seen: HashSet<usize>,
    outgoing: BytesMut,
}

impl Broker {
    /// Takes bytes from the session, which must make requests.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.incoming.handle_bytes(bytes);
        while let Some(mut frame) = self.incoming.poll_frame().expect("frames that a broker takes") {
            let (api, version) =
                (ApiKey(i16::from_be_bytes([frame[0], frame[1]])), i16::from_be_bytes([frame[2], frame[3]]));
            let header_version = api.request_header_version(version);
            let header = RequestHeader::decode_prefix(header_version, &mut frame, &Limits::default());
            let header = header.expect("a header that a broker takes");
            assert_eq!(header.client_id.as_deref(), Some("fuzz"));
            if matches!(api, ApiKey::METADATA | ApiKey::PRODUCE) {
                let token = frame.first_chunk().map(|token| u32::from_be_bytes(*token) as usize);
                assert!(self.seen.insert(token.expect("a call says which it is")), "a call came twice");
            }
            // Version 7 is what this target sends without waiting for an answer.
            if (api, version) != (ApiKey::PRODUCE, 7) {
                self.asked.push_back((api, version, header.correlation_id));
            }
        }
    }

    pub(super) fn has_seen(&self, token: usize) -> bool {
        self.seen.contains(&token)
    }

    /// Answers the oldest request. `choice` asks for a pause, ends an authentication's lifetime, or refuses.
    pub(super) fn answer(&mut self, choice: u8) {
        let Some((api, version, id)) = self.asked.pop_front() else { return };
        let throttle_time_ms = i32::from(choice) * 50;
        let error_code = if choice == u8::MAX { 58 } else { 0 };
        let body = match api {
            ApiKey::API_VERSIONS if choice == u8::MAX => encoded(0, &refusal()),
            ApiKey::API_VERSIONS => encoded(version, &versions()),
            ApiKey::SASL_HANDSHAKE => {
                encoded(version, &SaslHandshakeResponse { error_code, ..SaslHandshakeResponse::default() })
            }
            ApiKey::SASL_AUTHENTICATE => {
                let session_lifetime_ms = i64::from(choice) * 100;
                let answer = SaslAuthenticateResponse { error_code, session_lifetime_ms, ..Default::default() };
                encoded(version, &answer)
            }
            ApiKey::METADATA => encoded(version, &MetadataResponse { throttle_time_ms, ..Default::default() }),
            _ => encoded(version, &ProduceResponse { throttle_time_ms, ..ProduceResponse::default() }),
        };
        self.frame(api, version, id, &body);
    }

    /// Answers the oldest request with `body`, whatever that is.
    pub(super) fn answer_with(&mut self, body: &[u8]) {
        if let Some((api, version, id)) = self.asked.pop_front() {
            self.frame(api, version, id, body);
        }
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.outgoing.put_slice(bytes);
    }

    /// The next of what it has said, at most so many bytes.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        self.outgoing.split_to(self.outgoing.len().min(count)).freeze()
    }

    fn frame(&mut self, api: ApiKey, version: i16, correlation_id: i32, body: &[u8]) {
        let mut frame = BytesMut::new();
        let header = ResponseHeader { correlation_id, ..ResponseHeader::default() };
        header.encode(api.response_header_version(version), &mut frame).expect("a header");
        self.outgoing.put_u32(u32::try_from(frame.len() + body.len()).expect("short"));
        self.outgoing.put_slice(&frame);
        self.outgoing.put_slice(body);
    }
}

impl Default for Broker {
    fn default() -> Self {
        let incoming = FrameDecoder::new(1 << 20);
        Self { incoming, asked: VecDeque::new(), seen: HashSet::new(), outgoing: BytesMut::new() }
    }
}

fn encoded<M: Message>(version: i16, message: &M) -> Bytes {
    let mut body = BytesMut::new();
    message.encode(version, &mut body).expect("an answer of this version");
    body.freeze()
}

fn versions() -> ApiVersionsResponse {
    let api = |(key, min_version, max_version): (ApiKey, i16, i16)| ApiVersion {
        api_key: key.0,
        min_version,
        max_version,
        ..ApiVersion::default()
    };
    ApiVersionsResponse { api_keys: APIS.map(api).into(), ..ApiVersionsResponse::default() }
}

/// What a broker says that has only older versions.
fn refusal() -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: 35, ..versions() }
}

const APIS: [(ApiKey, i16, i16); 5] = [
    (ApiKey::PRODUCE, 0, 13),
    (ApiKey::METADATA, 0, 13),
    (ApiKey::SASL_HANDSHAKE, 0, 1),
    (ApiKey::API_VERSIONS, 0, 3),
    (ApiKey::SASL_AUTHENTICATE, 0, 2),
];
