//! Calls, made again within the timeout for what was certainly not done.

use std::time::Duration;

use kafka_conn::{CallOptions, Lane, Pauses, Route, Step, Transport};
use kafka_protocol::{ErrorCode, Request};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};

/// The attempts of one call, all within one timeout.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    transport: &'a Transport,
    deadline: Instant,
    pauses: Pauses,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(admin: &'a Admin) -> Self {
        let transport = admin.transport();
        Self { transport, deadline: deadline(admin.timeout()), pauses: transport.config().backoff.pauses() }
    }

    /// What the broker may take, in whole milliseconds: what is left, less a second (or a quarter, if that is less) for
    /// the way, so that its word on what it did not finish comes in time.
    pub(crate) fn timeout_ms(&self) -> i32 {
        let left = self.left();
        millis(left.saturating_sub((left / 4).min(MAX_WAY)))
    }

    /// Sends a request, in `max_version` at most, and waits for its answer for as long as time is left.
    pub(crate) async fn call<R: Request>(
        &self,
        request: &R,
        route: Route<'_>,
        max_version: Option<i16>,
    ) -> Result<R::Response> {
        let options = CallOptions { timeout: Some(self.left()), max_version, ..CallOptions::default() };
        Ok(self.transport.call_with(request, route, options).await?)
    }

    /// The version that a broker there would be asked in. Where none can be reached, one that can may soon be there: asked
    /// for as long as time is left.
    pub(crate) async fn version<R: Request>(&mut self, route: Route<'_>) -> Result<i16> {
        loop {
            let timeout = kafka_conn::ErrorKind::Timeout { step: Step::Connect, after: None };
            let connection = timeout_at(self.deadline, self.transport.connection(route, Lane::General)).await;
            match connection.unwrap_or_else(|_| Err(kafka_conn::Error::new(timeout).with_unsent())) {
                Ok(connection) => return Ok(connection.version_for::<R>(None)?),
                Err(error) if !error.is_retriable() || !self.pause(0).await => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "connecting again"),
            }
        }
    }

    /// Pauses before another attempt for what was refused with `code`. `false` where there is no use, or no time.
    pub(crate) async fn again(&mut self, code: ErrorCode, throttle_ms: i32) -> bool {
        if !is_undone(code) || !self.pause(throttle_ms).await {
            return false;
        }
        tracing::debug!(%code, "asking again");
        // If this fails, so will the next attempt, and say why.
        let _refreshed = timeout_at(self.deadline, self.transport.refresh(&[])).await;
        true
    }

    /// Pauses before another attempt. `false` where there is no time.
    pub(crate) async fn pause(&mut self, throttle_ms: i32) -> bool {
        let pause = Instant::now() + self.pauses.next_pause().max(duration(throttle_ms));
        if pause >= self.deadline {
            return false;
        }
        sleep_until(pause).await;
        true
    }

    /// Fails where no time is left for more.
    pub(crate) fn check_time(&self) -> Result<()> {
        if self.left().is_zero() { Err(Error::new(ErrorKind::TimedOut)) } else { Ok(()) }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Admin {
    /// A request to the controller whose answer is all or nothing: made again while its code says that nothing was done.
    ///
    /// `request` is told how many milliseconds the controller may take; `code` reads code and throttle time.
    pub(crate) async fn ask_controller<R: Request>(
        &self,
        request: impl Fn(i32) -> R,
        code: impl Fn(&R::Response) -> (i16, i32),
    ) -> Result<R::Response> {
        let mut attempts = Attempts::new(self);
        loop {
            let response = attempts.call(&request(attempts.timeout_ms()), Route::Controller, None).await?;
            let (code, throttle_ms) = code(&response);
            if !attempts.again(ErrorCode(code), throttle_ms).await {
                return Ok(response);
            }
        }
    }

    /// A request that any broker answers.
    pub(crate) async fn ask_any<R: Request>(&self, request: &R) -> Result<R::Response> {
        Attempts::new(self).call(request, Route::Any, None).await
    }
}

/// When `timeout` will be over; a year stands for never.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST_TIMEOUT)
}

/// A duration as requests have it.
pub(crate) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// A duration as answers have it.
pub(crate) fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

/// Codes that say that the item was certainly not done, and that another attempt may.
pub(crate) fn is_undone(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_CONTROLLER | ErrorCode::THROTTLING_QUOTA_EXCEEDED)
}

/// The code of an answer that has one for each item: one that asks for another attempt only if all items do, since only
/// then certainly nothing was done.
pub(crate) fn common_code(codes: impl Iterator<Item = i16>) -> i16 {
    let mut common = None;
    for code in codes {
        if !is_undone(ErrorCode(code)) {
            return ErrorCode::NONE.0;
        }
        common = Some(code);
    }
    common.unwrap_or(ErrorCode::NONE.0)
}

/// For an answer to come.
const MAX_WAY: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_did_is_asked_again() {
        let not_controller = ErrorCode::NOT_CONTROLLER.0;
        assert_eq!(common_code([not_controller, not_controller].into_iter()), not_controller);
        assert_eq!(common_code([not_controller, 0].into_iter()), 0);
        assert_eq!(common_code(std::iter::empty()), 0);
    }
}
