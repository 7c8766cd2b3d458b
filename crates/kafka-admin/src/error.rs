//! What can go wrong: one type, its kinds, and what to do about them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::resource::Resource;

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

    /// A broker's answer: its code, and its own words.
    pub(crate) fn answered(code: ErrorCode, message: Option<SmolStr>) -> Self {
        let message = message.filter(|message| !message.is_empty());
        Self::new(ErrorKind::from_code(code)).change(|inner| {
            inner.context.code = Some(code);
            inner.context.message = message;
        })
    }

    /// Fails with what a broker answered, unless that was no error.
    pub(crate) fn check(code: i16, message: Option<&SmolStr>) -> Result<()> {
        match ErrorCode(code) {
            ErrorCode::NONE => Ok(()),
            code => Err(Self::answered(code, message.cloned())),
        }
    }

    /// The same for what a member of a group is answered: one that is not known was a member once.
    pub(crate) fn check_member(code: i16, message: Option<&SmolStr>) -> Result<()> {
        Self::check(code, message).map_err(|error| match error.code() {
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => error.of_kind(ErrorKind::MemberFenced),
            _ => error,
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
            _ if self.connection_error().is_some() => {
                self.connection_error().is_some_and(kafka_conn::Error::is_retriable)
            }
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
        self.0.kind == ErrorKind::UnknownTopic
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

    /// The same, about this.
    pub(crate) fn about(self, resource: Resource) -> Self {
        self.change(|inner| inner.context.resource = Some(resource))
    }

    /// The same, about this, unless it says already what it is about.
    pub(crate) fn or_about(self, resource: Resource) -> Self {
        if self.context().resource.is_some() { self } else { self.about(resource) }
    }

    /// The same, where the code means something else than usual.
    pub(crate) fn of_kind(self, kind: ErrorKind) -> Self {
        self.change(|inner| inner.kind = kind)
    }

    /// The same, about this topic.
    pub(crate) fn with_topic(self, topic: &SmolStr) -> Self {
        self.about(Resource::Topic(topic.clone()))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    /// What it is about, what happened, and what to try; with `{:#}`, what lies beneath as well: all sources, each after
    /// a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, context, .. } = &*self.0;
        if let Some(resource) = &context.resource {
            write!(f, "{resource}: ")?;
        }
        write!(f, "{kind}")?;
        if let Some(message) = &context.message {
            write!(f, " ({:?})", message.as_str())?;
        }
        kind.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))?;
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
        let kind = match (error.code(), error.kind()) {
            (Some(code), _) => ErrorKind::from_code(code),
            (None, kafka_conn::ErrorKind::UnknownTopic | kafka_conn::ErrorKind::UnknownPartition) => {
                ErrorKind::UnknownTopic
            }
            (None, kafka_conn::ErrorKind::VersionUnsupported { .. }) => ErrorKind::NotOffered,
            (None, _) => ErrorKind::Connection,
        };
        Self::new(kind).change(|inner| inner.source = Some(Arc::new(error)))
    }
}

/// What an [`Error`] happened to; whatever is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The topic, group, user, …
    pub resource: Option<Resource>,
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
    /// The same is in the request, or in the cluster, twice.
    #[error("it is there twice")]
    Duplicate,
    /// Nothing had to be elected: the leader is the one that was to be.
    #[error("no election is needed")]
    ElectionNotNeeded,
    /// The features cannot be set so.
    #[error("the feature cannot be updated")]
    FeatureUpdateFailed,
    /// No group has that id, or this user may not see it.
    #[error("no such group")]
    GroupNotFound,
    /// The group has members.
    #[error("the group has members")]
    GroupNotEmpty,
    /// The group is subscribed to the topic.
    #[error("the group is subscribed to the topic")]
    GroupSubscribed,
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
    /// The records are not the member's to acknowledge: they are acknowledged, or its lock on them has timed out.
    #[error("the records are not the member's any more")]
    InvalidRecordState,
    /// The request contradicts itself, or asks for what the cluster never does.
    #[error("the request is not valid")]
    InvalidRequest,
    /// The name is none that a topic can have.
    #[error("the name is not valid")]
    InvalidTopicName,
    /// No transaction is open that this belongs to.
    #[error("the transaction is in no state for it")]
    InvalidTransactionState,
    /// Brokers do not let a transaction be open for that long, or that short.
    #[error("the timeout of transactions is not valid")]
    InvalidTransactionTimeout,
    /// Not all partitions had a leader when time was up.
    #[error("not all partitions have a leader yet")]
    LeadersUnknown,
    /// No replica can lead that may.
    #[error("no replica that may lead is available")]
    LeaderNotAvailable,
    /// The group goes on without the member, or at another epoch or generation.
    #[error("the group goes on without this member")]
    MemberFenced,
    /// The answer has nothing to say about the item.
    #[error("the broker did not answer for it")]
    NoAnswer,
    /// No reassignment is going on there.
    #[error("no reassignment is in progress")]
    NoReassignment,
    /// Another item of the request failed, and so nothing was done for any.
    #[error("it was not attempted, as another item failed")]
    NotAttempted,
    /// The broker does not lead the partition.
    #[error("another broker leads the partition")]
    NotLeader,
    /// The broker or the connection does not offer it.
    #[error("the cluster does not offer it")]
    NotOffered,
    /// This user may not do it.
    #[error("not authorized")]
    NotAuthorized,
    /// The cluster's policy forbids it.
    #[error("the cluster's policy forbids it")]
    PolicyViolation,
    /// Another producer has the transactional id by now, or nobody has that producer id.
    #[error("the producer is not the one that has the transactional id")]
    ProducerFenced,
    /// The broker does not know the share session, or is at another epoch of it.
    #[error("the broker has no such share session, or is elsewhere in it")]
    ShareSessionLost,
    /// It was accepted, but not done everywhere when time was up. It goes on.
    #[error("it was not finished in time")]
    TimedOut,
    /// A topic of that name exists.
    #[error("it already exists")]
    TopicAlreadyExists,
    /// The cluster does not delete topics.
    #[error("deleting topics is disabled")]
    TopicDeletionDisabled,
    /// Something of the transaction is lost: it can be aborted, and nothing else (KIP-890).
    #[error("the transaction can only be aborted")]
    TransactionAbortable,
    /// The transaction before is still being ended.
    #[error("the transaction before is still ending")]
    TransactionEnding,
    /// The credentials are such that Kafka does not take them.
    #[error("the credentials are not acceptable")]
    UnacceptableCredential,
    /// It does not exist: a credential, a token, a member, a voter, …
    #[error("it is not there")]
    NotFound,
    /// The topic does not exist, or this user may not see it.
    #[error("it does not exist")]
    UnknownTopic,
}

impl ErrorKind {
    fn from_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED
            | ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
            | ErrorCode::SECURITY_DISABLED
            | ErrorCode::UNSUPPORTED_VERSION => Self::NotOffered,
            ErrorCode::DELEGATION_TOKEN_NOT_FOUND
            | ErrorCode::RESOURCE_NOT_FOUND
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::VOTER_NOT_FOUND
            | ErrorCode::TRANSACTIONAL_ID_NOT_FOUND
            | ErrorCode::BROKER_ID_NOT_REGISTERED => Self::NotFound,
            ErrorCode::DUPLICATE_RESOURCE | ErrorCode::DUPLICATE_VOTER => Self::Duplicate,
            ErrorCode::ELECTION_NOT_NEEDED => Self::ElectionNotNeeded,
            ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE | ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE => {
                Self::LeaderNotAvailable
            }
            ErrorCode::FEATURE_UPDATE_FAILED => Self::FeatureUpdateFailed,
            ErrorCode::GROUP_ID_NOT_FOUND => Self::GroupNotFound,
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => Self::GroupSubscribed,
            ErrorCode::NON_EMPTY_GROUP => Self::GroupNotEmpty,
            ErrorCode::NO_REASSIGNMENT_IN_PROGRESS => Self::NoReassignment,
            ErrorCode::UNACCEPTABLE_CREDENTIAL => Self::UnacceptableCredential,
            ErrorCode::INVALID_CONFIG => Self::InvalidConfig,
            ErrorCode::INVALID_PARTITIONS => Self::InvalidPartitions,
            ErrorCode::INVALID_REPLICA_ASSIGNMENT => Self::InvalidReplicaAssignment,
            ErrorCode::INVALID_REPLICATION_FACTOR => Self::InvalidReplicationFactor,
            ErrorCode::INVALID_RECORD_STATE => Self::InvalidRecordState,
            ErrorCode::INVALID_REQUEST => Self::InvalidRequest,
            ErrorCode::INVALID_TRANSACTION_TIMEOUT => Self::InvalidTransactionTimeout,
            ErrorCode::INVALID_TXN_STATE => Self::InvalidTransactionState,
            ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::STALE_MEMBER_EPOCH => Self::MemberFenced,
            ErrorCode::NOT_LEADER_OR_FOLLOWER => Self::NotLeader,
            ErrorCode::OPERATION_NOT_ATTEMPTED => Self::NotAttempted,
            ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::INVALID_PRODUCER_ID_MAPPING | ErrorCode::PRODUCER_FENCED => {
                Self::ProducerFenced
            }
            ErrorCode::INVALID_SHARE_SESSION_EPOCH | ErrorCode::SHARE_SESSION_NOT_FOUND => Self::ShareSessionLost,
            ErrorCode::CONCURRENT_TRANSACTIONS => Self::TransactionEnding,
            ErrorCode::TRANSACTION_ABORTABLE => Self::TransactionAbortable,
            ErrorCode::INVALID_TOPIC_EXCEPTION => Self::InvalidTopicName,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::DELEGATION_TOKEN_AUTHORIZATION_FAILED => Self::NotAuthorized,
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
            Self::GroupNotEmpty => "stop its members first",
            Self::GroupSubscribed => "stop the members that read it first",
            Self::GroupNotFound => "check the id, and the permission to describe it",
            Self::LeaderNotAvailable => "start a broker that has a replica; an unclean election loses what it lacks",
            Self::InvalidConfig => "check names and values against Kafka's documentation",
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
            Self::InvalidRecordState => "leave them; the group gives them to a member again",
            Self::InvalidTransactionState => "add the partition or the group first; end only what is open",
            Self::InvalidTransactionTimeout => "use 1 ms up to transaction.max.timeout.ms, 15 minutes by default",
            Self::LeadersUnknown => "brokers may be down; look again later",
            Self::MemberFenced => {
                "let go of what it has, and join again with epoch 0; if it has an instance id, give each member its own"
            }
            Self::NotAttempted => "leave out the item that failed, or mend it",
            Self::NotLeader => "look who leads it, and ask there",
            Self::ProducerFenced => "stop it; to take over, ask for the producer id again",
            Self::ShareSessionLost => "begin another",
            Self::TransactionAbortable => "abort it, and do again what belongs to it",
            Self::TransactionEnding => "ask again in a moment, or allow more time",
            Self::NotAuthorized => "grant the operation on it, or on the cluster, to this user",
            Self::TimedOut => "look what became of it, or allow more time",
            Self::TopicAlreadyExists => "use it as it is, use another name, or delete it first",
            Self::TopicDeletionDisabled => "set delete.topic.enable on the brokers",
            Self::UnknownTopic => "check the name, and the permission to describe it",
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
    fn a_text_does_not_repeat_its_source() {
        let refused = kafka_conn::Error::new(kafka_conn::ErrorKind::Refused);
        let source = refused.to_string();
        let error = Error::from(refused).about(Resource::Group("g".into()));
        assert_eq!(error.to_string(), r#"group "g": the cluster could not be asked"#);
        assert_eq!(format!("{error:#}"), format!("{error}: {source}"));
        assert_eq!(error.source().map(ToString::to_string), Some(source));
    }

    #[test]
    fn a_text_names_topic_event_the_brokers_words_and_a_remedy() {
        let said = Some("Topic 'a' already exists.".into());
        let error = Error::answered(ErrorCode::TOPIC_ALREADY_EXISTS, said).with_topic(&"a\nb".into());
        let text = error.to_string();
        assert!(text.starts_with(r#"topic "a\nb": it already exists ("Topic 'a' already exists.")"#), "{text}");
        assert!(text.contains("use another name") && error.is_already_exists() && !error.is_retriable());
    }

    #[test]
    fn an_unknown_code_keeps_its_number() {
        let error = Error::answered(ErrorCode(999), None);
        assert_eq!((error.code(), error.kind()), (Some(ErrorCode(999)), &ErrorKind::Broker(ErrorCode(999))));
    }
}
