//! A closure that decides what becomes of each request.
//!
//! Sans-IO.

use std::fmt;
use std::time::Duration;

use kafka_protocol::{AnyMessage, ErrorCode};

use crate::core::LoggedRequest;

/// What is to become of a request.
///
/// The hook is asked first. What it has served ([`Pass`](Self::Pass), [`Delay`](Self::Delay),
/// [`DropAnswer`](Self::DropAnswer)) meets the declared faults as well: delays add up, and an error, a cut or a stall that
/// is declared happens. What it decides itself (the others) they never see, and so they are not used up by it.
#[derive(Debug)]
pub enum Verdict {
    /// It is served.
    Pass,
    /// It is not served, but refused with an error, for all that it asks.
    Error(ErrorCode),
    /// It is not served; this is the answer, encoded in the version of the request.
    Answer(Box<dyn AnyMessage>),
    /// It is served, and the answer comes so much later.
    Delay(Duration),
    /// It is served, then the connection is closed instead of an answer.
    DropAnswer,
    /// The connection is closed at once.
    Cut,
    /// It is not served, and nothing comes on this connection ever again.
    Stall,
}

/// A closure that is shown each request before the declared faults, and says what is to become of it: see [`Verdict`]
/// for what that means for the faults.
pub struct Hook(Box<dyn FnMut(&LoggedRequest) -> Verdict + Send>);

impl Hook {
    /// Wraps the closure. It is called while the cluster stands still: it must not wait, nor use the cluster.
    pub fn new(decide: impl FnMut(&LoggedRequest) -> Verdict + Send + 'static) -> Self {
        Self(Box::new(decide))
    }

    pub(crate) fn ask(&mut self, request: &LoggedRequest) -> Verdict {
        (self.0)(request)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
