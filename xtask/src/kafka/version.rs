//! The version of a Kafka release.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// A released version such as 4.3.0. Parsed, because it becomes part of paths and of Maven's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
    pub(crate) patch: u16,
}

impl Version {
    /// The newest release that the suites run against.
    pub(crate) const NEWEST: Self = Self { major: 4, minor: 3, patch: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Version(text.to_owned());
        let numbers: Vec<u16> = text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| invalid())?;
        let [major, minor, patch] = numbers[..] else {
            return Err(invalid());
        };
        Ok(Self { major, minor, patch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_releases_only() {
        assert_eq!("4.3.0".parse::<Version>().unwrap(), Version::NEWEST);
        assert!("3.9.1".parse::<Version>().unwrap() < Version::NEWEST);
        for text in ["", "4", "4.3", "4.3.0.1", "4.3.x", "../4.3", "4.3.0-rc1"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
