//! Ranges of versions, as Kafka's definitions write them: `3`, `0-7`, `2+`, `none`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};

/// Versions from `min` to `max`, both included; [`Range::OPEN`] as the end is "and later".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: i16,
    pub(super) max: i16,
}

impl Range {
    pub(super) const OPEN: i16 = i16::MAX;
    pub(super) const ALL: Self = Self { min: 0, max: Self::OPEN };

    /// `None` where no version is left.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        (both.min <= both.max).then_some(both)
    }

    /// The least range that holds both.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    pub(super) fn holds(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }

    /// `None` for `none`.
    fn parse(text: &str) -> Option<Option<Self>> {
        if text == "none" {
            return Some(None);
        }
        let range = match (text.strip_suffix('+'), text.split_once('-')) {
            (Some(min), _) => Self { min: min.parse().ok()?, max: Self::OPEN },
            (None, Some((min, max))) => Self { min: min.parse().ok()?, max: max.parse().ok()? },
            (None, None) => text.parse().map(|version| Self { min: version, max: version }).ok()?,
        };
        Some(Some(range))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { min, max: Self::OPEN } => write!(f, "{min}+"),
            Self { min, max } if min == max => write!(f, "{min}"),
            Self { min, max } => write!(f, "{min}-{max}"),
        }
    }
}

/// For fields of a definition that may say `none`.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Range>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Range::parse(&text).ok_or_else(|| Error::custom(format_args!("`{text}` is no range of versions")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0", "7", "0-7", "3+"] {
            let range = Range::parse(text).flatten().expect("a range");
            assert_eq!(range.to_string(), text);
        }
        assert_eq!(Range::parse("none"), Some(None));
        assert_eq!(Range::parse("3-"), None);
    }
}
