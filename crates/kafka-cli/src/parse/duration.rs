//! Durations: `10`, `10s`, `500ms`, `2m`.

use std::time::Duration;

/// Reads a duration; a number alone counts seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| DurationError::Form)?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err(DurationError::Form),
    };
    let duration = Duration::from_millis(number.saturating_mul(millis));
    if duration.is_zero() || duration > MAX { Err(DurationError::Range) } else { Ok(duration) }
}

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
    fn what_is_none() {
        for text in ["", "s", "-1", "1.5", "1h", "10 s", "99999999999999999999"] {
            assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
        }
        for text in ["0", "0ms", "61m", "18446744073709551615"] {
            assert_eq!(parse_duration(text), Err(DurationError::Range), "{text}");
        }
    }
}
