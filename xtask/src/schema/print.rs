//! Messages in the notation of `kafka.schema`; `GRAMMAR.txt` beside that file describes it.

use std::fmt::{self, Write};

use serde_json::Value;

use super::definition::{Field, Kind, Message};
use super::range::Range;

/// All messages: requests and responses by API key, then each kind of stored data by its number and name.
pub(super) fn text(messages: &[Message]) -> String {
    let mut sorted: Vec<_> = messages.iter().collect();
    sorted.sort_by(|left, right| order(left).cmp(&order(right)));
    let mut text = String::new();
    for message in sorted {
        if let Some(versions) = message.valid_versions {
            let written = Printer { text: &mut text, versions }.message(message);
            debug_assert!(written.is_ok(), "a text takes everything");
        }
    }
    text
}

fn order(message: &Message) -> (Kind, i16, Kind, &str) {
    let key = message.api_key.unwrap_or_default();
    match message.kind {
        Kind::Request | Kind::Response => (Kind::Request, key, message.kind, &message.name),
        kind => (kind, key, kind, &message.name),
    }
}

struct Printer<'a> {
    text: &'a mut String,
    /// The message's.
    versions: Range,
}

impl Printer<'_> {
    fn message(&mut self, message: &Message) -> fmt::Result {
        self.heading(message)?;
        for structure in &message.common_structs {
            writeln!(self.text, "  struct {} {{", structure.name)?;
            self.fields(&structure.fields, self.versions, 2)?;
            writeln!(self.text, "  }}")?;
        }
        self.fields(&message.fields, self.versions, 1)?;
        writeln!(self.text, "}}")
    }

    fn heading(&mut self, message: &Message) -> fmt::Result {
        let (kind, suffix) = match message.kind {
            Kind::Request => ("request", "Request"),
            Kind::Response => ("response", "Response"),
            Kind::Header => ("header", ""),
            Kind::Data => ("data", ""),
            Kind::CoordinatorKey => ("coordinator-key", ""),
            Kind::CoordinatorValue => ("coordinator-value", ""),
            Kind::Metadata => ("metadata", ""),
        };
        write!(self.text, "{kind}")?;
        if let Some(key) = message.api_key {
            write!(self.text, " {key}")?;
        }
        let name = message.name.strip_suffix(suffix).unwrap_or(&message.name);
        write!(self.text, " {name} {}", self.versions)?;
        if let Some(flexible) = message.flexible_versions {
            write!(self.text, " flexible {flexible}")?;
        }
        if message.latest_version_unstable {
            write!(self.text, " unstable {}", self.versions.max)?;
        }
        if !message.listeners.is_empty() {
            write!(self.text, " on {}", message.listeners.join(","))?;
        }
        writeln!(self.text, " {{")
    }

    fn fields(&mut self, fields: &[Field], around: Range, depth: usize) -> fmt::Result {
        fields.iter().try_for_each(|field| self.field(field, around, depth))
    }

    /// `around`: the versions of the struct that holds it.
    fn field(&mut self, field: &Field, around: Range, depth: usize) -> fmt::Result {
        let tagged = if field.tag.is_some() { field.tagged_versions } else { Some(Range::ALL) };
        let versions = field.versions.zip(tagged).and_then(|(range, tagged)| range.and(tagged));
        let Some(versions) = versions.and_then(|range| range.and(self.versions)) else {
            return Ok(());
        };
        let indent = depth * 2;
        write!(self.text, "{:indent$}{} {}", "", field.name, field.kind)?;
        if let Some(nullable) = field.nullable_versions {
            self.nullable(nullable, versions)?;
        }
        if !versions.holds(around) {
            write!(self.text, " {}", outline(versions, around))?;
        }
        if let Some(tag) = field.tag {
            write!(self.text, " tag {tag}")?;
        }
        if let Some(literal) = field.default.as_ref().and_then(literal) {
            write!(self.text, " = {literal}")?;
        }
        self.marks(field)?;
        if field.fields.is_empty() {
            return writeln!(self.text);
        }
        writeln!(self.text, " {{")?;
        self.fields(&field.fields, versions, depth + 1)?;
        writeln!(self.text, "{:indent$}}}", "")
    }

    /// Nothing but the mark where it is nullable whenever it is there.
    fn nullable(&mut self, nullable: Range, versions: Range) -> fmt::Result {
        if nullable.holds(versions) {
            return write!(self.text, "?");
        }
        match nullable.and(versions) {
            Some(Range { min, max }) if max == self.versions.max => write!(self.text, "?{min}+"),
            Some(range) => write!(self.text, "?{range}"),
            None => Ok(()),
        }
    }

    fn marks(&mut self, field: &Field) -> fmt::Result {
        if field.ignorable {
            write!(self.text, " ignorable")?;
        }
        if field.map_key {
            write!(self.text, " key")?;
        }
        if field.flexible_versions.is_none() {
            write!(self.text, " inflexible")?;
        }
        match field.entity_type.as_deref() {
            None | Some("unknown") => Ok(()),
            Some(entity) => write!(self.text, " @{entity}"),
        }
    }
}

/// A range without the ends that the versions around it set anyway.
fn outline(versions: Range, around: Range) -> Range {
    Range {
        min: if versions.min <= around.min { 0 } else { versions.min },
        max: if versions.max >= around.max { Range::OPEN } else { versions.max },
    }
}

/// A default, unless it is what a field without one has.
fn literal(default: &Value) -> Option<String> {
    let text = match default {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.as_str() {
        "" | "0" | "false" => None,
        _ => Some(hexadecimal(&text).map_or(text, |number| number.to_string())),
    }
}

fn hexadecimal(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => i64::from_str_radix(rest.strip_prefix("0x")?, 16).ok()?.checked_neg(),
        None => i64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_where_they_say_something() {
        assert_eq!(literal(&Value::from("0x7fffffff")), Some("2147483647".to_owned()));
        assert_eq!(literal(&Value::from("-1")), Some("-1".to_owned()));
        assert_eq!(literal(&Value::from(-1)), Some("-1".to_owned()));
        assert_eq!(literal(&Value::from("null")), Some("null".to_owned()));
        for silent in [Value::Null, Value::from(""), Value::from("false"), Value::from(false), Value::from(0)] {
            assert_eq!(literal(&silent), None);
        }
    }
}
