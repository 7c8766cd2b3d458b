//! The rules of one connection to a broker, without the connection.
//!
//! Sans-IO.

mod handshake;
mod in_flight;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::versions::BrokerVersions;
use kafka_protocol::{ApiKey, Limits, Message};
use smol_str::SmolStr;

use crate::call::RawRequest;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::frame::FrameDecoder;
use handshake::{Handshake, Next};
use in_flight::{InFlight, Owner, Slot};
use outbox::Outbox;

/// One connection to a broker as a state machine: bytes and calls go in, bytes and answers come out.
///
/// ```text
///                handle_call          handle_close          drained
///  Handshake ──────────────► Ready ─────────────► Closing ─────────► Closed
///      │  ApiVersions, (SASL)  │                      │                ▲
///      └───────────────────────┴──────────────────────┴────────────────┘
///        the stream ended, the oldest call ran out of time, the broker broke the protocol
/// ```
///
/// - Inputs: [`handle_call`](Self::handle_call), [`handle_close`](Self::handle_close), bytes through
///   [`read_buffer`](Self::read_buffer) and [`handle_read`](Self::handle_read) (or
///   [`handle_bytes`](Self::handle_bytes)), [`handle_end`](Self::handle_end), [`handle_lost`](Self::handle_lost),
///   [`handle_transmitted`](Self::handle_transmitted), [`handle_timeout`](Self::handle_timeout).
/// - Outputs, to be drained after each input: [`poll_event`](Self::poll_event), then
///   [`poll_transmit`](Self::poll_transmit), then [`poll_timeout`](Self::poll_timeout).
///
/// `T` is whatever a caller wants back with the answer. The number of calls in flight is the owner's to bound.
#[derive(Debug)]
pub struct Session<T> {
    state: State,
    config: SessionConfig,
    header: RequestHeader,
    frames: FrameDecoder,
    in_flight: InFlight<T>,
    outbox: Outbox<T>,
    events: VecDeque<Event<T>>,
}

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The name by which the broker knows this client.
    pub client_id: SmolStr,
    /// Bytes of a frame before the session is ready.
    pub max_handshake_frame: usize,
    /// Bytes of a frame afterwards.
    pub max_frame: usize,
}

#[derive(Debug)]
enum State {
    Handshake(Handshake),
    Ready,
    Closing {
        /// When nobody waits any more for what is still unanswered.
        until: Instant,
    },
    Closed,
}

/// A request to make.
#[derive(Debug)]
pub struct Call<T> {
    /// The request, encoded.
    pub request: RawRequest,
    /// Whether the broker answers it.
    pub expect: Expect,
    /// When its answer is too late.
    pub deadline: Instant,
    /// Comes back with the answer.
    pub token: T,
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The broker answers.
    Answer,
    /// The broker does not answer: a Produce with `acks=0`.
    Nothing,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// The handshake is over: calls may be made.
    Ready(Arc<BrokerVersions>),
    /// A call was answered.
    Answered {
        /// The call's.
        token: T,
        /// What it was.
        request: RequestInfo,
        /// How long it took from [`Session::handle_call`].
        elapsed: Duration,
        /// The answer's body; a slice of the read buffer.
        body: Bytes,
    },
    /// The last byte of a request that is not answered went out.
    Sent {
        /// The call's.
        token: T,
    },
    /// A call behind others ran out of time. Its slot stays until it is answered, and with it the token:
    /// [`Session::token_mut`].
    Late {
        /// What it was.
        request: RequestInfo,
        /// Why.
        error: Error,
    },
    /// A call will not be answered.
    Failed {
        /// The call's.
        token: T,
        /// Why.
        error: Error,
    },
    /// The session is over, and this is its last event but for the refusals of calls that are made nevertheless.
    Closed {
        /// Why; [`Closed`](ErrorKind::Closed) after [`Session::handle_close`].
        error: Error,
    },
}

/// What a request was, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The API.
    pub api_key: ApiKey,
    /// The version.
    pub version: i16,
    /// The number that the answer repeats.
    pub correlation_id: i32,
}

impl<T> Session<T> {
    /// A session at its start: the handshake has until `deadline`.
    pub fn new(config: SessionConfig, now: Instant, deadline: Instant) -> Self {
        let client_id = Some(config.client_id.clone());
        let mut session = Self {
            state: State::Closed,
            header: RequestHeader { client_id, ..RequestHeader::default() },
            frames: FrameDecoder::new(config.max_handshake_frame),
            in_flight: InFlight::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            config,
        };
        let (handshake, request) = Handshake::start();
        session.state = State::Handshake(handshake);
        session.ask(now, deadline, request);
        session
    }

    /// Makes a call. Where the session is not ready, or the deadline is over, it fails at once.
    pub fn handle_call(&mut self, now: Instant, call: Call<T>) {
        let Call { request, expect, deadline, token } = call;
        if let Err(error) = self.check_call(now, deadline) {
            let error = error.with_api(request.api_key, request.version).with_unsent();
            return self.events.push_back(Event::Failed { token, error });
        }
        match expect {
            Expect::Answer => self.enqueue(now, deadline, request, Owner::Caller(token)),
            Expect::Nothing => match self.write(&request) {
                Ok((request, start)) => self.outbox.expect_sent(request, start, now, deadline, token),
                Err(error) => self.events.push_back(Event::Failed { token, error }),
            },
        }
    }

    /// The buffer to append received bytes to; it has room. To be followed by [`handle_read`](Self::handle_read).
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        self.frames.read_buffer()
    }

    /// Takes what was appended to [`read_buffer`](Self::read_buffer).
    pub fn handle_read(&mut self, now: Instant) {
        while !self.is_closed() {
            match self.frames.poll_frame() {
                Ok(Some(frame)) => {
                    if let Err(error) = self.handle_frame(now, frame) {
                        self.fail(error);
                    }
                }
                Ok(None) => return,
                Err(error) => self.fail(error),
            }
        }
    }

    /// Takes received bytes by copying them.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.frames.handle_bytes(bytes);
        self.handle_read(now);
    }

    /// The broker has closed its side of the stream.
    pub fn handle_end(&mut self) {
        let within = self.frames.is_within_frame();
        let error = self.lost();
        self.fail(if within { error.with_source(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { error });
    }

    /// The stream failed.
    pub fn handle_lost(&mut self, cause: io::Error) {
        let error = self.lost().with_source(cause);
        self.fail(error);
    }

    /// The stream took `bytes` more of what [`poll_transmit`](Self::poll_transmit) handed out.
    pub fn handle_transmitted(&mut self, bytes: usize) {
        self.outbox.transmitted(bytes);
        while let Some(token) = self.outbox.pop_sent() {
            self.events.push_back(Event::Sent { token });
        }
        self.close_if_drained();
    }

    /// Time has passed: to be called when [`poll_timeout`](Self::poll_timeout) says, at the latest.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        if let Some(slot) = self.in_flight.front().filter(|slot| slot.deadline <= now) {
            let step = if matches!(slot.owner, Owner::Handshake) { Step::ApiVersions } else { Step::Call };
            let error = timed_out(step, slot.request, slot.sent_at, slot.deadline);
            return self.fail(error);
        }
        if let Some(stalled) = self.outbox.unanswered().filter(|stalled| stalled.deadline <= now) {
            let error = timed_out(Step::Call, stalled.request, stalled.queued_at, stalled.deadline);
            return self.fail(error);
        }
        let told = self.events.len();
        for slot in self.in_flight.expire(now) {
            let error = timed_out(Step::Call, slot.request, slot.sent_at, slot.deadline);
            self.events.push_back(Event::Late { request: slot.request, error });
        }
        // Whoever was just found late is told so first, and has to have a slot for that.
        if self.events.len() == told && self.closing_until().is_some_and(|until| until <= now) {
            self.fail(Error::new(ErrorKind::Closed));
        }
    }

    /// Closes in an orderly way: no new calls, answers to those in flight, then the end; at the latest when all that
    /// somebody waits for is late.
    pub fn handle_close(&mut self, now: Instant) {
        match self.state {
            State::Handshake(_) => self.fail(Error::new(ErrorKind::Closed)),
            State::Ready => {
                let until = self.in_flight.last_deadline().max(self.outbox.last_deadline()).unwrap_or(now);
                self.state = State::Closing { until };
                self.close_if_drained();
            }
            State::Closing { .. } | State::Closed => {}
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Appends what is to be written to `chunks`, in order, for a vectored write. What the stream takes of it has to be
    /// reported by [`handle_transmitted`](Self::handle_transmitted).
    pub fn poll_transmit(&mut self, chunks: &mut VecDeque<Bytes>) {
        self.outbox.drain(chunks);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); may be earlier than anything happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stalled = self.outbox.unanswered().map(|unanswered| unanswered.deadline);
        self.in_flight.timeout().into_iter().chain(stalled).chain(self.closing_until()).min()
    }

    /// The token of a call in flight.
    pub fn token_mut(&mut self, correlation_id: i32) -> Option<&mut T> {
        self.in_flight.token_mut(correlation_id)
    }

    /// The number of calls that wait for an answer, or whose answer nobody waits for any more.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// A call that is late before it is made must not be written: as the oldest in flight it would end the connection.
    fn check_call(&self, now: Instant, deadline: Instant) -> Result<()> {
        match self.state {
            State::Ready if deadline > now => Ok(()),
            State::Ready => Err(Error::new(ErrorKind::Timeout { step: Step::Call, after: None })),
            State::Handshake(_) | State::Closing { .. } | State::Closed => Err(Error::new(ErrorKind::Closed)),
        }
    }

    fn ask(&mut self, now: Instant, deadline: Instant, request: RawRequest) {
        self.enqueue(now, deadline, request, Owner::Handshake);
    }

    fn enqueue(&mut self, now: Instant, deadline: Instant, request: RawRequest, owner: Owner<T>) {
        match self.write(&request) {
            Ok((request, start)) => self.in_flight.push(Slot { request, start, sent_at: now, deadline, owner }),
            Err(error) => match owner {
                Owner::Caller(token) | Owner::Late(token) => self.events.push_back(Event::Failed { token, error }),
                Owner::Handshake => self.fail(error),
            },
        }
    }

    /// Frames a request into the outbox; returns where in the stream of bytes it begins.
    fn write(&mut self, request: &RawRequest) -> Result<(RequestInfo, u64)> {
        let RawRequest { api_key, version, ref body } = *request;
        self.header.request_api_key = api_key.0;
        self.header.request_api_version = version;
        let start = self.outbox.push(&self.header, api_key.request_header_version(version), body)?;
        let correlation_id = self.header.correlation_id;
        // Never negative: some proxies take it for unsigned.
        self.header.correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        Ok((RequestInfo { api_key, version, correlation_id }, start))
    }

    fn handle_frame(&mut self, now: Instant, mut frame: Bytes) -> Result<()> {
        let Some(id) = frame.first_chunk::<4>() else {
            return Err(Error::new(ErrorKind::InvalidFrame { size: i32::try_from(frame.len()).unwrap_or(i32::MAX) }));
        };
        let actual = i32::from_be_bytes(*id);
        let expected = self.in_flight.front().map(|slot| slot.request);
        let Some(request) = expected.filter(|request| request.correlation_id == actual) else {
            let expected = expected.map(|request| request.correlation_id);
            return Err(Error::new(ErrorKind::OutOfStep { expected, actual }));
        };
        let header_version = request.api_key.response_header_version(request.version);
        ResponseHeader::decode_prefix(header_version, &mut frame, &Limits::default())
            .map_err(|error| Error::from(error).with_api(request.api_key, request.version))?;
        let Some(Slot { owner, sent_at, deadline, .. }) = self.in_flight.pop(now) else {
            return Ok(());
        };
        match owner {
            Owner::Handshake => self.handle_handshake(now, deadline, frame)?,
            Owner::Caller(token) | Owner::Late(token) => {
                let elapsed = now.saturating_duration_since(sent_at);
                self.events.push_back(Event::Answered { token, request, elapsed, body: frame });
            }
        }
        self.close_if_drained();
        Ok(())
    }

    fn handle_handshake(&mut self, now: Instant, deadline: Instant, body: Bytes) -> Result<()> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(());
        };
        match handshake.handle_answer(body)? {
            Next::Ask(request) => self.ask(now, deadline, request),
            Next::Done(versions) => {
                self.state = State::Ready;
                self.frames.set_max_frame(self.config.max_frame);
                self.events.push_back(Event::Ready(Arc::new(versions)));
            }
        }
        Ok(())
    }

    fn closing_until(&self) -> Option<Instant> {
        match self.state {
            State::Closing { until } => Some(until),
            State::Handshake(_) | State::Ready | State::Closed => None,
        }
    }

    fn close_if_drained(&mut self) {
        if matches!(self.state, State::Closing { .. }) && self.in_flight.len() == 0 && self.outbox.is_drained() {
            self.fail(Error::new(ErrorKind::Closed));
        }
    }

    fn lost(&self) -> Error {
        Error::new(match &self.state {
            State::Handshake(handshake) => ErrorKind::ClosedDuring { step: handshake.step() },
            State::Ready | State::Closing { .. } | State::Closed => ErrorKind::ConnectionLost,
        })
    }

    /// Ends the session. The oldest call gets the error itself, the others learn that the connection was lost.
    fn fail(&mut self, error: Error) {
        if self.is_closed() {
            return;
        }
        self.state = State::Closed;
        let others = if matches!(error.kind(), ErrorKind::Closed | ErrorKind::ConnectionLost) {
            error.clone()
        } else {
            Error::new(ErrorKind::ConnectionLost).with_source(error.clone())
        };
        let mut next = error.clone();
        let written = self.outbox.written();
        for slot in self.in_flight.drain() {
            let error = std::mem::replace(&mut next, others.clone());
            let error = if slot.start >= written { error.with_unsent() } else { error };
            if let Owner::Caller(token) | Owner::Late(token) = slot.owner {
                let error = error.with_api(slot.request.api_key, slot.request.version);
                self.events.push_back(Event::Failed { token, error });
            }
        }
        for unanswered in self.outbox.clear() {
            let error = others.clone().with_api(unanswered.request.api_key, unanswered.request.version);
            let error = if unanswered.start >= written { error.with_unsent() } else { error };
            self.events.push_back(Event::Failed { token: unanswered.token, error });
        }
        self.events.push_back(Event::Closed { error });
    }
}

fn timed_out(step: Step, request: RequestInfo, since: Instant, deadline: Instant) -> Error {
    let after = Some(deadline.saturating_duration_since(since));
    Error::new(ErrorKind::Timeout { step, after }).with_api(request.api_key, request.version)
}
