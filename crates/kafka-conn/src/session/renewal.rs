//! Authenticating anew before the session's lifetime is over (KIP-368), and the first time: how the session goes about
//! it.
//!
//! Sans-IO.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::versions::BrokerVersions;

use super::authentication::{Authentication, Next};
use super::{Event, Session, State, lost_by};
use crate::deadline::later;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::sasl::Reply;
use crate::secret::Secret;

/// When to authenticate anew, and how far that is.
///
/// ```text
///  Scheduled ── time ──► Preparing ── first message ──► Draining ── all answered ──► Running ──► Scheduled
///      ▲                     │ ▲                       (calls wait)                (calls wait)
///      └── no credentials ───┤ └─ too slow: asked anew
///                            └─ no time left ──► Failed ── the session ends ──► no more calls
/// ```
///
/// Whatever the state, calls wait from the session's end on: a broker cuts the connection on which it gets one.
#[derive(Debug)]
pub(super) enum Renewal {
    /// The session has no end, or is ending anyway.
    Never,
    Scheduled {
        at: Instant,
        /// When the broker no longer accepts calls.
        ends: Instant,
    },
    /// The mechanism was asked for its first message, and has until then.
    Preparing {
        until: Instant,
        ends: Instant,
    },
    /// What is in flight is waited for; each has its deadline.
    Draining {
        message: Secret,
        ends: Instant,
    },
    Running {
        authentication: Authentication,
        until: Instant,
    },
    /// There is nothing to authenticate with, but the session is not over yet.
    Failed {
        error: Error,
        ends: Instant,
    },
}

impl Renewal {
    /// For a session that is `lifetime` long since `began`.
    fn schedule(now: Instant, began: Instant, lifetime: Duration, permille: u16) -> Self {
        if lifetime.is_zero() {
            return Self::Never;
        }
        let share = lifetime.saturating_mul(u32::from(permille.min(1000))) / 1000;
        Self::Scheduled { at: later(began, share).max(later(now, MIN_INTERVAL)), ends: later(began, lifetime) }
    }

    /// Whether calls have to wait.
    pub(super) fn holds_calls(&self, now: Instant) -> bool {
        matches!(self, Self::Draining { .. } | Self::Running { .. }) || self.has_ended(now)
    }

    /// Whether the broker would cut the connection on which it got a call now.
    fn has_ended(&self, now: Instant) -> bool {
        match self {
            Self::Never | Self::Running { .. } => false,
            Self::Scheduled { ends, .. }
            | Self::Preparing { ends, .. }
            | Self::Draining { ends, .. }
            | Self::Failed { ends, .. } => *ends <= now,
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Never | Self::Draining { .. } => None,
            Self::Scheduled { at, .. } => Some(*at),
            Self::Preparing { until, .. } | Self::Running { until, .. } => Some(*until),
            Self::Failed { ends, .. } => Some(*ends),
        }
    }
}

impl<T> Session<T> {
    /// Takes what the mechanism says: its first message after [`Event::Authenticate`], then its reply to each
    /// [`Event::Challenge`], or why it cannot go on.
    pub fn handle_authentication(&mut self, now: Instant, reply: Result<Reply>) {
        let result = match (&self.state, &self.renewal) {
            (State::Closed, _) => Ok(()),
            // An old one, from before a close.
            (
                State::Ready | State::Closing { .. },
                Renewal::Never | Renewal::Scheduled { .. } | Renewal::Failed { .. },
            ) => Ok(()),
            (_, Renewal::Preparing { ends, .. }) => self.handle_prepared(now, *ends, reply),
            _ => reply.and_then(|reply| self.handle_reply(now, reply)),
        };
        if let Err(error) = result {
            self.fail(error);
        }
        self.close_if_drained();
    }

    /// Goes on with an authentication that waits for the broker's answer.
    pub(super) fn handle_next(&mut self, now: Instant, deadline: Instant, next: Next) {
        match next {
            Next::Ask(request) => self.ask(now, deadline, request),
            Next::Challenge(challenge) => self.events.push_back(Event::Challenge(challenge)),
            Next::Wait => {}
        }
    }

    /// The authentication under way, and when it is too late.
    pub(super) fn authentication(&mut self) -> Option<(&mut Authentication, Instant)> {
        match (&mut self.state, &mut self.renewal) {
            (State::Authenticating { authentication, deadline, .. }, _) => Some((authentication, *deadline)),
            (_, Renewal::Running { authentication, until }) => Some((authentication, *until)),
            _ => None,
        }
    }

    /// Versions are known: authenticates, where it is to.
    pub(super) fn handle_negotiated(&mut self, now: Instant, versions: BrokerVersions) -> Result<()> {
        let State::Handshake { deadline, first, .. } = &mut self.state else {
            return Ok(());
        };
        let (deadline, first, versions) = (*deadline, first.take(), Arc::new(versions));
        self.versions = Some(Arc::clone(&versions));
        let Some(sasl) = &self.config.sasl else {
            self.ready(versions);
            return Ok(());
        };
        let (authentication, request) = Authentication::start(&sasl.mechanism, &versions, first)?;
        self.state = State::Authenticating { authentication, versions, deadline };
        self.ask(now, deadline, request);
        Ok(())
    }

    /// Asks the mechanism when it is time, and anew where it is too slow; ends the session where authenticating takes
    /// too long.
    pub(super) fn handle_renewal_timeout(&mut self, now: Instant) {
        if self.renewal.timeout().is_none_or(|at| at > now) {
            return;
        }
        let too_slow = || Error::new(ErrorKind::Timeout { step: Step::Authentication, after: None });
        match self.renewal {
            Renewal::Never | Renewal::Draining { .. } => {}
            Renewal::Preparing { ends, .. } if ends <= now => self.expire(now, too_slow()),
            Renewal::Scheduled { ends, .. } | Renewal::Preparing { ends, .. } => {
                let timeout = self.config.sasl.as_ref().map_or(Duration::ZERO, |sasl| sasl.timeout);
                self.renewal = Renewal::Preparing { until: later(now, timeout.max(MIN_PAUSE)), ends };
                self.events.push_back(Event::Authenticate);
            }
            Renewal::Running { .. } => self.fail(too_slow()),
            Renewal::Failed { ref error, .. } => {
                let error = error.clone();
                self.expire(now, error);
            }
        }
    }

    /// Authenticates anew, when the first message is there and nothing is in flight.
    pub(super) fn renew_if_drained(&mut self, now: Instant) -> Result<()> {
        if self.in_flight.len() > 0 || !matches!(self.renewal, Renewal::Draining { .. }) {
            return Ok(());
        }
        let (Some(sasl), Some(versions)) = (&self.config.sasl, &self.versions) else {
            return Ok(());
        };
        let Renewal::Draining { message, .. } = std::mem::replace(&mut self.renewal, Renewal::Never) else {
            return Ok(());
        };
        // A broker that pauses us does not even read before the pause is over.
        let until = later(self.held.resumes_at(now), sasl.timeout);
        let (authentication, request) = Authentication::start(&sasl.mechanism, versions, Some(message))?;
        self.renewal = Renewal::Running { authentication, until };
        self.ask(now, until, request);
        Ok(())
    }

    /// A close while the session is to be renewed: what is held goes out first, as far as it may. After the session's
    /// end that takes a new one.
    pub(super) fn stop_renewing(&mut self, now: Instant) {
        if !matches!(self.renewal, Renewal::Running { .. }) && !self.renewal.has_ended(now) {
            self.renewal = Renewal::Never;
            self.release(now);
        }
    }

    /// The mechanism's first message, ahead of time. Where it has none, it is asked again while there is time.
    fn handle_prepared(&mut self, now: Instant, ends: Instant, reply: Result<Reply>) -> Result<()> {
        let error = match reply {
            Ok(Reply::Message(message)) => {
                self.renewal = Renewal::Draining { message, ends };
                return self.renew_if_drained(now);
            }
            Ok(Reply::Done) => self.out_of_turn(),
            Err(error) => error,
        };
        let at = later(now, (ends.saturating_duration_since(now) / 4).max(MIN_PAUSE));
        self.renewal = if error.is_retriable() && at < ends {
            Renewal::Scheduled { at, ends }
        } else {
            Renewal::Failed { error, ends }
        };
        // At once, where the session is over.
        self.handle_renewal_timeout(now);
        Ok(())
    }

    /// The session has ended, and there is no other: calls that wait were never sent, nor will others be. What is in
    /// flight came in time, and is answered.
    fn expire(&mut self, now: Instant, error: Error) {
        self.renewal = Renewal::Never;
        self.refuse_held(&lost_by(&error));
        if matches!(self.state, State::Ready) {
            let until = self.in_flight.last_deadline().max(self.outbox.last_deadline()).unwrap_or(now);
            self.state = State::Closing { until, cause: error.clone() };
            self.events.push_back(Event::Closing { error });
        }
        self.close_if_drained();
    }

    fn handle_reply(&mut self, now: Instant, reply: Reply) -> Result<()> {
        if let State::Handshake { first, .. } = &mut self.state {
            return match reply {
                Reply::Message(message) => {
                    *first = Some(message);
                    Ok(())
                }
                Reply::Done => Err(self.out_of_turn()),
            };
        }
        let Some((authentication, deadline)) = self.authentication() else {
            return Err(self.out_of_turn());
        };
        match reply {
            Reply::Message(message) => {
                if let Some(message) = authentication.handle_early(message) {
                    let request = authentication.handle_message(now, message)?;
                    self.ask(now, deadline, request);
                }
                Ok(())
            }
            Reply::Done => {
                let (began, lifetime) = authentication.finish()?;
                self.authenticated(now, began, lifetime);
                Ok(())
            }
        }
    }

    fn authenticated(&mut self, now: Instant, began: Instant, lifetime: Duration) {
        let permille = self.config.sasl.as_ref().map_or(0, |sasl| sasl.permille);
        self.renewal = match self.state {
            State::Closing { .. } => Renewal::Never,
            _ => Renewal::schedule(now, began, lifetime, permille),
        };
        match &self.state {
            State::Authenticating { versions, .. } => {
                let versions = Arc::clone(versions);
                self.ready(versions);
            }
            _ => self.events.push_back(Event::Reauthenticated),
        }
        self.release(now);
    }

    fn out_of_turn(&self) -> Error {
        let mechanism = self.config.sasl.as_ref().map(|sasl| sasl.mechanism.clone()).unwrap_or_default();
        Error::new(ErrorKind::InvalidChallenge { mechanism })
    }
}

/// Brokers refuse to authenticate a connection more often than once a second.
const MIN_INTERVAL: Duration = Duration::from_millis(1050);
/// Between attempts to get credentials.
const MIN_PAUSE: Duration = Duration::from_millis(100);
