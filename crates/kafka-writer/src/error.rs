//! What can go wrong with a message, and whether it may be in the log all the same.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::Message;
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::delivery::Written;

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a message was not written, or is not known to be: what happened ([`kind`](Self::kind)), where
/// ([`topic`](Self::topic), [`partition`](Self::partition)), what became of the message ([`fate`](Self::fate)), and
/// what lies beneath (`source`).
///
/// It is cheap to clone: one failure answers every message of a batch.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    topic: Option<SmolStr>,
    partition: Option<i32>,
    fate: Fate,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, topic: None, partition: None, fate: Fate::NotPersisted, source: None }))
    }

    pub(crate) fn with_topic(self, topic: &SmolStr) -> Self {
        self.change(|inner| inner.topic = Some(topic.clone()))
    }

    pub(crate) fn with_partition(self, topic: &SmolStr, partition: i32) -> Self {
        self.with_topic(topic).change(|inner| inner.partition = Some(partition))
    }

    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        self.change(|inner| inner.fate = fate)
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The topic, where one is concerned.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// The partition's index, where one is concerned.
    pub fn partition(&self) -> Option<i32> {
        self.0.partition
    }

    /// Whether the message may be in the log.
    pub fn fate(&self) -> Fate {
        self.0.fate
    }

    /// The broker's error code, where a broker's answer is the reason, at once or in the end.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => self.source()?.downcast_ref::<Self>()?.code(),
        }
    }

    /// Whether the reason lies in the message, or in those it shared a batch with: others may well be written.
    pub fn is_message(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Encode
            | ErrorKind::MessageTooLarge { .. }
            | ErrorKind::NoTopic
            | ErrorKind::TwoTopics
            | ErrorKind::UnknownPartition(_) => true,
            ErrorKind::Broker(code) => MESSAGE_CODES.contains(code),
            _ => false,
        }
    }

    /// Whether the reason lies in the topic: it does not exist, or must not be written to. Messages to others may well be
    /// written.
    pub fn is_topic(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Metadata => true,
            ErrorKind::Broker(code) => TOPIC_CODES.contains(code),
            _ => false,
        }
    }

    /// Whether the reason lies in the writer, its configuration, or its end: no message will be written any more.
    pub fn is_writer(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Aborted | ErrorKind::Closed | ErrorKind::CloseTimedOut | ErrorKind::InvalidConfig(_)
        )
    }

    /// Whether time ran out: for room in the buffer, for metadata, or for the delivery.
    pub fn is_timeout(&self) -> bool {
        match self.0.kind {
            ErrorKind::NoRoom { .. } | ErrorKind::Expired { .. } | ErrorKind::CloseTimedOut => true,
            ErrorKind::Metadata => {
                self.source().and_then(|source| source.downcast_ref()).is_some_and(kafka_conn::Error::is_timeout)
            }
            _ => false,
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.topic, self.0.partition) {
            (Some(topic), Some(partition)) => write!(f, "topic {:?} partition {partition}: ", topic.as_str())?,
            (Some(topic), None) => write!(f, "topic {:?}: ", topic.as_str())?,
            (None, _) => {}
        }
        write!(f, "{}", self.0.kind)?;
        match self.0.fate {
            Fate::NotPersisted => Ok(()),
            Fate::PossiblyPersisted => f.write_str(" (the message may have been written)"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("topic", &self.0.topic)
            .field("partition", &self.0.partition)
            .field("fate", &self.0.fate)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Codes that are about the messages of a batch.
const MESSAGE_CODES: [ErrorCode; 4] = [
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::RECORD_LIST_TOO_LARGE,
    ErrorCode::INVALID_RECORD,
    ErrorCode::INVALID_TIMESTAMP,
];

/// Codes that are about the topic.
const TOPIC_CODES: [ErrorCode; 4] = [
    ErrorCode::INVALID_TOPIC_EXCEPTION,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::POLICY_VIOLATION,
];

/// What became of a message that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is not in the log, and will not be: writing it again cannot double it.
    NotPersisted,
    /// Nobody knows: an attempt was sent whose answer was lost, or says that the message may have been appended.
    PossiblyPersisted,
}

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The writer was [aborted](crate::Writer::abort).
    #[error("the writer was aborted")]
    Aborted,
    /// A broker refused the batch.
    #[error("the broker answered {0}")]
    Broker(ErrorCode),
    /// The writer was closed before the message was sent, or is closed.
    #[error("the writer is closed")]
    Closed,
    /// Not everything was written by the deadline given to [`close_within`](crate::Writer::close_within).
    #[error("closing took too long: what was left has failed")]
    CloseTimedOut,
    /// The codec failed.
    #[error("the batch cannot be compressed")]
    Compress,
    /// Brokers could not be reached, or the connection was lost; the source says more.
    #[error("the request failed")]
    Connection,
    /// The message cannot be encoded.
    #[error("the message cannot be encoded")]
    Encode,
    /// The delivery timeout was over; the source is what went wrong last, if anything did.
    #[error("not delivered within {after:?}")]
    Expired {
        /// The [`delivery_timeout`](crate::WriterConfig::delivery_timeout).
        after: Duration,
    },
    /// The buffer has no room at the moment ([`try_send`](crate::Writer::try_send) only).
    #[error("the buffer is full")]
    Full,
    /// A configuration that cannot work.
    #[error("invalid configuration: {0}")]
    InvalidConfig(&'static str),
    /// The message alone is larger than a batch may be.
    #[error("the message takes {size} bytes, a batch has room for {limit}")]
    MessageTooLarge {
        /// What a batch with this message alone takes, in bytes, before compression.
        size: usize,
        /// The [`batch_bytes`](crate::WriterConfig::batch_bytes).
        limit: usize,
    },
    /// What the cluster knows of the topic could not be had; the source says why.
    #[error("no metadata")]
    Metadata,
    /// The topic is not known yet; it is being asked for ([`try_send`](crate::Writer::try_send) only). The source is
    /// what a broker said of it last, if it did.
    #[error("the topic's metadata is not here yet")]
    MetadataPending,
    /// The buffer had no room for as long as [`max_block`](crate::WriterConfig::max_block) allows to wait.
    #[error("the buffer was full for {after:?}")]
    NoRoom {
        /// The [`max_block`](crate::WriterConfig::max_block).
        after: Duration,
    },
    /// There is no producer id, which [`Idempotence::Require`](crate::Idempotence::Require) needs, or no broker could be
    /// asked for one; the source says why.
    #[error("no producer id for idempotent writing")]
    NoProducerId,
    /// Neither the writer nor the message names a topic.
    #[error("no topic: name it in the writer's configuration or in each message")]
    NoTopic,
    /// Both the writer and the message name a topic.
    #[error("two topics: the writer is bound to one, so the message must not name one")]
    TwoTopics,
    /// The broker's answer says nothing of the partition.
    #[error("the broker's answer lacks the partition")]
    Unanswered,
    /// The balancer chose a partition that the topic does not have.
    #[error("the balancer chose partition {0}, which the topic does not have")]
    UnknownPartition(i32),
}

/// A message that was refused before it was queued, and why. It is [`Fate::NotPersisted`].
#[derive(Debug)]
pub struct SendError(Box<(Message, Error)>);

impl SendError {
    pub(crate) fn new(message: Message, error: Error) -> Self {
        Self(Box::new((message, error)))
    }

    /// Why.
    pub fn error(&self) -> &Error {
        &self.0.1
    }

    /// The message, as it was given.
    pub fn message(&self) -> &Message {
        &self.0.0
    }

    /// The message and the error.
    pub fn into_parts(self) -> (Message, Error) {
        *self.0
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

impl StdError for SendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error().source()
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        error.into_parts().1
    }
}

/// The outcomes of a [`write_messages`](crate::Writer::write_messages) in which at least one message failed, in the
/// order of the messages.
#[derive(Clone, Debug)]
pub struct WriteErrors {
    outcomes: Vec<Result<Written>>,
}

impl WriteErrors {
    pub(crate) fn new(outcomes: Vec<Result<Written>>) -> Self {
        Self { outcomes }
    }

    /// What became of each message: `outcomes()[i]` is that of message `i`.
    pub fn outcomes(&self) -> &[Result<Written>] {
        &self.outcomes
    }

    /// The same, to keep.
    pub fn into_outcomes(self) -> Vec<Result<Written>> {
        self.outcomes
    }

    /// The messages that failed: index and error.
    pub fn errors(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.outcomes.iter().enumerate().filter_map(|(index, outcome)| Some((index, outcome.as_ref().err()?)))
    }

    /// How many messages failed.
    pub fn count(&self) -> usize {
        self.errors().count()
    }
}

/// What a [`flush`](crate::Writer::flush) found: failures whose [`Delivery`](crate::Delivery) nobody has awaited.
#[derive(Clone, Debug)]
pub struct FlushErrors {
    errors: Vec<(Error, u32)>,
    dropped: u64,
}

impl FlushErrors {
    pub(crate) fn new(errors: Vec<(Error, u32)>, dropped: u64) -> Self {
        Self { errors, dropped }
    }

    /// The errors, oldest first, each with the number of messages that failed with it. 0 where the writer is closed and
    /// nothing could be flushed.
    pub fn errors(&self) -> impl Iterator<Item = (&Error, u64)> {
        self.errors.iter().map(|(error, messages)| (error, u64::from(*messages)))
    }

    /// How many messages failed. More than [`errors`](Self::errors) tells of where too many failed between two flushes
    /// for all errors to be kept.
    pub fn count(&self) -> u64 {
        self.errors().map(|(_, messages)| messages).fold(self.dropped, u64::saturating_add)
    }
}

impl fmt::Display for FlushErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count(), self.errors.first()) {
            (0, Some((error, _))) => error.fmt(f),
            (count, Some((error, _))) => write!(f, "{count} messages failed, the first known ones because: {error}"),
            (count, None) => write!(f, "{count} messages failed"),
        }
    }
}

impl StdError for FlushErrors {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.errors.first().map(|(error, _)| error as &(dyn StdError + 'static))
    }
}

impl fmt::Display for WriteErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} messages failed", self.count(), self.outcomes.len())?;
        self.errors().next().map_or(Ok(()), |(index, error)| write!(f, ", first message {index}: {error}"))
    }
}

impl StdError for WriteErrors {}
