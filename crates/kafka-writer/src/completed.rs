//! What a completion callback is told.
//!
//! Sans-IO.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::accumulator::Settled;
use crate::delivery::Written;
use crate::error::Error;

/// Messages whose fate is known: all of a batch, or the part of it that was sent by itself.
#[derive(Clone, Copy, Debug)]
pub struct Completed<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition's index.
    pub partition: i32,
    /// How many messages there are.
    pub messages: usize,
    /// What the application calls them, in order ([`SendOptions::tag`](crate::SendOptions::tag)); 0 for one without a
    /// tag among others that have one. Empty where none has.
    pub tags: &'a [u64],
    /// The offset of the first one, where the broker tells it; or why they failed.
    pub outcome: Result<Option<i64>, &'a Error>,
}

impl<'a> Completed<'a> {
    /// Each message's tag, where there are any, and where it was written.
    pub fn messages(&self) -> impl Iterator<Item = (Option<u64>, Result<Written, &'a Error>)> {
        let Self { partition, tags, outcome, .. } = *self;
        (0..self.messages).map(move |at| {
            let offset = |base: i64| base.checked_add_unsigned(at as u64);
            let written = outcome.map(|base| Written { partition, offset: base.and_then(offset) });
            (tags.get(at).copied(), written)
        })
    }
}

/// A function that hears of every batch whose fate is known.
///
/// ```
/// use kafka_writer::{Completion, WriterConfig};
///
/// let completion = Completion::new(|completed| {
///     if let Err(error) = completed.outcome {
///         eprintln!("{} messages failed: {error}", completed.messages);
///     }
/// });
/// let config = WriterConfig { completion: Some(completion), ..WriterConfig::default() };
/// # let _ = config;
/// ```
#[derive(Clone)]
pub struct Completion(Arc<dyn Fn(&Completed<'_>) + Send + Sync>);

impl Completion {
    /// Calls `function` in the writer's task. Should it panic, the log says so, and nothing else happens.
    pub fn new(function: impl Fn(&Completed<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

/// Calls back, and survives it.
pub(crate) fn complete(callback: &Completion, settled: &Settled) {
    let Settled { result, first, messages, outcome } = settled;
    let completed = Completed {
        topic: result.topic(),
        partition: result.partition(),
        messages: *messages as usize,
        tags: result.tags(*first, *messages),
        outcome: outcome.as_ref().copied(),
    };
    if catch_unwind(AssertUnwindSafe(|| (callback.0)(&completed))).is_err() {
        tracing::error!(topic = completed.topic, partition = completed.partition, "the completion callback panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::BatchResult;

    #[test]
    fn every_message_has_its_tag_and_its_offset() {
        let result = Arc::new(BatchResult::new("t".into(), 3));
        result.tag(vec![7, 0, 9]);
        let settled = Settled { result, first: 1, messages: 2, outcome: Ok(Some(40)) };
        let check = Completion::new(|completed| {
            let seen: Vec<_> = completed.messages().map(|(tag, written)| (tag, written.unwrap().offset)).collect();
            assert_eq!(seen, [(Some(0), Some(40)), (Some(9), Some(41))]);
            panic!("a callback that panics");
        });
        complete(&check, &settled);
    }
}
