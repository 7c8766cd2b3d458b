//! The broker's messages of SCRAM (RFC 5802, section 7), parsed.
//!
//! Sans-IO.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, satisfy};
use nom::combinator::{all_consuming, map_res, recognize, verify};
use nom::multi::many0_count;
use nom::sequence::preceded;
use nom::{IResult, Parser};
use smol_str::SmolStr;

/// The answer to the client's first message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

/// The answer to the client's last message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerFinal {
    Error(SmolStr),
    Signature(Vec<u8>),
}

/// `r=…,s=…,i=…`, and extensions, which may be passed over. One that may not, `m=`, would stand in front, and is no
/// nonce.
pub(super) fn parse_server_first(text: &str) -> Option<ServerFirst<'_>> {
    let nonce = preceded(tag("r="), take_while1(is_printable));
    let salt = preceded(tag(",s="), base64);
    let iterations = preceded(tag(",i="), positive);
    let (_, (nonce, salt, iterations, _)) = all_consuming((nonce, salt, iterations, extensions)).parse(text).ok()?;
    (salt.len() <= MAX_SALT).then_some(ServerFirst { nonce, salt, iterations })
}

/// `v=…` or `e=…`, and extensions.
pub(super) fn parse_server_final(text: &str) -> Option<ServerFinal> {
    let error = preceded(tag("e="), take_while1(is_value)).map(|error: &str| ServerFinal::Error(short(error)));
    let signature = preceded(tag("v="), base64).map(ServerFinal::Signature);
    let (_, (answer, _)) = all_consuming((alt((error, signature)), extensions)).parse(text).ok()?;
    Some(answer)
}

fn extensions(text: &str) -> IResult<&str, &str> {
    let one = (char(','), satisfy(|letter| letter.is_ascii_alphabetic()), char('='), take_while(is_value));
    recognize(many0_count(one)).parse(text)
}

fn base64(text: &str) -> IResult<&str, Vec<u8>> {
    let letters = take_while1(|letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '='));
    map_res(letters, |letters: &str| STANDARD.decode(letters)).parse(text)
}

/// A number that does not begin with a zero.
fn positive(text: &str) -> IResult<&str, u32> {
    let digits = verify(digit1, |digits: &str| !digits.starts_with('0'));
    map_res(digits, str::parse).parse(text)
}

fn is_printable(letter: char) -> bool {
    matches!(letter, '!'..='~') && letter != ','
}

fn is_value(letter: char) -> bool {
    letter != ',' && letter != '\0'
}

fn short(text: &str) -> SmolStr {
    text.chars().take(MAX_ERROR).collect()
}

/// Kafka's salts have some 26 bytes.
const MAX_SALT: usize = 1024;
/// RFC 5802 defines errors of up to 33 letters.
const MAX_ERROR: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages() {
        let first = parse_server_first("r=abc+/=,s=AQID,i=4096").unwrap();
        assert_eq!(first, ServerFirst { nonce: "abc+/=", salt: vec![1, 2, 3], iterations: 4096 });
        assert!(parse_server_first("r=a,s=AQID,i=4096,x=y,z=").is_some(), "extensions may be passed over");
        for wrong in [
            "",
            "r=a",
            "r=a,s=AQID",
            "m=x,r=a,s=AQID,i=4096",
            "r=,s=AQID,i=4096",
            "r=a,s=,i=4096",
            "r=a,s=A,i=4096",
            "r=a,s=????,i=4096",
            "s=AQID,r=a,i=4096",
            "r=a,s=AQID,i=",
            "r=a,s=AQID,i=0",
            "r=a,s=AQID,i=04096",
            "r=a,s=AQID,i=-1",
            "r=a,s=AQID,i=4294967296",
            "r=a,s=AQID,i=4096 ",
            "r=a b,s=AQID,i=4096",
            "r=a,s=AQID,i=4096,",
            "r=a,s=AQID,i=4096,1=2",
        ] {
            assert_eq!(parse_server_first(wrong), None, "{wrong}");
        }
        let salt = STANDARD.encode([0; MAX_SALT + 1]);
        assert_eq!(parse_server_first(&format!("r=a,s={salt},i=4096")), None);
    }

    #[test]
    fn final_messages() {
        assert_eq!(parse_server_final("v=AQID"), Some(ServerFinal::Signature(vec![1, 2, 3])));
        assert_eq!(parse_server_final("v=AQID,x=y"), Some(ServerFinal::Signature(vec![1, 2, 3])));
        assert_eq!(parse_server_final("e=unknown-user"), Some(ServerFinal::Error("unknown-user".into())));
        for wrong in ["", "v=", "v=A", "e=", "x=y", "v=AQID,", "AQID"] {
            assert_eq!(parse_server_final(wrong), None, "{wrong}");
        }
    }
}
