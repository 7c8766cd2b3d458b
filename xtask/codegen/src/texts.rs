//! Reads `message-texts.tsv`: our words for what messages and fields mean.
//!
//! ```text
//! ProduceRequest                      a message, by its name in Kafka
//! ProduceRequest.Acks                 a field of a struct or message of this name
//! FetchRequest.ReplicaState.ReplicaId the same, in the one message
//! *.ErrorCode                         a field of this name anywhere
//! @topicName                          a field that the schema marks so
//! ```
//!
//! The closest text wins, and every field has one. A text that nothing takes is an error, so none outlives what it
//! speaks of.

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
    /// A field without a text.
    #[error("{0} has no text")]
    Missing(String),
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
        texts.check(messages)?;
        Ok(texts)
    }

    /// What a message is for.
    pub(super) fn message(&self, message: &Message) -> Option<&'a str> {
        self.0.get(message.full_name().as_str()).copied()
    }

    /// What a field of a message, or of a struct in it, means; empty for messages other than those of [`Self::new`].
    pub(super) fn field(&self, message: &Message, owner: Option<&Struct>, field: &Field) -> &'a str {
        self.closest(message, owner, field).map_or("", |(_, text)| text)
    }

    fn closest(&self, message: &Message, owner: Option<&Struct>, field: &Field) -> Option<(&'a str, &'a str)> {
        let (full_name, name) = (message.full_name(), capitalized(&field.name));
        let owner = owner.map_or(&full_name, |owner| &owner.name);
        let mark = field.entity.iter().map(|entity| format!("@{entity}"));
        let names = [format!("{full_name}.{owner}.{name}"), format!("{owner}.{name}"), format!("*.{name}")];
        names
            .into_iter()
            .chain(mark)
            .find_map(|name| self.0.get_key_value(name.as_str()))
            .map(|(name, text)| (*name, *text))
    }

    /// Whether every field has a text, and every text a field or message.
    fn check(&self, messages: &[Message]) -> Result<(), TextError> {
        let mut used = BTreeSet::new();
        for message in messages {
            used.extend(self.0.get_key_value(message.full_name().as_str()).map(|(name, _)| *name));
            for (owner, field) in message.all_fields() {
                let owner_name = owner.map_or_else(|| message.full_name(), |owner| owner.name.clone());
                let missing = || TextError::Missing(format!("{owner_name}.{}", field.name));
                used.insert(self.closest(message, owner, field).ok_or_else(missing)?.0);
            }
        }
        let unused = self.0.keys().find(|name| !used.contains(*name));
        unused.map_or(Ok(()), |name| Err(TextError::Unused((*name).to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const SCHEMA: &str = "header A 0 {\n  Id int32\n  Part Part {\n    id int32\n  }\n}\n\
                          header B 0 {\n  Id int32\n  Part Part {\n    Id int32\n  }\n  Name string @topicName\n}\n";
    /// A text for every field of it.
    const ENOUGH: &str = "*.Id\tany\n*.Part\ta part\n@topicName\ta topic\n";

    fn refused(file: &str) -> Option<TextError> {
        Texts::new(file, &parse::schema(SCHEMA).unwrap()).err()
    }

    #[test]
    fn the_closest_text_wins() {
        let messages = parse::schema(SCHEMA).unwrap();
        let file = format!("# A comment\n\nA\ta message\n{ENOUGH}Part.Id\tof a part\nB.Part.Id\tof that of B\n");
        let texts = Texts::new(&file, &messages).unwrap();
        let of = |message: &Message| {
            let fields = message.all_fields();
            fields.map(|(owner, field)| texts.field(message, owner, field)).collect::<Vec<_>>()
        };
        assert_eq!(of(&messages[0]), ["any", "a part", "of a part"]);
        assert_eq!(of(&messages[1]), ["any", "a part", "a topic", "of that of B"]);
        assert_eq!((texts.message(&messages[0]), texts.message(&messages[1])), (Some("a message"), None));
    }

    #[test]
    fn every_text_has_a_field_and_every_field_a_text() {
        let unused = |name: &str| Some(TextError::Unused(name.to_owned()));
        assert_eq!(refused(ENOUGH), None);
        assert_eq!(refused(&format!("{ENOUGH}A.Ib\twhat\n")), unused("A.Ib"));
        assert_eq!(refused(&format!("{ENOUGH}C\twhat\n")), unused("C"));
        assert_eq!(refused(&format!("{ENOUGH}A.Id\tx\nB.Id\tx\nPart.Id\tx\n")), unused("*.Id"));
        assert_eq!(refused("*.Id\tany\n*.Part\ta part\n"), Some(TextError::Missing("B.Name".to_owned())));
    }

    #[test]
    fn malformed_lines_are_refused() {
        assert_eq!(refused("A what\n"), Some(TextError::Columns(1)));
        assert_eq!(refused("\nA\twhat.\n"), Some(TextError::Ends(2)));
        assert_eq!(refused("A\t what\n"), Some(TextError::Ends(1)));
        assert_eq!(refused("A\twhat\nA\twhat\n"), Some(TextError::Twice(2, "A".to_owned())));
    }
}
