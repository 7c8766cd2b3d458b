//! Messages under way, in the order of their lines: no more than a bound.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use kafka_writer::{Delivery, Result, Written};

/// Deliveries that are not known yet.
#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<(u64, Delivery)>,
}

impl Window {
    pub(crate) fn push(&mut self, line: u64, delivery: Delivery) {
        self.entries.push_back((line, delivery));
    }

    /// Whether to wait before more are sent. What they hold in the writer is bounded by itself; this bounds what waits
    /// here.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_DELIVERIES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Waits for the oldest one, if there is one, and takes it with those behind it that are known too. Cancel-safe.
    pub(crate) async fn settle(&mut self, mut settled: impl FnMut(u64, Result<Written>)) {
        poll_fn(|context| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            let mut progress = Poll::Pending;
            while let Some((line, result)) = self.poll_oldest(context) {
                settled(line, result);
                progress = Poll::Ready(());
            }
            progress
        })
        .await;
    }

    /// The oldest one, if it is known; else the task is woken when it is.
    fn poll_oldest(&mut self, context: &mut Context<'_>) -> Option<(u64, Result<Written>)> {
        let (line, delivery) = self.entries.front_mut()?;
        let line = *line;
        let Poll::Ready(result) = Pin::new(delivery).poll(context) else { return None };
        self.entries.pop_front();
        Some((line, result))
    }
}

/// At 40 bytes each this is 5 MiB, and more small messages than a round trip to a broker has room for.
const MAX_DELIVERIES: usize = 1 << 17;
