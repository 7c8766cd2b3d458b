//! What a transport has done so far: a snapshot of its counters, and the time that answers took.
//!
//! Sans-IO.

use std::time::Duration;

use kafka_protocol::ApiKey;

use crate::error::{Error, ErrorKind};

/// What connections have done since they were first counted. All numbers only grow; the difference of two snapshots is
/// what happened between them.
///
/// ```no_run
/// # fn example(transport: kafka_conn::Transport) {
/// let stats = transport.stats();
/// println!("{} connections, {} bytes in", stats.open_connections(), stats.bytes_in);
/// for api in &stats.apis {
///     let slow = api.latency.quantile(0.99).unwrap_or_default();
///     println!("{}: {} requests, 99 % within {slow:?}", api.api, api.requests);
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Streams to brokers that were opened.
    pub connections_opened: u64,
    /// Those of them that are closed again.
    pub connections_closed: u64,
    /// Attempts to connect that did not lead to a usable connection, whichever step failed.
    pub dials_failed: u64,
    /// Shared connections that were opened again after they had been lost.
    pub reconnects: u64,
    /// Bytes received, as on the wire.
    pub bytes_in: u64,
    /// Bytes sent, as on the wire.
    pub bytes_out: u64,
    /// The APIs that were called, by key.
    pub apis: Vec<ApiStats>,
}

impl Stats {
    /// Connections that are open.
    pub fn open_connections(&self) -> u64 {
        self.connections_opened.saturating_sub(self.connections_closed)
    }

    /// Requests of all APIs.
    pub fn requests(&self) -> u64 {
        self.apis.iter().map(|api| api.requests).sum()
    }

    /// Answers of all APIs.
    pub fn responses(&self) -> u64 {
        self.apis.iter().map(|api| api.responses).sum()
    }

    /// Requests of all APIs that failed.
    pub fn failures(&self) -> u64 {
        self.apis.iter().map(|api| api.failures.total()).sum()
    }

    /// What is counted of an API; `None` if it was never called.
    pub fn api(&self, api: ApiKey) -> Option<&ApiStats> {
        self.apis.iter().find(|stats| stats.api == api)
    }
}

/// What was counted of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiStats {
    /// The API.
    pub api: ApiKey,
    /// Requests that were handed to a connection.
    pub requests: u64,
    /// Those that were answered; of those that have no answer (`acks=0`), the ones that went out. Whether an answer is
    /// an error code is not looked at.
    pub responses: u64,
    /// Those that were not.
    pub failures: FailureStats,
    /// How long answers took, from the hand-over to the connection on.
    pub latency: Latency,
}

/// Requests without an answer, by the kind of their error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureStats {
    /// No answer in time.
    pub timeouts: u64,
    /// The connection was lost.
    pub lost: u64,
    /// The connection was closed from this side.
    pub closed: u64,
    /// The broker broke the protocol.
    pub malformed: u64,
    /// All other kinds.
    pub other: u64,
}

impl FailureStats {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.timeouts + self.lost + self.closed + self.malformed + self.other
    }
}

/// A kind of failure, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureClass {
    Timeout,
    Lost,
    Closed,
    Malformed,
    Other,
}

impl FailureClass {
    pub(crate) const COUNT: usize = 5;

    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Timeout { .. } => Self::Timeout,
            ErrorKind::Closed => Self::Closed,
            ErrorKind::FrameTooLarge { .. }
            | ErrorKind::InvalidFrame { .. }
            | ErrorKind::OutOfStep { .. }
            | ErrorKind::NotKafka
            | ErrorKind::Decode => Self::Malformed,
            _ if error.is_connection() => Self::Lost,
            _ => Self::Other,
        }
    }

    /// The word for it, as a label.
    #[cfg(feature = "metrics")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Other => "other",
        }
    }
}

/// How long answers took: a histogram whose bounds double, from 64 µs to 67 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub(crate) sum_micros: u64,
    pub(crate) buckets: [u64; Self::BUCKETS],
}

impl Latency {
    pub(crate) const BUCKETS: usize = 22;

    /// The place of a duration among the buckets.
    pub(crate) fn bucket(elapsed: Duration) -> usize {
        let units = elapsed.as_micros() / FIRST_BOUND.as_micros();
        let doublings = u128::BITS - units.leading_zeros();
        usize::try_from(doublings).unwrap_or(usize::MAX).min(Self::BUCKETS - 1)
    }

    /// The number of answers.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time of all answers together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros)
    }

    /// The mean time; `None` without answers.
    pub fn mean(&self) -> Option<Duration> {
        self.sum_micros.checked_div(self.count()).map(Duration::from_micros)
    }

    /// The buckets: their upper bounds, exclusive, and what is in them. The last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bound = |place: usize| u32::try_from(place).ok().and_then(|place| FIRST_BOUND.checked_mul(1 << place));
        let bound = move |place| if place + 1 == Self::BUCKETS { None } else { bound(place) };
        self.buckets.iter().enumerate().map(move |(place, count)| (bound(place), *count))
    }

    /// A bound that this share of the answers, from 0 to 1, stayed below; [`Duration::MAX`] where they were slower than
    /// the last bound. `None` without answers.
    ///
    /// ```
    /// # let latency = kafka_conn::Latency::default();
    /// assert_eq!(latency.quantile(0.5), None);
    /// ```
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share"
        )]
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil() as u64;
        let mut seen = 0;
        let mut found = self.buckets().filter(|(_, count)| *count > 0);
        found.find_map(|(bound, count)| {
            seen += count;
            (seen >= rank.max(1)).then_some(bound.unwrap_or(Duration::MAX))
        })
    }
}

/// The bound of the first bucket.
const FIRST_BOUND: Duration = Duration::from_micros(64);

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(micros: &[u64]) -> Latency {
        let mut latency = Latency::default();
        for micros in micros {
            latency.buckets[Latency::bucket(Duration::from_micros(*micros))] += 1;
            latency.sum_micros += micros;
        }
        latency
    }

    #[test]
    fn every_duration_is_below_the_bound_of_its_bucket_and_not_of_the_one_before() {
        for micros in [0, 1, 63, 64, 65, 127, 128, 1000, 1_000_000, 60_000_000, 67_108_863, 67_108_864, u64::MAX] {
            let elapsed = Duration::from_micros(micros);
            let bounds: Vec<_> =
                Latency::default().buckets().map(|(bound, _)| bound.unwrap_or(Duration::MAX)).collect();
            let bucket = Latency::bucket(elapsed);
            assert!(elapsed < bounds[bucket], "{micros} µs");
            assert!(bucket == 0 || elapsed >= bounds[bucket - 1], "{micros} µs");
        }
        assert_eq!(Latency::bucket(Duration::MAX), Latency::BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_bounds() {
        let slow = latency(&[10, 100, 100, 100, 5_000, u64::MAX >> 2]);
        assert_eq!(slow.quantile(0.0), Some(Duration::from_micros(64)));
        assert_eq!(slow.quantile(0.5), Some(Duration::from_micros(128)));
        assert_eq!(slow.quantile(0.8), Some(Duration::from_micros(8192)));
        assert_eq!(slow.quantile(1.0), Some(Duration::MAX));
        assert_eq!(slow.quantile(f64::NAN), Some(Duration::from_micros(64)));
        assert_eq!((Latency::default().quantile(0.5), Latency::default().mean()), (None, None));
        assert_eq!(latency(&[10, 30]).mean(), Some(Duration::from_micros(20)));
    }

    #[test]
    fn errors_are_counted_by_what_they_are() {
        let class = |kind| FailureClass::of(&Error::new(kind));
        assert_eq!(class(ErrorKind::ConnectionLost), FailureClass::Lost);
        assert_eq!(class(ErrorKind::Closed), FailureClass::Closed);
        assert_eq!(class(ErrorKind::OutOfStep { expected: None, actual: 1 }), FailureClass::Malformed);
        assert_eq!(class(ErrorKind::Encode), FailureClass::Other);
    }
}
