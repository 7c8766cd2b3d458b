//! What brokers answer when something went wrong.

mod table;

use std::fmt;

/// A broker's error code. Codes that this crate does not know are values too, and keep their number.
///
/// ```
/// use kafka_protocol::ErrorCode;
///
/// let code = ErrorCode(6);
/// assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
/// assert_eq!(code.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
/// assert!(code.is_retriable() && code.needs_metadata_refresh());
/// assert_eq!(code.check(), Err(code));
/// assert_eq!(ErrorCode(0).check(), Ok(()));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// `Ok` for [`NONE`](Self::NONE), else the code as the error.
    ///
    /// # Errors
    /// The code itself, unless it is 0.
    pub const fn check(self) -> Result<(), Self> {
        if self.is_error() { Err(self) } else { Ok(()) }
    }

    /// Whether it is anything but [`NONE`](Self::NONE).
    pub const fn is_error(self) -> bool {
        self.0 != 0
    }

    /// Its name in Kafka, such as `NOT_LEADER_OR_FOLLOWER`; `None` where this crate does not know the code.
    pub fn name(self) -> Option<&'static str> {
        self.facts().map(|facts| facts.name)
    }

    /// What it means, in a sentence.
    pub fn text(self) -> &'static str {
        self.facts().map_or("An error that this version of the client does not know.", |facts| facts.text)
    }

    /// What there is to do about it. Unknown codes are [`Fatal`](ErrorClass::Fatal).
    pub fn class(self) -> ErrorClass {
        self.facts().map_or(ErrorClass::Fatal, |facts| facts.class)
    }

    /// Whether the same request may succeed later, if only after a refresh.
    pub fn is_retriable(self) -> bool {
        matches!(self.class(), ErrorClass::Retriable | ErrorClass::Refresh)
    }

    /// Whether the client's view of the cluster is to be refreshed before a retry: leaders, topic ids, the controller.
    ///
    /// These are the codes that Kafka calls invalid metadata, and two that its clients treat the same: metadata is where
    /// the controller's id comes from, and where a client learns whether a topic's id has changed.
    pub fn needs_metadata_refresh(self) -> bool {
        let also = matches!(self, Self::NOT_CONTROLLER | Self::FETCH_SESSION_TOPIC_ID_ERROR);
        also || (self.class() == ErrorClass::Refresh && !self.needs_coordinator_refresh())
    }

    /// Whether the coordinator is to be looked up again before a retry.
    ///
    /// Not so for [`COORDINATOR_LOAD_IN_PROGRESS`](Self::COORDINATOR_LOAD_IN_PROGRESS): the same broker will answer.
    pub fn needs_coordinator_refresh(self) -> bool {
        matches!(self, Self::COORDINATOR_NOT_AVAILABLE | Self::NOT_COORDINATOR)
    }

    fn facts(self) -> Option<&'static Facts> {
        let index = table::FACTS.binary_search_by_key(&self, |facts| facts.code).ok()?;
        table::FACTS.get(index)
    }
}

/// The name and number, such as `NOT_LEADER_OR_FOLLOWER (6)`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name().unwrap_or("unknown error"), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ErrorCode {}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

/// What there is to do about an error, as Kafka's own clients see it (KIP-1050).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// No error.
    Success,
    /// Trying again may help.
    Retriable,
    /// Trying again may help, but only after metadata, or the coordinator, has been looked up again.
    Refresh,
    /// The request is lost, but a new producer, or a member that joins anew, can go on.
    ApplicationRecoverable,
    /// The configuration or the rights must change first.
    InvalidConfiguration,
    /// Nothing helps this request.
    Fatal,
}

/// What the table says of a code.
struct Facts {
    code: ErrorCode,
    name: &'static str,
    class: ErrorClass,
    text: &'static str,
}

/// The notation of the generated table: its lines become constants and [`Facts`], in ascending order of the codes.
macro_rules! error_codes {
    ($($name:ident $code:literal $class:ident $text:literal;)*) => {
        impl $crate::ErrorCode {
            /// Every code that this crate knows, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            $(#[doc = $text]
            pub const $name: Self = Self($code);)*
        }

        pub(super) static FACTS: &[super::Facts] = &[$(super::Facts {
            code: $crate::ErrorCode::$name,
            name: stringify!($name),
            class: super::ErrorClass::$class,
            text: $text,
        }),*];
    };
}
use error_codes;

#[cfg(test)]
mod tests {
    use super::*;

    /// (code, name, retriable, exception and its ancestors), as Kafka's own classes tell them.
    fn kafka() -> impl Iterator<Item = (ErrorCode, &'static str, bool, &'static str)> {
        include_str!("../../schema/errors.tsv").lines().skip(1).map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            (ErrorCode(columns[0].parse().unwrap()), columns[1], columns[2] == "true", columns[3])
        })
    }

    #[test]
    fn codes_are_those_of_kafka() {
        assert_eq!((kafka().count(), ErrorCode::ALL.len()), (135, 135));
        assert!(ErrorCode::ALL.is_sorted());
        for (code, name, retriable, _) in kafka() {
            assert_eq!(code.name(), Some(name));
            assert_eq!(code.is_retriable(), retriable, "{name}");
            assert_eq!(code.to_string(), format!("{name} ({})", code.0));
            assert!(code.text().ends_with('.') && code.text().len() > 8, "{name}");
        }
    }

    #[test]
    fn classes_are_those_of_kafkas_exceptions() {
        for (code, name, _, exceptions) in kafka() {
            let has = |exception: &str| exceptions.split(" < ").any(|ancestor| ancestor == exception);
            assert_eq!(code.class() == ErrorClass::Refresh, has("RefreshRetriableException"), "{name}");
            assert_eq!(
                code.class() == ErrorClass::ApplicationRecoverable,
                has("ApplicationRecoverableException"),
                "{name}"
            );
            assert_eq!(
                code.class() == ErrorClass::InvalidConfiguration,
                has("InvalidConfigurationException"),
                "{name}"
            );
            assert!(!has("InvalidMetadataException") || code.needs_metadata_refresh(), "{name}");
            let coordinator = has("RefreshRetriableException") && !has("InvalidMetadataException");
            assert_eq!(code.needs_coordinator_refresh(), coordinator, "{name}");
            assert!(!code.needs_metadata_refresh() || (code.is_retriable() && !coordinator), "{name}");
        }
    }

    #[test]
    fn unknown_codes_keep_their_number() {
        let unknown = ErrorCode::from(4711);
        assert_eq!((unknown.name(), unknown.class()), (None, ErrorClass::Fatal));
        assert_eq!(format!("{unknown} {unknown:?}"), "unknown error (4711) unknown error (4711)");
        assert_eq!(unknown.check(), Err(unknown));
    }

    #[test]
    fn none_is_no_error() {
        assert_eq!(ErrorCode::default(), ErrorCode::NONE);
        assert_eq!((ErrorCode::NONE.check(), ErrorCode::NONE.class()), (Ok(()), ErrorClass::Success));
    }
}
