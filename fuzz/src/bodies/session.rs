//! Sessions: any sequence of what a connection's owner and its broker may do.

mod broker;
mod ledger;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use kafka_conn::sasl::Reply;
use kafka_conn::session::{Call, Event, Expect, SaslConfig, Session, SessionConfig};
use kafka_conn::{Error, ErrorKind, RawRequest, Secret};
use kafka_protocol::ApiKey;

use self::broker::Broker;
use self::ledger::Ledger;
use super::memory;

/// The input: one byte for whether the session authenticates, one for how it ends, then operations, a byte for each and
/// what it takes.
pub fn session(data: &[u8]) {
    memory::bounded(data.len(), OWN + PER_BYTE * data.len(), || {
        let mut input = Unstructured::new(data);
        let Ok([with_sasl, end]) = input.arbitrary::<[u8; 2]>() else { return };
        let mut run = Run::new(with_sasl & 1 != 0);
        while !input.is_empty() && run.operation(&mut input).is_ok() {
            run.settle();
        }
        run.end(End::of(end));
    });
}

/// How a session comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The stream ends.
    Stream,
    /// It is closed, and nothing more happens than that time passes.
    Close,
    /// It is closed, and the broker answers what it was asked.
    Drain,
}

impl End {
    fn of(byte: u8) -> Self {
        match byte % 3 {
            0 => Self::Stream,
            1 => Self::Close,
            _ => Self::Drain,
        }
    }
}

/// A session, its owner, and the broker at the other end.
struct Run {
    now: Instant,
    session: Session<usize>,
    /// What was taken from the session, and not yet written.
    chunks: VecDeque<Bytes>,
    broker: Broker,
    ledger: Ledger,
    asked: Option<Asked>,
}

/// What the mechanism was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    First,
    Challenge,
}

impl Run {
    fn new(with_sasl: bool) -> Self {
        let sasl =
            SaslConfig { mechanism: "SCRAM-SHA-256".into(), timeout: Duration::from_millis(3000), permille: 850 };
        let config = SessionConfig {
            client_id: "fuzz".into(),
            max_handshake_frame: MAX_HANDSHAKE_FRAME,
            max_frame: MAX_FRAME,
            sasl: with_sasl.then_some(sasl),
        };
        let now = Instant::now();
        let session = Session::new(config, now, now + Duration::from_secs(10));
        let (broker, ledger) = (Broker::default(), Ledger::default());
        let mut run = Self { now, session, chunks: VecDeque::new(), broker, ledger, asked: None };
        run.settle();
        run
    }

    fn operation(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.arbitrary::<u8>()? % OPERATIONS {
            CALL => self.call(input, Expect::Answer)?,
            SEND => self.call(input, Expect::Nothing)?,
            TRANSMIT => self.transmit(usize::from(input.arbitrary::<u8>()?) * 8),
            ANSWER => self.broker.answer(input.arbitrary()?),
            ANSWER_ANYTHING => self.broker.answer_with(short(input)?),
            GARBAGE => self.broker.say(short(input)?),
            RECEIVE => {
                let count = input.arbitrary::<u8>()?;
                let bytes = self.broker.take(usize::from(count >> 1) * 4);
                self.receive(&bytes, count & 1 != 0);
            }
            WAIT => self.wait(Duration::from_millis(u64::from(input.arbitrary::<u8>()?) * 20)),
            SAY => self.say(short(input)?),
            DONE => self.reply(Ok(Reply::Done)),
            GIVE_UP => {
                let mechanism = "SCRAM-SHA-256".into();
                let retriable = input.arbitrary()?;
                let kind = if retriable { ErrorKind::NoCredentials { mechanism } } else { ErrorKind::SaslNotEnabled };
                self.reply(Err(Error::new(kind)));
            }
            LOOK_AT_TOKEN => {
                let id = i32::from(input.arbitrary::<u8>()?);
                let token = self.session.token_mut(id).copied();
                token.inspect(|token| self.ledger.must_be_open(*token));
            }
            EARLY_TIMEOUT => self.session.handle_timeout(self.now),
            CLOSE => self.session.handle_close(self.now),
            LOST => self.session.handle_lost(io::Error::from(io::ErrorKind::ConnectionReset)),
            _ => self.session.handle_end(),
        }
        Ok(())
    }

    /// A call, whose body says which one it is.
    fn call(&mut self, input: &mut Unstructured<'_>, expect: Expect) -> Result<()> {
        let [timeout, size] = input.arbitrary::<[u8; 2]>()?;
        let token = self.ledger.open(expect, self.now);
        let mut body = BytesMut::from(&u32::try_from(token).expect("a few").to_be_bytes()[..]);
        body.resize(4 + usize::from(size), 0);
        let (api_key, version) = match expect {
            Expect::Nothing => (ApiKey::PRODUCE, 7),
            Expect::Answer if size % 2 == 0 => (ApiKey::METADATA, 12),
            Expect::Answer => (ApiKey::PRODUCE, 9),
        };
        let request = RawRequest { api_key, version, body: body.into() };
        let deadline = self.now + Duration::from_millis(u64::from(timeout) * 20);
        self.session.handle_call(self.now, Call { request, expect, deadline, token });
        Ok(())
    }

    /// The stream takes so many bytes.
    fn transmit(&mut self, mut count: usize) {
        while let Some(chunk) = self.chunks.front_mut().filter(|_| count > 0) {
            let taken = chunk.split_to(chunk.len().min(count));
            count -= taken.len();
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            self.broker.receive(&taken);
            self.session.handle_transmitted(taken.len());
        }
    }

    fn receive(&mut self, bytes: &[u8], in_place: bool) {
        if in_place {
            self.session.read_buffer().extend_from_slice(bytes);
            self.session.handle_read(self.now);
        } else {
            self.session.handle_bytes(self.now, bytes);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
        }
    }

    fn say(&mut self, message: &[u8]) {
        self.reply(Ok(Reply::Message(Secret::from(message))));
    }

    /// The mechanism speaks, if it was asked to.
    fn reply(&mut self, reply: kafka_conn::Result<Reply>) {
        if self.asked.take().is_some() {
            self.session.handle_authentication(self.now, reply);
        }
    }

    /// Takes what came of an operation.
    fn settle(&mut self) {
        self.drain();
        // Who is late is told so in one step, and an end that is due comes in the next.
        for _ in 0..2 {
            if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
                self.session.handle_timeout(self.now);
                self.drain();
            }
        }
        self.session.poll_transmit(&mut self.chunks);
        let timeout = self.session.poll_timeout();
        assert!(timeout.is_none_or(|at| at > self.now), "time does not go forward");
        let (in_flight, open) = (self.session.in_flight(), self.ledger.unanswered());
        // One may be the session's own.
        assert!(in_flight <= open + 1, "{in_flight} in flight, {open} calls are open");
        assert_eq!(self.session.is_closed(), self.ledger.is_closed());
        if self.session.is_closed() {
            self.chunks.clear();
            self.asked = None;
            assert_eq!((in_flight, timeout), (0, None), "of a session that is over");
            self.ledger.must_be_settled();
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event<usize>) {
        match event {
            Event::Authenticate => self.asked = Some(Asked::First),
            Event::Challenge(_) => {
                assert_eq!(self.asked, None, "the mechanism is asked one thing at a time");
                self.asked = Some(Asked::Challenge);
            }
            Event::Answered { token, elapsed, .. } => {
                assert!(self.broker.has_seen(token), "{token} is answered before it is asked");
                self.ledger.answered(token, self.now, elapsed);
            }
            Event::Sent { token } => {
                assert!(self.broker.has_seen(token), "{token} is said to be sent");
                self.ledger.sent(token);
            }
            Event::Late { request, error } => {
                assert!(error.is_timeout() && !error.to_string().is_empty(), "{error}");
                let token = self.session.token_mut(request.correlation_id).copied();
                // Where the session ended in the same step, the slot is gone.
                token.inspect(|token| self.ledger.late(*token));
                assert!(token.is_some() || self.session.is_closed(), "{request:?} is late, and not in flight");
            }
            Event::Failed { token, error } => {
                let is_lie = error.is_unsent() && self.broker.has_seen(token);
                assert!(!is_lie, "{token} is said to be unsent: {error}");
                self.ledger.failed(token);
            }
            // What is in flight is still answered, or fails.
            Event::Closing { error } => {
                assert!(!error.to_string().is_empty());
                self.ledger.must_be_alive();
            }
            Event::Closed { error } => {
                assert!(!error.to_string().is_empty());
                self.ledger.closed();
            }
            Event::Ready(_) | Event::Reauthenticated | Event::Throttled { .. } => self.ledger.must_be_alive(),
            other => panic!("an event that this target does not know: {other:?}"),
        }
    }

    /// Every session ends, whatever state it is in, and then every call has.
    fn end(mut self, end: End) {
        match end {
            End::Stream => self.session.handle_end(),
            End::Close | End::Drain => self.session.handle_close(self.now),
        }
        self.settle();
        let mut steps = 2 * self.ledger.len() + 10;
        while !self.session.is_closed() {
            assert!(steps > 0, "the session does not end");
            steps -= 1;
            if matches!(end, End::Drain) {
                self.transmit(usize::MAX);
                self.broker.answer(0);
                let bytes = self.broker.take(usize::MAX);
                self.receive(&bytes, true);
                self.settle();
            }
            if let Some(at) = self.session.poll_timeout() {
                self.wait(at.saturating_duration_since(self.now));
                self.settle();
            }
        }
        assert!(self.ledger.is_closed());
    }
}

/// A few bytes, their number before them.
fn short<'a>(input: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
    input.bytes(len)
}

/// The operations, as the bytes that stand for them; any other ends the stream.
pub const CALL: u8 = 0;
/// A call that is not answered.
pub const SEND: u8 = 1;
/// The stream takes some bytes.
pub const TRANSMIT: u8 = 2;
/// The broker answers what it was asked first, as it should.
pub const ANSWER: u8 = 3;
/// The broker answers that with any body.
pub const ANSWER_ANYTHING: u8 = 4;
/// The broker says anything.
pub const GARBAGE: u8 = 5;
/// Some of what the broker said comes in.
pub const RECEIVE: u8 = 6;
/// Time passes.
pub const WAIT: u8 = 7;
/// The mechanism says something.
pub const SAY: u8 = 8;
/// The mechanism has all it needs.
pub const DONE: u8 = 9;
/// The mechanism cannot go on.
pub const GIVE_UP: u8 = 10;
/// A caller goes away, and whoever owns the session looks for its token.
pub const LOOK_AT_TOKEN: u8 = 11;
/// A timeout that is not due.
pub const EARLY_TIMEOUT: u8 = 12;
/// The session is closed.
pub const CLOSE: u8 = 13;
/// The stream breaks.
pub const LOST: u8 = 14;
const OPERATIONS: u8 = 16;

const MAX_HANDSHAKE_FRAME: usize = 2 << 10;
const MAX_FRAME: usize = 8 << 10;
/// What a session and the other side's decoder set aside at once.
const OWN: usize = 256 << 10;
/// Of the input: four bytes make a call, which has a body of up to 255, an entry in the ledger, and an error.
const PER_BYTE: usize = 448;
