//! The partition that the message names.
//!
//! Sans-IO.

use std::sync::Arc;

use kafka_conn::Message;

use super::Balancer;

/// Takes [`Message::partition`]: for who knows where a message belongs, as one that copies a topic does. A message for
/// a partition that the topic does not have is refused.
///
/// ```
/// use kafka_conn::Message;
/// use kafka_writer::{Balancer, Manual};
///
/// let message = Message { partition: 2, ..Message::default() };
/// assert_eq!(Manual.balance(&message, &[0, 1, 2]), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manual;

impl Balancer for Manual {
    fn balance(&self, message: &Message, _partitions: &[i32]) -> i32 {
        message.partition
    }

    fn for_topic(&self, _topic: &str) -> Arc<dyn Balancer> {
        Arc::new(*self)
    }
}
