//! The documentation of the generated declarations.

use super::schema::{Base, Field, Kind, Literal, Message, Range};

/// What a message is, and what our text says of it.
pub(super) fn message(message: &Message, text: Option<&str>) -> String {
    let Message { name, versions, .. } = message;
    let key = message.key.unwrap_or_default();
    let what = match message.kind {
        Kind::Request => format!("Body of {} `{name}` request (API key {key})", article(name)),
        Kind::Response => format!("Body of {} `{name}` response (API key {key})", article(name)),
        Kind::Header if name == "RequestHeader" => "What stands before the body of a request".to_owned(),
        Kind::Header => "What stands before the body of a response".to_owned(),
        Kind::Data => format!("Kafka's `{name}`"),
        Kind::CoordinatorKey => format!("Key of a record of type {key}"),
        Kind::CoordinatorValue => format!("Value of a record of type {key}"),
        Kind::Metadata => format!("Metadata record of type {key}"),
    };
    let flexible = match message.flexible {
        None => "never flexible".to_owned(),
        Some(first) if first <= versions.min => "flexible".to_owned(),
        Some(first) => format!("flexible from {first}"),
    };
    let unstable = message.unstable.map_or_else(String::new, |first| format!(", unstable from {first}"));
    let text = text.map_or_else(String::new, |text| format!(" {text}."));
    format!("{what}, {versions}, {flexible}{unstable}.{text}")
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// What a nested struct is, from the fields that hold it: (type, field, whether it is an array).
pub(super) fn structure(holders: &[(String, String, bool)]) -> String {
    let links = |array: bool| {
        let held = holders.iter().filter(|holder| holder.2 == array);
        held.map(|(owner, field, _)| format!("[`{owner}::{field}`]")).collect::<Vec<_>>().join(", ")
    };
    match (links(true), links(false)) {
        (elements, values) if values.is_empty() => format!("An element of {elements}."),
        (elements, values) if elements.is_empty() => format!("The value of {values}."),
        (elements, values) => format!("An element of {elements}, or the value of {values}."),
    }
}

/// What our text says of a field, and where it exists.
pub(super) fn field(field: &Field, text: &str) -> String {
    let facts = [Some(versions(field)), nullable(field), Some(default(field)), tag(field), ignorable(field)];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    format!("{text}. {facts}.")
}

fn versions(field: &Field) -> String {
    field.versions.map_or_else(|| "All versions".to_owned(), |range| capitalized(&range.to_string()))
}

fn nullable(field: &Field) -> Option<String> {
    Some(match field.nullable? {
        Range::ALL => "nullable".to_owned(),
        Range { min, max: i16::MAX } if field.versions.is_some_and(|own| own.min >= min) => "nullable".to_owned(),
        Range { min, max: i16::MAX } => format!("nullable from {min}"),
        range => format!("nullable in {range}"),
    })
}

fn default(field: &Field) -> String {
    let value = match (field.default, &field.base) {
        _ if field.is_null_by_default() => "null",
        (Literal::Number(number), _) => return format!("default {number}"),
        (Literal::True, _) => "true",
        _ if field.array => "empty",
        (_, Base::Bool) => "false",
        (_, Base::String) => "\"\"",
        (_, Base::Bytes | Base::Records) => "empty",
        (_, Base::Uuid) => "zero",
        (_, Base::Struct(_)) => "all defaults",
        _ => "0",
    };
    format!("default {value}")
}

fn tag(field: &Field) -> Option<String> {
    field.tag.map(|tag| format!("tag {tag}"))
}

fn ignorable(field: &Field) -> Option<String> {
    (field.ignorable && field.versions.is_some()).then(|| "ignorable".to_owned())
}

pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
