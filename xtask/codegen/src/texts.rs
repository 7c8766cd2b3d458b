//! Reads `message-texts.tsv`: our words for what messages and fields mean.
//!
//! ```text
//! ProduceRequest                      a message, by its name in Kafka
//! ProduceRequest.Acks                 a field of a struct or message of this name
//! FetchRequest.ReplicaState.ReplicaId the same, in the one message
//! *.ErrorCode                         a field of this name anywhere
//! ```
//!
//! The closest text wins. One that no message or field takes is an error, so none outlives what it speaks of.

use std::collections::{BTreeMap, BTreeSet};

use super::docs::capitalized;
use super::schema::{Field, Message, Struct};

/// The texts by their names.
pub(super) struct Texts<'a>(BTreeMap<&'a str, &'a str>);

/// What is wrong with the texts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A line that is neither a comment nor a name, a tab, and a text.
    #[error("line {0}: expected a name, a tab, and a text")]
    Columns(usize),
    /// A text with a full stop or a blank at an end, where the sentence goes on.
    #[error("line {0}: the text ends with a full stop or stands between blanks")]
    Ends(usize),
    /// A name that has two texts.
    #[error("line {0}: {1} has a text already")]
    Twice(usize, String),
    /// A name that is no message or field, or whose every field has a closer text.
    #[error("nothing takes the text of {0}")]
    Unused(String),
}

impl<'a> Texts<'a> {
    /// The texts of a file, of which `messages` need each.
    pub(super) fn new(file: &'a str, messages: &[Message]) -> Result<Self, TextError> {
        let mut texts = BTreeMap::new();
        let lines = (1..).zip(file.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (number, line) in lines {
            let (name, text) = line.split_once('\t').ok_or(TextError::Columns(number))?;
            if text.is_empty() || text.ends_with('.') || text.trim() != text {
                return Err(TextError::Ends(number));
            }
            if texts.insert(name, text).is_some() {
                return Err(TextError::Twice(number, name.to_owned()));
            }
        }
        let texts = Self(texts);
        texts.unused(messages).map_or(Ok(()), |name| Err(TextError::Unused(name)))?;
        Ok(texts)
    }

    /// What a message is for.
    pub(super) fn message(&self, message: &Message) -> Option<&'a str> {
        self.0.get(message.full_name().as_str()).copied()
    }

    /// What a field of a message, or of a struct in it, means.
    pub(super) fn field(&self, message: &Message, owner: Option<&Struct>, field: &Field) -> Option<&'a str> {
        self.closest(message, owner, field).map(|(_, text)| text)
    }

    fn closest(&self, message: &Message, owner: Option<&Struct>, field: &Field) -> Option<(&'a str, &'a str)> {
        let (full_name, field) = (message.full_name(), capitalized(&field.name));
        let owner = owner.map_or(&full_name, |owner| &owner.name);
        let names = [format!("{full_name}.{owner}.{field}"), format!("{owner}.{field}"), format!("*.{field}")];
        names.iter().find_map(|name| self.0.get_key_value(name.as_str())).map(|(name, text)| (*name, *text))
    }

    /// The first name whose text nothing takes.
    fn unused(&self, messages: &[Message]) -> Option<String> {
        let mut used = BTreeSet::new();
        for message in messages {
            used.extend(self.0.get_key_value(message.full_name().as_str()).map(|(name, _)| *name));
            for (owner, field) in message.all_fields() {
                used.extend(self.closest(message, owner, field).map(|(name, _)| name));
            }
        }
        self.0.keys().find(|name| !used.contains(*name)).map(|name| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const SCHEMA: &str = "header A 0 {\n  Id int32\n  Part Part {\n    id int32\n  }\n}\n\
                          header B 0 {\n  Id int32\n  Part Part {\n    Id int32\n  }\n}\n";

    #[test]
    fn the_closest_text_wins() {
        let messages = parse::schema(SCHEMA).unwrap();
        let file = "# A comment\n\nA\ta message\n*.Id\tany\nPart.Id\tof a part\nB.Part.Id\tof that of B\n";
        let texts = Texts::new(file, &messages).unwrap();
        let ids = |message: &Message| {
            let fields = message.all_fields().filter(|(_, field)| field.struct_name().is_none());
            fields.map(|(owner, field)| texts.field(message, owner, field).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&messages[0]), ["any", "of a part"]);
        assert_eq!(ids(&messages[1]), ["any", "of that of B"]);
        assert_eq!((texts.message(&messages[0]), texts.message(&messages[1])), (Some("a message"), None));
    }

    #[test]
    fn texts_that_nothing_takes_are_refused() {
        let messages = parse::schema(SCHEMA).unwrap();
        let unused = |file| Texts::new(file, &messages).err();
        assert_eq!(unused("A.Ib\twhat\n"), Some(TextError::Unused("A.Ib".to_owned())));
        assert_eq!(unused("*.Id\twhat\nA.Id\tx\nB.Id\tx\nPart.Id\tx\n"), Some(TextError::Unused("*.Id".to_owned())));
        assert_eq!(unused("A.Part.Id\twhat\nC\twhat\n"), Some(TextError::Unused("C".to_owned())));
    }

    #[test]
    fn malformed_lines_are_refused() {
        let refused = |file| Texts::new(file, &[]).err();
        assert_eq!(refused("A what\n"), Some(TextError::Columns(1)));
        assert_eq!(refused("\nA\twhat.\n"), Some(TextError::Ends(2)));
        assert_eq!(refused("A\t what\n"), Some(TextError::Ends(1)));
        assert_eq!(refused("A\twhat\nA\twhat\n"), Some(TextError::Twice(2, "A".to_owned())));
    }
}
