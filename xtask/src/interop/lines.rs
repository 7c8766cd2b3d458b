//! The text format of Java's console tools, which every foreign client here writes and reads.
//!
//! ```text
//! to write:                              headers ⇥ key ⇥ value
//! was read:   Partition:P ⇥ Offset:N ⇥ headers ⇥ key ⇥ value
//! headers:    key:value,key:value        what is absent: null
//! ```

use bytes::Bytes;
use kafka_conn::Message;
use sha2::{Digest as _, Sha256};

/// A message that was read, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Headers, key and value.
    pub(crate) text: String,
}

impl Line {
    /// What a client that read the message prints.
    pub(crate) fn of(message: &Message) -> Self {
        Self { partition: message.partition, offset: message.offset, text: printed_form(message) }
    }

    /// Reads a line; an error that shows it where it is none.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let parse = || {
            let mut parts = line.splitn(3, '\t');
            let partition = parts.next()?.strip_prefix("Partition:")?.parse().ok()?;
            let offset = parts.next()?.strip_prefix("Offset:")?.parse().ok()?;
            Some(Self { partition, offset, text: parts.next()?.to_owned() })
        };
        parse().ok_or_else(|| format!("not a line of a consumer: {line:?}"))
    }
}

/// Headers, key and value of a message.
pub(crate) fn printed_form(message: &Message) -> String {
    let text = |bytes: &Option<Bytes>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => NULL.to_owned(),
    };
    let headers = message.headers.iter().map(|header| format!("{}:{}", header.key, text(&header.value)));
    let headers = headers.collect::<Vec<_>>().join(",");
    format!("{headers}\t{}\t{}", text(&message.key), text(&message.value))
}

/// SHA-256 of the lines, in hex.
pub(crate) fn digest<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for line in lines {
        digest.update(line);
        digest.update("\n");
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How absent keys and values, and absent values of headers, are printed.
pub(crate) const NULL: &str = "null";

#[cfg(test)]
mod tests {
    use kafka_conn::Header;

    use super::*;

    #[test]
    fn a_message_is_printed_and_found_again() {
        let message = Message {
            partition: 2,
            offset: 40,
            value: Some("a\tb".into()),
            headers: vec![Header::new("n", "1"), Header::new("n", "")],
            ..Message::default()
        };
        let line = Line::of(&message);
        assert_eq!(line.text, "n:1,n:\tnull\ta\tb");
        assert_eq!(Line::parse(&format!("Partition:2\tOffset:40\t{}", line.text)), Ok(line));
        for text in ["", "Partition:2", "Partition:x\tOffset:1\ta", "Offset:1\tPartition:2\ta"] {
            assert!(Line::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_digest_tells_order_and_borders_of_lines() {
        assert_ne!(digest(["a", "b"]), digest(["b", "a"]));
        assert_ne!(digest(["ab"]), digest(["a", "b"]));
        assert_eq!(digest(["a"])[..8], *"87428fc5");
    }
}
