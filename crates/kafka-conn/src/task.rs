//! The task that owns one connection: takes calls from the handles, drives the session, hands out answers. A lone small
//! call may be made beside it ([`Link`]).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use kafka_protocol::ApiKey;
use kafka_protocol::versions::BrokerVersions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, debug_span, field, trace};

use crate::address::BrokerAddress;
use crate::authenticator::Authenticator;
use crate::connection::{Connection, Shared};
use crate::connector::Stream;
use crate::dialer::Dialer;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind, Result};
use crate::link::Link;
use crate::meter::Meter;
use crate::session::{Call, Event, SaslConfig, Session, SessionConfig, lost_by};

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make a call.
    Call(Call<Reply>),
    /// Answer what is in flight, then close.
    Close,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Taken when the caller has been told.
    pub(crate) sender: Option<oneshot::Sender<Result<Bytes>>>,
    pub(crate) api: ApiKey,
    pub(crate) since: Instant,
    pub(crate) meter: Meter,
    /// The request's, with the time until its caller was told.
    pub(crate) span: Span,
    /// Held until the broker has answered, whether or not anybody waits for it: it bounds what is in flight.
    pub(crate) _slot: OwnedSemaphorePermit,
}

impl Reply {
    /// The caller may be gone: then nobody wants to know.
    fn tell(&mut self, answer: Result<Bytes>) {
        if let Some(sender) = self.sender.take() {
            let (elapsed, error) = (self.since.elapsed(), answer.as_ref().err());
            self.meter.finished(self.api, elapsed, error);
            self.span.record("duration", field::debug(elapsed));
            if let Some(error) = error {
                debug!(parent: &self.span, error = %format_args!("{error:#}"), "failed");
            }
            let _gone = sender.send(answer);
        }
    }
}

/// Negotiates on a fresh stream, and starts the task that owns it from then on. Dropping the future closes the stream.
pub(crate) async fn open(
    dialer: &Dialer,
    address: &BrokerAddress,
    stream: Box<dyn Stream>,
    deadline: Instant,
) -> Result<Connection> {
    let config = SessionConfig {
        client_id: dialer.client_id.clone(),
        max_handshake_frame: dialer.limits.max_handshake_frame,
        max_frame: dialer.limits.max_frame,
        sasl: dialer.sasl.as_ref().map(|mechanism| SaslConfig {
            mechanism: mechanism.name().into(),
            timeout: dialer.timeout,
            permille: fastrand::u16(EARLIEST_RENEWAL..=LATEST_RENEWAL),
        }),
    };
    let session = Session::new(config, Instant::now().into_std(), deadline.into_std());
    let authenticator = Authenticator::new(dialer.sasl.clone(), address.clone());
    let mut driver = Driver::new(session, stream, authenticator);
    let versions = poll_fn(|cx| poll_handshake(&mut driver, cx)).await.map_err(|error| {
        debug!(broker = %address, error = %format_args!("{error:#}"), "no connection");
        error.with_broker(address).with_unsent()
    })?;
    let slots = dialer.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS / 2);
    let shared = Arc::new(Shared {
        link: Link::new(driver),
        address: address.clone(),
        versions,
        call_timeout: dialer.call_timeout,
        meter: dialer.meter.clone(),
        socket: OnceLock::new(),
        slots: Arc::new(Semaphore::new(slots)),
        end: OnceLock::new(),
    });
    // Every call holds a slot, so calls always find room; the one more is for a close.
    let (sender, commands) = mpsc::channel(slots + 1);
    let task = Task { commands, shared: Arc::clone(&shared), abandoned: false };
    let span = debug_span!(parent: None, "connection", broker = %address);
    tokio::spawn(task.run().instrument(span));
    Ok(Connection::new(sender, shared))
}

fn poll_handshake(driver: &mut Driver<Reply>, cx: &mut Context<'_>) -> Poll<Result<Arc<BrokerVersions>>> {
    loop {
        let happened = driver.poll_step(cx);
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Ready(versions) => return Poll::Ready(Ok(versions)),
                Event::Closed { error } => return Poll::Ready(Err(error)),
                // Nobody has made a call yet.
                _ => {}
            }
        }
        if !happened {
            return Poll::Pending;
        }
    }
}

/// The connection's owner. The driver is its, within reach of the handles.
struct Task {
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    /// All handles are gone.
    abandoned: bool,
}

impl Task {
    async fn run(mut self) {
        debug!("connected");
        let shared = Arc::clone(&self.shared);
        let error = poll_fn(|cx| self.poll(&shared.link, cx)).await;
        let refusal = self.end(&error);
        match error.kind() {
            ErrorKind::Closed => debug!("closed"),
            _ => debug!(error = %format_args!("{error:#}"), "lost"),
        }
        let commands = &mut self.commands;
        let driver = shared.link.take();
        if let Some(driver) = driver.filter(|_| matches!(error.kind(), ErrorKind::Closed)) {
            let mut shutdown = pin!(driver.shutdown());
            poll_fn(|cx| {
                let _more_may_come = refuse_calls(commands, &refusal, cx);
                shutdown.as_mut().poll(cx)
            })
            .await;
        }
        commands.close();
        // To the last: a handle may be about to put in what it has a place for.
        poll_fn(|cx| refuse_calls(commands, &refusal, cx)).await;
    }

    /// Until nothing happens any more: take calls, write, read, look at the time, hand out answers.
    fn poll(&mut self, link: &Link, cx: &mut Context<'_>) -> Poll<Error> {
        let over = || Poll::Ready(Error::new(ErrorKind::ConnectionLost));
        link.step(cx, |driver, cx| self.poll_driver(driver, cx)).unwrap_or_else(over)
    }

    fn poll_driver(&mut self, driver: &mut Driver<Reply>, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            // First of all: a call that was made beside the task may have left some.
            while let Some(event) = driver.poll_event() {
                if let Some(error) = self.handle_event(driver, event) {
                    return Poll::Ready(error);
                }
            }
            let called = self.poll_commands(driver, cx);
            let moved = driver.poll_step(cx);
            if !called && !moved {
                return Poll::Pending;
            }
        }
    }

    /// Takes all calls that are there, so that they go out in one write.
    fn poll_commands(&mut self, driver: &mut Driver<Reply>, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while !self.abandoned {
            match self.commands.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Command::Call(call))) => {
                    driver.session.handle_call(Instant::now().into_std(), call);
                }
                Poll::Ready(Some(Command::Close)) => self.close(driver),
                // The last handle is gone.
                Poll::Ready(None) => {
                    self.abandoned = true;
                    self.close(driver);
                }
            }
            any = true;
        }
        any
    }

    fn close(&self, driver: &mut Driver<Reply>) {
        self.end(&Error::new(ErrorKind::Closed));
        driver.session.handle_close(Instant::now().into_std());
    }

    /// Returns why the session is over, when it is.
    fn handle_event(&self, driver: &mut Driver<Reply>, event: Event<Reply>) -> Option<Error> {
        match event {
            Event::Answered { mut token, request, body, .. } => {
                let bytes = body.len();
                token.span.record("correlation_id", request.correlation_id);
                token.tell(Ok(body));
                trace!(parent: &token.span, bytes, "answered");
            }
            Event::Sent { mut token } => token.tell(Ok(Bytes::new())),
            Event::Failed { mut token, error } => token.tell(Err(error.with_broker(&self.shared.address))),
            Event::Late { request, error } => {
                if let Some(token) = driver.session.token_mut(request.correlation_id) {
                    token.tell(Err(error.with_broker(&self.shared.address)));
                }
            }
            Event::Closing { error } => {
                debug!(error = %format_args!("{error:#}"), "the session's lifetime is over");
                self.end(&error);
            }
            Event::Closed { error } => return Some(error.with_broker(&self.shared.address)),
            Event::Reauthenticated => debug!("authenticated anew"),
            Event::Throttled { request, pause } => debug!(api = %request.api_key, ?pause, "throttled"),
            // The handshake is over, and the driver sees to the mechanism.
            Event::Ready(_) | Event::Authenticate | Event::Challenge(_) => {}
        }
        None
    }

    /// Lets the handles know that there will be no more calls, and why. Returns what such a call gets.
    fn end(&self, error: &Error) -> Error {
        let error = lost_by(error).with_broker(&self.shared.address).with_unsent();
        let _first = self.shared.end.set(error.clone());
        self.shared.slots.close();
        error
    }
}

/// However it ends, also with its runtime, the stream does not outlive it.
impl Drop for Task {
    fn drop(&mut self) {
        drop(self.shared.link.take());
    }
}

/// Answers the calls that never reached the session; ready when there will be no others.
fn refuse_calls(commands: &mut mpsc::Receiver<Command>, error: &Error, cx: &mut Context<'_>) -> Poll<()> {
    while let Some(command) = ready!(commands.poll_recv(cx)) {
        if let Command::Call(Call { request, mut token, .. }) = command {
            token.tell(Err(error.clone().with_api(request.api_key, request.version)));
        }
    }
    Poll::Ready(())
}

/// When to authenticate anew, in thousandths of a session's lifetime; somewhere between, so that connections that were
/// made together do not do so together.
const EARLIEST_RENEWAL: u16 = 850;
const LATEST_RENEWAL: u16 = 950;
