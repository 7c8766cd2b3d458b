//! How long the calls of a [`Conn`](super::Conn) may take.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use crate::deadline::later;

/// The deadlines and the timeout of a connection.
#[derive(Clone, Debug)]
pub(super) struct TimeLimits {
    pub(super) read_deadline: Option<Instant>,
    pub(super) write_deadline: Option<Instant>,
    /// How long one call may take.
    pub(super) timeout: Duration,
}

impl TimeLimits {
    /// When a call that reads, and begins now, has to be over.
    pub(super) fn read_until(&self, now: Instant) -> Instant {
        until(now, self.timeout, self.read_deadline)
    }

    /// When a call that writes, and begins now, has to be over.
    pub(super) fn write_until(&self, now: Instant) -> Instant {
        until(now, self.timeout, self.write_deadline)
    }
}

/// What of the time left a broker may take, so that its answer is here in time, in the milliseconds of the wire: all
/// but a second, or of little time three quarters.
pub(super) fn for_broker(left: Duration) -> i32 {
    milliseconds(left.saturating_sub(LONGEST_TRIP.min(left / 4)))
}

/// In the milliseconds of the wire.
pub(super) fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn until(now: Instant, timeout: Duration, deadline: Option<Instant>) -> Instant {
    let end = later(now, timeout);
    deadline.map_or(end, |deadline| deadline.min(end))
}

/// More than a request and its answer are on their way (kafka-go `defaultRTT`).
const LONGEST_TRIP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_end_counts() {
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        let limits = TimeLimits {
            read_deadline: Some(now + seconds(5)),
            write_deadline: Some(now + seconds(50)),
            timeout: seconds(30),
        };
        assert_eq!(limits.read_until(now), now + seconds(5));
        assert_eq!(limits.write_until(now), now + seconds(30));
        assert_eq!(limits.write_until(now + seconds(40)), now + seconds(50));
        let limits = TimeLimits { timeout: Duration::MAX, ..limits };
        assert_eq!(limits.write_until(now), now + seconds(50));
    }

    #[test]
    fn brokers_answer_before_the_time_is_over() {
        for (left, expected) in [(0, 0), (100, 75), (4_000, 3_000), (30_000, 29_000), (u64::MAX, i32::MAX)] {
            assert_eq!(for_broker(Duration::from_millis(left)), expected);
        }
    }
}
