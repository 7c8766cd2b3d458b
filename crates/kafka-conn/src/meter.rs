//! Counts what connections do, as they do it: atomic counters, without a lock.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use kafka_protocol::ApiKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connector::Stream;
use crate::error::Error;
use crate::stats::{ApiStats, FailureClass, FailureStats, Latency, Stats};

/// Counts what the connections of a [`Dialer`](crate::Dialer) do. Clones count together: those of a dialer's clones,
/// and so of the transports that are made with it. With the feature `metrics`, all of it goes to the recorder of the
/// `metrics` crate, too.
///
/// ```
/// use kafka_conn::{Dialer, Meter};
///
/// let dialer = Dialer::default();
/// let apart = Dialer { meter: Meter::default(), ..dialer.clone() };
/// assert_eq!(dialer.meter.stats().requests() + apart.meter.stats().requests(), 0);
/// ```
#[derive(Clone, Default)]
pub struct Meter(Arc<Counters>);

struct Counters {
    opened: AtomicU64,
    closed: AtomicU64,
    dials_failed: AtomicU64,
    reconnects: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// In the order of [`ApiKey::ALL`], and one more for all other keys.
    apis: Box<[ApiCounters]>,
}

#[derive(Default)]
struct ApiCounters {
    requests: AtomicU64,
    responses: AtomicU64,
    failures: [AtomicU64; FailureClass::COUNT],
    latency_micros: AtomicU64,
    latency: [AtomicU64; Latency::BUCKETS],
}

impl Meter {
    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let counters = &*self.0;
        let other = ApiKey(-1);
        let keys = ApiKey::ALL.iter().chain([&other]);
        let apis = keys.zip(&counters.apis).map(|(key, api)| api.stats(*key)).filter(|api| api.requests > 0);
        Stats {
            connections_opened: read(&counters.opened),
            connections_closed: read(&counters.closed),
            dials_failed: read(&counters.dials_failed),
            reconnects: read(&counters.reconnects),
            bytes_in: read(&counters.bytes_in),
            bytes_out: read(&counters.bytes_out),
            apis: apis.collect(),
        }
    }

    /// A stream that counts its bytes, and its end.
    pub(crate) fn stream(&self, inner: Box<dyn Stream>) -> Box<dyn Stream> {
        add(&self.0.opened, 1);
        facade::count("kafka_connections_opened_total", 1);
        Box::new(Metered { inner, meter: self.clone() })
    }

    pub(crate) fn dial_failed(&self) {
        add(&self.0.dials_failed, 1);
        facade::count("kafka_dials_failed_total", 1);
    }

    pub(crate) fn reconnected(&self) {
        add(&self.0.reconnects, 1);
        facade::count("kafka_reconnects_total", 1);
    }

    /// A request goes to a connection.
    pub(crate) fn requested(&self, api: ApiKey) {
        if let Some(counters) = self.api(api) {
            add(&counters.requests, 1);
        }
        facade::requested(api);
    }

    /// A request has its answer, or will not have one.
    pub(crate) fn finished(&self, api: ApiKey, elapsed: Duration, error: Option<&Error>) {
        let class = error.map(FailureClass::of);
        if let Some(counters) = self.api(api) {
            counters.finished(elapsed, class);
        }
        facade::finished(api, elapsed, class);
    }

    fn api(&self, api: ApiKey) -> Option<&ApiCounters> {
        let apis = &self.0.apis;
        let place = ApiKey::ALL.binary_search(&api).unwrap_or(ApiKey::ALL.len());
        apis.get(place)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            opened: AtomicU64::default(),
            closed: AtomicU64::default(),
            dials_failed: AtomicU64::default(),
            reconnects: AtomicU64::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            apis: (0..=ApiKey::ALL.len()).map(|_| ApiCounters::default()).collect(),
        }
    }
}

impl ApiCounters {
    fn finished(&self, elapsed: Duration, class: Option<FailureClass>) {
        if let Some(class) = class {
            if let Some(failures) = self.failures.get(class as usize) {
                add(failures, 1);
            }
            return;
        }
        add(&self.responses, 1);
        add(&self.latency_micros, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        if let Some(bucket) = self.latency.get(Latency::bucket(elapsed)) {
            add(bucket, 1);
        }
    }

    fn stats(&self, api: ApiKey) -> ApiStats {
        let [timeouts, lost, closed, malformed, other] = self.failures.each_ref().map(read);
        ApiStats {
            api,
            requests: read(&self.requests),
            responses: read(&self.responses),
            failures: FailureStats { timeouts, lost, closed, malformed, other },
            latency: Latency { sum_micros: read(&self.latency_micros), buckets: self.latency.each_ref().map(read) },
        }
    }
}

/// Nothing is ordered by the counters.
fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

struct Metered {
    inner: Box<dyn Stream>,
    meter: Meter,
}

impl Metered {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            add(&self.meter.0.bytes_out, count);
            facade::count("kafka_bytes_out_total", count);
        }
        written
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let count = u64::try_from(buffer.filled().len().saturating_sub(before)).unwrap_or(u64::MAX);
        if count > 0 {
            add(&self.meter.0.bytes_in, count);
            facade::count("kafka_bytes_in_total", count);
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        add(&self.meter.0.closed, 1);
        facade::count("kafka_connections_closed_total", 1);
    }
}

/// The same to the recorder of the `metrics` crate.
#[cfg(feature = "metrics")]
mod facade {
    use std::time::Duration;

    use kafka_protocol::ApiKey;

    use crate::stats::FailureClass;

    pub(super) fn count(name: &'static str, count: u64) {
        metrics::counter!(name).increment(count);
    }

    pub(super) fn requested(api: ApiKey) {
        metrics::counter!("kafka_requests_total", "api" => name(api)).increment(1);
    }

    pub(super) fn finished(api: ApiKey, elapsed: Duration, class: Option<FailureClass>) {
        let api = name(api);
        match class {
            Some(class) => {
                metrics::counter!("kafka_request_failures_total", "api" => api, "kind" => class.name()).increment(1);
            }
            None => metrics::histogram!("kafka_request_duration_seconds", "api" => api).record(elapsed.as_secs_f64()),
        }
    }

    fn name(api: ApiKey) -> &'static str {
        api.name().unwrap_or("other")
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use std::time::Duration;

    use kafka_protocol::ApiKey;

    use crate::stats::FailureClass;

    pub(super) fn count(_: &'static str, _: u64) {}

    pub(super) fn requested(_: ApiKey) {}

    pub(super) fn finished(_: ApiKey, _: Duration, _: Option<FailureClass>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn each_api_has_its_own_counters() {
        let meter = Meter::default();
        let millis = Duration::from_millis(3);
        for api in [ApiKey::METADATA, ApiKey::METADATA, ApiKey::FETCH, ApiKey(12345)] {
            meter.requested(api);
        }
        meter.finished(ApiKey::METADATA, millis, None);
        meter.finished(ApiKey::METADATA, millis, Some(&Error::new(ErrorKind::ConnectionLost)));
        let stats = meter.stats();
        assert_eq!((stats.requests(), stats.responses(), stats.failures()), (4, 1, 1));
        assert_eq!(stats.apis.iter().map(|api| api.api.0).collect::<Vec<_>>(), [1, 3, -1], "those that were called");
        let metadata = stats.api(ApiKey::METADATA).unwrap();
        assert_eq!((metadata.requests, metadata.responses, metadata.failures.lost), (2, 1, 1));
        assert_eq!((metadata.latency.count(), metadata.latency.sum()), (1, millis));
        assert_eq!(Meter::default().stats(), Stats::default());
    }

    #[cfg(feature = "metrics")]
    mod facade {
        use std::collections::BTreeMap;
        use std::sync::Mutex;

        use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

        use super::*;

        /// What was recorded, by name and labels.
        #[derive(Debug, Default)]
        struct Recorded(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

        impl Recorded {
            fn at(&self, key: &Key) -> Arc<AtomicU64> {
                let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
                let name = key.name().to_owned() + &labels.collect::<String>();
                Arc::clone(self.0.lock().unwrap().entry(name).or_default())
            }
        }

        struct Times(Arc<AtomicU64>);

        impl HistogramFn for Times {
            fn record(&self, _: f64) {
                add(&self.0, 1);
            }
        }

        impl Recorder for Recorded {
            fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
                Counter::from_arc(self.at(key))
            }

            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
                Gauge::noop()
            }

            fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
                Histogram::from_arc(Arc::new(Times(self.at(key))))
            }
        }

        #[test]
        fn the_recorder_of_the_metrics_crate_is_told() {
            let recorded = Recorded::default();
            metrics::with_local_recorder(&recorded, || {
                let meter = Meter::default();
                meter.requested(ApiKey::METADATA);
                meter.finished(ApiKey::METADATA, Duration::ZERO, None);
                meter.requested(ApiKey::FETCH);
                meter.finished(ApiKey::FETCH, Duration::ZERO, Some(&Error::new(ErrorKind::Closed)));
                meter.dial_failed();
                drop(meter.stream(Box::new(tokio::io::empty())));
            });
            let recorded = recorded.0.into_inner().unwrap();
            let recorded: Vec<_> = recorded.iter().map(|(name, count)| format!("{name}: {}", read(count))).collect();
            let expected = [
                "kafka_connections_closed_total: 1",
                "kafka_connections_opened_total: 1",
                "kafka_dials_failed_total: 1",
                "kafka_request_duration_seconds api=Metadata: 1",
                "kafka_request_failures_total api=Fetch kind=closed: 1",
                "kafka_requests_total api=Fetch: 1",
                "kafka_requests_total api=Metadata: 1",
            ];
            assert_eq!(recorded, expected);
        }
    }
}
