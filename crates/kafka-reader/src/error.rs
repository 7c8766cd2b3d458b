//! What can go wrong while reading: one type, its kinds, and what they mean for the caller.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use kafka_protocol::{DecodeError, ErrorCode, Uuid};
use smol_str::SmolStr;

use crate::topic_partition::TopicPartition;

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be read: what happened ([`kind`](Self::kind)), where ([`context`](Self::context)), and what
/// lies beneath (`source`). One word wide, and cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: ErrorContext,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, context: ErrorContext::default(), source: None }))
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where it happened.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }

    /// The partition that it happened to, where it was one.
    pub fn topic_partition(&self) -> Option<TopicPartition> {
        let ErrorContext { topic, partition, .. } = self.context();
        Some(TopicPartition::new(topic.clone()?, (*partition)?))
    }

    /// The broker's error code, where a broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => self.connection_error().and_then(kafka_conn::Error::code),
        }
    }

    /// Whether the partition is no longer read: what it is at cannot be trusted, and only the caller knows where to go
    /// on; [`Reader::set_offset`](crate::Reader::set_offset) says so. Other partitions are read as before. All other errors of a running reader are news: it tries on.
    pub fn is_halt(&self) -> bool {
        use ErrorKind as Kind;
        matches!(self.0.kind, Kind::CorruptBatch | Kind::OffsetOutOfRange { .. } | Kind::TopicReplaced { .. })
    }

    /// Whether the partition has no record at the offset, and will not get one there.
    pub fn is_offset_out_of_range(&self) -> bool {
        matches!(self.0.kind, ErrorKind::OffsetOutOfRange { .. })
    }

    /// Whether records that were read are no longer in the log. Reading goes on.
    pub fn is_data_loss(&self) -> bool {
        matches!(self.0.kind, ErrorKind::DataLoss { .. })
    }

    /// Whether the topic, or the partition, does not exist, or may not be seen.
    pub fn is_unknown_topic(&self) -> bool {
        use kafka_conn::ErrorKind as Kind;
        let unknown = |kind: &Kind| matches!(kind, Kind::UnknownTopic | Kind::UnknownPartition);
        self.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            || matches!(self.0.kind, ErrorKind::UnknownPartition)
            || self.connection_error().is_some_and(|error| unknown(error.kind()))
    }

    /// Whether the same call may well succeed later.
    pub fn is_retriable(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Broker(code) => code.is_retriable(),
            ErrorKind::Connection => self.connection_error().is_some_and(kafka_conn::Error::is_retriable),
            ErrorKind::NoProgress | ErrorKind::TooSlow => true,
            _ => false,
        }
    }

    /// The error of the connection beneath, if that is what it was.
    pub fn connection_error(&self) -> Option<&kafka_conn::Error> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// Whether the leader may be another one by now. A broker that does not answer may have lost its partitions, too.
    pub(crate) fn needs_metadata_refresh(&self) -> bool {
        match self.code() {
            Some(code) => code.needs_metadata_refresh() || code == ErrorCode::REQUEST_TIMED_OUT,
            None => self.0.kind == ErrorKind::Connection,
        }
    }

    pub(crate) fn with_group(self, group: &str) -> Self {
        self.change(|inner| inner.context.group = Some(group.into()))
    }

    pub(crate) fn with_topic(self, topic: &str) -> Self {
        self.change(|inner| inner.context.topic = Some(topic.into()))
    }

    pub(crate) fn with_partition(self, topic: &str, partition: i32) -> Self {
        self.with_topic(topic).change(|inner| inner.context.partition = Some(partition))
    }

    pub(crate) fn with_offset(self, offset: i64) -> Self {
        self.change(|inner| inner.context.offset = Some(offset))
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    /// Where it happened, what happened, and what to try; with `{:#}`, what lies beneath as well: all sources, each after
    /// a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.context, self.0.kind)?;
        self.0.kind.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))?;
        if f.alternate() {
            let sources = std::iter::successors(self.source(), |&source| source.source());
            sources.take(MAX_SOURCES).try_for_each(|source| write!(f, ": {source}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<kafka_conn::Error> for Error {
    fn from(error: kafka_conn::Error) -> Self {
        Self::new(ErrorKind::Connection).with_source(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::CorruptBatch).with_source(error)
    }
}

/// What an [`Error`] happened to; whatever is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The consumer group.
    pub group: Option<SmolStr>,
    /// The topic.
    pub topic: Option<SmolStr>,
    /// The partition of the topic.
    pub partition: Option<i32>,
    /// The offset that was read at.
    pub offset: Option<i64>,
}

impl fmt::Display for ErrorContext {
    /// `topic "t" partition 3 at offset 17: `, as far as known; names are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            write!(f, "group {:?}", group.as_str())?;
            f.write_str(if self.topic.is_some() { ", " } else { ": " })?;
        }
        let Some(topic) = &self.topic else { return Ok(()) };
        write!(f, "topic {:?}", topic.as_str())?;
        if let Some(partition) = self.partition {
            write!(f, " partition {partition}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        f.write_str(": ")
    }
}

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A broker's answer for the partition was an error code.
    #[error("the broker answered {0}")]
    Broker(ErrorCode),
    /// The reader's tasks are gone: the runtime is shutting down.
    #[error("the reader was closed")]
    Closed,
    /// Brokers could not be reached, or not be understood; the source says more.
    #[error("the broker could not be asked")]
    Connection,
    /// A batch whose checksum or contents are wrong, or that exceeds a limit, each time it is fetched. The partition is
    /// halted before it.
    #[error("the batch here cannot be read")]
    CorruptBatch,
    /// The consumer group does not let this member in, or no longer.
    #[error("the group refuses this member: {0}")]
    Group(ErrorCode),
    /// A configuration that cannot work.
    #[error("invalid configuration: {0}")]
    InvalidConfig(&'static str),
    /// The broker answers with records before the offset, or with less than one batch, each time.
    #[error("the broker's answers have nothing at this offset or behind it")]
    NoProgress,
    /// Records that were read are gone: an election made a replica the leader that did not have them (KIP-320). What was
    /// written there since is read from `to` on.
    #[error("an election lost records: offsets from {to} to {from} were read, and are others now")]
    DataLoss {
        /// Up to where the partition was read.
        from: i64,
        /// Where the new leader's log parts from what was read, and reading goes on.
        to: i64,
    },
    /// What has no group cannot be committed.
    #[error("the reader has no group to commit for")]
    NoGroup,
    /// What a group decides is not the reader's to decide: it has no topic of its own whose partitions it could go by.
    #[error("not possible in a group, whose commits say where to read")]
    NotInGroup,
    /// The partition is not this member's, or no longer: nothing was committed for it.
    #[error("the partition is not assigned to this member")]
    NotOwned,
    /// The partition has no such offset: its records begin later, or end earlier. The partition is halted.
    #[error("offset {offset} is out of range: the partition has {first} to {last}")]
    OffsetOutOfRange {
        /// Where the reader stands.
        offset: i64,
        /// The first offset there is.
        first: i64,
        /// The offset that the next record will get.
        last: i64,
    },
    /// The partition is read from elsewhere since: what was to be committed before may or may not be.
    #[error("the partition is read from elsewhere by now; the offset may or may not be committed")]
    Rewound,
    /// The application asked for no message for [`max_poll_interval`](crate::GroupConfig::max_poll_interval), so the member
    /// left its partitions to others. It joins again by itself.
    #[error("no message was asked for within max_poll_interval: the partitions went to other members")]
    TooSlow,
    /// The topic was deleted, and another of the same name was created. The partition is halted: its offset means
    /// nothing in the new one.
    #[error("the topic was replaced by another of the same name: {before} is now {now}")]
    TopicReplaced {
        /// The id of the topic that was read.
        before: Uuid,
        /// The id of the one that is there now.
        now: Uuid,
    },
    /// The topic has no such partition.
    #[error("the topic has no such partition")]
    UnknownPartition,
}

impl ErrorKind {
    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Broker(ErrorCode::TOPIC_AUTHORIZATION_FAILED) => "grant Read on the topic",
            Self::Group(ErrorCode::FENCED_INSTANCE_ID) => "another member has the same instance id; give each its own",
            Self::Group(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) => {
                "its members have no assignor in common; add one that they have"
            }
            Self::Group(ErrorCode::INVALID_SESSION_TIMEOUT) => {
                "the broker allows group.min.session.timeout.ms to group.max.session.timeout.ms"
            }
            Self::Group(ErrorCode::GROUP_AUTHORIZATION_FAILED) => "grant Read on the group",
            Self::DataLoss { .. } => "check what was made of them; unclean.leader.election.enable=false prevents it",
            Self::NoGroup => "configure one",
            Self::NotOwned => "another member processes it from the last commit on; drop what is left of it",
            Self::CorruptBatch => "read other offsets, or repair the replica; no record of it was returned",
            Self::OffsetOutOfRange { offset, first, .. } if offset < first => {
                "retention has removed the records up to there; start at the first offset, or a later one"
            }
            Self::OffsetOutOfRange { .. } => {
                "records may have been lost in an election; start at an offset that exists"
            }
            Self::NotInGroup => "name the topic, too, of a partition that is assigned",
            Self::TooSlow => "ask more often, or allow more time; what was not committed is processed again",
            Self::TopicReplaced { .. } => "set the offset of the partition to read the new topic, or make a new reader",
            _ => return None,
        })
    }
}

/// Errors under errors: more than this is a loop.
const MAX_SOURCES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_place_event_and_advice() {
        let kind = ErrorKind::OffsetOutOfRange { offset: 3, first: 5, last: 9 };
        let error = Error::new(kind).with_partition("a\nb", 1).with_offset(3);
        let text = error.to_string();
        assert!(text.starts_with(r#"topic "a\nb" partition 1 at offset 3: offset 3 is out of range"#), "{text}");
        assert!(text.contains("5 to 9") && text.contains("retention"), "{text}");
        assert!(error.is_halt() && error.is_offset_out_of_range() && !error.is_retriable());
    }

    #[test]
    fn a_text_does_not_repeat_its_source() {
        let beneath = kafka_conn::Error::new(kafka_conn::ErrorKind::UnknownTopic).with_topic("t");
        let error = Error::from(beneath.clone()).with_topic("t");
        assert_eq!(error.to_string(), r#"topic "t": the broker could not be asked"#);
        assert_eq!(format!("{error:#}"), format!("{error}: {beneath}"));
        assert!(error.is_unknown_topic() && error.is_retriable() && !error.is_halt());
    }
}
