//! What applications write and read.
//!
//! Sans-IO.

use std::time::SystemTime;

use bytes::Bytes;
use smol_str::SmolStr;

/// A message: what a writer is given and a reader returns.
///
/// Absent is not empty: a message without value (`None`) is a tombstone to a compacted topic, one with an empty value
/// is a message. All fields are public; leave those that the broker assigns at their defaults when writing.
///
/// ```
/// use bytes::Bytes;
/// use kafka_conn::Message;
///
/// let message = Message {
///     topic: "orders".into(),
///     key: Some(Bytes::from_static(b"42")),
///     value: Some(Bytes::from_static(b"two apples")),
///     ..Message::default()
/// };
/// assert_eq!(message.headers.len(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The topic. May stay empty when writing with a writer that is bound to a topic.
    pub topic: SmolStr,
    /// The partition's index. Set by readers; a writer's balancer chooses it (only `Manual` heeds it).
    pub partition: i32,
    /// The position in the partition. Set by readers.
    pub offset: i64,
    /// The partition's high watermark when the message was fetched: the offset that the next replicated message gets.
    /// Set by readers.
    pub high_watermark: i64,
    /// The key: what most balancers choose the partition by, and what compaction goes by.
    pub key: Option<Bytes>,
    /// The content; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order; keys may repeat.
    pub headers: Vec<Header>,
    /// When the message was made, or appended where the topic is set to log-append time; milliseconds on the wire.
    /// `None` when writing is the time of writing, which may be a few milliseconds early; when reading, that the message carries none.
    pub timestamp: Option<SystemTime>,
}

impl Message {
    /// The last header of this name: where names repeat, the last one counts (Java's `lastHeader`).
    ///
    /// ```
    /// use kafka_conn::{Header, Message};
    ///
    /// let headers = vec![Header::new("try", "1"), Header::new("try", "2")];
    /// let message = Message { headers, ..Message::default() };
    /// assert_eq!(message.header("try").and_then(|header| header.value.as_deref()), Some(&b"2"[..]));
    /// assert!(message.header("trace").is_none());
    /// ```
    pub fn header(&self, key: &str) -> Option<&Header> {
        self.headers.iter().rfind(|header| header.key == key)
    }

    /// All headers of this name, in order.
    pub fn headers_named<'a>(&'a self, key: &'a str) -> impl DoubleEndedIterator<Item = &'a Header> {
        self.headers.iter().filter(move |header| header.key == key)
    }
}

/// A name and a value beside a message's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// The name; need not be unique within a message.
    pub key: SmolStr,
    /// The value; absent is not empty.
    pub value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(key: impl Into<SmolStr>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }
}
