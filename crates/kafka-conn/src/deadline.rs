//! Points in time that cannot overflow, whatever duration a user asks for, and shares of the time that is left.
//!
//! Sans-IO.

use std::time::{Duration, Instant};

/// `from`, and `by` later; in the far future where that is beyond what the clock can express.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).or_else(|| from.checked_add(FAR)).unwrap_or(from)
}

/// The end of an equal part of the time left until `deadline`, for the next of `attempts` that follow each other; of
/// little time the attempt gets `least`, or all of it.
pub(crate) fn share(now: Instant, deadline: Instant, attempts: usize, least: Duration) -> Instant {
    let left = deadline.saturating_duration_since(now);
    let equal = left / u32::try_from(attempts.max(1)).unwrap_or(u32::MAX);
    later(now, equal.max(least).min(left))
}

/// Thirty years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_duration_will_do() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::from_secs(3)), now + Duration::from_secs(3));
        assert_eq!(later(now, Duration::MAX), now + FAR);
    }

    #[test]
    fn shares_are_equal_but_not_too_small() {
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        assert_eq!(share(now, now + seconds(30), 3, seconds(2)), now + seconds(10));
        assert_eq!(share(now, now + seconds(30), 100, seconds(2)), now + seconds(2));
        assert_eq!(share(now, now + seconds(1), 100, seconds(2)), now + seconds(1));
        assert_eq!(share(now + seconds(1), now, 0, seconds(2)), now + seconds(1));
    }
}
