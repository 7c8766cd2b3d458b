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
        let choice = body.iter().rev().take(3).fold(0, |choice, byte| choice << 8 | usize::from(*byte));
        in_another_version(facts, &*message, choice);
        as_other_json(facts, version, message.to_json(version), choice);
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

/// A version that lacks what is set refuses it, and writes nothing; another one writes something that can be read.
fn in_another_version(facts: &'static MessageType, message: &dyn AnyMessage, choice: usize) {
    // One below and one above those that there are, too.
    let count = facts.versions.max - facts.versions.min + 3;
    let version = facts.versions.min - 1 + (choice % count as usize) as i16;
    let mut buffer = BytesMut::from(BEFORE);
    match message.encode(version, &mut buffer) {
        Ok(()) => {
            let bytes = encoded(version, message);
            facts.decode(version, bytes, &Limits::default()).expect("what we encoded");
        }
        Err(error) => {
            assert_eq!(&buffer[..], BEFORE, "a failure leaves the buffer as it was");
            assert!(error.to_string().starts_with(facts.name()), "{error}");
            assert_eq!(message.encoded_len(version), Err(error));
        }
    }
    let exists = facts.versions.contains(version);
    let decoded = facts.decode(version, Bytes::new(), &Limits::default());
    let unknown = decoded.is_err_and(|error| matches!(error.kind(), DecodeErrorKind::Version { .. }));
    assert_eq!(unknown, !exists);
}

/// JSON with one value that may be wrong is read or refused, and the refusal says where.
fn as_other_json(facts: &'static MessageType, version: i16, mut json: Value, choice: usize) {
    let others = [
        Value::Null,
        true.into(),
        7.into(),
        i64::MAX.into(),
        u64::MAX.into(),
        "AAAA".into(),
        "*".into(),
        "too long for the wire ".repeat(2000).into(),
        Value::Array(vec![Value::Null]),
        serde_json::json!({ "_unknownTags": [{ "tag": 0, "data": "" }] }),
        serde_json::json!([{ "tag": -1, "data": 0 }]),
    ];
    let mut left = choice / others.len() % count(&json);
    replace(&mut json, &mut left, &others[choice % others.len()]);
    match facts.from_json(version, &json) {
        Ok(message) => drop(message.encode(version, &mut BytesMut::new())),
        Err(error) => {
            assert!(error.path().starts_with(facts.name()), "{error}");
            assert!(error.to_string().starts_with(error.path()), "{error}");
        }
    }
}

/// How many values there are in JSON, itself included.
fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Replaces the value that comes after `left` others; in an object, also puts it under a name that is not there.
fn replace(json: &mut Value, left: &mut usize, other: &Value) {
    match left.checked_sub(1) {
        Some(less) => *left = less,
        None => {
            match json {
                Value::Object(members) if other.is_object() => drop(members.insert("other".to_owned(), Value::Null)),
                Value::Object(members) if other.is_array() => {
                    drop(members.insert(UNKNOWN_TAGS.to_owned(), other.clone()))
                }
                Value::Object(members) if other.is_boolean() => members.clear(),
                _ => *json = other.clone(),
            }
            *left = usize::MAX;
            return;
        }
    }
    let nested: Box<dyn Iterator<Item = &mut Value>> = match json {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(members) => Box::new(members.values_mut()),
        _ => return,
    };
    nested.for_each(|value| replace(value, left, other));
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

const UNKNOWN_TAGS: &str = "_unknownTags";
const BEFORE: &[u8] = b"before";
