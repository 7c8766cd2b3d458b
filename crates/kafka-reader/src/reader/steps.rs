//! What was fetched, taken out step by step: the messages, and what else the tasks of a reader tell.

use std::task::{Context, Poll, ready};

use kafka_conn::Message;
use kafka_protocol::records::BatchDecoder;

use super::progress::Progress;
use super::{Current, Reader, starts};
use crate::around::position_from;
use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::EndOffsets;
use crate::shared::Event;

/// What became of one look at what was fetched.
pub(super) enum Step<T> {
    Item(T),
    /// Positions moved without anything to return.
    Moved,
}

impl Reader {
    #[inline]
    pub(crate) fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        let mut message = None;
        loop {
            let next = |chunk: &mut Chunk, decoder: &mut BatchDecoder| chunk.next_message(decoder, &mut message);
            let _moved = ready!(self.poll_step(context, next))?;
            if let Some(message) = message {
                return Poll::Ready(Ok(message));
            }
        }
    }

    /// Takes the next thing out of what was fetched, or waits for more. Nothing is taken before it can be returned.
    #[inline(always)]
    pub(super) fn poll_step<T>(
        &mut self,
        context: &mut Context<'_>,
        next: impl FnOnce(&mut Chunk, &mut BatchDecoder) -> Result<Option<T>>,
    ) -> Poll<Result<Step<T>>> {
        // What was revoked does not come out, whatever is left of it.
        if self.group.as_ref().is_some_and(|membership| membership.group.has_news()) {
            return self.poll_group(context).map_ok(|()| Step::Moved);
        }
        let Some(Current { chunk, at }) = &mut self.current else {
            return self.poll_event(context).map_ok(|()| Step::Moved);
        };
        let result = next(chunk, &mut self.decoder);
        if let Some(progress) = self.progress.get_mut(*at) {
            (progress.offset, progress.leader_epoch) = (chunk.offset(), chunk.leader_epoch());
        }
        match result {
            Ok(Some(item)) => return Poll::Ready(Ok(Step::Item(item))),
            Ok(None) => self.current = None,
            Err(error) => {
                let slot = chunk.gauge().slot;
                chunk.gauge().stop();
                self.shared.mailbox.add([]);
                self.halt(slot, &error);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(Step::Moved))
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(error) = self.all_halted() {
            return Poll::Ready(Err(error));
        }
        if let Some(chunk) = self.resumed() {
            self.begin(chunk);
            return Poll::Ready(Ok(()));
        }
        if self.group.is_some()
            && let Poll::Ready(result) = self.poll_group(context)
        {
            return Poll::Ready(result);
        }
        match ready!(self.events.poll_recv(context)) {
            Some(Event::Chunk(chunk)) => self.begin(chunk),
            Some(Event::Failing(gauge, error)) => {
                gauge.heard();
                return Poll::Ready(Err(error));
            }
            Some(Event::Vacant(held, end)) => {
                if let Some(progress) = self.read(held.gauge().slot) {
                    progress.offset = progress.offset.max(end);
                }
            }
            Some(Event::Reset(held, reset)) => {
                if let Some(progress) = self.read(held.gauge().slot) {
                    (progress.offset, progress.leader_epoch) = (reset.to, reset.leader_epoch);
                    self.rewind_commits(&held.gauge().name());
                    return Poll::Ready(reset.error.map_or(Ok(()), Err));
                }
            }
            Some(Event::Found(found)) => {
                let added = |(partition, topic_id)| starts::added(&self.config, partition, topic_id);
                let starts: Vec<_> = found.into_iter().map(added).collect();
                self.add(starts);
            }
            Some(Event::Halted(held, error)) => {
                if self.halt(held.gauge().slot, &error) {
                    return Poll::Ready(Err(error));
                }
            }
            None => return Poll::Ready(Err(Error::new(ErrorKind::Closed).with_topic(&self.config.topic))),
        }
        Poll::Ready(Ok(()))
    }

    /// Begins to return a chunk, unless its partition is no longer read, or paused.
    fn begin(&mut self, mut chunk: Box<Chunk>) {
        let Some(at) = self.place_of(chunk.gauge().slot) else { return };
        match self.progress.get(at) {
            Some(progress) if progress.halted.is_some() => {}
            Some(progress) if progress.paused => {
                chunk.detach();
                self.aside.push_back(chunk);
            }
            _ => self.current = Some(Current { chunk, at }),
        }
    }

    /// The first chunk that was put aside whose partition is no longer paused.
    fn resumed(&mut self) -> Option<Box<Chunk>> {
        let paused = |slot| self.progress.iter().any(|progress| progress.gauge.slot == slot && progress.paused);
        let at = self.aside.iter().position(|chunk| !paused(chunk.gauge().slot))?;
        self.aside.remove(at)
    }

    /// A partition that is read.
    fn read(&mut self, slot: usize) -> Option<&mut Progress> {
        self.progress.iter_mut().find(|progress| progress.gauge.slot == slot && progress.halted.is_none())
    }

    /// Reads a partition no further. Whether it was read until now.
    fn halt(&mut self, slot: usize, error: &Error) -> bool {
        self.current = self.current.take().filter(|current| current.chunk.gauge().slot != slot);
        let Some(progress) = self.read(slot) else { return false };
        progress.halted = Some(error.clone());
        true
    }

    /// The error of a halted partition, if there are no others. A member of a group may get others.
    fn all_halted(&self) -> Option<Error> {
        let first = self.progress.first().filter(|_| self.group.is_none())?.halted.clone();
        first.filter(|_| self.progress.iter().all(|progress| progress.halted.is_some()))
    }

    /// Whether a partition that is read has not reached its end. The one that was found last is looked at first, then
    /// those behind it: so all of them together are looked at about once, not once for each message.
    #[inline]
    pub(super) fn is_behind(&mut self, end: &EndOffsets) -> bool {
        let behind = |progress: &Progress| progress.halted.is_none() && !progress.has_reached(end);
        let found = position_from(&self.progress, self.last_behind, behind);
        self.last_behind = found.unwrap_or_default();
        found.is_some()
    }

    /// The error of a halted partition, if only such have not reached their end.
    pub(super) fn only_halted_left(&self, end: &EndOffsets) -> Option<Error> {
        let mut left = self.progress.iter().filter(|progress| !progress.has_reached(end));
        let error = left.next()?.halted.clone();
        error.filter(|_| left.all(|progress| progress.halted.is_some()))
    }
}
