//! Messages: what decoding promises for any bytes, and that encoding is its inverse.

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use kafka_protocol::{AnyMessage, DecodeError, DecodeErrorKind, Limits, MessageType};
use serde_json::Value;

use super::memory;
use super::selection::{Pool, select};

/// What [`response_decode`] chooses from.
pub const RESPONSES: [Pool; 1] = [Pool::Responses];
/// What [`request_decode`] chooses from.
pub const REQUESTS: [Pool; 2] = [Pool::Requests, Pool::Others];
/// What [`round_trip`] chooses from.
pub const ALL: [Pool; 3] = [Pool::Requests, Pool::Responses, Pool::Others];
/// Set in the first byte of an input of [`round_trip`]: the message is made up from the rest, not decoded.
pub const MADE_UP: u8 = 0x80;

/// Responses, decoded from any bytes.
pub fn response_decode(data: &[u8]) {
    decode(&RESPONSES, data);
}

/// Requests, headers and all that Kafka stores, decoded from any bytes.
pub fn request_decode(data: &[u8]) {
    decode(&REQUESTS, data);
}

/// Messages of every kind, decoded, encoded and decoded again; as JSON, too.
pub fn round_trip(data: &[u8]) {
    let Some((facts, version, body)) = select(&ALL, data) else {
        return;
    };
    let message = if data[0] & MADE_UP == 0 {
        facts.decode(version, Bytes::copy_from_slice(body), &Limits::default()).ok()
    } else {
        facts.arbitrary(version, &mut Unstructured::new(body)).ok()
    };
    if let Some(message) = message {
        survives(facts, version, &*message);
    }
}

fn decode(pools: &[Pool], data: &[u8]) {
    let Some((facts, version, body)) = select(pools, data) else {
        return;
    };
    let bytes = Bytes::copy_from_slice(body);
    let decoded = memory::bounded(body.len(), 0, || facts.decode(version, bytes.clone(), &Limits::default()));
    match decoded {
        Ok(message) => {
            assert!(!format!("{message:?}").is_empty());
            needs_all_its_bytes(facts, version, &bytes);
        }
        Err(error) => says_where(&error, facts, body.len()),
    }
    let strict = Limits { max_array_len: 3, max_string_len: 5, max_tagged_fields: 1, ..Limits::default() };
    if let Err(error) = facts.decode(version, bytes, &strict) {
        says_where(&error, facts, body.len());
    }
}

/// A body cut short is no body, and neither is one with more behind it.
fn needs_all_its_bytes(facts: &'static MessageType, version: i16, bytes: &Bytes) {
    for len in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        if len < bytes.len() {
            let error = facts.decode(version, bytes.slice(..len), &Limits::default()).expect_err("a body cut short");
            assert!(error.is_truncated(), "{error}");
            says_where(&error, facts, len);
        }
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    let error = facts.decode(version, longer.into(), &Limits::default()).expect_err("a byte too many");
    assert_eq!(error.kind(), &DecodeErrorKind::Trailing(1));
}

/// An error has a text, and a place within the input and within the message.
fn says_where(error: &DecodeError, facts: &MessageType, len: usize) {
    assert!(error.offset() <= len, "{error:?} of {len} bytes");
    assert!(error.path().starts_with(facts.name()), "{error:?}");
    assert!(error.to_string().starts_with(&error.path()), "{error:?}");
    if let DecodeErrorKind::Truncated { needed, remaining } = error.kind() {
        assert!(needed > remaining && error.offset() + remaining == len, "{error:?} of {len} bytes");
    }
}

fn survives(facts: &'static MessageType, version: i16, message: &dyn AnyMessage) {
    let bytes = encoded(version, message);
    let json = message.to_json(version);
    let decoded = facts.decode(version, bytes.clone(), &Limits::default()).expect("what we encoded");
    assert_eq!(decoded.to_json(version), json);
    assert_eq!(encoded(version, &*decoded), bytes);

    let text = serde_json::to_vec(&json).expect("JSON can be written");
    let parsed: Value = serde_json::from_slice(&text).expect("what was written");
    let read = facts.from_json(version, &parsed).expect("our own JSON");
    assert_eq!(read.to_json(version), json);
    // JSON knows only one NaN.
    if !has_nan(&json) {
        assert_eq!(encoded(version, &*read), bytes);
    }
}

fn encoded(version: i16, message: &dyn AnyMessage) -> Bytes {
    let mut buffer = BytesMut::from(BEFORE);
    message.encode(version, &mut buffer).expect("what was decoded can be encoded");
    let bytes = buffer.split_off(BEFORE.len()).freeze();
    assert_eq!(&buffer[..], BEFORE);
    assert_eq!(message.encoded_len(version), Ok(bytes.len()));
    bytes
}

fn has_nan(json: &Value) -> bool {
    match json {
        Value::String(text) => text == "NaN",
        Value::Array(items) => items.iter().any(has_nan),
        Value::Object(members) => members.values().any(has_nan),
        _ => false,
    }
}

const BEFORE: &[u8] = b"before";
