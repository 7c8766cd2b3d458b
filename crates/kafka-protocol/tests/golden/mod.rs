//! Checks a line of the golden vectors, which Apache Kafka's own classes wrote, through the public types.
//!
//! Lines are told apart by their members. Used by `tests/golden_vectors.rs` and by `cargo xtask vectors`.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::find;
use kafka_protocol::{EncodeError, Limits, MessageKind, MessageType, murmur2, records, varint};
use serde_json::Value as Json;

/// Whether our codecs agree with the line; if not, why.
pub(super) fn check(line: &str) -> Result<(), String> {
    let line: Json = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let has = |member: &str| line.get(member).is_some();
    match () {
        () if has("api") && has("from") => check_downgrade(&line),
        () if has("api") => check_message(&line),
        () if has("name") => check_records(&line),
        () if has("murmur2") => check_murmur2(&line),
        () if has("varlong") => check_varint(&line),
        () => Err("a line of unknown form".to_owned()),
    }
}

/// The bytes decode to the JSON and encode back to the bytes; the JSON too encodes to the bytes.
fn check_message(line: &Json) -> Result<(), String> {
    let (facts, version) = message_type(line)?;
    let (bytes, json) = (hex(line, "hex")?, member(line, "json")?);
    let decoded = facts.decode(version, bytes.clone(), &Limits::default()).map_err(|error| error.to_string())?;
    same("JSON", &decoded.to_json(version), json)?;
    let read = facts.from_json(version, json).map_err(|error| error.to_string())?;
    for message in [decoded, read] {
        let mut encoded = BytesMut::new();
        message.encode(version, &mut encoded).map_err(|error| error.to_string())?;
        same("bytes", &encoded.freeze(), &bytes)?;
        same("encoded_len", &message.encoded_len(version), &Ok(bytes.len()))?;
    }
    Ok(())
}

/// A message of version `from`, written at an older one: its bytes, or the right refusal.
fn check_downgrade(line: &Json) -> Result<(), String> {
    let (facts, version) = message_type(line)?;
    let from = number(line, "from")?;
    let message = facts.from_json(from, member(line, "json")?).map_err(|error| error.to_string())?;
    let mut encoded = BytesMut::from(&b"before"[..]);
    let outcome = message.encode(version, &mut encoded);
    match (line.get("error").and_then(Json::as_str), outcome) {
        (None, Ok(())) => same("bytes", &encoded.split_off(6).freeze(), &hex(line, "hex")?),
        (None, Err(error)) => Err(error.to_string()),
        (Some("unsupported"), Err(EncodeError::Unsupported { field, .. })) => {
            let name = field.rsplit('.').next().unwrap_or_default();
            let text = text(line, "message")?;
            same("what is left of a failed write", &&encoded[..], &&b"before"[..])?;
            if text.split(' ').any(|word| word == name) {
                Ok(())
            } else {
                Err(format!("refused for {field}, Kafka: {text}"))
            }
        }
        (Some("null"), Err(EncodeError::Null { .. })) => Ok(()),
        (Some(error), outcome) => Err(format!("expected the error {error:?}, got {outcome:?}")),
    }
}

/// A buffer of record batches: read as Kafka reads it; rebuilt to the same bytes where nothing is compressed.
fn check_records(line: &Json) -> Result<(), String> {
    let buffer = hex(line, "hex")?;
    let described = records::json::describe(&buffer, &Limits::default());
    if line.get("error").is_some() {
        return described.map_or(Ok(()), |json| Err(format!("should have been refused, but reads as {json}")));
    }
    let described = described.map_err(|error| error.to_string())?;
    same("JSON", &described, member(line, "json")?)?;
    // The time deltas of a log-append-time batch are not in its JSON.
    match records::json::rebuild(&described) {
        Some(rebuilt) if text(line, "name")? != "v2-none-log-append-time" => {
            let trailing = described["trailing"].as_u64().unwrap_or_default() as usize;
            same("bytes", &rebuilt, &buffer.slice(..buffer.len() - trailing))
        }
        _ => Ok(()),
    }
}

fn check_murmur2(line: &Json) -> Result<(), String> {
    let key = hex(line, "key")?;
    let hash = murmur2::murmur2(&key);
    same("murmur2", &Json::from(hash), member(line, "murmur2")?)?;
    let positive = hash & 0x7fff_ffff;
    same("positive", &Json::from(positive), member(line, "positive")?)?;
    let partitions = member(line, "partition")?.as_object().ok_or("\"partition\" is not an object")?;
    partitions.iter().try_for_each(|(count, partition)| {
        let count: i32 = count.parse().map_err(|_| format!("{count:?} is not a count"))?;
        same("partition", &Json::from(positive % count), partition)
    })
}

fn check_varint(line: &Json) -> Result<(), String> {
    let value = member(line, "value")?.as_i64().ok_or("\"value\" is not a number")?;
    let written = |write: &dyn Fn(&mut BytesMut)| {
        let mut buffer = BytesMut::new();
        write(&mut buffer);
        buffer.freeze()
    };
    let mut expected = hex(line, "varlong")?;
    same("varlong", &written(&|buffer| varint::put_varlong(buffer, value)), &expected)?;
    same("varlong", &varint::take_varlong(&mut expected), &Ok(value))?;
    let Ok(small) = i32::try_from(value) else {
        return Ok(());
    };
    let mut expected = hex(line, "varint")?;
    same("varint", &written(&|buffer| varint::put_varint(buffer, small)), &expected)?;
    same("varint", &varint::take_varint(&mut expected), &Ok(small))?;
    let mut expected = hex(line, "uvarint")?;
    same("uvarint", &written(&|buffer| varint::put_uvarint(buffer, small as u32)), &expected)?;
    same("uvarint", &varint::take_uvarint(&mut expected), &Ok(small as u32))
}

fn message_type(line: &Json) -> Result<(&'static MessageType, i16), String> {
    let (api, dir) = (text(line, "api")?, text(line, "dir")?);
    let kinds = [
        MessageKind::Request,
        MessageKind::Response,
        MessageKind::Header,
        MessageKind::Data,
        MessageKind::CoordinatorKey,
        MessageKind::CoordinatorValue,
        MessageKind::Metadata,
    ];
    let kind = kinds.into_iter().find(|kind| kind.name() == dir).ok_or_else(|| format!("unknown dir {dir:?}"))?;
    let facts = find(api, kind).ok_or_else(|| format!("unknown message {api:?} {dir:?}"))?;
    same("key", &Json::from(facts.key), member(line, "key")?)?;
    Ok((facts, number(line, "version")?))
}

fn member<'a>(line: &'a Json, name: &str) -> Result<&'a Json, String> {
    line.get(name).ok_or_else(|| format!("no member {name:?}"))
}

fn text<'a>(line: &'a Json, name: &str) -> Result<&'a str, String> {
    member(line, name)?.as_str().ok_or_else(|| format!("{name:?} is not text"))
}

fn number(line: &Json, name: &str) -> Result<i16, String> {
    let number = member(line, name)?.as_i64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| format!("{name:?} is not a version"))
}

fn hex(line: &Json, name: &str) -> Result<Bytes, String> {
    let text = text(line, name)?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16).ok_or_else(|| format!("{name:?} is not hex"));
    let byte = |pair: &[u8; 2]| Ok((digit(&pair[0])? << 4 | digit(&pair[1])?) as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("{name:?} is not hex"));
    }
    pairs.iter().map(byte).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, kafkas: &T) -> Result<(), String> {
    if ours == kafkas { Ok(()) } else { Err(format!("{what}: we have {ours:?}, Kafka {kafkas:?}")) }
}
