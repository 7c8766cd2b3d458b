//! Places in a partition: `start`, `end`, `17`, `-5` (from the end), and times, `@2026-01-15`, `@-1h`, `@now`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{digit1, one_of};
use nom::combinator::{all_consuming, map, map_opt, map_res, rest, value};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first message that is there.
    Start,
    /// Behind the last.
    End,
    /// An offset.
    Offset(i64),
    /// So many messages before the end.
    BeforeEnd(i64),
    /// The first message that is not older.
    Time(Moment),
}

/// A point in time, perhaps one that depends on when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// In milliseconds since 1970.
    At(i64),
    /// So many milliseconds ago.
    Ago(i64),
}

impl Moment {
    /// In milliseconds since 1970, where it is `now` by the same clock.
    pub(crate) fn millis(self, now: i64) -> i64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(millis) => now.saturating_sub(millis).max(0),
        }
    }
}

/// Reads a place. Times without a zone are UTC.
pub(crate) fn parse_place(text: &str) -> Result<Place, PlaceError> {
    all_consuming(place).parse(text).map(|(_, place)| place).map_err(|_| PlaceError)
}

/// Text that is no place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write start, end, an offset, -N for N before the end, or a time: @2026-01-15, @2026-01-15T10:00:00Z, @-1h, @now"
)]
pub(crate) struct PlaceError;

fn place(input: &str) -> IResult<&str, Place> {
    alt((
        value(Place::Start, tag("start")),
        value(Place::End, tag("end")),
        map(preceded(tag("@"), moment), Place::Time),
        map(preceded(tag("-"), number), Place::BeforeEnd),
        map(number, Place::Offset),
    ))
    .parse(input)
}

fn moment(input: &str) -> IResult<&str, Moment> {
    alt((
        value(Moment::Ago(0), tag("now")),
        map(preceded(tag("-"), span), Moment::Ago),
        map_opt(rest, instant),
        map(number, Moment::At),
    ))
    .parse(input)
}

/// A number and its unit: `90s`, `5m`, `1h`, `7d`.
fn span(input: &str) -> IResult<&str, i64> {
    let unit = |unit| match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        _ => 86_400_000_i64,
    };
    map_opt(pair(number, map(one_of("smhd"), unit)), |(number, unit)| number.checked_mul(unit)).parse(input)
}

/// A day or a time, as RFC 3339 has them.
fn instant(text: &str) -> Option<Moment> {
    let (_, text) = take_while1::<_, _, nom::error::Error<_>>(|c: char| c.is_ascii_graphic())(text).ok()?;
    let day = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let timestamp = text.parse::<Date>().ok().filter(|_| text.len() == DAY.len()).and_then(day);
    let timestamp = timestamp.or_else(|| text.parse::<Timestamp>().ok())?;
    let since = timestamp.duration_since(Timestamp::UNIX_EPOCH);
    (since >= SignedDuration::ZERO).then(|| Moment::At(timestamp.as_millisecond()))
}

fn number(input: &str) -> IResult<&str, i64> {
    map_res(digit1, str::parse).parse(input)
}

/// How long the text of a day is.
const DAY: &str = "2026-01-15";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_offsets_and_distances() {
        for (text, place) in [
            ("start", Place::Start),
            ("end", Place::End),
            ("0", Place::Offset(0)),
            ("9223372036854775807", Place::Offset(i64::MAX)),
            ("-5", Place::BeforeEnd(5)),
        ] {
            assert_eq!(parse_place(text), Ok(place), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, moment) in [
            ("@now", Moment::Ago(0)),
            ("@-90s", Moment::Ago(90_000)),
            ("@-1h", Moment::Ago(3_600_000)),
            ("@-7d", Moment::Ago(604_800_000)),
            ("@1970-01-02", Moment::At(86_400_000)),
            ("@2026-01-15", Moment::At(1_768_435_200_000)),
            ("@2026-01-15T01:00:00+01:00", Moment::At(1_768_435_200_000)),
            ("@2026-01-15T00:00:00.5Z", Moment::At(1_768_435_200_500)),
            ("@1768435200000", Moment::At(1_768_435_200_000)),
        ] {
            assert_eq!(parse_place(text), Ok(Place::Time(moment)), "{text}");
        }
        assert_eq!((Moment::Ago(10).millis(25), Moment::Ago(10).millis(5), Moment::At(7).millis(5)), (15, 0, 7));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "-",
            "--1",
            "+1",
            "1.0",
            "END",
            "first",
            "start ",
            "9223372036854775808",
            "@",
            "@-",
            "@-1",
            "@-1w",
            "@2026-13-01",
            "@2026-01",
            "@2026-01-15T10:00:00",
            "@tomorrow",
            "@1960-01-01",
            "@-9223372036854775807d",
        ] {
            assert_eq!(parse_place(text), Err(PlaceError), "{text}");
        }
    }
}
