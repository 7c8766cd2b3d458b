//! How a session ends: on request once it is drained, or because it cannot go on.
//!
//! Sans-IO.

use std::io;
use std::time::Instant;

use super::event::{Call, Event};
use super::in_flight::Owner;
use super::renewal::Renewal;
use super::{Session, State};
use crate::error::{Error, ErrorKind, Step};

impl<T> Session<T> {
    /// The broker has closed its side of the stream.
    pub fn handle_end(&mut self) {
        let within = self.frames.is_within_frame();
        let error = if within {
            self.lost().with_source(io::Error::from(io::ErrorKind::UnexpectedEof))
        } else if self.is_first_call() && self.config.sasl.is_none() {
            // What brokers do that expect SASL, and there is no other sign of it.
            Error::new(ErrorKind::SaslExpected)
        } else {
            self.lost()
        };
        self.fail(error);
    }

    /// The stream failed. Where the cause is an [`Error`] of this crate in disguise, that is the reason.
    pub fn handle_lost(&mut self, cause: io::Error) {
        let error = match cause.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => error.clone(),
            None => self.lost().with_source(cause),
        };
        self.fail(error);
    }

    /// Closes in an orderly way: no new calls, answers to those in flight, then the end; at the latest when all that
    /// somebody waits for is late.
    pub fn handle_close(&mut self, now: Instant) {
        match self.state {
            State::Handshake { .. } | State::Authenticating { .. } => self.fail(Error::new(ErrorKind::Closed)),
            State::Ready => {
                let until = self.in_flight.last_deadline().max(self.outbox.last_deadline());
                let until = until.max(self.held.last_deadline()).unwrap_or(now);
                self.state = State::Closing { until, cause: Error::new(ErrorKind::Closed) };
                self.stop_renewing(now);
                self.close_if_drained();
            }
            State::Closing { .. } | State::Closed => {}
        }
    }

    /// Whether the oldest in flight is a call, and none was answered before.
    fn is_first_call(&self) -> bool {
        !self.answered && self.in_flight.front().is_some_and(|slot| !matches!(slot.owner, Owner::Session))
    }

    pub(super) fn close_if_drained(&mut self) {
        if let State::Closing { cause, .. } = &self.state
            && self.is_drained()
        {
            let cause = cause.clone();
            self.fail(cause);
        }
    }

    /// Whether nobody waits for anything. An authentication under way is of use only to calls that wait for it.
    fn is_drained(&self) -> bool {
        let nothing_in_flight = self.in_flight.len() == 0 && self.outbox.is_drained();
        self.held.is_empty() && (nothing_in_flight || matches!(self.renewal, Renewal::Running { .. }))
    }

    fn lost(&self) -> Error {
        Error::new(match self.step() {
            Step::Call => ErrorKind::ConnectionLost,
            step => ErrorKind::ClosedDuring { step },
        })
    }

    /// Ends the session. The oldest call gets the error itself, the others learn that the connection was lost.
    pub(super) fn fail(&mut self, error: Error) {
        if self.is_closed() {
            return;
        }
        self.state = State::Closed;
        self.renewal = Renewal::Never;
        let others = lost_by(&error);
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
        self.refuse_held(&others);
        self.events.push_back(Event::Closed { error });
    }

    pub(super) fn refuse_held(&mut self, error: &Error) {
        for Call { request, token, .. } in self.held.drain() {
            let error = error.clone().with_api(request.api_key, request.version).with_unsent();
            self.events.push_back(Event::Failed { token, error });
        }
    }
}

/// What a session that ends by `error` is to calls that have no part in it.
pub(crate) fn lost_by(error: &Error) -> Error {
    match error.kind() {
        ErrorKind::Closed | ErrorKind::ConnectionLost => error.clone(),
        _ => Error::new(ErrorKind::ConnectionLost).with_source(error.clone()),
    }
}
