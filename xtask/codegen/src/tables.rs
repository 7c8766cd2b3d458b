//! Writes the files that list things: the modules of messages, the API keys, the error codes.

use super::docs;
use super::emit::{banner, comment};
use super::errors::{ErrorCode, chain_class};
use super::layout::File;
use super::names::snake_case;
use super::schema::{Kind, Message};

/// `messages/mod.rs`.
pub(super) fn modules(files: &[File<'_>]) -> String {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|left, right| left.module.cmp(&right.module));
    let gate =
        |file: &File<'_>| file.feature.map_or_else(String::new, |name| format!("#[cfg(feature = \"{name}\")]\n"));
    let declared: String = sorted.iter().map(|file| format!("{}pub mod {};\n", gate(file), file.module)).collect();
    let listed: String = files.iter().map(|file| format!("{}{}::TYPES,\n", gate(file), file.module)).collect();
    let banner = banner("kafka.schema");
    format!("{banner}{MODULES_HEAD}{declared}{MODULES_BODY}const MODULES: &[&[&MessageType]] = &[\n{listed}];\n")
}

const MODULES_HEAD: &str = "\
//! Every message: a module for each API, one for the headers, and one for each kind of data that Kafka stores.
//!
//! A struct serves all versions of its message. A field that the version in hand lacks must be at its default, unless
//! it is *ignorable*: then it is silently left out. A field with a *tag* takes no room where it is at its default.
//! Which modules there are is a matter of the crate's features.

";

const MODULES_BODY: &str = "
use crate::{ApiKey, MessageKind, MessageType};

/// The messages that are compiled in.
#[inline]
pub fn all() -> impl Iterator<Item = &'static MessageType> {
    MODULES.iter().copied().flatten().copied()
}

/// The message of an API, such as the request of `Metadata`; or another message by its own name, such as the header
/// `RequestHeader`. `None` where there is none, or where it is not compiled in.
#[inline]
pub fn find(api: &str, kind: MessageKind) -> Option<&'static MessageType> {
    all().find(|message| message.api == api && message.kind == kind)
}

/// The request or response of an API. `None` where there is none, where it is not compiled in, and for other kinds: the
/// record types of different topics are the same numbers, so those are in the `TYPES` of the topic's module.
#[inline]
pub fn find_key(key: ApiKey, kind: MessageKind) -> Option<&'static MessageType> {
    let kinds = [MessageKind::Request, MessageKind::Response];
    all().find(|message| kinds.contains(&kind) && message.key == Some(key.0) && message.kind == kind)
}

/// What each module has, in the order of the API keys.
";

/// `api_key/table.rs`.
pub(super) fn api_keys(messages: &[Message]) -> String {
    let mut requests: Vec<_> = messages.iter().filter(|message| message.kind == Kind::Request).collect();
    requests.sort_by_key(|request| request.key);
    let lines: String = requests.into_iter().map(api_key).collect();
    let about = comment("//! ", "The API keys, whether or not their messages are compiled in.");
    format!("{}{about}\nuse super::api_keys;\n\napi_keys! {{\n{lines}}}\n", banner("kafka.schema"))
}

fn api_key(request: &Message) -> String {
    let Message { name, versions, .. } = request;
    let constant = snake_case(name).to_ascii_uppercase();
    let listeners: Vec<_> = request.listeners.iter().map(|listener| docs::capitalized(listener)).collect();
    let mut line = format!("    {constant} {} \"{name}\", ", request.key.unwrap_or_default());
    line += &format!("{}..={}", versions.min, versions.max);
    line += &request.flexible.map_or_else(String::new, |first| format!(", flexible {first}"));
    line += &request.unstable.map_or_else(String::new, |first| format!(", unstable {first}"));
    line + &format!(", on {};\n", listeners.join(" "))
}

/// `error_code/table.rs`.
pub(super) fn error_codes(codes: &[ErrorCode<'_>]) -> String {
    let line = |code: &ErrorCode<'_>| {
        let class = chain_class(code.number, code.exceptions);
        format!("    {} {} {class}\n        \"{}\";\n", code.name, code.number, code.text)
    };
    let lines: String = codes.iter().map(line).collect();
    let about = comment("//! ", "The error codes, with the class that Kafka's clients give them.");
    format!(
        "{}{about}\nuse super::error_codes;\n\nerror_codes! {{\n{lines}}}\n",
        banner("errors.tsv and error-texts.tsv")
    )
}
