//! Text with escapes for what is hard to type: `\t`, `\n`, `\r`, `\0`, `\\`, `\xHH`.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while_m_n};
use nom::combinator::{all_consuming, map, map_res, value};
use nom::multi::fold_many0;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// Reads text into the bytes that it stands for. They need not be UTF-8: `\xff` is one byte.
pub(crate) fn parse_escaped(text: &str) -> Result<Vec<u8>, EscapeError> {
    let pieces = fold_many0(piece, Vec::new, |mut bytes, piece| {
        match piece {
            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Byte(byte) => bytes.push(byte),
        }
        bytes
    });
    all_consuming(pieces).parse(text).map(|(_, bytes)| bytes).map_err(|_| EscapeError)
}

/// A backslash with something behind it that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(r"after a backslash come t, n, r, 0, xHH, or another backslash")]
pub(crate) struct EscapeError;

#[derive(Clone)]
enum Piece<'a> {
    Text(&'a str),
    Byte(u8),
}

fn piece(input: &str) -> IResult<&str, Piece<'_>> {
    alt((map(is_not("\\"), Piece::Text), map(escape, Piece::Byte))).parse(input)
}

/// A backslash, and what stands for a byte.
pub(super) fn escape(input: &str) -> IResult<&str, u8> {
    preceded(tag("\\"), escaped_byte).parse(input)
}

fn escaped_byte(input: &str) -> IResult<&str, u8> {
    let digits = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
    let hex = preceded(tag("x"), map_res(digits, |digits| u8::from_str_radix(digits, 16)));
    let named = |name, byte| value(byte, tag(name));
    alt((named("t", b'\t'), named("n", b'\n'), named("r", b'\r'), named("0", 0), named("\\", b'\\'), hex)).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_text_stands_for() {
        for (text, bytes) in [
            ("", &b""[..]),
            (":", b":"),
            ("::", b"::"),
            (r"\t", b"\t"),
            (r"a\\t", b"a\\t"),
            (r"\x1f|\xFF", b"\x1f|\xff"),
            (r"\0\r\n", b"\0\r\n"),
            ("→", "→".as_bytes()),
        ] {
            assert_eq!(parse_escaped(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_means_nothing() {
        for text in ["\\", r"\q", r"\x", r"\x1", r"\xg0", r"a\→"] {
            assert_eq!(parse_escaped(text), Err(EscapeError), "{text}");
        }
    }
}
