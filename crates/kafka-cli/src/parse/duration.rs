//! Durations: to wait for, `10`, `10s`, `500ms`, `2m`; to live for, `90s`, `12h`, `7d`.

use std::time::Duration;

/// Reads a duration; a number alone counts seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let (number, unit) = parts(text).ok_or(DurationError::Form)?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err(DurationError::Form),
    };
    let duration = Duration::from_millis(number.saturating_mul(millis));
    if duration.is_zero() || duration > MAX { Err(DurationError::Range) } else { Ok(duration) }
}

/// Reads how long something is to live; the unit has to be there.
pub(crate) fn parse_period(text: &str) -> Result<Duration, PeriodError> {
    let (number, unit) = parts(text).ok_or(PeriodError)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(PeriodError),
    };
    let period = number.checked_mul(seconds).map(Duration::from_secs).filter(|period| *period <= MAX_PERIOD);
    period.filter(|period| !period.is_zero()).ok_or(PeriodError)
}

/// A number, and what stands behind it.
fn parts(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// Text that is no time to live for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number with its unit, as in 90s, 30m, 12h or 7d")]
pub(crate) struct PeriodError;

/// Text that is no duration to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("write seconds, or a number with its unit, as in 10s, 500ms or 2m")]
    Form,
    #[error("it must be more than nothing and at most an hour")]
    Range,
}

/// Who waits longer for one answer waits for nothing.
const MAX: Duration = Duration::from_secs(3600);
/// A hundred years: more is a slip of the pen.
const MAX_PERIOD: Duration = Duration::from_secs(100 * 366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_units() {
        for (text, millis) in [("10", 10_000), ("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("60m", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn periods_have_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(parse_period(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "d", "0d", "-1d", "1w", "500ms", "99999d", "99999999999999999999d"] {
            assert_eq!(parse_period(text), Err(PeriodError), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in ["", "s", "-1", "1.5", "1h", "10 s", "99999999999999999999"] {
            assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
        }
        for text in ["0", "0ms", "61m", "18446744073709551615"] {
            assert_eq!(parse_duration(text), Err(DurationError::Range), "{text}");
        }
    }
}
