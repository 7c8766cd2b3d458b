//! What can go wrong between a client and its brokers: one type, its kinds, and what they mean for the caller.

mod kind;
mod step;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use kafka_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};
use smol_str::SmolStr;

pub use kind::ErrorKind;
pub use step::Step;

use crate::address::{AddressError, BrokerAddress};
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
        let known = match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(ErrorKind::Refused),
            io::ErrorKind::TimedOut => Some(ErrorKind::Timeout { step: Step::Connect, after: None }),
            _ => None,
        };
        let error = match known {
            // The kind says it all.
            Some(kind) => Self::new(kind),
            None => Self::new(ErrorKind::Unreachable).with_source(error),
        };
        error.with_broker(address).with_unsent()
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
            | ErrorKind::NoCredentials { .. }
            | ErrorKind::SaslExpected
            | ErrorKind::NoController
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
                | Kind::SaslExpected
                | Kind::Tls
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

    /// Whether the broker and this client do not agree on who they are, or on how to find out: final, and a matter of
    /// configuration. What the cause is, the [`kind`](Self::kind) says.
    pub fn is_authentication(&self) -> bool {
        use ErrorKind as Kind;
        matches!(
            self.0.kind,
            Kind::AuthenticationFailed { .. }
                | Kind::CertificateExpired
                | Kind::ClientCertificateRefused
                | Kind::ClientCertificateRequired
                | Kind::InvalidCertificate
                | Kind::InvalidChallenge { .. }
                | Kind::MechanismNotOffered { .. }
                | Kind::SaslNotEnabled
                | Kind::UnknownCa
                | Kind::UnprotectedCredentials { .. }
                | Kind::WrongHostName
        )
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

    /// Of two failures to reach brokers, the one that tells more: that one of them refuses us, or else the latest.
    pub(crate) fn telling(before: Option<Self>, latest: Self) -> Self {
        before.filter(Self::is_authentication).unwrap_or(latest)
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    /// Broker and request, what happened, and what to try; with `{:#}`, what lies beneath as well: all sources, each
    /// after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.context, self.0.kind)?;
        if let Some(advice) = self.0.kind.advice() {
            write!(f, "; {advice}")?;
        }
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
        Self::new(ErrorKind::InvalidAddress(error)).with_unsent()
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

/// Errors under errors: more than this is a loop.
const MAX_SOURCES: usize = 16;

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
