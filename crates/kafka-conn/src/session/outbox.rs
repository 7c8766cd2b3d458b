//! What is to be written: small pieces gathered into one buffer, large ones passed on as they are.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::Message;
use kafka_protocol::messages::header::RequestHeader;

use super::RequestInfo;
use crate::call::Body;
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Outbox<T> {
    chunks: VecDeque<Bytes>,
    /// What comes after `chunks`. Its memory is used again once the chunks cut from it are written.
    gathered: BytesMut,
    /// Bytes that were put in since the start, and bytes that the stream took.
    queued: u64,
    written: u64,
    /// Requests that are done when they are written, in order.
    unanswered: VecDeque<Unanswered<T>>,
}

/// Whether the bytes of a body may be gathered with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    Allowed,
    /// They are secret, and wiped by their owner.
    Forbidden,
}

#[derive(Debug)]
pub(super) struct Unanswered<T> {
    pub(super) request: RequestInfo,
    /// Where in the stream of bytes the request begins and ends.
    pub(super) start: u64,
    end: u64,
    pub(super) queued_at: Instant,
    pub(super) deadline: Instant,
    pub(super) token: T,
}

impl<T> Outbox<T> {
    /// Puts in a request: size, header, body. Returns where in the stream of bytes it begins.
    pub(super) fn push(
        &mut self,
        header: &RequestHeader,
        header_version: i16,
        body: &Body,
        copies: Copies,
    ) -> Result<u64> {
        let before = self.gathered.len();
        self.gathered.put_u32(0);
        let written = header.encode(header_version, &mut self.gathered).map_err(Error::from);
        let header_len = self.gathered.len() - before - SIZE_LEN;
        let len = header_len.saturating_add(body.len());
        let size = written.and_then(|()| {
            let limit = u64::from(i32::MAX.unsigned_abs());
            i32::try_from(len)
                .map_err(|_| Error::new(ErrorKind::RequestTooLarge { size: len as u64, limit }).with_unsent())
        });
        let size = match size {
            Ok(size) => size,
            Err(error) => {
                self.gathered.truncate(before);
                return Err(error);
            }
        };
        if let Some(place) = self.gathered.get_mut(before..before + SIZE_LEN) {
            place.copy_from_slice(&size.to_be_bytes());
        }
        for piece in body.pieces() {
            if piece.len() <= MAX_COPY && copies == Copies::Allowed {
                self.gathered.put_slice(piece);
            } else {
                self.flush();
                self.chunks.push_back(piece.clone());
            }
        }
        let start = self.queued;
        self.queued += (SIZE_LEN + len) as u64;
        Ok(start)
    }

    /// Says that the request put in last is not answered: it is done when it is written.
    pub(super) fn expect_sent(&mut self, request: RequestInfo, start: u64, now: Instant, deadline: Instant, token: T) {
        let end = self.queued;
        self.unanswered.push_back(Unanswered { request, start, end, queued_at: now, deadline, token });
    }

    /// Hands out what there is to write.
    pub(super) fn drain(&mut self, chunks: &mut VecDeque<Bytes>) {
        self.flush();
        chunks.append(&mut self.chunks);
    }

    pub(super) fn transmitted(&mut self, bytes: usize) {
        self.written += bytes as u64;
        debug_assert!(self.written <= self.queued, "wrote more than there was");
    }

    /// A token whose request is written.
    pub(super) fn pop_sent(&mut self) -> Option<T> {
        let written = self.written;
        let sent = self.unanswered.pop_front_if(|unanswered| unanswered.end <= written);
        sent.map(|unanswered| unanswered.token)
    }

    /// The unanswered request that is to be written first: when it is late, the stream has stalled.
    pub(super) fn unanswered(&self) -> Option<&Unanswered<T>> {
        self.unanswered.front()
    }

    /// When the last unanswered request is late.
    pub(super) fn last_deadline(&self) -> Option<Instant> {
        self.unanswered.iter().map(|unanswered| unanswered.deadline).max()
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn is_drained(&self) -> bool {
        self.written == self.queued
    }

    /// Forgets everything that is not handed out; returns what was to be written and is not answered.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Unanswered<T>> {
        self.chunks.clear();
        self.gathered = BytesMut::new();
        self.unanswered.drain(..)
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.chunks.push_back(self.gathered.split().freeze());
        }
    }
}

/// Bytes on their way out may be secret.
impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queued, written, .. } = self;
        f.debug_struct("Outbox").field("queued", queued).field("written", written).finish_non_exhaustive()
    }
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            gathered: BytesMut::with_capacity(CAPACITY),
            queued: 0,
            written: 0,
            unanswered: VecDeque::new(),
        }
    }
}

const SIZE_LEN: usize = 4;
/// Up to here, copying is cheaper than one more piece in a write.
const MAX_COPY: usize = 4 << 10;
const CAPACITY: usize = 8 << 10;
