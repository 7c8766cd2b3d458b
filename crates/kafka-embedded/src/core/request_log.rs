//! The requests that brokers have seen.
//!
//! Sans-IO.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::{ApiKey, DecodeError, Request};
use smol_str::SmolStr;

use crate::core::{Call, Limits};

/// A request that a broker has seen, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// When it came, since the cluster began.
    pub at: Duration,
    /// The broker.
    pub broker: i32,
    /// The API.
    pub api: ApiKey,
    /// The version.
    pub version: i16,
    /// The number that the answer repeats.
    pub correlation_id: i32,
    /// The client's name; empty without one.
    pub client_id: SmolStr,
    /// The body; `None` where it was too long to keep, or may hold secrets (`SaslAuthenticate`).
    pub body: Option<Bytes>,
}

impl LoggedRequest {
    /// The body, if it is an `R`, it was kept, and is right.
    ///
    /// # Errors
    /// Where the client sent what is no `R`.
    pub fn decode<R: Request>(&self) -> Option<Result<R, DecodeError>> {
        let body = self.body.clone().filter(|_| R::TYPE.key == Some(self.api.0))?;
        Some(R::decode(self.version, body))
    }
}

/// The last requests, and how many there were of each kind.
#[derive(Debug)]
pub(crate) struct RequestLog {
    started: Instant,
    last: VecDeque<LoggedRequest>,
    bytes: usize,
    max: usize,
    max_bytes: usize,
    counts: BTreeMap<(i32, ApiKey), u64>,
}

impl RequestLog {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let (max, max_bytes) = (limits.max_requests_logged.max(1), limits.max_request_bytes_logged);
        Self { started: now, last: VecDeque::new(), bytes: 0, max, max_bytes, counts: BTreeMap::new() }
    }

    pub(super) fn record(&mut self, now: Instant, call: &Call, body: &Bytes) {
        *self.counts.entry((call.broker, call.api)).or_default() += 1;
        let keep = call.api != ApiKey::SASL_AUTHENTICATE && body.len() <= self.max_bytes / 16;
        self.bytes += if keep { body.len() } else { 0 };
        self.last.push_back(LoggedRequest {
            at: now.saturating_duration_since(self.started),
            broker: call.broker,
            api: call.api,
            version: call.version,
            correlation_id: call.correlation_id,
            client_id: call.client_id.clone(),
            // A copy: what came is a slice of a buffer that may be much longer.
            body: keep.then(|| Bytes::copy_from_slice(body)),
        });
        while self.last.len() > self.max || (self.bytes > self.max_bytes && self.last.len() > 1) {
            let oldest = self.last.pop_front().and_then(|request| request.body);
            self.bytes -= oldest.map_or(0, |body| body.len());
        }
    }

    pub(crate) fn last(&self) -> Option<&LoggedRequest> {
        self.last.back()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.last.iter()
    }

    /// How many requests of an API there were, to one broker or all.
    pub(crate) fn count(&self, api: ApiKey, broker: Option<i32>) -> u64 {
        let counts =
            self.counts.iter().filter(|((of, key), _)| *key == api && broker.is_none_or(|broker| broker == *of));
        counts.map(|(_, count)| count).sum()
    }

    pub(crate) fn clear(&mut self) {
        self.last.clear();
        self.counts.clear();
        self.bytes = 0;
    }
}
