//! OAUTHBEARER (RFC 7628) with unsecured tokens, as Kafka's handler for tests takes them.
//!
//! ```text
//!  client  n,,^Aauth=Bearer HEADER.CLAIMS.^A^A      server  (nothing: done)    or {"status":"invalid_token"}
//!                                                           client  ^A                  server  refused
//! ```
//!
//! Sans-IO.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::sasl::Step;

/// A login with a token; after a bad one, why it was bad.
#[derive(Debug, Default)]
pub(crate) struct OAuthBearer {
    refused: Option<&'static str>,
}

impl OAuthBearer {
    pub(super) fn handle(&mut self, message: &[u8], now_ms: i64) -> Step {
        if let Some(reason) = self.refused {
            return Step::Refused(reason.to_owned());
        }
        match check(message, now_ms) {
            Ok((user, expires_ms)) => {
                Step::Done { user: user.into(), message: Vec::new(), expires_ms: Some(expires_ms) }
            }
            Err(reason) => {
                // The client hears of it in two steps: it has to acknowledge the first.
                self.refused = Some(reason);
                Step::Continue(br#"{"status":"invalid_token"}"#.to_vec())
            }
        }
    }
}

/// The subject of the token, and when it expires.
fn check(message: &[u8], now_ms: i64) -> Result<(String, i64), &'static str> {
    let text = std::str::from_utf8(message).map_err(|_| "the message is not UTF-8")?;
    let (header, rest) = text.split_once('\u{1}').ok_or("the message has no GS2 header")?;
    let on_behalf_of = match header.strip_prefix("n,").and_then(|rest| rest.strip_suffix(',')) {
        Some("") => None,
        Some(id) => Some(id.strip_prefix("a=").ok_or("the GS2 header is malformed")?),
        None => return Err("the GS2 header is malformed"),
    };
    let pairs = rest.strip_suffix("\u{1}\u{1}").ok_or("the message does not end as it should")?;
    let auth = pairs.split('\u{1}').find_map(|pair| pair.strip_prefix("auth="));
    let (kind, token) = auth.and_then(|auth| auth.split_once(' ')).ok_or("there is no auth value")?;
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err("the auth value is no bearer token");
    }
    let mut parts = token.trim().split('.');
    let (Some(header), Some(claims), Some(""), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("the token is no unsecured JWT");
    };
    if json(header)?.get("alg").and_then(Value::as_str) != Some("none") {
        return Err("the token's algorithm is not \"none\"");
    }
    let claims = json(claims)?;
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or("the token has no subject")?;
    let expires = claims.get("exp").and_then(Value::as_f64).ok_or("the token has no expiry")?;
    let expires_ms = (expires * 1e3) as i64;
    if expires_ms <= now_ms {
        return Err("the token is expired");
    }
    if on_behalf_of.is_some_and(|id| id != subject) {
        return Err("the authorization id is not the token's subject");
    }
    Ok((subject.to_owned(), expires_ms))
}

fn json(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "the token is not base64")?;
    serde_json::from_slice(&bytes).map_err(|_| "the token is not JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(header: &str, claims: &str) -> Vec<u8> {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("n,,\u{1}auth=Bearer {}.{}.\u{1}\u{1}", encode(header), encode(claims)).into_bytes()
    }

    #[test]
    fn a_token_with_a_subject_that_is_not_expired_will_do() {
        let step = OAuthBearer::default().handle(&message(r#"{"alg":"none"}"#, r#"{"sub":"a","exp":2}"#), 1_999);
        assert!(matches!(step, Step::Done { user, expires_ms: Some(2_000), .. } if user == "a"));
    }

    #[test]
    fn others_are_refused_in_two_steps() {
        for (header, claims) in [
            (r#"{"alg":"HS256"}"#, r#"{"sub":"a","exp":2}"#),
            (r#"{"alg":"none"}"#, r#"{"sub":"a","exp":1}"#),
            (r#"{"alg":"none"}"#, r#"{"exp":2}"#),
            (r#"{"alg":"none"}"#, "{"),
        ] {
            let mut bearer = OAuthBearer::default();
            assert!(matches!(bearer.handle(&message(header, claims), 1_999), Step::Continue(_)), "{claims}");
            assert!(matches!(bearer.handle(b"\x01", 1_999), Step::Refused(_)));
        }
    }
}
