//! PLAIN (RFC 4616): `[authorization id] NUL user NUL password`.
//!
//! Sans-IO.

use subtle::ConstantTimeEq;

use crate::sasl::{Sasl, Step};

pub(super) fn check(message: &[u8], sasl: &Sasl) -> Step {
    let refused = |text: &str| Step::Refused(format!("Authentication failed: {text}"));
    let Ok(text) = std::str::from_utf8(message) else {
        return refused("Invalid SASL/PLAIN response: not UTF-8");
    };
    let mut parts = text.split('\0');
    let (Some(on_behalf_of), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return refused("Invalid SASL/PLAIN response: expected 3 tokens");
    };
    if user.is_empty() || password.is_empty() {
        return refused("user name and password must be specified");
    }
    if !on_behalf_of.is_empty() && on_behalf_of != user {
        return refused("Client requested an authorization id that is different from username");
    }
    let right = sasl.password(user).is_some_and(|known| known.expose().ct_eq(password.as_bytes()).into());
    if right {
        Step::Done { user: user.into(), message: Vec::new(), expires_ms: None }
    } else {
        refused("Invalid username or password")
    }
}
