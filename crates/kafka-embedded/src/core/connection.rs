//! What a connection has in hand.
//!
//! ```text
//!            request              muted until, frozen
//!   Idle ───────────────► Held ◄───────┐
//!    ▲                     │ serve     │
//!    │  answer, nothing    ├─► Waiting (long poll, acks=all)
//!    └─────────────────────┼─► Delayed (a fault)
//!                          └─► Stalled (a fault): never answered
//! ```
//!
//! Sans-IO.

use std::time::Instant;

use bytes::Bytes;
use smol_str::SmolStr;

use crate::core::answer::{Pending, Wait};
use crate::core::authentication::Authentication;

/// A connection to a broker. Ids are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) broker: i32,
    pub(crate) client_host: SmolStr,
    pub(crate) activity: Activity,
    pub(crate) muted_until: Option<Instant>,
    pub(super) authentication: Authentication,
    /// Closed after the answer in hand.
    pub(super) ends: bool,
}

#[derive(Debug)]
pub(crate) enum Activity {
    Idle,
    Held(Bytes),
    Waiting(Box<Pending>, Box<dyn Wait>),
    Delayed { until: Instant, frame: Option<Bytes> },
    Stalled,
}

impl Connection {
    pub(super) fn new(broker: i32, client_host: SmolStr, authentication: Authentication) -> Self {
        Self { broker, client_host, activity: Activity::Idle, muted_until: None, authentication, ends: false }
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.activity {
            Activity::Idle | Activity::Stalled => None,
            Activity::Held(_) => self.muted_until,
            Activity::Waiting(_, wait) => wait.deadline(),
            Activity::Delayed { until, .. } => Some(*until),
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.timeout().is_some_and(|at| at <= now)
    }
}
