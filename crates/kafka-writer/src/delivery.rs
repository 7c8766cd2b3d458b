//! What became of a message: one shared result for each batch, and an index into it for each message.
//!
//! Sans-IO.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use smol_str::SmolStr;

use crate::error::{Error, Result};
use crate::lock::lock;

/// A message that is queued: a future of where it was written.
///
/// It may be dropped: the message is written all the same.
///
/// **Cancel safety:** it may be polled, put aside and polled again, as `select!` does with `&mut delivery`.
///
/// # Errors
/// [`Broker`](crate::ErrorKind::Broker), [`Connection`](crate::ErrorKind::Connection),
/// [`Expired`](crate::ErrorKind::Expired), [`Closed`](crate::ErrorKind::Closed), …;
/// [`Error::fate`] says whether the message may be in the log all the same.
#[derive(Debug)]
#[must_use = "whether the message was written is known only to who awaits this"]
pub struct Delivery {
    result: Arc<BatchResult>,
    place: Place,
}

/// Where a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    /// The partition's index.
    pub partition: i32,
    /// The place in the partition; `None` where the broker did not tell it, as with
    /// [`RequiredAcks::None`](crate::RequiredAcks::None).
    pub offset: Option<i64>,
}

impl Delivery {
    pub(crate) fn new(result: Arc<BatchResult>, index: u32) -> Self {
        Self { result, place: Place::new(index) }
    }

    /// The partition that the balancer chose.
    pub fn partition(&self) -> i32 {
        self.result.partition
    }
}

impl Future for Delivery {
    type Output = Result<Written>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { result, place } = &mut *self;
        let Poll::Ready(outcomes) = result.poll_outcomes(place, cx) else { return Poll::Pending };
        let outcome = outcomes.of(result.partition, place.index());
        if outcome.is_err() {
            result.heard.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(outcome)
    }
}

/// The result of a batch, shared by its messages' [`Delivery`]s and the one that will settle it.
#[derive(Debug)]
pub(crate) struct BatchResult {
    topic: SmolStr,
    partition: i32,
    outcomes: OnceLock<Outcomes>,
    /// What applications call their messages, in order; empty where they have no names for them.
    tags: OnceLock<Box<[u64]>>,
    /// How many messages' failures somebody has been told.
    heard: AtomicU32,
    pending: Mutex<Pending>,
}

/// A result that is not complete.
#[derive(Debug, Default)]
struct Pending {
    /// One for each future that waits, at most: as many as the batch has messages, and those that flush.
    wakers: Vec<Waker>,
    /// What is known of it: as many entries as the batch has parts, in the end.
    outcomes: Vec<(u32, Result<Option<i64>>)>,
    /// How often it was split.
    splits: usize,
}

impl BatchResult {
    pub(crate) fn new(topic: SmolStr, partition: i32) -> Self {
        Self {
            topic,
            partition,
            outcomes: OnceLock::new(),
            tags: OnceLock::new(),
            heard: AtomicU32::new(0),
            pending: Mutex::default(),
        }
    }

    pub(crate) fn topic(&self) -> &SmolStr {
        &self.topic
    }

    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// There will be one outcome more.
    pub(crate) fn split(&self) {
        lock(&self.pending).splits += 1;
    }

    pub(crate) fn tag(&self, tags: Vec<u64>) {
        if !tags.is_empty() {
            let _once = self.tags.set(tags.into());
        }
    }

    /// The tags of some of its messages.
    pub(crate) fn tags(&self, first: u32, messages: u32) -> &[u64] {
        let (first, messages) = (first as usize, messages as usize);
        let tags = self.tags.get().map_or(&[][..], |tags| tags);
        tags.get(first..).map_or(&[], |rest| rest.get(..messages).unwrap_or(rest))
    }

    /// Says what became of the messages from `first` on, until those of which something else is said. When all is said,
    /// it wakes who waits.
    pub(crate) fn settle(&self, first: u32, outcome: Result<Option<i64>>) {
        let outcome = outcome.map_err(|error| error.with_partition(&self.topic, self.partition));
        let mut pending = lock(&self.pending);
        pending.outcomes.push((first, outcome));
        if pending.outcomes.len() <= pending.splits || self.outcomes.get().is_some() {
            return;
        }
        let mut outcomes = std::mem::take(&mut pending.outcomes);
        outcomes.sort_by_key(|(first, _)| *first);
        let wakers = std::mem::take(&mut pending.wakers);
        // Under the lock: who is about to wait looks again under it.
        let _first = self.outcomes.set(Outcomes(outcomes));
        drop(pending);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many messages' failures nobody has been told, and the first of the errors. `messages` is how many failed.
    pub(crate) fn unheard(&self, messages: u32) -> Option<(u32, Error)> {
        let unheard = messages.checked_sub(self.heard.load(Ordering::Relaxed)).filter(|unheard| *unheard > 0)?;
        Some((unheard, self.outcomes.get()?.error()?.clone()))
    }

    /// Waits for all to be said. `place` is the future's own.
    #[inline]
    fn poll_outcomes(&self, place: &mut Place, cx: &Context<'_>) -> Poll<&Outcomes> {
        match self.outcomes.get() {
            Some(outcomes) => Poll::Ready(outcomes),
            None => self.wait(place, cx),
        }
    }

    fn wait(&self, place: &mut Place, cx: &Context<'_>) -> Poll<&Outcomes> {
        let wakers = &mut lock(&self.pending).wakers;
        // Looked at again under the lock: `settle` takes the list and sets the outcomes under it.
        if let Some(outcomes) = self.outcomes.get() {
            return Poll::Ready(outcomes);
        }
        match place.waker().and_then(|at| wakers.get_mut(at)) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => {
                place.set_waker(wakers.len());
                wakers.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }

    #[cfg(test)]
    pub(crate) fn outcome(&self, index: u32) -> Option<Result<Option<i64>>> {
        let written = |written: Written| written.offset;
        self.outcomes.get().map(|outcomes| outcomes.of(self.partition, index).map(written))
    }
}

/// What became of the messages of a batch: from each first index on, until the next one. A batch that was sent whole has
/// one entry, with the offset of its first message; one that was split has more.
#[derive(Debug)]
struct Outcomes(Vec<(u32, Result<Option<i64>>)>);

impl Outcomes {
    fn of(&self, partition: i32, index: u32) -> Result<Written> {
        let after = self.0.partition_point(|(first, _)| *first <= index);
        let Some((first, outcome)) = after.checked_sub(1).and_then(|at| self.0.get(at)) else {
            debug_assert!(false, "no outcome for message {index}");
            return Ok(Written { partition, offset: None });
        };
        let delta = i64::from(index - first);
        outcome.clone().map(|base| Written { partition, offset: base.and_then(|base| base.checked_add(delta)) })
    }

    fn error(&self) -> Option<&Error> {
        self.0.iter().find_map(|(_, outcome)| outcome.as_ref().err())
    }
}

/// A message's index in its batch, in the lower half; in the upper one, where in the list the waker of its future's
/// last poll is, counted from 1. One word: there may be millions of them, and two halves that are written one by one and
/// then read together, as a [`Delivery`] is whenever it is moved, would make the processor wait each time.
#[derive(Clone, Copy, Debug)]
struct Place(u64);

impl Place {
    fn new(index: u32) -> Self {
        Self(index.into())
    }

    fn index(self) -> u32 {
        self.0 as u32
    }

    fn waker(self) -> Option<usize> {
        ((self.0 >> u32::BITS) as usize).checked_sub(1)
    }

    fn set_waker(&mut self, at: usize) {
        let counted = u32::try_from(at + 1).unwrap_or_default();
        self.0 = u64::from(counted) << u32::BITS | u64::from(self.index());
    }
}

/// A future of a whole batch: done when the batch is settled; fails with its first error.
#[derive(Debug)]
pub(crate) struct Settling {
    result: Arc<BatchResult>,
    place: Place,
}

impl Settling {
    pub(crate) fn new(result: Arc<BatchResult>) -> Self {
        Self { result, place: Place::new(0) }
    }
}

impl Future for Settling {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { result, place } = &mut *self;
        result.poll_outcomes(place, cx).map(|outcomes| outcomes.error().cloned().map_or(Ok(()), Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn every_message_learns_its_own_offset() {
        let result = Arc::new(BatchResult::new("t".into(), 7));
        let mut deliveries: Vec<_> = (0..3).map(|index| Delivery::new(Arc::clone(&result), index)).collect();
        assert!(deliveries.iter_mut().all(|delivery| poll(delivery).is_pending()));
        result.settle(0, Ok(Some(40)));
        result.settle(0, Ok(Some(90)));
        for (index, delivery) in deliveries.iter_mut().enumerate() {
            let Poll::Ready(Ok(written)) = poll(delivery) else { panic!("not settled") };
            assert_eq!(written, Written { partition: 7, offset: Some(40 + index as i64) });
        }
    }

    #[test]
    fn a_delivery_that_is_polled_often_waits_once() {
        let result = Arc::new(BatchResult::new("t".into(), 0));
        let mut delivery = Delivery::new(Arc::clone(&result), 0);
        for _ in 0..10 {
            assert!(poll(&mut delivery).is_pending());
        }
        assert_eq!(lock(&result.pending).wakers.len(), 1);
    }

    #[test]
    fn a_delivery_takes_two_words() {
        assert!(size_of::<Delivery>() <= 16);
    }

    #[test]
    fn a_place_keeps_index_and_waker_apart() {
        let mut place = Place::new(u32::MAX);
        assert_eq!((place.index(), place.waker()), (u32::MAX, None));
        for at in [0, 1, u32::MAX as usize - 1] {
            place.set_waker(at);
            assert_eq!((place.index(), place.waker()), (u32::MAX, Some(at)));
        }
    }

    #[test]
    fn an_error_names_the_partition() {
        let result = Arc::new(BatchResult::new("orders".into(), 3));
        result.settle(0, Err(Error::new(ErrorKind::Closed)));
        let Poll::Ready(Err(error)) = poll(&mut Delivery::new(result, 0)) else { panic!("not settled") };
        assert_eq!(error.to_string(), "topic \"orders\" partition 3: the writer is closed");
    }

    #[test]
    fn parts_of_a_split_batch_have_outcomes_of_their_own() {
        let outcomes = Outcomes(vec![(0, Ok(Some(10))), (2, Err(Error::new(ErrorKind::Closed))), (3, Ok(Some(50)))]);
        let offset = |index| outcomes.of(0, index).ok().map(|written| written.offset);
        assert_eq!([0, 1, 2, 3, 4].map(offset), [Some(Some(10)), Some(Some(11)), None, Some(Some(50)), Some(Some(51))]);
    }
}
