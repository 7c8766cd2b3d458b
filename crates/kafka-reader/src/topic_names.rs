//! The topics that a reader or a group reads: by their names, or whichever names match.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use kafka_conn::{Route, Transport};
use kafka_protocol::messages::metadata::MetadataRequest;
use smol_str::SmolStr;

use crate::error::Result;

/// Topics, by their names or by what their names match. Default: none.
#[derive(Clone)]
pub enum TopicNames {
    /// These. A group waits for those that do not exist yet.
    Names(Vec<SmolStr>),
    /// All whose names match, those included that are made later. Internal topics never do.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl TopicNames {
    /// All topics whose names begin so.
    pub fn with_prefix(prefix: impl Into<SmolStr>) -> Self {
        let prefix = prefix.into();
        Self::Matching(Arc::new(move |name| name.starts_with(prefix.as_str())))
    }

    /// All topics whose whole names match a [regular expression](regex::Regex) (Java `subscribe(Pattern)`).
    ///
    /// ```
    /// # fn main() -> kafka_reader::Result<()> {
    /// use kafka_reader::{GroupConfig, TopicNames};
    ///
    /// let topics = TopicNames::pattern("orders-(eu|us)")?;
    /// let config = GroupConfig { group_id: "billing".into(), topics, ..GroupConfig::default() };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) where it is no regular expression, or too large a one; the
    /// source says where.
    #[cfg(feature = "regex")]
    pub fn pattern(pattern: &str) -> Result<Self> {
        use crate::error::{Error, ErrorKind};

        let wrong = |error| Error::new(ErrorKind::InvalidConfig("not a regular expression")).with_source(error);
        // By itself first: what has a parenthesis too many would be another expression within those that follow.
        regex::Regex::new(pattern).map_err(wrong)?;
        let whole = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(wrong)?;
        Ok(Self::Matching(Arc::new(move |name| whole.is_match(name))))
    }

    /// Whether there is no name, nor anything to match.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Names(names) if names.is_empty())
    }

    /// The names that can be known without a broker, if any; whether they can work.
    pub(crate) fn is_valid(&self) -> bool {
        let Self::Names(names) = self else { return true };
        let distinct: BTreeSet<_> = names.iter().filter(|name| !name.is_empty()).collect();
        !names.is_empty() && distinct.len() == names.len()
    }

    /// The names as of now: those given, whether they exist or not, or those that match, asked of a broker.
    pub(crate) async fn current(&self, transport: &Transport) -> Result<BTreeSet<SmolStr>> {
        let matches = match self {
            Self::Names(names) => return Ok(names.iter().cloned().collect()),
            Self::Matching(matches) => matches,
        };
        let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
        let response = transport.call(&everything, Route::Any).await?;
        let names = response.topics.iter().filter(|topic| !topic.is_internal).filter_map(|topic| topic.name.clone());
        Ok(names.filter(|name| matches(name)).collect())
    }
}

impl Default for TopicNames {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl<T: Into<SmolStr>, const N: usize> From<[T; N]> for TopicNames {
    fn from(names: [T; N]) -> Self {
        Self::Names(names.into_iter().map(Into::into).collect())
    }
}

impl fmt::Debug for TopicNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names(names) => f.debug_tuple("Names").field(names).finish(),
            Self::Matching(_) => f.write_str("Matching(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "regex")]
    #[test]
    fn a_pattern_is_for_whole_names() {
        let matches = |pattern: &str, name: &str| match TopicNames::pattern(pattern).unwrap() {
            TopicNames::Matching(matches) => matches(name),
            TopicNames::Names(_) => false,
        };
        assert!(matches("orders-.*", "orders-eu") && !matches("orders-.*", "my-orders-eu"));
        assert!(matches("a|ab", "ab") && !matches("a|ab", "abc"), "the longer way too");
        for wrong in ["(", "a)|(b", "(?x)a # b", "x{1000}{1000}{1000}"] {
            let error = TopicNames::pattern(wrong).unwrap_err();
            assert!(matches!(error.kind(), crate::ErrorKind::InvalidConfig(_)), "{wrong}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn names_are_given_once_each() {
        assert!(TopicNames::from(["a", "b"]).is_valid() && TopicNames::with_prefix("").is_valid());
        for wrong in [vec![], vec!["".into()], vec!["a".into(), "a".into()]] {
            assert!(!TopicNames::Names(wrong).is_valid());
        }
    }
}
