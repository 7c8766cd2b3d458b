//! From lines to messages: pure.

use bytes::Bytes;
use kafka_conn::{Header, Message};

use super::{BalancerName, InputForm, ProduceArguments};
use crate::error::{Error, Result};
use crate::json_message::{self, JsonError};
use crate::key_separator::KeySeparator;
use crate::parse::pair::Pair;

/// How lines become messages.
#[derive(Debug)]
pub(super) struct Form {
    kind: Kind,
    /// What each message gets behind its own.
    headers: Vec<Header>,
}

#[derive(Debug)]
enum Kind {
    /// A line is a value, behind its key where there is a separator.
    Lines(Option<Box<KeySeparator>>),
    /// A line is a message.
    Json,
    /// … which says to which partition it goes.
    JsonPlaced,
}

impl Form {
    pub(super) fn of(arguments: &ProduceArguments) -> Result<Self> {
        let placed = arguments.balancer == BalancerName::Manual;
        let kind = match (arguments.input, &arguments.key_separator) {
            (InputForm::Json, Some(_)) => return Err(Error::Contradiction("--key-separator", "--input json")),
            (InputForm::Json, None) if placed => Kind::JsonPlaced,
            (InputForm::Json, None) => Kind::Json,
            (InputForm::Lines, _) if placed => return Err(Error::NoPartitions),
            (InputForm::Lines, separator) => Kind::Lines(separator.clone().map(Box::new)),
        };
        let header = |pair: &Pair| Header::new(pair.name.as_str(), pair.value.clone());
        Ok(Self { kind, headers: arguments.headers.iter().map(header).collect() })
    }

    /// The longest line there may be, where a batch may have this many bytes.
    pub(super) fn max_line(&self, batch_bytes: usize) -> usize {
        match self.kind {
            Kind::Lines(_) => batch_bytes,
            // A byte is six at most, as in \u0000; what a line has beside the message is short.
            Kind::Json | Kind::JsonPlaced => batch_bytes.saturating_mul(6).saturating_add(FIELDS),
        }
    }

    /// The message of a line.
    pub(super) fn message(&self, line: Bytes) -> Result<Message, LineError> {
        let mut message = match &self.kind {
            Kind::Lines(separator) => {
                let (key, value) = separator.as_ref().map_or((None, line.clone()), |separator| separator.split(line));
                Message { key, value: Some(value), ..Message::default() }
            }
            Kind::Json => json_message::parse(&line)?.0,
            Kind::JsonPlaced => match json_message::parse(&line)? {
                (message, Some(_)) => message,
                (_, None) => return Err(LineError::NoPartition),
            },
        };
        message.headers.extend_from_slice(&self.headers);
        Ok(message)
    }
}

/// A line that becomes no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("it names no partition, which --balancer manual needs")]
    NoPartition,
}

/// The names of the fields, and what has a length of its own: the topic, numbers.
const FIELDS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(kind: Kind) -> Form {
        Form { kind, headers: vec![Header::new("a", "1")] }
    }

    #[test]
    fn a_line_is_a_value_or_key_and_value() {
        let message = form(Kind::Lines(None)).message("k:v".into()).unwrap();
        assert_eq!((message.key, message.value.as_deref()), (None, Some(&b"k:v"[..])));
        let separator = KeySeparator::parse(":").unwrap();
        let message = form(Kind::Lines(Some(Box::new(separator)))).message("k:v".into()).unwrap();
        assert_eq!((message.key.as_deref(), message.value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!(message.headers, [Header::new("a", "1")]);
    }

    #[test]
    fn a_line_of_json_is_a_message() {
        let message = form(Kind::Json).message(r#"{"value":"v","headers":[{"key":"b","value":"2"}]}"#.into()).unwrap();
        assert_eq!(message.headers, [Header::new("b", "2"), Header::new("a", "1")]);
        assert_eq!(form(Kind::JsonPlaced).message(r#"{"partition":3}"#.into()).unwrap().partition, 3);
        assert!(matches!(form(Kind::JsonPlaced).message("{}".into()), Err(LineError::NoPartition)));
        assert!(matches!(form(Kind::Json).message("v".into()), Err(LineError::Json(_))));
        assert_eq!(form(Kind::Json).max_line(1000), 10_096);
    }
}
