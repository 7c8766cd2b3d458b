//! What can go wrong with bytes: typed, and with the place where it happened.

use std::fmt;

use crate::records::Compression;

/// Bytes that are not what they should be, or exceed a [limit](crate::Limits).
///
/// Says what is wrong ([`kind`](Self::kind)), in which field ([`path`](Self::path), such as
/// `MetadataResponse.topics[3].name`) and at which byte of the input ([`offset`](Self::offset)).
/// One word wide, so that a `Result` of it costs the good case nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: DecodeErrorKind,
    offset: usize,
    /// Innermost first, as the error passes them on its way out.
    path: Vec<Segment>,
}

/// One step of the way to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(&'static str),
    Index(usize),
}

/// The way to a field as text; `segments` are innermost first.
pub(crate) fn path(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments.iter().rev() {
        match segment {
            Segment::Name(name) if path.is_empty() => path.push_str(name),
            Segment::Name(name) => path.extend([".", name]),
            Segment::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self(Box::new(Inner { kind, offset, path: Vec::new() }))
    }

    /// The same error in an input that begins `start` bytes before this one's.
    #[cold]
    pub(crate) fn shifted(mut self, start: usize) -> Self {
        self.0.offset = self.0.offset.saturating_add(start);
        self
    }

    /// Adds the field or element around the place of the error.
    #[cold]
    pub(crate) fn within(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// The byte of the input, counted from 0, at which reading failed.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The field that was being read, from the message inwards: `FetchResponse.responses[0].topic`.
    /// Empty where there is no field, as in the header of a record batch.
    pub fn path(&self) -> String {
        path(&self.0.path)
    }

    /// Whether more bytes might have made it right: the input ended within a value.
    pub fn is_truncated(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Truncated { .. })
    }

    /// Whether a stored checksum and the bytes disagree.
    pub fn is_checksum(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Checksum { .. })
    }

    /// Whether a [limit](crate::Limits) of the reader, not the format, was broken.
    pub fn is_limit(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Limit { .. })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        write!(f, "{} (at byte {})", self.0.kind, self.0.offset)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("path", &self.path())
            .finish()
    }
}

impl std::error::Error for DecodeError {}

/// The kinds of [`DecodeError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The stored checksum does not match the bytes it covers.
    #[error("checksum mismatch: stored {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// The checksum in the input.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The feature that decompresses this codec is not compiled in.
    #[error("{0} compression is not compiled in: enable the feature `{0}` of kafka-protocol")]
    CodecDisabled(Compression),
    /// Compressed data that its codec refuses.
    #[error("corrupt {codec} data: {reason}")]
    Decompress {
        /// The codec.
        codec: Compression,
        /// What its library said.
        reason: String,
    },
    /// A length or count below zero, or one that disagrees with what it describes.
    #[error("invalid length {0}")]
    Length(i64),
    /// More than the reader allows; nothing was allocated for it.
    #[error("{what} of {actual} exceeds the limit of {limit}")]
    Limit {
        /// What is limited, as [`Limits`](crate::Limits) names it.
        what: &'static str,
        /// What the input asks for.
        actual: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A record batch of a format that does not exist (known are 0, 1 and 2).
    #[error("unknown record format: magic {0}")]
    Magic(i8),
    /// Null where the version allows none.
    #[error("null where the version allows none")]
    Null,
    /// A tagged field's size disagrees with its content.
    #[error("tagged field {tag} says {size} bytes, its value takes {used}")]
    TagSize {
        /// The tag.
        tag: u32,
        /// The size before the value.
        size: usize,
        /// The size of the value.
        used: usize,
    },
    /// A tag that no writer may use.
    #[error("tag {0} is beyond the largest there is")]
    Tag(u32),
    /// Tags that are not strictly ascending.
    #[error("tag {tag} after tag {previous}: tags must ascend")]
    TagOrder {
        /// The tag before.
        previous: u32,
        /// The tag that should have been larger.
        tag: u32,
    },
    /// Bytes left over behind a value that should fill its frame.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// The input ends within a value.
    #[error("{needed} more bytes needed, {remaining} left")]
    Truncated {
        /// How many bytes the value takes from here.
        needed: usize,
        /// How many bytes are left.
        remaining: usize,
    },
    /// A codec number that Kafka does not define.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A variable-length number of more bits than its type has.
    #[error("variable-length number is too long")]
    Varint,
    /// A version that the message does not have.
    #[error("{message} has no version {version}, only {min} to {max}")]
    Version {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The oldest version there is.
        min: i16,
        /// The newest version there is.
        max: i16,
    },
}

/// A message that cannot be written at the version asked for. Nothing has been written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A length that the wire format cannot hold.
    #[error("{message}.{field}: {len} is too long for the wire, {max} is the most")]
    TooLong {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The field within it, from the message inwards.
        field: String,
        /// The length of the value.
        len: usize,
        /// The longest length the encoding can hold.
        max: usize,
    },
    /// The version lacks a field whose value is not the default, and which may not be left out silently.
    #[error("{message} version {version} has no field {field}, which is set: clear it, or use a version that has it")]
    Unsupported {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The field within it, from the message inwards.
        field: String,
    },
    /// Null where the version allows none.
    #[error("{message} version {version}: {field} must not be null")]
    Null {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The field within it, from the message inwards.
        field: String,
    },
    /// Unknown tagged fields that clash with a known tag or with each other, are out of range, or stand in a version without tags.
    #[error("{message} version {version}: {field} cannot hold tagged field {tag} here")]
    Tag {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The struct within it, from the message inwards.
        field: String,
        /// The offending tag.
        tag: u32,
    },
    /// A version that the message does not have.
    #[error("{message} has no version {version}, only {min} to {max}")]
    Version {
        /// The message's name in Kafka's schema.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The oldest version there is.
        min: i16,
        /// The newest version there is.
        max: i16,
    },
}
