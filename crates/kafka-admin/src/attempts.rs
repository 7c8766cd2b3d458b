//! Calls to the controller, made again for the items that it certainly did not do.

use std::time::Duration;

use kafka_conn::{CallOptions, Lane, Pauses, Route, Transport};
use kafka_protocol::{ErrorCode, Request};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::Result;

/// The attempts of one call to the controller, all within one timeout.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    transport: &'a Transport,
    deadline: Instant,
    pauses: Pauses,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(transport: &'a Transport, timeout: Duration) -> Self {
        let pauses = transport.config().backoff.pauses();
        Self { transport, deadline: deadline(timeout), pauses }
    }

    /// What is left, in whole milliseconds, for the broker to take.
    pub(crate) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.left().as_millis()).unwrap_or(i32::MAX)
    }

    /// Sends a request to the controller, in `max_version` at most; the answer may take a while longer than the broker may.
    pub(crate) async fn call<R: Request>(&self, request: &R, max_version: Option<i16>) -> Result<R::Response> {
        let timeout = self.left().saturating_add(self.transport.config().dialer.call_timeout);
        let options = CallOptions { timeout: Some(timeout), max_version };
        Ok(self.transport.call_with(request, Route::Controller, options).await?)
    }

    /// The version that the controller would be asked in.
    pub(crate) async fn version<R: Request>(&self) -> Result<i16> {
        let connection = self.transport.connection(Route::Controller, Lane::General).await?;
        Ok(connection.version_for::<R>(None)?)
    }

    /// Pauses before another attempt for items that were refused with `code`. `false` where there is no use, or no time.
    pub(crate) async fn again(&mut self, code: ErrorCode, throttle_ms: i32) -> bool {
        if !is_undone(code) {
            return false;
        }
        let throttle = Duration::from_millis(u64::try_from(throttle_ms).unwrap_or_default());
        let pause = Instant::now() + self.pauses.next_pause().max(throttle);
        if pause >= self.deadline {
            return false;
        }
        tracing::debug!(%code, "asking the controller again");
        sleep_until(pause).await;
        // If this fails, so will the next attempt, and say why.
        let _refreshed = timeout_at(self.deadline, self.transport.refresh(&[])).await;
        true
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// When `timeout` will be over; a year stands for never.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST_TIMEOUT)
}

/// Codes that say that the item was certainly not done, and that another attempt may.
pub(crate) fn is_undone(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_CONTROLLER | ErrorCode::THROTTLING_QUOTA_EXCEEDED)
}

const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);
