//! The documentation of the generated declarations.

use super::names::snake_case;
use super::schema::{Base, Field, Kind, Literal, Message, Range};

/// What a message is.
pub(super) fn message(message: &Message) -> String {
    let Message { name, versions, .. } = message;
    let key = message.key.unwrap_or_default();
    let what = match message.kind {
        Kind::Request => format!("Body of a `{name}` request (API key {key})"),
        Kind::Response => format!("Body of a `{name}` response (API key {key})"),
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
    format!("{what}, {versions}, {flexible}{unstable}.")
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

/// What a field is and where it exists.
pub(super) fn field(field: &Field) -> String {
    let facts = [Some(versions(field)), nullable(field), Some(default(field)), tag(field), ignorable(field)];
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    meaning(field).map_or_else(|| format!("{facts}."), |meaning| format!("{meaning}. {facts}."))
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

fn meaning(field: &Field) -> Option<String> {
    let name = snake_case(&field.name);
    let known = MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| (*meaning).to_owned());
    let entity = || field.entity.as_deref().and_then(|entity| entity_meaning(entity, field.array));
    known.or_else(|| unit(field, &name)).or_else(|| entity().map(str::to_owned))
}

/// What the last word of a name says of a number.
fn unit(field: &Field, name: &str) -> Option<String> {
    let is_timestamp = name.ends_with("timestamp") || name.ends_with("timestamp_ms");
    match (&field.base, field.array) {
        (Base::Int64, false) if is_timestamp => Some("Milliseconds since 1970 (UTC)".to_owned()),
        (Base::Int32 | Base::Int64, false) if name.ends_with("_ms") => Some("In milliseconds".to_owned()),
        (Base::Int32 | Base::Int64, false) if name.ends_with("_bytes") => Some("In bytes".to_owned()),
        _ => None,
    }
}

fn entity_meaning(entity: &str, array: bool) -> Option<&'static str> {
    Some(match (entity, array) {
        ("topicName", false) => "A topic's name",
        ("topicName", true) => "Names of topics",
        ("groupId", false) => "A group's id",
        ("groupId", true) => "Ids of groups",
        ("transactionalId", false) => "A transactional id",
        ("transactionalId", true) => "Transactional ids",
        ("producerId", false) => "A producer's id",
        ("producerId", true) => "Ids of producers",
        ("brokerId", false) => "A broker's id",
        ("brokerId", true) => "Ids of brokers",
        _ => return None,
    })
}

/// Names that mean the same wherever they stand.
const MEANINGS: &[(&str, &str)] = &[
    ("throttle_time_ms", "How long a quota held the request back, in milliseconds"),
    ("error_code", "What went wrong: an [`ErrorCode`](crate::ErrorCode)"),
    ("error_message", "What went wrong, in words"),
    ("leader_epoch", "The epoch of the partition's leader"),
    ("current_leader_epoch", "The leader epoch that the client knows, to fence stale ones; -1 for none"),
    ("member_epoch", "The member's epoch"),
    ("generation_id", "The group's generation"),
    ("member_id", "The member's id, given by the coordinator or, in newer protocols, by the member"),
    ("group_instance_id", "The static member's id, chosen by the user"),
    ("instance_id", "The static member's id, chosen by the user"),
    ("producer_epoch", "The producer's epoch"),
    ("isolation_level", "0 reads uncommitted records too, 1 committed ones only"),
    ("high_watermark", "The first offset that not all in-sync replicas have"),
    ("last_stable_offset", "The first offset of a transaction that is still open"),
    ("log_start_offset", "The first offset of the log"),
    ("committed_offset", "The offset to read next, as committed"),
    ("committed_leader_epoch", "The leader epoch of the last record read, as committed"),
    ("committed_metadata", "The user's words stored with a committed offset"),
    ("records", "Record batches, one after the other"),
    ("topic_id", "A topic's id"),
    ("rack", "The rack of a broker"),
    ("rack_id", "The client's rack"),
    ("host", "A host name or address"),
    ("port", "A port"),
    ("cluster_id", "The cluster's id"),
    ("validate_only", "Whether to check the request without doing it"),
    ("partition_index", "A partition's number within its topic"),
    ("partition_id", "A partition's number within its topic"),
    ("partition_indexes", "Numbers of partitions within their topic"),
    ("isr_nodes", "The brokers in sync"),
    ("replica_nodes", "The brokers with a replica"),
    ("offline_replicas", "The brokers with a replica that is offline"),
    ("authorized_operations", "The operations that the caller may do, a bit for each"),
    ("topic_authorized_operations", "The operations that the caller may do on the topic, a bit for each"),
    ("cluster_authorized_operations", "The operations that the caller may do on the cluster, a bit for each"),
];

pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
