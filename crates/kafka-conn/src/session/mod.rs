//! The rules of one connection to a broker, without the connection.
//!
//! Sans-IO.

mod authentication;
mod closing;
mod event;
mod handshake;
mod held;
mod in_flight;
mod outbox;
mod renewal;
#[cfg(test)]
mod tests;
mod throttle;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::versions::BrokerVersions;
use kafka_protocol::{Limits, Message};

pub use event::{Call, Event, Expect, RequestInfo, SaslConfig, SessionConfig};

use crate::call::{RawRequest, is_secret};
use crate::deadline::later;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::frame::FrameDecoder;
use crate::secret::Secret;
use authentication::Authentication;
pub(crate) use closing::lost_by;
use handshake::{Handshake, Next};
use held::Held;
use in_flight::{InFlight, Owner, Slot};
use outbox::{Copies, Outbox};
use renewal::Renewal;

/// One connection to a broker as a state machine: bytes and calls go in, bytes and answers come out.
///
/// ```text
///              ApiVersions               SASL            handle_close          drained
///  Handshake ─────────────► Authenticating ────► Ready ─────────────► Closing ─────────► Closed
///      │  └──────── without SASL ────────┼────────►│                      │                ▲
///      └─────────────────────────────────┴─────────┴──────────────────────┴────────────────┘
///        the stream ended, the oldest call ran out of time, the broker broke the protocol
/// ```
///
/// A session that is ready may have to authenticate anew before its lifetime is over (KIP-368): then calls wait until
/// what is in flight is answered and the broker has agreed. They also wait where an answer asks for a pause (KIP-219).
///
/// - Inputs: [`handle_call`](Self::handle_call), [`handle_close`](Self::handle_close),
///   [`handle_authentication`](Self::handle_authentication), bytes through
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
    /// Calls that may not go out yet.
    held: Held<T>,
    renewal: Renewal,
    /// Known after the handshake.
    versions: Option<Arc<BrokerVersions>>,
    /// Whether the broker has answered a call.
    answered: bool,
    events: VecDeque<Event<T>>,
}

#[derive(Debug)]
enum State {
    Handshake {
        handshake: Handshake,
        deadline: Instant,
        /// What the mechanism says first, where it was fast.
        first: Option<Secret>,
    },
    Authenticating {
        authentication: Authentication,
        versions: Arc<BrokerVersions>,
        deadline: Instant,
    },
    Ready,
    Closing {
        /// When nobody waits any more for what is still unanswered.
        until: Instant,
        /// What it ends with: [`ErrorKind::Closed`], or why it could not go on.
        cause: Error,
    },
    Closed,
}

impl<T> Session<T> {
    /// A session at its start: the handshake has until `deadline`.
    pub fn new(config: SessionConfig, now: Instant, deadline: Instant) -> Self {
        let client_id = Some(config.client_id.clone());
        let mut session = Self {
            state: State::Closed,
            header: RequestHeader { client_id, correlation_id: FIRST_CORRELATION_ID, ..RequestHeader::default() },
            frames: FrameDecoder::new(config.max_handshake_frame),
            in_flight: InFlight::default(),
            outbox: Outbox::default(),
            held: Held::default(),
            renewal: Renewal::Never,
            versions: None,
            answered: false,
            events: VecDeque::new(),
            config,
        };
        let (handshake, request) = Handshake::start();
        session.state = State::Handshake { handshake, deadline, first: None };
        session.ask(now, deadline, request);
        session.header.correlation_id = 1;
        if session.config.sasl.is_some() {
            session.events.push_back(Event::Authenticate);
        }
        session
    }

    /// Makes a call. Where the session is not ready, or the deadline is over, it fails at once.
    pub fn handle_call(&mut self, now: Instant, call: Call<T>) {
        let Call { request, expect, deadline, token } = call;
        if let Err(error) = self.check_call(now, deadline) {
            let error = error.with_api(request.api_key, request.version).with_unsent();
            return self.events.push_back(Event::Failed { token, error });
        }
        let call = Call { request, expect, deadline, token };
        // Who came before goes first.
        if self.renewal.holds_calls(now) || self.held.is_paused(now) || !self.held.is_empty() {
            self.held.push(now, call);
            return self.release(now);
        }
        self.send(now, call);
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
        if let Some(slot) = self.in_flight.dead_front(now) {
            let step = if matches!(slot.owner, Owner::Session) { self.step() } else { Step::Call };
            let error = timed_out(step, slot.request, slot.sent_at, slot.deadline);
            return self.fail(error);
        }
        if let Some(stalled) = self.outbox.unanswered().filter(|stalled| stalled.deadline <= now) {
            let error = timed_out(Step::Call, stalled.request, stalled.queued_at, stalled.deadline);
            return self.fail(error);
        }
        if self.handshake_until().is_some_and(|until| until <= now) {
            return self.fail(Error::new(ErrorKind::Timeout { step: self.step(), after: None }));
        }
        let told = self.events.len();
        for slot in self.in_flight.expire(now) {
            let error = timed_out(Step::Call, slot.request, slot.sent_at, slot.deadline);
            self.events.push_back(Event::Late { request: slot.request, error });
        }
        self.expire_held(now);
        self.release(now);
        self.handle_renewal_timeout(now);
        // Whoever was just found late is told so first, and has to have a slot for that.
        if self.events.len() == told
            && let State::Closing { until, cause } = &self.state
            && *until <= now
        {
            let cause = cause.clone();
            self.fail(cause);
        }
        self.close_if_drained();
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
        let in_flight = self.in_flight.timeout().into_iter().chain(stalled).chain(self.held.timeout());
        in_flight.chain(self.closing_until()).chain(self.handshake_until()).chain(self.renewal.timeout()).min()
    }

    /// The token of a call in flight.
    pub fn token_mut(&mut self, correlation_id: i32) -> Option<&mut T> {
        self.in_flight.token_mut(correlation_id)
    }

    /// The number of requests that wait for an answer, or whose answer nobody waits for any more.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether a call would be the only one: none is in flight, held back or about to be written. It may be held back all
    /// the same, where the broker has asked for a pause or the session is being renewed.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Ready)
            && self.in_flight.len() == 0
            && self.held.is_empty()
            && self.outbox.is_drained()
            && !self.has_events()
    }

    /// Whether [`poll_event`](Self::poll_event) has something to say.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// A call that is late before it is made must not be written: as the oldest in flight it would end the connection.
    fn check_call(&self, now: Instant, deadline: Instant) -> Result<()> {
        match &self.state {
            State::Ready if deadline > now => Ok(()),
            State::Ready => Err(Error::new(ErrorKind::Timeout { step: Step::Call, after: None })),
            State::Closing { cause, .. } => Err(lost_by(cause)),
            State::Handshake { .. } | State::Authenticating { .. } | State::Closed => {
                Err(Error::new(ErrorKind::Closed))
            }
        }
    }

    /// Sends what was held, as far as it may go by now.
    fn release(&mut self, now: Instant) {
        while !self.renewal.holds_calls(now) && !self.held.is_paused(now) {
            let Some((_, call)) = self.held.pop() else { return };
            self.send(now, call);
        }
    }

    fn expire_held(&mut self, now: Instant) {
        for (since, Call { request, deadline, token, .. }) in self.held.expire(now) {
            let after = Some(deadline.saturating_duration_since(since));
            let error = Error::new(ErrorKind::Timeout { step: Step::Call, after });
            let error = error.with_api(request.api_key, request.version).with_unsent();
            self.events.push_back(Event::Failed { token, error });
        }
    }

    fn send(&mut self, now: Instant, call: Call<T>) {
        let Call { request, expect, deadline, token } = call;
        match expect {
            Expect::Answer => self.enqueue(now, deadline, request, Owner::Caller(token)),
            Expect::Nothing => match self.write(&request) {
                Ok((request, start)) => self.outbox.expect_sent(request, start, now, deadline, token),
                Err(error) => self.events.push_back(Event::Failed { token, error }),
            },
        }
    }

    fn ask(&mut self, now: Instant, deadline: Instant, request: RawRequest) {
        self.enqueue(now, deadline, request, Owner::Session);
    }

    fn enqueue(&mut self, now: Instant, deadline: Instant, request: RawRequest, owner: Owner<T>) {
        match self.write(&request) {
            Ok((request, start)) => self.in_flight.push(Slot { request, start, sent_at: now, deadline, owner }),
            Err(error) => match owner {
                Owner::Caller(token) | Owner::Late(token) => self.events.push_back(Event::Failed { token, error }),
                Owner::Session => self.fail(error),
            },
        }
    }

    /// Frames a request into the outbox; returns where in the stream of bytes it begins.
    fn write(&mut self, request: &RawRequest) -> Result<(RequestInfo, u64)> {
        let RawRequest { api_key, version, ref body } = *request;
        let copies = if is_secret(api_key) { Copies::Forbidden } else { Copies::Allowed };
        self.header.request_api_key = api_key.0;
        self.header.request_api_version = version;
        let start = self.outbox.push(&self.header, api_key.request_header_version(version), body, copies)?;
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
        let Some(Slot { owner, sent_at, .. }) = self.in_flight.pop(now) else {
            return Ok(());
        };
        match owner {
            Owner::Session => self.handle_own_answer(now, request, frame)?,
            Owner::Caller(token) | Owner::Late(token) => {
                self.answered = true;
                self.handle_throttle(now, request, &frame);
                let elapsed = now.saturating_duration_since(sent_at);
                self.events.push_back(Event::Answered { token, request, elapsed, body: frame });
            }
        }
        self.renew_if_drained(now)?;
        self.close_if_drained();
        Ok(())
    }

    fn handle_throttle(&mut self, now: Instant, request: RequestInfo, body: &Bytes) {
        let pause = throttle::pause(request, body);
        if !pause.is_zero() {
            self.held.pause_until(later(now, pause));
            self.events.push_back(Event::Throttled { request, pause });
        }
    }

    /// Takes the answer to what the session itself asked.
    fn handle_own_answer(&mut self, now: Instant, request: RequestInfo, body: Bytes) -> Result<()> {
        if let State::Handshake { handshake, deadline, .. } = &mut self.state {
            let deadline = *deadline;
            match handshake.handle_answer(body)? {
                Next::Ask(request) => self.ask(now, deadline, request),
                Next::Done(versions) => self.handle_negotiated(now, versions)?,
            }
        } else if let Some((authentication, deadline)) = self.authentication() {
            let next = authentication.handle_answer(now, body);
            let next = next.map_err(|error| error.with_api(request.api_key, request.version))?;
            self.handle_next(now, deadline, next);
        }
        Ok(())
    }

    /// The handshake is over.
    fn ready(&mut self, versions: Arc<BrokerVersions>) {
        self.state = State::Ready;
        self.frames.set_max_frame(self.config.max_frame);
        self.events.push_back(Event::Ready(versions));
    }

    /// What the session itself is doing.
    fn step(&self) -> Step {
        match (&self.state, &self.renewal) {
            (State::Handshake { .. }, _) => Step::ApiVersions,
            (State::Authenticating { authentication, .. }, _) | (_, Renewal::Running { authentication, .. }) => {
                authentication.step()
            }
            _ => Step::Call,
        }
    }

    fn handshake_until(&self) -> Option<Instant> {
        match self.state {
            State::Handshake { deadline, .. } | State::Authenticating { deadline, .. } => Some(deadline),
            State::Ready | State::Closing { .. } | State::Closed => None,
        }
    }

    fn closing_until(&self) -> Option<Instant> {
        match self.state {
            State::Closing { until, .. } => Some(until),
            State::Handshake { .. } | State::Authenticating { .. } | State::Ready | State::Closed => None,
        }
    }
}

fn timed_out(step: Step, request: RequestInfo, since: Instant, deadline: Instant) -> Error {
    let after = Some(deadline.saturating_duration_since(since));
    Error::new(ErrorKind::Timeout { step, after }).with_api(request.api_key, request.version)
}

/// Four bytes that end a line, twice: an HTTP server that is sent this waits no longer for the rest of its request, but
/// answers that it is none, by which it is known.
const FIRST_CORRELATION_ID: i32 = i32::from_be_bytes(*b"\r\n\r\n");
