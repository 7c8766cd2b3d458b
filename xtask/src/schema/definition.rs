//! A message definition, as Kafka's jars hold it: JSON, with comments.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use super::range::{self, Range};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) api_key: Option<i16>,
    /// `None`: no version is left.
    #[serde(deserialize_with = "range::optional")]
    pub(super) valid_versions: Option<Range>,
    #[serde(default, deserialize_with = "range::optional")]
    pub(super) flexible_versions: Option<Range>,
    #[serde(default)]
    pub(super) latest_version_unstable: bool,
    #[serde(default)]
    pub(super) listeners: Vec<String>,
    #[serde(default)]
    pub(super) common_structs: Vec<Struct>,
    /// Absent where no version is left.
    #[serde(default)]
    pub(super) fields: Vec<Field>,
}

/// In the order of `kafka.schema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Request,
    Response,
    Header,
    Data,
    CoordinatorKey,
    CoordinatorValue,
    Metadata,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Absent: as the struct around it. Only tagged fields leave it out.
    #[serde(default = "all", deserialize_with = "range::optional")]
    pub(super) versions: Option<Range>,
    #[serde(default, deserialize_with = "range::optional")]
    pub(super) nullable_versions: Option<Range>,
    #[serde(default, deserialize_with = "range::optional")]
    pub(super) tagged_versions: Option<Range>,
    #[serde(default, deserialize_with = "number")]
    pub(super) tag: Option<u32>,
    /// JSON's `null` is as good as absent to Kafka's own generator; the text `"null"` is null.
    pub(super) default: Option<Value>,
    #[serde(default)]
    pub(super) ignorable: bool,
    #[serde(default)]
    pub(super) map_key: bool,
    #[serde(default = "all", deserialize_with = "range::optional")]
    pub(super) flexible_versions: Option<Range>,
    pub(super) entity_type: Option<String>,
    #[serde(default)]
    pub(super) fields: Vec<Self>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
fn all() -> Option<Range> {
    Some(Range::ALL)
}

/// A number, perhaps in quotes.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse();
    number.map(Some).map_err(D::Error::custom)
}

impl Message {
    /// The request that belongs to a response.
    pub(super) fn request_name(&self) -> String {
        self.name.strip_suffix("Response").map_or_else(|| self.name.clone(), |stem| format!("{stem}Request"))
    }
}

/// Reads a definition. Comments begin with `//` outside of texts, and go to the end of their line. Some definitions
/// name a member twice: the last one counts, as for Kafka's own reader.
pub(super) fn parse(text: &str) -> serde_json::Result<Message> {
    let value: Value = serde_json::from_str(&without_comments(text))?;
    Message::deserialize(value)
}

fn without_comments(text: &str) -> String {
    text.lines().flat_map(|line| [code(line), "\n"]).collect()
}

fn code(line: &str) -> &str {
    let (mut in_text, mut escaped, mut slash) = (false, false, false);
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'/' if slash => return &line[..index - 1],
            _ => {}
        }
        slash = byte == b'/' && !in_text;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_outside_of_texts_only() {
        assert_eq!(code(r#"{ "a": "http://b", // c"#), r#"{ "a": "http://b", "#);
        assert_eq!(code(r#""\"//", 1 / 2"#), r#""\"//", 1 / 2"#);
        assert_eq!(code("// all of it"), "");
    }
}
