//! The time of writing: exact, or cheap.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let millis = |duration: Duration| {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds.saturating_mul(1000).saturating_add(duration.subsec_millis().into())
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// Milliseconds since 1970, about a tick of the kernel behind, which is 1 to 10 ms. To read the exact time would take a
/// sixth of a send.
#[cfg(target_os = "linux")]
pub(crate) fn recent_millis() -> i64 {
    match clock_gettime_dynamic(DynamicClockId::Known(ClockId::RealtimeCoarse)) {
        Ok(time) => time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000),
        // A kernel without that clock.
        Err(_) => millis(SystemTime::now()),
    }
}

/// Milliseconds since 1970.
#[cfg(not(target_os = "linux"))]
pub(crate) fn recent_millis() -> i64 {
    millis(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_time_is_never_ahead() {
        // A time of this year: the units are right.
        let hour = 3_600_000;
        let recent = recent_millis();
        let now = millis(SystemTime::now());
        assert!((now - hour..=now).contains(&recent), "{recent} is not about {now}");
    }

    #[test]
    fn there_was_time_before_1970() {
        assert_eq!(millis(UNIX_EPOCH - Duration::from_millis(1500)), -1500);
    }
}
