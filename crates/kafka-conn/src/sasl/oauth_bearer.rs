//! OAUTHBEARER (RFC 7628, KIP-255): a token that somebody else gave us, with extensions (KIP-342).
//!
//! Sans-IO.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use nom::bytes::complete::{tag, take_until, take_while};
use nom::character::complete::{char, multispace0};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::{Exchange, Mechanism, Protection, Reply, SaslError};
use crate::address::BrokerAddress;
use crate::secret::Secret;

/// SASL OAUTHBEARER: each authentication sends a token that its [`TokenProvider`] gives. Whoever has the token may use
/// it, so it is refused over a connection without TLS, unless [allowed](Self::allow_unencrypted).
///
/// ```
/// use std::sync::Arc;
///
/// use kafka_conn::Dialer;
/// use kafka_conn::sasl::{OAuthBearer, Token};
///
/// // Asks for a token whenever a connection is made, and again before its session ends.
/// let mechanism = OAuthBearer::new(|| async {
///     let token = "eyJhbGciOiJub25lIn0.e30."; // from the authorisation server
///     Ok(Token::new(token).with_extension("traceId", "123"))
/// });
/// let dialer = Dialer { sasl: Some(Arc::new(mechanism)), ..Dialer::default() };
/// ```
#[derive(Clone)]
pub struct OAuthBearer {
    provider: Arc<dyn TokenProvider>,
    protection: Protection,
}

impl OAuthBearer {
    /// Tokens from `provider`: a type of one's own, or a closure that returns a future.
    pub fn new(provider: impl TokenProvider) -> Self {
        Self { provider: Arc::new(provider), protection: Protection::Required }
    }

    /// Sends tokens over unencrypted connections, too: whoever sees the traffic has them then.
    #[must_use]
    pub fn allow_unencrypted(self) -> Self {
        Self { protection: Protection::Optional, ..self }
    }
}

impl fmt::Debug for OAuthBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthBearer").field("protection", &self.protection).finish_non_exhaustive()
    }
}

#[async_trait]
impl Mechanism for OAuthBearer {
    fn name(&self) -> &str {
        "OAUTHBEARER"
    }

    fn protection(&self) -> Protection {
        self.protection
    }

    async fn start(&self, _: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        let token = self.provider.token().await.map_err(SaslError::Credentials)?;
        Ok(Box::new(Bearer { token, status: None }))
    }
}

/// Gives tokens. It is asked for each new connection, and before a connection has to authenticate again (KIP-368), early
/// enough that no call waits for it; so it should keep a token for as long as that is good. Closures that return a
/// future are providers.
///
/// **Cancel safety:** the future may be dropped at any time, when a dial times out for instance.
#[async_trait]
pub trait TokenProvider: Send + Sync + 'static {
    /// A token that is valid for some time to come.
    ///
    /// # Errors
    /// Whatever went wrong; it is the source of [`NoCredentials`](crate::ErrorKind::NoCredentials), and must not
    /// contain the token.
    async fn token(&self) -> Result<Token, Box<dyn StdError + Send + Sync>>;
}

#[async_trait]
impl<F, G> TokenProvider for F
where
    F: Fn() -> G + Send + Sync + 'static,
    G: Future<Output = Result<Token, Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    async fn token(&self) -> Result<Token, Box<dyn StdError + Send + Sync>> {
        self().await
    }
}

/// A token as the authorisation server gave it, and what the broker is told beside it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token in its compact form, such as a signed JSON web token.
    pub value: Secret,
    /// Names and values for the broker (KIP-342): letters the one, printable characters the other.
    pub extensions: Vec<(SmolStr, SmolStr)>,
}

impl Token {
    /// A token without extensions.
    pub fn new(value: impl Into<Secret>) -> Self {
        Self { value: value.into(), extensions: Vec::new() }
    }

    /// Adds an extension.
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    fn check(&self) -> Result<(), &'static str> {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        if self.value.is_empty() || !self.value.expose().iter().all(is_token) {
            return Err("the token is empty, or has characters that no bearer token has");
        }
        for (name, value) in &self.extensions {
            if name.is_empty() || name == "auth" || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Err("the name of an extension is not made of letters, or is `auth`");
            }
            if value.is_empty() || !value.bytes().all(|byte| matches!(byte, b'!'..=b'~' | b' ' | b'\t' | b'\r' | b'\n'))
            {
                return Err("the value of an extension is empty, or has characters that cannot be sent");
            }
        }
        Ok(())
    }

    /// RFC 7628's `client-resp`.
    fn message(&self) -> Secret {
        let extensions: usize = self.extensions.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        // Room for all of it, so that no copy is left behind by growing.
        let mut message = Zeroizing::new(Vec::with_capacity(self.value.len() + extensions + 32));
        message.extend_from_slice(b"n,,\x01auth=Bearer ");
        message.extend_from_slice(self.value.expose());
        message.push(SEPARATOR);
        for (name, value) in &self.extensions {
            message.extend_from_slice(name.as_bytes());
            message.push(b'=');
            message.extend_from_slice(value.as_bytes());
            message.push(SEPARATOR);
        }
        message.push(SEPARATOR);
        std::mem::take(&mut *message).into()
    }
}

#[derive(Debug)]
struct Bearer {
    token: Token,
    /// Why the broker refuses, once it has said so.
    status: Option<SmolStr>,
}

impl Exchange for Bearer {
    fn initial(&mut self) -> Result<Secret, SaslError> {
        self.token.check().map_err(|what| SaslError::Credentials(what.into()))?;
        Ok(self.token.message())
    }

    /// Nothing is consent. A refusal is JSON, and is to be answered by a separator; then the broker ends it.
    fn respond(&mut self, challenge: &[u8]) -> Result<Reply, SaslError> {
        if let Some(status) = self.status.take() {
            return Err(SaslError::Refused(status));
        }
        if challenge.is_empty() {
            return Ok(Reply::Done);
        }
        self.status = Some(status(challenge));
        Ok(Reply::Message(Secret::from(&[SEPARATOR][..])))
    }
}

/// The `status` of a refusal such as `{"status":"invalid_token"}`; all of its text where it has none.
fn status(refusal: &[u8]) -> SmolStr {
    let text = String::from_utf8_lossy(refusal);
    let status = parse_status(&text).map_or(&*text, |(_, status)| status);
    status.chars().take(MAX_STATUS).collect()
}

fn parse_status(text: &str) -> IResult<&str, &str> {
    let name = (take_until("\"status\""), tag("\"status\""));
    let colon = delimited(multispace0, char(':'), multispace0);
    let value = delimited(char('"'), take_while(|letter| letter != '"'), char('"'));
    preceded((name, colon), value).parse(text)
}

const SEPARATOR: u8 = 1;
/// Enough for every status there is.
const MAX_STATUS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(token: Token) -> Bearer {
        Bearer { token, status: None }
    }

    #[test]
    fn the_message_of_rfc_7628() {
        let mut exchange = bearer(Token::new("dmY5.dG-Fk~_+/w=="));
        assert_eq!(exchange.initial().unwrap().expose(), b"n,,\x01auth=Bearer dmY5.dG-Fk~_+/w==\x01\x01");
        assert!(matches!(exchange.respond(b"").unwrap(), Reply::Done));
        let mut exchange = bearer(Token::new("x").with_extension("traceId", "1 2").with_extension("b", "c"));
        assert_eq!(exchange.initial().unwrap().expose(), b"n,,\x01auth=Bearer x\x01traceId=1 2\x01b=c\x01\x01");
    }

    #[test]
    fn a_refusal_is_acknowledged_and_told() {
        for (refusal, expected) in [
            (&br#"{"status":"invalid_token"}"#[..], "invalid_token"),
            (br#"{ "scope" : "a", "status" : "insufficient_scope" }"#, "insufficient_scope"),
            (b"no json", "no json"),
            (br#"{"status"}"#, r#"{"status"}"#),
        ] {
            let mut exchange = bearer(Token::new("x"));
            exchange.initial().unwrap();
            let Reply::Message(message) = exchange.respond(refusal).unwrap() else { panic!("done") };
            assert_eq!(message.expose(), b"\x01");
            let Err(SaslError::Refused(status)) = exchange.respond(b"") else { panic!("not refused") };
            assert_eq!(status, expected);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for token in [
            Token::new(""),
            Token::new("a b"),
            Token::new("a\x01auth=Bearer b"),
            Token::new("a").with_extension("auth", "b"),
            Token::new("a").with_extension("", "b"),
            Token::new("a").with_extension("b c", "d"),
            Token::new("a").with_extension("b", "c\x01d"),
            Token::new("a").with_extension("b", ""),
        ] {
            assert!(matches!(bearer(token).initial(), Err(SaslError::Credentials(_))));
        }
    }

    proptest! {
        #[test]
        fn no_refusal_panics(refusal in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(status(&refusal).chars().count() <= MAX_STATUS);
        }
    }
}
