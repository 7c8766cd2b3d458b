//! Who the writer is to the brokers: its producer id and epoch (KIP-98, KIP-360).
//!
//! Sans-IO.

use std::time::Instant;

use kafka_conn::{Backoff, Pauses};

use crate::config::Idempotence;
use crate::error::{Error, Result};

/// A producer id with its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
}

/// What came of asking a broker for a producer id.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// It may work the next time.
    Later(Error),
    /// It did not come to a word of the cluster, and will not: who waits for it fails.
    Unable(Error),
    /// The cluster does not let this client be idempotent.
    Refused(Error),
}

/// The owner of the writer's producer id and epoch.
///
/// ```text
///  Idle ── want ──► Wanted ── poll_ask ──► Asked ──► Known ──┐ retire: the next epoch
///                     ▲   ▲                  │ │       │ ▲    │
///                     │   └──── pause ───────┘ │       │ └────┘
///                     └─ renew, or no epoch ───│───────┘
///                        is left               ▼
///                                             Off: refused, and only preferred
/// ```
///
/// Each partition takes over the current identity when it starts to count, and keeps it until its count breaks: other
/// partitions go on under theirs, which stays as valid as it was.
#[derive(Debug)]
pub(crate) struct Identity {
    state: State,
    is_required: bool,
    backoff: Backoff,
    pauses: Option<Pauses>,
    seed: u64,
    /// Somewhere a partition's count under the current identity was forgotten: who starts to count anew must not meet it.
    is_worn: bool,
}

#[derive(Clone, Debug)]
enum State {
    Off,
    Idle,
    Wanted(Instant),
    Asked,
    Known(ProducerIdentity),
}

impl Identity {
    pub(crate) fn new(idempotence: Idempotence, backoff: Backoff, seed: u64) -> Self {
        let state = if idempotence == Idempotence::Off { State::Off } else { State::Idle };
        let is_required = idempotence == Idempotence::Require;
        Self { state, is_required, backoff, pauses: None, seed, is_worn: false }
    }

    /// Whether batches are sent without sequence numbers.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.state, State::Off)
    }

    /// The identity for who starts to count; `None` while there is none, or none is needed.
    pub(crate) fn start(&mut self, now: Instant) -> Option<ProducerIdentity> {
        if std::mem::take(&mut self.is_worn)
            && let State::Known(worn) = self.state
        {
            self.retire(now, worn);
        }
        self.want(now);
        self.current()
    }

    fn current(&self) -> Option<ProducerIdentity> {
        if let State::Known(current) = self.state { Some(current) } else { None }
    }

    /// There is something to write.
    pub(crate) fn want(&mut self, now: Instant) {
        if matches!(self.state, State::Idle) {
            self.state = State::Wanted(now);
        }
    }

    /// A partition's count under this identity is broken. Unless that is past already, the next epoch begins: it needs
    /// no broker's leave, as nobody else has this producer id, and fences whatever of the old epoch is still under way.
    pub(crate) fn retire(&mut self, now: Instant, broken: ProducerIdentity) {
        if self.current() != Some(broken) {
            return;
        }
        self.state = match broken.producer_epoch.checked_add(1) {
            Some(producer_epoch) => State::Known(ProducerIdentity { producer_epoch, ..broken }),
            None => State::Wanted(now),
        };
    }

    /// A broker knows a younger owner of this producer id: another one is needed.
    pub(crate) fn renew(&mut self, now: Instant, fenced: ProducerIdentity) {
        if self.current().is_some_and(|current| current.producer_id == fenced.producer_id) {
            self.state = State::Wanted(now);
        }
    }

    /// A partition that has counted is forgotten.
    pub(crate) fn handle_forgotten(&mut self) {
        self.is_worn = true;
    }

    /// Whether to ask a broker for a producer id now; the answer goes to [`handle_answer`](Self::handle_answer).
    pub(crate) fn poll_ask(&mut self, now: Instant) -> bool {
        let ask = matches!(self.state, State::Wanted(at) if at <= now);
        if ask {
            self.state = State::Asked;
        }
        ask
    }

    /// When to ask.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if let State::Wanted(at) = self.state { Some(at) } else { None }
    }

    /// A broker answered.
    ///
    /// # Errors
    /// Those with which everything that waits has to fail.
    pub(crate) fn handle_answer(&mut self, now: Instant, answer: Result<ProducerIdentity, Refusal>) -> Result<()> {
        let refusal = match answer {
            Ok(identity) => {
                self.pauses = None;
                self.is_worn = false;
                self.state = State::Known(identity);
                return Ok(());
            }
            Err(refusal) => refusal,
        };
        let pauses = self.pauses.get_or_insert_with(|| self.backoff.pauses_from(self.seed));
        self.state = State::Wanted(now + pauses.next_pause());
        match refusal {
            Refusal::Later(error) => {
                tracing::debug!(%error, "no producer id yet");
                Ok(())
            }
            Refusal::Refused(error) if !self.is_required => {
                tracing::warn!(%error, "the cluster refuses idempotent writing: messages may be doubled where answers are lost");
                self.state = State::Off;
                Ok(())
            }
            Refusal::Refused(error) | Refusal::Unable(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    const FIRST: ProducerIdentity = ProducerIdentity { producer_id: 7, producer_epoch: 0 };

    fn known(first: ProducerIdentity) -> (Identity, Instant) {
        let (mut identity, now) = (Identity::new(Idempotence::Require, Backoff::default(), 1), Instant::now());
        assert!(!identity.poll_ask(now), "nobody wants it");
        assert_eq!(identity.start(now), None);
        assert!(identity.poll_ask(now) && !identity.poll_ask(now), "asked once");
        identity.handle_answer(now, Ok(first)).unwrap();
        (identity, now)
    }

    #[test]
    fn an_epoch_ends_once_however_many_partitions_break() {
        let (mut identity, now) = known(FIRST);
        assert_eq!(identity.start(now), Some(FIRST));
        let second = ProducerIdentity { producer_epoch: 1, ..FIRST };
        for _ in 0..3 {
            identity.retire(now, FIRST);
            assert_eq!(identity.start(now), Some(second));
        }
    }

    #[test]
    fn after_the_last_epoch_comes_another_id() {
        let last = ProducerIdentity { producer_epoch: i16::MAX, ..FIRST };
        let (mut identity, now) = known(last);
        identity.retire(now, last);
        assert_eq!(identity.start(now), None);
        assert!(identity.poll_ask(now));
        let (mut identity, now) = known(FIRST);
        identity.renew(now, FIRST);
        assert!(identity.start(now).is_none() && identity.poll_ask(now));
    }

    #[test]
    fn who_starts_after_a_count_was_forgotten_starts_another_epoch() {
        let (mut identity, now) = known(FIRST);
        identity.handle_forgotten();
        let second = ProducerIdentity { producer_epoch: 1, ..FIRST };
        assert_eq!((identity.start(now), identity.start(now)), (Some(second), Some(second)));
    }

    #[test]
    fn a_refusal_is_final_only_where_idempotence_is_preferred() {
        let refused = || Err(Refusal::Refused(Error::new(ErrorKind::Closed)));
        let later = || Err(Refusal::Later(Error::new(ErrorKind::Closed)));
        for (idempotence, off) in [(Idempotence::Prefer, true), (Idempotence::Require, false)] {
            let (mut identity, mut now) = (Identity::new(idempotence, Backoff::default(), 1), Instant::now());
            identity.want(now);
            assert!(identity.poll_ask(now));
            identity.handle_answer(now, later()).unwrap();
            assert!(!identity.poll_ask(now), "a pause first");
            now = identity.poll_timeout().unwrap();
            assert!(identity.poll_ask(now));
            assert_eq!((identity.handle_answer(now, refused()).is_ok(), identity.is_off()), (off, off));
            assert_eq!(identity.poll_ask(now + Duration::from_secs(9)), !off);
        }
    }
}
