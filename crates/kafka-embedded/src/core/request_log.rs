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

    /// The bytes that it keeps.
    fn size(&self) -> usize {
        self.client_id.len() + self.body.as_ref().map_or(0, Bytes::len)
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
    /// By the client's name.
    clients: BTreeMap<SmolStr, BTreeMap<ApiKey, u64>>,
    max_clients: usize,
}

impl RequestLog {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let (max, max_bytes) = (limits.max_requests_logged.max(1), limits.max_request_bytes_logged);
        let (counts, clients, max_clients) = (BTreeMap::new(), BTreeMap::new(), limits.max_clients_counted);
        Self { started: now, last: VecDeque::new(), bytes: 0, max, max_bytes, counts, clients, max_clients }
    }

    pub(super) fn record(&mut self, now: Instant, call: &Call, body: &Bytes) {
        *self.counts.entry((call.broker, call.api)).or_default() += 1;
        self.count_client(&call.client_id, call.api);
        let keep = call.api != ApiKey::SASL_AUTHENTICATE && body.len() <= self.max_bytes / 16;
        let request = LoggedRequest {
            at: now.saturating_duration_since(self.started),
            broker: call.broker,
            api: call.api,
            version: call.version,
            correlation_id: call.correlation_id,
            client_id: call.client_id.clone(),
            // A copy: what came is a slice of a buffer that may be much longer.
            body: keep.then(|| Bytes::copy_from_slice(body)),
        };
        self.bytes += request.size();
        self.last.push_back(request);
        while self.last.len() > self.max || (self.bytes > self.max_bytes && self.last.len() > 1) {
            self.bytes -= self.last.pop_front().map_or(0, |oldest| oldest.size());
        }
    }

    /// Names that nobody would give a client are not worth their memory, nor are too many of them.
    fn count_client(&mut self, client_id: &SmolStr, api: ApiKey) {
        let known = self.clients.contains_key(client_id);
        if known || (self.clients.len() < self.max_clients && client_id.len() <= MAX_COUNTED_NAME) {
            *self.clients.entry(client_id.clone()).or_default().entry(api).or_default() += 1;
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

    /// How many requests of an API a client sent, if it is counted.
    pub(crate) fn count_of(&self, client_id: &str, api: ApiKey) -> u64 {
        self.clients.get(client_id).and_then(|counts| counts.get(&api)).copied().unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.last.clear();
        self.counts.clear();
        self.clients.clear();
        self.bytes = 0;
    }
}

/// Bytes of a client's name by which it is counted.
const MAX_COUNTED_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn call(client_id: &str) -> Call {
        Call {
            api: ApiKey::FETCH,
            version: 12,
            correlation_id: 1,
            client_id: client_id.into(),
            client_host: SmolStr::default(),
            broker: 1,
            injected: Default::default(),
        }
    }

    /// Found in review: whose requests they were was not counted.
    #[test]
    fn requests_are_counted_by_client_within_bounds() {
        let limits = Limits { max_clients_counted: 2, max_request_bytes_logged: 1_600, ..Limits::default() };
        let now = Instant::now();
        let mut log = RequestLog::new(&limits, now);
        for client in ["a", "b", "a", "c", &"d".repeat(1_500)] {
            log.record(now, &call(client), &Bytes::from_static(b"body"));
        }
        let counts = ["a", "b", "c"].map(|client| log.count_of(client, ApiKey::FETCH));
        assert_eq!((counts, log.count_of("a", ApiKey::PRODUCE), log.count(ApiKey::FETCH, None)), ([2, 1, 0], 0, 5));
        log.record(now, &call(&"e".repeat(1_500)), &Bytes::new());
        assert_eq!((log.last.len(), log.bytes), (1, 1_500), "names are bytes, too");
        log.clear();
        assert_eq!(log.count_of("a", ApiKey::FETCH), 0);
    }
}
