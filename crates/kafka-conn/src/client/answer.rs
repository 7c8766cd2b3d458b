//! The answer to a request that may have gone to several brokers: what they said, and what failed.
//!
//! Sans-IO.

use std::fmt;

use smol_str::SmolStr;

use crate::cluster::BrokerId;
use crate::coordinator::CoordinatorKind;
use crate::error::{Error, Result};

/// What brokers answered, merged into one response, and what each item that got no answer failed with.
///
/// Every item of a request is in one of both: a broker's error code for an item is in the response, where the protocol
/// has a place for it; whatever kept a broker from being asked, or from answering, is a [`Failure`].
///
/// ```
/// # use kafka_conn::{Answer, Result};
/// # use kafka_protocol::messages::metadata::MetadataResponse;
/// # fn example(answer: Answer<MetadataResponse>) -> Result<()> {
/// // All or nothing:
/// let response = answer.clone().complete()?;
/// // Or what there is:
/// let (response, failures) = answer.into_parts();
/// failures.iter().for_each(|failure| eprintln!("{}: {}", failure.item, failure.error));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "items may have failed"]
pub struct Answer<R> {
    response: R,
    failures: Vec<Failure>,
}

impl<R> Answer<R> {
    /// An answer without failures.
    pub fn new(response: R) -> Self {
        Self::with_failures(response, Vec::new())
    }

    /// An answer, and the items that it lacks.
    pub fn with_failures(response: R, failures: Vec<Failure>) -> Self {
        Self { response, failures }
    }

    /// The response, where no item failed.
    ///
    /// # Errors
    /// That of the first item that failed.
    pub fn complete(self) -> Result<R> {
        match self.failures.into_iter().next() {
            Some(failure) => Err(failure.error),
            None => Ok(self.response),
        }
    }

    /// The items that got no answer, and why.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The response, as far as there is one, and the failures.
    pub fn into_parts(self) -> (R, Vec<Failure>) {
        (self.response, self.failures)
    }

    pub(crate) fn try_map<T>(self, map: impl FnOnce(R) -> Result<T>) -> Result<Answer<T>> {
        Ok(Answer { response: map(self.response)?, failures: self.failures })
    }
}

/// An item that got no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was asked about.
    pub item: Item,
    /// Why there is no answer.
    pub error: Error,
}

impl Failure {
    pub(crate) fn new(item: Item, error: Error) -> Self {
        let error = match &item {
            Item::Partition { topic, partition } => error.with_partition(topic, *partition),
            Item::Topic(topic) => error.with_topic(topic),
            Item::Group(id) => error.with_coordinator(CoordinatorKind::Group, id),
            Item::TransactionalId(id) => error.with_coordinator(CoordinatorKind::Transaction, id),
            Item::Broker(_) | Item::Resource { .. } | Item::Whole => error,
        };
        Self { item, error }
    }
}

/// What a part of a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Item {
    /// A broker, where every one is asked.
    Broker(BrokerId),
    /// A group, by its id.
    Group(SmolStr),
    /// A partition.
    Partition {
        /// The topic's name.
        topic: SmolStr,
        /// The partition's index.
        partition: i32,
    },
    /// Something that has configurations.
    Resource {
        /// Its type on the wire: 2 topics, 4 brokers, 8 broker loggers, 16 client metrics, 32 groups.
        kind: i8,
        /// Its name: a broker's id, a topic's name, …
        name: SmolStr,
    },
    /// A topic.
    Topic(SmolStr),
    /// A transactional id.
    TransactionalId(SmolStr),
    /// The request as a whole.
    Whole,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::Group(id) => write!(f, "group {:?}", id.as_str()),
            Self::Partition { topic, partition } => write!(f, "topic {:?} partition {partition}", topic.as_str()),
            Self::Resource { kind, name } => write!(f, "resource {:?} of type {kind}", name.as_str()),
            Self::Topic(name) => write!(f, "topic {:?}", name.as_str()),
            Self::TransactionalId(id) => write!(f, "transactional id {:?}", id.as_str()),
            Self::Whole => f.write_str("the request"),
        }
    }
}
