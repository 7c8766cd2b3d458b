//! Messages as lines of JSON, both ways: what `consume --output json` writes, `produce --input json` reads unchanged.
//!
//! ```json
//! {"topic":"orders","partition":0,"offset":17,"timestamp":1768435200000,"timestamp_type":"CreateTime",
//!  "key":"42","value_base64":"/wA=","headers":[{"key":"trace","value":"1"},{"key":"trace","value":null}]}
//! ```
//!
//! (In one line.) Bytes that are UTF-8 are text in `key` and `value`; others are base64 (RFC 4648, padded) in
//! `key_base64` and `value_base64`, in place of these. What is absent is null, which is not the same as empty. Timestamps
//! are milliseconds since 1970, and null where the message has none. The names do not change.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_conn::{Header, Message};
use kafka_protocol::records::TimestampType;
use kafka_reader::Record;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

/// Where records come from: what they do not say themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) timestamp_type: TimestampType,
}

/// Appends a message, and a line feed.
pub(crate) fn append(line: &mut Vec<u8>, origin: Origin<'_>, record: &Record<'_>) {
    line.extend_from_slice(b"{\"topic\":");
    append_text(line, origin.topic);
    append_display(line, format_args!(",\"partition\":{},\"offset\":{}", origin.partition, record.offset));
    match (origin.timestamp_type, record.timestamp) {
        (TimestampType::None, _) | (_, NO_TIMESTAMP) => {
            line.extend_from_slice(b",\"timestamp\":null,\"timestamp_type\":null");
        }
        (kind, millis) => append_display(line, format_args!(",\"timestamp\":{millis},\"timestamp_type\":\"{kind:?}\"")),
    }
    line.push(b',');
    append_bytes(line, "key", record.key);
    line.push(b',');
    append_bytes(line, "value", record.value);
    line.extend_from_slice(b",\"headers\":[");
    for (number, header) in record.headers.iter().enumerate() {
        line.extend_from_slice(if number == 0 { b"{\"key\":" } else { b",{\"key\":" });
        append_text(line, &header.key);
        line.push(b',');
        append_bytes(line, "value", header.value);
        line.push(b'}');
    }
    line.extend_from_slice(b"]}\n");
}

/// A field with bytes, under the name that fits them.
fn append_bytes(line: &mut Vec<u8>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => append_display(line, format_args!("\"{name}\":null")),
        Some(Ok(text)) => {
            append_display(line, format_args!("\"{name}\":"));
            append_text(line, text);
        }
        Some(Err(bytes)) => {
            append_display(line, format_args!("\"{name}_base64\":\"{}\"", STANDARD.encode(bytes)));
        }
    }
}

fn append_text(line: &mut Vec<u8>, text: &str) {
    // Neither text nor a vector can fail.
    let _never_fails = serde_json::to_writer(line, text);
}

fn append_display(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _never_fails = line.write_fmt(text);
}

/// Reads a line. Where it came from (topic, offset, type of timestamp) is passed over; `None` beside the message where
/// it names no partition.
///
/// # Errors
/// What it has that is not of the form above, and where; fields of other names, too: nothing is lost unnoticed.
pub(crate) fn parse(line: &[u8]) -> Result<(Message, Option<i32>), JsonError> {
    let line: Line = serde_json::from_slice(line).map_err(JsonError::Syntax)?;
    let message = Message {
        partition: line.partition.unwrap_or_default(),
        key: either("key", line.key, line.key_base64)?,
        value: either("value", line.value, line.value_base64)?,
        headers: line.headers.unwrap_or_default().into_iter().map(header).collect::<Result<_, _>>()?,
        timestamp: line.timestamp.map(time).transpose()?,
        ..Message::default()
    };
    if line.partition.is_some_and(|partition| partition < 0) {
        return Err(JsonError::Partition);
    }
    Ok((message, line.partition))
}

/// A line that is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("it is no message in JSON, column {}: {}", .0.column(), what(.0))]
    Syntax(serde_json::Error),
    #[error("it has both {0:?} and \"{0}_base64\": one of them is the message's")]
    Twice(&'static str),
    #[error("its partition is negative")]
    Partition,
    #[error("its timestamp is further away than clocks go")]
    Timestamp,
}

/// The error's text without the place at its end: the line is always the first.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(what, _)| what.to_owned())
}

fn either(name: &'static str, text: Option<String>, encoded: Option<Encoded>) -> Result<Option<Bytes>, JsonError> {
    match (text, encoded) {
        (Some(_), Some(_)) => Err(JsonError::Twice(name)),
        (Some(text), None) => Ok(Some(text.into())),
        (None, encoded) => Ok(encoded.map(|Encoded(bytes)| bytes.into())),
    }
}

fn header(line: HeaderLine) -> Result<Header, JsonError> {
    Ok(Header { key: line.key.into(), value: either("value", line.value, line.value_base64)? })
}

fn time(millis: i64) -> Result<SystemTime, JsonError> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let time = if millis < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.ok_or(JsonError::Timestamp)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    #[serde(rename = "topic")]
    _topic: IgnoredAny,
    partition: Option<i32>,
    #[serde(rename = "offset")]
    _offset: IgnoredAny,
    timestamp: Option<i64>,
    #[serde(rename = "timestamp_type")]
    _timestamp_type: IgnoredAny,
    key: Option<String>,
    key_base64: Option<Encoded>,
    value: Option<String>,
    value_base64: Option<Encoded>,
    headers: Option<Vec<HeaderLine>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    key: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_base64: Option<Encoded>,
}

/// Bytes, as base64.
struct Encoded(Vec<u8>);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|error| D::Error::custom(format_args!("no base64: {error}")))
    }
}

/// What stands for none on the wire.
const NO_TIMESTAMP: i64 = -1;

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{BatchBuilder, BatchDecoder, BatchOptions, Batches, Compressor};
    use proptest::prelude::*;

    use super::*;

    /// The line for a message that a broker has, as it comes from there.
    fn line(message: &Message, timestamp: i64) -> String {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let headers: Vec<_> =
            message.headers.iter().map(|header| (header.key.as_str(), header.value.as_deref())).collect();
        builder.append(timestamp, message.key.as_deref(), message.value.as_deref(), headers).unwrap();
        let sealed = builder.seal(&mut Compressor::default()).unwrap();
        let batch = Batches::new(sealed).next().unwrap().unwrap();
        let mut decoder = BatchDecoder::default();
        let record = batch.records(&mut decoder).unwrap().next().unwrap().unwrap();
        let mut line = Vec::new();
        let origin = Origin { topic: "orders", partition: 3, timestamp_type: TimestampType::CreateTime };
        append(&mut line, origin, &record);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn what_a_line_looks_like() {
        let message = Message {
            key: Some(Bytes::from_static(b"")),
            value: Some(Bytes::from_static(b"\xff\0")),
            headers: vec![
                Header::new("a\"b", "1"),
                Header { key: "a".into(), value: None },
                Header::new("", &b"\xfe"[..]),
            ],
            ..Message::default()
        };
        let expected = concat!(
            r#"{"topic":"orders","partition":3,"offset":0,"timestamp":1768435200000,"timestamp_type":"CreateTime","#,
            r#""key":"","value_base64":"/wA=","#,
            r#""headers":[{"key":"a\"b","value":"1"},{"key":"a","value":null},{"key":"","value_base64":"/g=="}]}"#,
            "\n"
        );
        assert_eq!(line(&message, 1_768_435_200_000), expected);
        let nothing = r#"{"topic":"orders","partition":3,"offset":0,"timestamp":null,"timestamp_type":null,"key":null,"value":null,"headers":[]}"#;
        assert_eq!(line(&Message::default(), -1).trim_end(), nothing);
    }

    #[test]
    fn people_need_not_write_it_all() {
        let (message, partition) = parse(br#"{"value":"x"}"#).unwrap();
        assert_eq!(message, Message { value: Some("x".into()), ..Message::default() });
        assert_eq!(partition, None);
        assert_eq!(parse(b" {} ").unwrap().0, Message::default());
        assert_eq!(parse(br#"{"partition":2,"headers":[{"key":"a"}]}"#).unwrap().1, Some(2));
    }

    #[test]
    fn what_is_no_message_says_what_and_where() {
        for (line, expected) in [
            ("", "column 0: EOF while parsing a value"),
            ("value", "column 1: expected value"),
            (r#"{"valeu":"x"}"#, "unknown field `valeu`"),
            (r#"{"value":"x","value":"y"}"#, "duplicate field `value`"),
            (r#"{"value":"x"} {}"#, "trailing characters"),
            (r#"{"value":1}"#, "column 10: invalid type: integer `1`, expected a string"),
            (r#"{"key_base64":"/w"}"#, "no base64"),
            (r#"{"key":"","key_base64":""}"#, r#"both "key" and "key_base64""#),
            (r#"{"headers":[{"value":"x"}]}"#, "missing field `key`"),
            (r#"{"partition":-1}"#, "partition is negative"),
            ("\u{ff}", "expected value"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        let text = any::<String>().prop_map(Bytes::from);
        proptest::option::of(prop_oneof![text, proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)])
    }

    fn headers() -> impl Strategy<Value = Vec<Header>> {
        let header = (any::<String>(), bytes()).prop_map(|(key, value)| Header { key: key.into(), value });
        proptest::collection::vec(header, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            (key, value, headers) in (bytes(), bytes(), headers()),
            timestamp in 0..i64::from(u32::MAX) * 1000,
        ) {
            let timestamp_ms = timestamp;
            let timestamp = Some(UNIX_EPOCH + Duration::from_millis(timestamp.unsigned_abs()));
            let message = Message { partition: 3, key, value, headers, timestamp, ..Message::default() };
            let line = line(&message, timestamp_ms);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let (again, partition) = parse(line.trim_end().as_bytes()).unwrap();
            prop_assert_eq!((again, partition), (message, Some(3)));
        }
    }
}
