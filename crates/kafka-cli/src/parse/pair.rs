//! Pairs: `NAME=VALUE`, for headers and settings.

use std::str::FromStr;

/// A name and a value. The first `=` divides them; the value may be empty and may have more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = PairError;

    fn from_str(text: &str) -> Result<Self, PairError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err(PairError),
        }
    }
}

impl From<(&String, &String)> for Pair {
    fn from((name, value): (&String, &String)) -> Self {
        Self { name: name.clone(), value: value.clone() }
    }
}

/// Text that is no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAME=VALUE")]
pub(crate) struct PairError;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> Option<(String, String)> {
        text.parse::<Pair>().ok().map(|pair| (pair.name, pair.value))
    }

    #[test]
    fn the_first_equals_sign_divides() {
        assert_eq!(pair("retention.ms=1000"), Some(("retention.ms".to_owned(), "1000".to_owned())));
        assert_eq!(pair("a=b=c"), Some(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Some(("a".to_owned(), String::new())));
    }

    #[test]
    fn a_name_is_needed() {
        assert_eq!((pair("a"), pair("=a"), pair("")), (None, None, None));
    }
}
