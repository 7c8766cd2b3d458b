//! Java's properties format, in which Kafka reads its configuration.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// The content of a `server.properties`; setting a name again replaces its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl ToString) {
        self.0.insert(name.into(), value.to_string());
    }

    /// Adds to a list with commas.
    pub(crate) fn push(&mut self, name: &str, value: impl fmt::Display) {
        let list = self.0.get(name).filter(|list| !list.is_empty());
        let list = list.map_or_else(|| value.to_string(), |list| format!("{list},{value}"));
        self.set(name, list);
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            escape(f, name, true)?;
            f.write_char('=')?;
            escape(f, value, false)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

/// Kafka reads the file as Latin-1, so everything but printable ASCII becomes an escape of its UTF-16 units.
fn escape(f: &mut fmt::Formatter<'_>, text: &str, is_name: bool) -> fmt::Result {
    for (index, character) in text.chars().enumerate() {
        match character {
            '\\' => f.write_str("\\\\")?,
            ' ' if is_name || index == 0 => f.write_str("\\ ")?,
            '=' | ':' | '#' | '!' if is_name => write!(f, "\\{character}")?,
            ' '..='~' => f.write_char(character)?,
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_sorted_and_escaped() {
        let mut properties = Properties::default();
        properties.set("node.id", 7);
        properties.set("node.id", 1);
        properties.push("list", 1);
        properties.push("list", 2);
        properties.set("a b:c", " x = y\\z\n");
        properties.set("listeners", "PLAINTEXT://127.0.0.1:9,é😀");
        let expected = "a\\ b\\:c=\\ x = y\\\\z\\u000a\nlist=1,2\nlisteners=PLAINTEXT://127.0.0.1:9,\\u00e9\\ud83d\\ude00\nnode.id=1\n";
        assert_eq!(properties.to_string(), expected);
    }
}
