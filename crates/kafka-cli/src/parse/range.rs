//! What to read of a partition: from a place on, `-5`, or from one place to another, `@-1h:@now`.

use super::place::{Place, PlaceError, parse_place};

/// A place where to begin and, perhaps, one where to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Place,
    /// What is at this place is not read any more.
    pub(crate) to: Option<Place>,
}

/// Reads the range. Times have colons, too: the one that divides is the one with a place on either side.
pub(crate) fn parse_range(text: &str) -> Result<Range, RangeError> {
    if let Ok(from) = parse_place(text) {
        return Ok(Range { from, to: None });
    }
    let places = |(at, _): (usize, &str)| Some((parse_place(&text[..at]).ok()?, parse_place(&text[at + 1..]).ok()?));
    match text.match_indices(':').find_map(places) {
        Some((Place::Offset(from), Place::Offset(to))) if to < from => Err(RangeError::Backwards),
        Some((from, to)) => Ok(Range { from, to: Some(to) }),
        None => Err(RangeError::Place(PlaceError)),
    }
}

/// Text that is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    #[error("{0}; or two of them with a colon between: @-1h:@now")]
    Place(PlaceError),
    #[error("it ends before it begins")]
    Backwards,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::place::Moment;

    #[test]
    fn one_place_or_two() {
        let at = |millis| Place::Time(Moment::At(millis));
        for (text, from, to) in [
            ("start", Place::Start, None),
            ("-5", Place::BeforeEnd(5), None),
            ("@2026-01-15T00:00:00Z", at(1_768_435_200_000), None),
            ("start:end", Place::Start, Some(Place::End)),
            ("5:9", Place::Offset(5), Some(Place::Offset(9))),
            ("5:5", Place::Offset(5), Some(Place::Offset(5))),
            ("-9:-2", Place::BeforeEnd(9), Some(Place::BeforeEnd(2))),
            ("@-1h:@now", Place::Time(Moment::Ago(3_600_000)), Some(Place::Time(Moment::Ago(0)))),
            ("@2026-01-15T00:00:00Z:@2026-01-15T01:00:01+01:00", at(1_768_435_200_000), Some(at(1_768_435_201_000))),
            ("@2026-01-15:end", at(1_768_435_200_000), Some(Place::End)),
        ] {
            assert_eq!(parse_range(text), Ok(Range { from, to }), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in ["", ":", "5:", ":5", "1:2:3", "start-end", "a:b", "→:5"] {
            assert_eq!(parse_range(text), Err(RangeError::Place(PlaceError)), "{text}");
        }
        assert_eq!(parse_range("9:5"), Err(RangeError::Backwards));
    }
}
