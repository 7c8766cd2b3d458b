//! What can go wrong: one type, its kinds, and what to do about them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done: what happened ([`kind`](Self::kind)), to what ([`context`](Self::context)), and what
/// lies beneath (`source`). Its text says what to try. Cheap to clone.
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

    /// A broker's answer for a topic: its code, and its own words.
    pub(crate) fn answered(code: ErrorCode, topic: &str, message: Option<SmolStr>) -> Self {
        let message = message.filter(|message| !message.is_empty());
        Self::new(ErrorKind::from_code(code)).with_topic(topic).change(|inner| {
            inner.context.code = Some(code);
            inner.context.message = message;
        })
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// To what it happened.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }

    /// The broker's error code, where a broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.context.code.or_else(|| self.connection_error().and_then(kafka_conn::Error::code))
    }

    /// Whether the same call may well succeed later.
    pub fn is_retriable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Connection => self.connection_error().is_some_and(kafka_conn::Error::is_retriable),
            ErrorKind::LeadersUnknown => true,
            _ => self.code().is_some_and(ErrorCode::is_retriable),
        }
    }

    /// Whether it was to be created and is there already.
    pub fn is_already_exists(&self) -> bool {
        self.0.kind == ErrorKind::TopicAlreadyExists
    }

    /// Whether it does not exist, or may not be seen.
    pub fn is_unknown_topic(&self) -> bool {
        let unknown = |error: &kafka_conn::Error| *error.kind() == kafka_conn::ErrorKind::UnknownTopic;
        self.0.kind == ErrorKind::UnknownTopic || self.connection_error().is_some_and(unknown)
    }

    /// Whether this user may not do it.
    pub fn is_not_authorized(&self) -> bool {
        self.0.kind == ErrorKind::NotAuthorized
    }

    /// Whether nobody knows what became of it: it may have taken effect, or may do so yet.
    pub fn is_fate_unknown(&self) -> bool {
        match self.0.kind {
            ErrorKind::TimedOut | ErrorKind::NoAnswer => true,
            ErrorKind::Connection => self.connection_error().is_some_and(|error| !error.is_unsent()),
            _ => false,
        }
    }

    /// The error of the connection beneath, if that is what it was.
    pub fn connection_error(&self) -> Option<&kafka_conn::Error> {
        self.0.source.as_deref()?.downcast_ref()
    }

    pub(crate) fn with_topic(self, topic: &str) -> Self {
        self.change(|inner| inner.context.topic = Some(topic.into()))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, context, source } = &*self.0;
        match (&context.topic, source) {
            // It names broker and remedy itself.
            (_, Some(source)) => return write!(f, "{source}"),
            (Some(topic), None) => write!(f, "topic {:?}: {kind}", topic.as_str())?,
            (None, None) => write!(f, "{kind}")?,
        }
        if let Some(message) = &context.message {
            write!(f, " ({:?})", message.as_str())?;
        }
        kind.advice().map_or(Ok(()), |advice| write!(f, ": {advice}"))
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
        Self::new(ErrorKind::Connection).change(|inner| inner.source = Some(Arc::new(error)))
    }
}

/// What an [`Error`] happened to; whatever is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The topic.
    pub topic: Option<SmolStr>,
    /// The code that the broker answered with.
    pub code: Option<ErrorCode>,
    /// What the broker said beside the code.
    pub message: Option<SmolStr>,
}

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A code that has no kind of its own.
    #[error("the broker answered {0}")]
    Broker(ErrorCode),
    /// No broker could be asked, or its answer did not come; the source says more.
    #[error("the cluster could not be asked")]
    Connection,
    /// A topic's setting has a name or a value that Kafka does not know.
    #[error("a configuration is not valid")]
    InvalidConfig,
    /// The number of partitions cannot be.
    #[error("the number of partitions is not valid")]
    InvalidPartitions,
    /// The explicit assignment of replicas cannot be.
    #[error("the assignment of replicas is not valid")]
    InvalidReplicaAssignment,
    /// The replication factor cannot be.
    #[error("the replication factor is not valid")]
    InvalidReplicationFactor,
    /// The request contradicts itself, or asks for what the cluster never does.
    #[error("the request is not valid")]
    InvalidRequest,
    /// The name is none that a topic can have.
    #[error("the name is not valid")]
    InvalidTopicName,
    /// Not all partitions had a leader when time was up.
    #[error("not all partitions have a leader yet")]
    LeadersUnknown,
    /// The answer has nothing to say about the item.
    #[error("the broker did not answer for it")]
    NoAnswer,
    /// This user may not do it.
    #[error("not authorized")]
    NotAuthorized,
    /// The cluster's policy forbids it.
    #[error("the cluster's policy forbids it")]
    PolicyViolation,
    /// It was accepted, but not done everywhere when time was up. It goes on.
    #[error("it was not finished in time")]
    TimedOut,
    /// A topic of that name exists.
    #[error("it already exists")]
    TopicAlreadyExists,
    /// The cluster does not delete topics.
    #[error("deleting topics is disabled")]
    TopicDeletionDisabled,
    /// The topic does not exist, or this user may not see it.
    #[error("it does not exist")]
    UnknownTopic,
}

impl ErrorKind {
    fn from_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::INVALID_CONFIG => Self::InvalidConfig,
            ErrorCode::INVALID_PARTITIONS => Self::InvalidPartitions,
            ErrorCode::INVALID_REPLICA_ASSIGNMENT => Self::InvalidReplicaAssignment,
            ErrorCode::INVALID_REPLICATION_FACTOR => Self::InvalidReplicationFactor,
            ErrorCode::INVALID_REQUEST => Self::InvalidRequest,
            ErrorCode::INVALID_TOPIC_EXCEPTION => Self::InvalidTopicName,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Self::NotAuthorized,
            ErrorCode::POLICY_VIOLATION => Self::PolicyViolation,
            ErrorCode::REQUEST_TIMED_OUT => Self::TimedOut,
            ErrorCode::TOPIC_ALREADY_EXISTS => Self::TopicAlreadyExists,
            ErrorCode::TOPIC_DELETION_DISABLED => Self::TopicDeletionDisabled,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => Self::UnknownTopic,
            code => Self::Broker(code),
        }
    }

    /// What to try, where something can be said.
    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidConfig => "check names and values against Kafka's topic configurations",
            Self::InvalidPartitions => "use 1 or more, or -1 for the broker's default",
            Self::InvalidReplicaAssignment => {
                "name distinct brokers of the cluster, as many for each partition, and every partition from 0"
            }
            Self::InvalidReplicationFactor => {
                "use 1 up to the number of brokers that are up, or -1 for the broker's default"
            }
            Self::InvalidTopicName => {
                "use 1 to 249 of the letters a-z and A-Z, digits, '.', '_' and '-'; names that differ in '.' and '_' only \
                 collide"
            }
            Self::LeadersUnknown => "brokers may be down; look again later",
            Self::NotAuthorized => "grant the operation on the topic or the cluster to this user",
            Self::TimedOut => "list the topics to see what became of it, or allow more time",
            Self::TopicAlreadyExists => "use it as it is, use another name, or delete it first",
            Self::TopicDeletionDisabled => "set delete.topic.enable on the brokers",
            Self::UnknownTopic => "check the name, and the permission to describe it",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_topic_event_the_brokers_words_and_a_remedy() {
        let error = Error::answered(ErrorCode::TOPIC_ALREADY_EXISTS, "a\nb", Some("Topic 'a' already exists.".into()));
        let text = error.to_string();
        assert!(text.starts_with(r#"topic "a\nb": it already exists ("Topic 'a' already exists.")"#), "{text}");
        assert!(text.contains("use another name") && error.is_already_exists() && !error.is_retriable());
    }

    #[test]
    fn an_unknown_code_keeps_its_number() {
        let error = Error::answered(ErrorCode(999), "t", None);
        assert_eq!((error.code(), error.kind()), (Some(ErrorCode(999)), &ErrorKind::Broker(ErrorCode(999))));
    }
}
