//! Moves bytes and time between a stream and its session: the only place that reads or writes a socket.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, timeout};

use crate::authenticator::Authenticator;
use crate::connector::Stream;
use crate::session::{Call, Event, Session};

/// A stream and its session.
pub(crate) struct Driver<T> {
    pub(crate) session: Session<T>,
    stream: Box<dyn Stream>,
    authenticator: Authenticator,
    /// What the session handed out and the stream has not taken.
    chunks: VecDeque<Bytes>,
    unflushed: bool,
    /// Earlier than needed is fine, and saves setting it anew for every call.
    sleep: Pin<Box<Sleep>>,
}

impl<T> Driver<T> {
    pub(crate) fn new(session: Session<T>, stream: Box<dyn Stream>, authenticator: Authenticator) -> Self {
        Self {
            session,
            stream,
            authenticator,
            chunks: VecDeque::new(),
            unflushed: false,
            sleep: Box::pin(tokio::time::sleep_until(Instant::now())),
        }
    }

    /// Writes, reads, lets the mechanism speak and looks at the time; returns whether anything happened. If not, the task is woken when it can.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> bool {
        let wrote = self.poll_write(cx);
        let read = self.poll_read(cx);
        let spoke = self.poll_authenticator(cx);
        let timed = self.poll_time(cx);
        wrote || read || spoke || timed
    }

    /// Makes a call, and writes it as far as the stream takes it. Returns whether another step is needed, as there are
    /// events, or the time of something has come: then the next time is yet to be waited for.
    pub(crate) fn call_now(&mut self, cx: &mut Context<'_>, call: Call<T>) -> bool {
        self.session.handle_call(Instant::now().into_std(), call);
        while self.poll_write(cx) {}
        let timed = self.poll_time(cx);
        timed || self.session.has_events()
    }

    /// The next event; those for the mechanism are seen to here.
    pub(crate) fn poll_event(&mut self) -> Option<Event<T>> {
        loop {
            match self.session.poll_event()? {
                Event::Authenticate => self.authenticator.start(),
                Event::Challenge(challenge) => self.authenticator.respond(challenge),
                event => return Some(event),
            }
        }
    }

    /// Ends the stream in an orderly way, but does not wait for ever.
    pub(crate) async fn shutdown(mut self) {
        let _too_late_to_matter = timeout(SHUTDOWN_TIMEOUT, self.stream.shutdown()).await;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        if self.session.is_closed() {
            return false;
        }
        self.session.poll_transmit(&mut self.chunks);
        if self.chunks.is_empty() {
            return self.poll_flush(cx);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = self.chunks.iter().zip(&mut slices).map(|(chunk, slice)| *slice = IoSlice::new(chunk)).count();
        let slices = slices.get(..filled).unwrap_or_default();
        match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.lost(cx, io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => {
                self.unflushed = true;
                advance(&mut self.chunks, count);
                self.session.handle_transmitted(count);
            }
            Poll::Ready(Err(error)) => self.lost(cx, error),
        }
        true
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.unflushed {
            return false;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.unflushed = false,
            Poll::Ready(Err(error)) => self.lost(cx, error),
        }
        true
    }

    /// Nothing can be written any more. A broker that closes has often answered before: whoever is answered by what
    /// has already come learns more than that the connection was lost.
    fn lost(&mut self, cx: &mut Context<'_>, error: io::Error) {
        for _ in 0..MAX_LAST_READS {
            if !self.poll_read(cx) {
                break;
            }
        }
        self.session.handle_lost(error);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.session.is_closed() {
            return false;
        }
        let read = pin!(self.stream.read_buf(self.session.read_buffer())).poll(cx);
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.session.handle_end(),
            Poll::Ready(Ok(_)) => self.session.handle_read(Instant::now().into_std()),
            Poll::Ready(Err(error)) => self.session.handle_lost(error),
        }
        true
    }

    fn poll_authenticator(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(reply) = self.authenticator.poll(cx) else {
            return false;
        };
        self.session.handle_authentication(Instant::now().into_std(), reply);
        true
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.session.poll_timeout().map(Instant::from_std) else {
            return false;
        };
        if self.sleep.is_elapsed() || at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
        }
        if self.sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.session.handle_timeout(Instant::now().into_std());
        true
    }
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("chunks", &self.chunks.len()).finish_non_exhaustive()
    }
}

/// Drops the first `count` bytes.
fn advance(chunks: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(front) = chunks.front_mut() {
        if front.len() > count {
            return front.advance(count);
        }
        count -= front.len();
        chunks.pop_front();
    }
}

/// Pieces of one write.
const MAX_SLICES: usize = 64;
/// Reads from a stream that can no longer be written: several times what a kernel buffers, in chunks.
const MAX_LAST_READS: usize = 1024;
/// The answers are in: nobody waits for more than a courtesy.
const SHUTDOWN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
