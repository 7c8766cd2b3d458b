//! Keys and values in one line: what stands between them.

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::parse::escape::{EscapeError, parse_escaped};

/// The text that ends the key. A line without it is a value without key, as with kcat's `-K`; in one that has it
/// several times, the first counts. So `:value` has an empty key, which is not the same as none.
#[derive(Clone, Debug)]
pub(crate) struct KeySeparator(Finder<'static>);

impl KeySeparator {
    /// Reads what people type, escapes included.
    pub(crate) fn parse(text: &str) -> Result<Self, KeySeparatorError> {
        let bytes = parse_escaped(text)?;
        if bytes.is_empty() {
            return Err(KeySeparatorError::Empty);
        }
        Ok(Self(Finder::new(&bytes).into_owned()))
    }

    /// Takes a line apart, without copying it.
    pub(crate) fn split(&self, line: Bytes) -> (Option<Bytes>, Bytes) {
        match self.0.find(&line) {
            Some(at) => (Some(line.slice(..at)), line.slice(at + self.0.needle().len()..)),
            None => (None, line),
        }
    }

    /// Appends the key, if there is one, and the separator: what [`split`](Self::split) takes apart again.
    pub(crate) fn append(&self, key: Option<&[u8]>, line: &mut Vec<u8>) {
        if let Some(key) = key {
            line.extend_from_slice(key);
            line.extend_from_slice(self.0.needle());
        }
    }
}

/// Text that separates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySeparatorError {
    #[error("it is empty")]
    Empty,
    #[error(transparent)]
    Escape(#[from] EscapeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(separator: &str, line: &'static str) -> (Option<String>, String) {
        let (key, value) = KeySeparator::parse(separator).unwrap().split(Bytes::from_static(line.as_bytes()));
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (key.map(text), text(value))
    }

    #[test]
    fn the_first_separator_divides() {
        assert_eq!(split(":", "k:v:w"), (Some("k".to_owned()), "v:w".to_owned()));
        assert_eq!(split("::", "a:b::c"), (Some("a:b".to_owned()), "c".to_owned()));
        assert_eq!(split(r"\t", "k\tv"), (Some("k".to_owned()), "v".to_owned()));
        assert_eq!(split("→", "k→v"), (Some("k".to_owned()), "v".to_owned()));
    }

    #[test]
    fn without_separator_there_is_no_key() {
        assert_eq!(split(":", "value"), (None, "value".to_owned()));
        assert_eq!(split("::", "a:b"), (None, "a:b".to_owned()));
        assert_eq!(split(":", ""), (None, String::new()));
    }

    #[test]
    fn an_empty_key_is_not_none() {
        assert_eq!(split(":", ":value"), (Some(String::new()), "value".to_owned()));
        assert_eq!(split(":", "key:"), (Some("key".to_owned()), String::new()));
        assert_eq!(split(":", ":"), (Some(String::new()), String::new()));
    }

    #[test]
    fn what_was_appended_is_taken_apart_again() {
        let separator = KeySeparator::parse(r"\xff|").unwrap();
        for key in [None, Some(&b""[..]), Some(b"key"), Some(b"|")] {
            let mut line = Vec::new();
            separator.append(key, &mut line);
            line.extend_from_slice(b"value");
            let (again, value) = separator.split(line.into());
            assert_eq!((again.as_deref(), &value[..]), (key, &b"value"[..]));
        }
    }

    #[test]
    fn nothing_separates_nothing() {
        assert_eq!(KeySeparator::parse("").unwrap_err(), KeySeparatorError::Empty);
        assert_eq!(KeySeparator::parse(r"\q").unwrap_err(), KeySeparatorError::Escape(EscapeError));
    }
}
