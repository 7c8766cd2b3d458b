//! Real text to send: the lines of this project's own documents, again and again.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_conn::{Header, Message};

/// Lines of text, without end.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    lines: Arc<[Bytes]>,
    /// The timestamp of line 0. Not long ago: brokers delete what is older than their retention, however new to them.
    begin: SystemTime,
}

const DOCUMENTS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "STYLE.md", "LICENSE-APACHE", "crates/kafka-protocol/schema/kafka.schema"];

impl Text {
    /// Reads the documents.
    pub(crate) fn read() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut lines = Vec::new();
        for document in DOCUMENTS {
            let text = fs::read_to_string(root.join(document))?;
            let full = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            lines.extend(full.map(|line| Bytes::copy_from_slice(line.as_bytes())));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let begin = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        Ok(Self { lines: lines.into(), begin })
    }

    /// Line `number`: itself behind its number, so that no two lines are the same.
    pub(crate) fn line(&self, number: usize) -> Bytes {
        let line = &self.lines[number % self.lines.len()];
        [format!("{number:06} ").as_bytes(), line].concat().into()
    }

    /// Line `number` as a message with a key, a header and a timestamp that follow from the number.
    pub(crate) fn message(&self, number: usize) -> Message {
        Message {
            key: key(number),
            value: Some(self.line(number)),
            headers: vec![Header::new("number", number.to_string())],
            timestamp: Some(self.begin + Duration::from_millis(number as u64)),
            ..Message::default()
        }
    }
}

/// One of a few hundred keys, and for every seventh line none.
fn key(number: usize) -> Option<Bytes> {
    (!number.is_multiple_of(7)).then(|| format!("key-{}", number % 331).into())
}
