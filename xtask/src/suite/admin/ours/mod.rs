//! The calls of `AdminPeer.java`, made with kafka-admin: the same names, the same arguments, the same form of answers.
//!
//! An answer is what the call gave, or `{"error": KAFKA_NAME}`, for the whole or in the place of an item.

mod brokers;
mod groups;
mod security;
mod topics;
mod transactions;

use kafka_admin::{AclOperation, Admin, ErrorKind, Outcome, TopicPartition};
use kafka_conn::BrokerId;
use kafka_protocol::ErrorCode;
use serde_json::{Map, Value, json};

use super::Failure;

/// What a call gives.
pub(super) async fn call(admin: &Admin, call: &str, args: &Value) -> Value {
    let (noun, verb) = call.split_once('.').unwrap_or((call, ""));
    let answer = match noun {
        "topics" | "partitions" | "records" | "offsets" | "configs" | "metrics" => topics::run(admin, call, args).await,
        "cluster" | "features" | "quorum" | "folders" | "leaders" | "moves" => brokers::run(admin, call, args).await,
        "groups" | "committed" | "shared" => groups::run(admin, call, args).await,
        "producers" | "transactions" => transactions::run(admin, call, args).await,
        _ => security::run(admin, noun, verb, args).await,
    };
    collapse(answer.unwrap_or_else(|failure| match failure.downcast_ref() {
        Some(error) => failed(error),
        None => json!({ "error": failure.to_string() }),
    }))
}

/// A call fails as a whole for us, and for each item in Java: where all items failed alike, it is the whole.
pub(super) fn collapse(answer: Value) -> Value {
    let is_error =
        |value: &Value| value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("error"));
    match answer.as_object().and_then(|items| items.values().next()) {
        Some(first)
            if is_error(first) && answer.as_object().is_some_and(|all| all.values().all(|one| one == first)) =>
        {
            first.clone()
        }
        _ => answer,
    }
}

/// By the name that Kafka gives an error. What no broker said has the name of what Java makes of it.
fn failed(error: &kafka_admin::Error) -> Value {
    let name = match error.code().and_then(ErrorCode::name) {
        Some(name) => name.to_owned(),
        None if *error.kind() == ErrorKind::NotOffered => "UNSUPPORTED_VERSION".to_owned(),
        None if *error.kind() == ErrorKind::GroupNotFound => "GROUP_ID_NOT_FOUND".to_owned(),
        None => error.to_string(),
    };
    json!({ "error": name })
}

fn outcome<T>(result: kafka_admin::Result<T>, show: impl Fn(T) -> Value) -> Value {
    result.map_or_else(|error| failed(&error), show)
}

fn each<T, K: ToString>(outcomes: Vec<Outcome<T, K>>, show: impl Fn(T) -> Value) -> Value {
    let item = |one: Outcome<T, K>| (one.item.to_string(), outcome(one.result, &show));
    Value::Object(outcomes.into_iter().map(item).collect())
}

/// Items without a value.
fn done<K: ToString>(outcomes: Vec<Outcome<(), K>>) -> Value {
    each(outcomes, |()| ok())
}

/// The only item.
fn only<T, K>(outcomes: Vec<Outcome<T, K>>, show: impl Fn(T) -> Value) -> Result<Value, Failure> {
    let one = outcomes.into_iter().next().ok_or("no outcome")?;
    Ok(outcome(one.result, show))
}

fn ok() -> Value {
    json!("ok")
}

fn sorted(texts: impl IntoIterator<Item = String>) -> Value {
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort();
    json!(texts)
}

fn object(items: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(items.into_iter().collect::<Map<_, _>>())
}

/// The name that Java gives a number: `DESCRIBE_CONFIGS` for `describe-configs`.
fn constant(name: impl ToString) -> String {
    name.to_string().to_ascii_uppercase().replace('-', "_")
}

fn operations(operations: Option<Vec<AclOperation>>) -> Value {
    operations.map_or(Value::Null, |operations| sorted(operations.into_iter().map(constant)))
}

fn partitions(partitions: &[TopicPartition]) -> Value {
    sorted(partitions.iter().map(ToString::to_string))
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| broker.0).collect()
}

fn text<'a>(args: &'a Value, name: &str) -> Result<&'a str, Failure> {
    args[name].as_str().ok_or_else(|| format!("no {name} in {args}").into())
}

fn texts<'a>(args: &'a Value, name: &str) -> Vec<&'a str> {
    args[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn number(args: &Value, name: &str) -> Result<i64, Failure> {
    args[name].as_i64().ok_or_else(|| format!("no {name} in {args}").into())
}

fn broker(args: &Value, name: &str) -> Result<BrokerId, Failure> {
    Ok(BrokerId(i32::try_from(number(args, name)?)?))
}

fn partition(args: &Value) -> Result<TopicPartition, Failure> {
    Ok(TopicPartition::new(text(args, "topic")?, i32::try_from(number(args, "partition")?)?))
}

fn apply(args: &Value) -> kafka_admin::Apply {
    if args["validate"] == true { kafka_admin::Apply::Validate } else { kafka_admin::Apply::Now }
}

fn unknown(call: &str) -> Result<Value, Failure> {
    Err(format!("{call} is no call").into())
}
