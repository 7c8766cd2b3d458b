//! What can go wrong between a client and its brokers: one type, its kinds, and what they mean for the caller.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};
use smol_str::SmolStr;

use crate::address::{AddressError, BrokerAddress};
use crate::cluster::BrokerId;
use crate::coordinator::CoordinatorKind;

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something did not work: what happened ([`kind`](Self::kind)), with which broker and request
/// ([`context`](Self::context)), and what lies beneath (`source`).
///
/// Its text names the broker, what happened and what to try. It is cheap to clone, so that one failure can answer many
/// callers.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: ErrorContext,
    unsent: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`, as yet without context. For those who implement a [`Connector`](crate::Connector) or build
    /// on this crate.
    pub fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, context: ErrorContext::default(), unsent: false, source: None }))
    }

    /// The error that connecting to `address` met.
    pub fn connect(address: &BrokerAddress, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
            io::ErrorKind::TimedOut => ErrorKind::Timeout { step: Step::Connect, after: None },
            _ => ErrorKind::Unreachable,
        };
        Self::new(kind).with_source(error).with_broker(address).with_unsent()
    }

    /// A broker's error code for a request, or for a part of one.
    pub fn broker(code: ErrorCode) -> Self {
        Self::new(ErrorKind::Broker(code))
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// To whom and with what it happened.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }

    /// The broker's error code, where the broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the same call may well succeed when it is made again after a pause. Says nothing about whether the
    /// first one took effect: see [`is_unsent`](Self::is_unsent).
    pub fn is_retriable(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Broker(code) => code.is_retriable(),
            ErrorKind::Dns
            | ErrorKind::Refused
            | ErrorKind::Unreachable
            | ErrorKind::Timeout { .. }
            | ErrorKind::ConnectionLost
            | ErrorKind::ClosedDuring { .. }
            | ErrorKind::NoLeader
            | ErrorKind::NoBroker
            | ErrorKind::UnknownTopic
            | ErrorKind::UnknownPartition
            | ErrorKind::UnknownBroker { .. } => true,
            _ => false,
        }
    }

    /// Whether time ran out, here or at the broker.
    pub fn is_timeout(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Timeout { .. } => true,
            ErrorKind::Broker(code) => *code == ErrorCode::REQUEST_TIMED_OUT,
            _ => false,
        }
    }

    /// Whether the connection that carried the call is no longer of use.
    pub fn is_connection(&self) -> bool {
        use ErrorKind as Kind;
        matches!(
            self.0.kind,
            Kind::Dns
                | Kind::Refused
                | Kind::Unreachable
                | Kind::ConnectionLost
                | Kind::ClosedDuring { .. }
                | Kind::Closed
                | Kind::FrameTooLarge { .. }
                | Kind::InvalidFrame { .. }
                | Kind::OutOfStep { .. }
                | Kind::NotKafka
                | Kind::TlsOnPlain
        )
    }

    /// Whether the cluster looks different from what the snapshot says: fetch metadata before the next try.
    pub fn needs_metadata_refresh(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Broker(code) => code.needs_metadata_refresh(),
            ErrorKind::NoLeader
            | ErrorKind::UnknownTopic
            | ErrorKind::UnknownPartition
            | ErrorKind::UnknownBroker { .. } => true,
            _ => self.is_connection() && !matches!(self.0.kind, ErrorKind::Closed),
        }
    }

    /// Whether certainly no byte of the request was handed to the network, so that sending it again cannot double it.
    /// `false` means that nobody knows.
    pub fn is_unsent(&self) -> bool {
        self.0.unsent
    }

    /// Adds the broker's address, unless there is one.
    pub fn with_broker(self, address: &BrokerAddress) -> Self {
        self.change(|inner| {
            inner.context.broker.get_or_insert_with(|| address.clone());
        })
    }

    /// Adds the API and its version, unless they are there.
    pub fn with_api(self, api: ApiKey, version: i16) -> Self {
        self.change(|inner| {
            inner.context.api.get_or_insert((api, version));
        })
    }

    /// Adds the topic.
    pub fn with_topic(self, topic: &str) -> Self {
        self.change(|inner| inner.context.topic = Some(topic.into()))
    }

    /// Adds the topic and the partition.
    pub fn with_partition(self, topic: &str, partition: i32) -> Self {
        self.with_topic(topic).change(|inner| inner.context.partition = Some(partition))
    }

    /// Adds the group or the transactional id whose coordinator it is about.
    pub fn with_coordinator(self, kind: CoordinatorKind, id: &str) -> Self {
        self.change(|inner| inner.context.coordinated = Some((kind, id.into())))
    }

    /// Adds what lies beneath.
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Says that the request never left.
    pub fn with_unsent(self) -> Self {
        self.change(|inner| inner.unsent = true)
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.context, self.0.kind)?;
        match (&self.0.source, self.0.kind.advice()) {
            (Some(source), Some(advice)) => write!(f, " ({source}): {advice}"),
            (Some(source), None) => write!(f, ": {source}"),
            (None, Some(advice)) => write!(f, ": {advice}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("context", &self.0.context)
            .field("unsent", &self.0.unsent)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::new(ErrorKind::InvalidAddress).with_source(error).with_unsent()
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::new(ErrorKind::Encode).with_source(error).with_unsent()
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Decode).with_source(error)
    }
}

/// What an [`Error`] happened to; whatever is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The broker's address.
    pub broker: Option<BrokerAddress>,
    /// The request's API, and its version.
    pub api: Option<(ApiKey, i16)>,
    /// The topic.
    pub topic: Option<SmolStr>,
    /// The partition of the topic.
    pub partition: Option<i32>,
    /// The group or the transactional id.
    pub coordinated: Option<(CoordinatorKind, SmolStr)>,
}

impl fmt::Display for ErrorContext {
    /// `broker a:9092, Metadata v12, topic "t" partition 3: `, as far as known; names off the wire are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(broker) = &self.broker {
            write!(f, "broker {broker}")?;
            separator = ", ";
        }
        if let Some((api, version)) = self.api {
            write!(f, "{separator}{api} v{version}")?;
            separator = ", ";
        }
        if let Some(topic) = &self.topic {
            write!(f, "{separator}topic {:?}", topic.as_str())?;
            separator = ", ";
        }
        if let Some(partition) = self.partition {
            write!(f, " partition {partition}")?;
        }
        if let Some((kind, id)) = &self.coordinated {
            let what = match kind {
                CoordinatorKind::Group => "group",
                CoordinatorKind::Transaction => "transactional id",
            };
            write!(f, "{separator}{what} {:?}", id.as_str())?;
            separator = ", ";
        }
        f.write_str(if separator.is_empty() { "" } else { ": " })
    }
}

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A broker's answer was an error code.
    #[error("the broker answered {0}")]
    Broker(ErrorCode),
    /// The broker is older than Kafka 2.1, the oldest that this client speaks with.
    #[error("the broker is older than Kafka 2.1: of {api} it speaks versions {min} to {max} only")]
    BrokerTooOld {
        /// The API that shows it.
        api: ApiKey,
        /// The oldest version that the broker has.
        min: i16,
        /// The newest version that the broker has.
        max: i16,
    },
    /// The connection, or the transport, was closed from this side.
    #[error("it was closed")]
    Closed,
    /// The broker closed the connection while it was being set up.
    #[error("the connection was closed during {step}")]
    ClosedDuring {
        /// What was being done.
        step: Step,
    },
    /// The connection is gone. Whether a request in flight took effect is not known, unless the error says
    /// [`is_unsent`](Error::is_unsent).
    #[error("the connection was lost")]
    ConnectionLost,
    /// An answer that is not what the protocol says.
    #[error("the answer could not be read")]
    Decode,
    /// The host name has no address.
    #[error("the host name could not be resolved")]
    Dns,
    /// A request that its version cannot carry.
    #[error("the request cannot be written")]
    Encode,
    /// The broker announced a frame that is larger than allowed.
    #[error("a frame of {size} bytes was announced, the most allowed here is {limit}")]
    FrameTooLarge {
        /// What the broker announced, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Text that is not a broker's address.
    #[error("invalid address")]
    InvalidAddress,
    /// A configuration that cannot work.
    #[error("invalid configuration: {0}")]
    InvalidConfig(&'static str),
    /// The broker sent a frame with a negative size, or one too short for its header.
    #[error("a frame of {size} bytes was announced")]
    InvalidFrame {
        /// What the broker announced, in bytes.
        size: i32,
    },
    /// Not one broker of the cluster, nor of those given at the start, could be reached. The source is the failure of
    /// the last one tried.
    #[error("no broker could be reached")]
    NoBroker,
    /// The partition has no leader at the moment.
    #[error("the partition has no leader")]
    NoLeader,
    /// An HTTP server answers there.
    #[error("an HTTP server answered")]
    NotKafka,
    /// An answer to a request that was not made, or not the next one.
    #[error("an answer came for request {actual}, expected was {}", Expected(*expected))]
    OutOfStep {
        /// The correlation id of the oldest request in flight; `None` where there is none.
        expected: Option<i32>,
        /// The correlation id of the answer.
        actual: i32,
    },
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// A request that no frame can hold. The connection is not harmed.
    #[error("a request of {size} bytes cannot be sent, {limit} is the most")]
    RequestTooLarge {
        /// The size of the request, in bytes.
        size: u64,
        /// The most that a frame holds, in bytes.
        limit: u64,
    },
    /// Time ran out.
    #[error("timed out during {step}{}", After(*after))]
    Timeout {
        /// What was being waited for.
        step: Step,
        /// How long the wait was allowed to be.
        after: Option<Duration>,
    },
    /// The broker speaks TLS on this port, and this client was told not to.
    #[error("the broker answered with TLS, this connection is plain text")]
    TlsOnPlain,
    /// The broker's answer leaves out what was asked for.
    #[error("the broker's answer says nothing of it")]
    Unanswered,
    /// The cluster, as it was last described, has no such broker; it may be down.
    #[error("the cluster has no broker {id} at the moment")]
    UnknownBroker {
        /// The broker's id.
        id: BrokerId,
    },
    /// The partition's index is not one of its topic's.
    #[error("the topic has no such partition")]
    UnknownPartition,
    /// The cluster has no such topic, or this client may not see it.
    #[error("the topic does not exist")]
    UnknownTopic,
    /// The host could not be reached for another reason; the source says which.
    #[error("could not connect")]
    Unreachable,
    /// Client and broker have no version of the API in common.
    #[error("the broker has no version of {api} that this client can use")]
    VersionUnsupported {
        /// The API.
        api: ApiKey,
    },
}

impl ErrorKind {
    /// What to try, where something can be said. Causes that are guesses say so.
    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::BrokerTooOld { .. } => "upgrade the broker to 2.1 or newer",
            Self::ClosedDuring { step: Step::ApiVersions } => {
                "the likely cause, inferred, is a port that expects TLS or SASL, a broker older than 0.10, or no Kafka \
                 at all; check the port and its listener's security protocol"
            }
            Self::Dns => "check the name, and the resolver of this machine",
            Self::FrameTooLarge { .. } => {
                "check that a Kafka broker answers on this port, and raise the limit if the answer is real"
            }
            Self::InvalidFrame { .. } => "check that a Kafka broker answers on this port",
            Self::NoBroker => "check the addresses, and that one of the brokers is up",
            Self::NoLeader => "its brokers may be down, or an election under way; try again later",
            Self::NotKafka => "this is no Kafka port; brokers listen on 9092 unless told otherwise",
            Self::Refused => "check host and port, and that the broker is up",
            Self::Timeout { step: Step::Connect, .. } => "check host and port, and firewalls in between",
            Self::Timeout { step: Step::ApiVersions, .. } => {
                "something accepts connections there but does not answer; check that it is a Kafka broker"
            }
            Self::TlsOnPlain => "use the listener's plain-text port, or configure TLS",
            Self::UnknownTopic => "check the name, create the topic, or check the permission to describe it",
            Self::VersionUnsupported { .. } => "the feature needs another broker version",
            _ => return None,
        })
    }
}

/// A step in the life of a connection, for errors that name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Asking the broker which versions it speaks: the first request on a connection.
    ApiVersions,
    /// Waiting for the answer to a call.
    Call,
    /// Resolving the name and opening the socket.
    Connect,
    /// Finding the coordinator of a group or transactional id.
    Coordinator,
    /// Waiting for the cluster's metadata.
    Metadata,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiVersions => "version negotiation (ApiVersions)",
            Self::Call => "a call",
            Self::Connect => "connecting",
            Self::Coordinator => "the search for the coordinator",
            Self::Metadata => "the wait for metadata",
        })
    }
}

struct After(Option<Duration>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |after| write!(f, " after {after:.1?}"))
    }
}

struct Expected(Option<i32>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_broker_event_and_advice() {
        let address: BrokerAddress = "kafka-1".parse().unwrap();
        let error = Error::connect(&address, io::ErrorKind::ConnectionRefused.into());
        let text = error.to_string();
        assert!(text.starts_with("broker kafka-1:9092: the connection was refused"), "{text}");
        assert!(text.contains("check host and port"), "{text}");
        assert!(error.is_unsent() && error.is_retriable() && error.is_connection());
    }

    #[test]
    fn names_off_the_wire_are_escaped() {
        let error = Error::new(ErrorKind::UnknownTopic).with_partition("a\r\n\u{1b}[2J", 3);
        let text = error.to_string();
        assert!(!text.contains(['\r', '\n', '\u{1b}']), "{text}");
        assert!(text.contains("partition 3"), "{text}");
    }

    #[test]
    fn the_innermost_context_wins() {
        let (inner, outer) = ("inner".parse().unwrap(), "outer".parse().unwrap());
        let error = Error::new(ErrorKind::ConnectionLost).with_broker(&inner).with_broker(&outer);
        assert_eq!(error.context().broker, Some(inner));
    }
}
