//! Format strings, as kcat has them: `%k: %s\n`. What stands for something is a `%` and a letter.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag};
use nom::character::complete::anychar;
use nom::combinator::{map, map_opt, value};
use nom::multi::many0;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::escape::{EscapeError, escape};

/// What each message is printed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(pub(crate) Vec<Piece>);

/// A part of a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Field(Field),
}

/// What a letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Value,
    ValueLength,
    Key,
    KeyLength,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
}

/// Reads a format string. Nothing is added to it: a line's end is `\n`.
pub(crate) fn parse_format(text: &str) -> Result<Format, FormatError> {
    // An unfinished walk tells where it stopped; it cannot fail before that.
    let (rest, pieces) = many0(piece).parse(text).map_err(|_| FormatError::Empty)?;
    match rest.chars().next() {
        None if pieces.is_empty() => Err(FormatError::Empty),
        None => Ok(Format(pieces)),
        Some('\\') => Err(FormatError::Escape(EscapeError)),
        Some(_) => Err(FormatError::Field),
    }
}

/// Text that is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    #[error("it is empty")]
    Empty,
    #[error(
        "after % come s (value), k (key), h (headers), t (topic), p (partition), o (offset), T (timestamp), S or K \
         (length of value or key), or another %"
    )]
    Field,
    #[error(transparent)]
    Escape(#[from] EscapeError),
}

fn piece(input: &str) -> IResult<&str, Piece> {
    alt((
        map(is_not("%\\"), |text: &str| Piece::Text(text.as_bytes().to_vec())),
        map(escape, |byte| Piece::Text(vec![byte])),
        value(Piece::Text(b"%".to_vec()), tag("%%")),
        map(preceded(tag("%"), map_opt(anychar, field)), Piece::Field),
    ))
    .parse(input)
}

fn field(letter: char) -> Option<Field> {
    Some(match letter {
        's' => Field::Value,
        'S' => Field::ValueLength,
        'k' => Field::Key,
        'K' => Field::KeyLength,
        't' => Field::Topic,
        'p' => Field::Partition,
        'o' => Field::Offset,
        'T' => Field::Timestamp,
        'h' => Field::Headers,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format again, with fields in brackets.
    fn parsed(text: &str) -> Result<String, FormatError> {
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Field(field) => format!("<{field:?}>"),
        };
        parse_format(text).map(|format| format.0.iter().map(show).collect())
    }

    #[test]
    fn letters_escapes_and_text() {
        for (text, expected) in [
            ("%s", "<Value>"),
            (r"%k\t%s\n", "<Key>\t<Value>\n"),
            (
                r"%t[%p]@%o %T %h: %S/%K\x21",
                "<Topic>[<Partition>]@<Offset> <Timestamp> <Headers>: <ValueLength>/<KeyLength>!",
            ),
            ("100%% %%s", "100% %s"),
            ("→%s→", "→<Value>→"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(parse_format(r"\xff"), Ok(Format(vec![Piece::Text(vec![0xff])])));
    }

    #[test]
    fn what_means_nothing() {
        for (text, error) in [
            ("", FormatError::Empty),
            ("%", FormatError::Field),
            ("%s%", FormatError::Field),
            ("%x", FormatError::Field),
            ("%→", FormatError::Field),
            (r"%s\q", FormatError::Escape(EscapeError)),
            ("\\", FormatError::Escape(EscapeError)),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
    }
}
