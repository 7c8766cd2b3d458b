//! Java's `sasl.jaas.config`: a login module, a flag, and options.
//!
//! ```text
//! org.apache.kafka.common.security.scram.ScramLoginModule required username="billing" password="a \"quoted\" one";
//! ```
//!
//! Sans-IO.

use nom::branch::alt;
use nom::bytes::complete::{escaped_transform, is_not, tag, take_while1};
use nom::character::complete::{anychar, char, multispace0, multispace1};
use nom::combinator::{all_consuming, map, opt, value};
use nom::multi::many0;
use nom::sequence::{delimited, preceded, separated_pair, terminated};
use nom::{IResult, Parser};
use smol_str::SmolStr;

use crate::secret::Secret;

/// What a login module is told.
#[derive(Debug)]
pub(super) struct Login {
    /// The class of the module, without its package.
    pub(super) module: SmolStr,
    pub(super) user: SmolStr,
    pub(super) password: Secret,
    /// Whether user and password are those of a delegation token (KIP-48).
    pub(super) is_token: bool,
}

/// Reads the text. What is wrong with it is said without any of its values.
pub(super) fn parse(text: &str) -> Result<Login, String> {
    let expected = || "it is `<login module> required username=\"…\" password=\"…\";`".to_owned();
    let (_, (class, options)) = all_consuming(entry).parse(text).map_err(|_| expected())?;
    let module = SmolStr::new(class.rsplit('.').next().unwrap_or_default());
    if module == OAUTH_BEARER {
        return Err(TOKENS.to_owned());
    }
    let (mut user, mut password, mut is_token) = (None, None, false);
    for (name, value) in options {
        match name {
            "username" => user = Some(value.into()),
            "password" => password = Some(Secret::from(value)),
            "tokenauth" if module == SCRAM => is_token = is_true(&value)?,
            // To leave it out would be to log in otherwise than was asked for.
            _ => return Err(format!("the option `{}` is not known here of {module}", name.escape_debug())),
        }
    }
    match (user, password) {
        (Some(user), Some(password)) => Ok(Login { module, user, password, is_token }),
        _ => Err(expected()),
    }
}

fn is_true(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("the option `tokenauth` is `true` or `false`".to_owned()),
    }
}

type Options<'a> = Vec<(&'a str, String)>;

fn entry(text: &str) -> IResult<&str, (&str, Options<'_>)> {
    let flags = alt((tag("required"), tag("requisite"), tag("sufficient"), tag("optional")));
    let options = many0(preceded(multispace1, separated_pair(word, spaced_equals, option_value)));
    let end = (multispace0, opt(char(';')), multispace0);
    (delimited(multispace0, word, (multispace1, flags)), terminated(options, end)).parse(text)
}

fn spaced_equals(text: &str) -> IResult<&str, char> {
    delimited(multispace0, char('='), multispace0).parse(text)
}

fn word(text: &str) -> IResult<&str, &str> {
    take_while1(|letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | '$')).parse(text)
}

fn option_value(text: &str) -> IResult<&str, String> {
    let empty = value(String::new(), tag("\"\""));
    let quoted = delimited(char('"'), escaped_transform(is_not("\\\""), '\\', anychar), char('"'));
    let bare = map(is_not("\"; \t\r\n"), str::to_owned);
    alt((empty, quoted, bare)).parse(text)
}

/// What to do for OAUTHBEARER, which has no user and no password.
pub(super) const TOKENS: &str = "tokens come from a program: set the dialer's `sasl` to an `OAuthBearer`";
/// Java's classes, without their packages.
pub(super) const PLAIN: &str = "PlainLoginModule";
pub(super) const SCRAM: &str = "ScramLoginModule";
const OAUTH_BEARER: &str = "OAuthBearerLoginModule";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_users_write_is_read() {
        for (text, module, user, password) in [
            (
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"a b;\";",
                "PlainLoginModule",
                "me",
                "a b;",
            ),
            (" ScramLoginModule  required\n  username = me\n  password = pass ; ", "ScramLoginModule", "me", "pass"),
            (r#"M required password="say \"a\\b\"" username="""#, "M", "", r#"say "a\b""#),
        ] {
            let login = parse(text).unwrap();
            assert_eq!((login.module.as_str(), login.user.as_str()), (module, user), "{text}");
            assert_eq!(login.password.expose(), password.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_delegation_token_is_read() {
        let of =
            |value: &str| parse(&format!("a.b.ScramLoginModule required username=id password=x tokenauth={value};"));
        for (value, is_token) in [("\"true\"", true), ("TRUE", true), ("\"false\"", false)] {
            assert_eq!(of(value).unwrap().is_token, is_token, "{value}");
        }
        assert!(of("1").unwrap_err().contains("`true` or `false`"));
    }

    #[test]
    fn who_has_an_oauth_bearers_module_is_told_what_to_do() {
        let reason =
            parse("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;").unwrap_err();
        assert!(reason.contains("`OAuthBearer`"), "{reason}");
    }

    #[test]
    fn what_is_not_understood_is_refused_without_its_values() {
        for text in [
            "",
            "M",
            "M required;",
            "M required username=\"me\";",
            "M username=\"me\" password=\"hunter2\";",
            "M required username=\"me\" password=\"hunter2",
            "M required username=\"me\" password=\"hunter2\"; N required;",
            "M required username=\"me\" password=\"hunter2\" tokenauth=\"true\";",
            "ScramLoginModule required username=\"me\" password=\"hunter2\" tokenauth=\"hunter2\";",
        ] {
            let reason = parse(text).unwrap_err();
            assert!(!reason.contains("hunter2"), "{text}: {reason}");
        }
    }
}
