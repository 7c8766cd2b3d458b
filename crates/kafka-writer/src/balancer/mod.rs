//! What chooses a message's partition.
//!
//! Sans-IO.

mod hash;
mod manual;
mod round_robin;

use std::sync::Arc;

use kafka_conn::Message;

pub use hash::{Hash, fnv1a};
pub use manual::Manual;
pub use round_robin::RoundRobin;

/// Chooses the partition of each message.
///
/// A writer makes a balancer of its own for every topic ([`for_topic`](Self::for_topic)), so that what it remembers of
/// one never mixes with another. Any function of message and partitions is a balancer too:
///
/// ```
/// use std::sync::Arc;
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, WriterConfig};
///
/// let by_length = |message: &Message, partitions: &[i32]| {
///     let len = message.value.as_ref().map_or(0, |value| value.len());
///     partitions[len % partitions.len()]
/// };
/// let config = WriterConfig { balancer: Arc::new(by_length), ..WriterConfig::default() };
/// # let _ = config;
/// ```
pub trait Balancer: Send + Sync + 'static {
    /// One of `partitions`, which are indexes of partitions of the topic in ascending order, and never none: all of them,
    /// or those that have a leader ([`is_by_content`](Self::is_by_content)).
    ///
    /// It runs in the caller of [`send`](crate::Writer::send), and should be quick. The writer refuses a message for
    /// which anything but one of them is returned, with
    /// [`UnknownPartition`](crate::ErrorKind::UnknownPartition).
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32;

    /// Whether the message says itself where it belongs, as by its key. If not, only partitions that have a leader are
    /// offered, if any has one. Default: it does.
    fn is_by_content(&self, message: &Message) -> bool {
        let _ = message;
        true
    }

    /// [`balance`](Self::balance) for who minds how much waits: `queued` is the number of batches that wait for a
    /// partition or are under way to it. Default: never mind.
    fn balance_by_load(&self, message: &Message, partitions: &[i32], queued: &dyn Fn(i32) -> usize) -> i32 {
        let _ = queued;
        self.balance(message, partitions)
    }

    /// The same kind of balancer for a topic, with nothing remembered.
    fn for_topic(&self, topic: &str) -> Arc<dyn Balancer>;
}

impl<F> Balancer for F
where
    F: Fn(&Message, &[i32]) -> i32 + Clone + Send + Sync + 'static,
{
    fn balance(&self, message: &Message, partitions: &[i32]) -> i32 {
        self(message, partitions)
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(self.clone())
    }
}

/// The element at `index` of a list that is never empty.
fn element(partitions: &[i32], index: usize) -> i32 {
    debug_assert!(index < partitions.len(), "{index} is not an index of {partitions:?}");
    partitions.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_is_a_balancer() {
        let last = |_: &Message, partitions: &[i32]| partitions[partitions.len() - 1];
        let balancer = Balancer::for_topic(&last, "t");
        assert_eq!(balancer.balance(&Message::default(), &[5, 9, 30]), 30);
    }
}
