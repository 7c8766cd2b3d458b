//! Credentials for each SASL mechanism.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_conn::sasl::{self, OAuthBearer, Plain, Scram, ScramHash, Token};

use crate::kafka::{Mechanism, User};

/// Logs a user in, also where nothing is encrypted.
pub(in crate::suite) fn mechanism(mechanism: Mechanism, user: &User) -> Arc<dyn sasl::Mechanism> {
    let User { name, password } = user.clone();
    match mechanism {
        Mechanism::Plain => Arc::new(Plain::new(name, password).allow_unencrypted()),
        Mechanism::ScramSha256 => Arc::new(Scram::new(ScramHash::Sha256, name, password)),
        Mechanism::ScramSha512 => Arc::new(Scram::new(ScramHash::Sha512, name, password)),
        Mechanism::OAuthBearer => bearer(move || unsecured_token(&name, LIFETIME_SECONDS)),
    }
}

/// Logs in with tokens that nobody signed, made anew for each authentication.
pub(super) fn bearer(token: impl Fn() -> String + Clone + Send + Sync + 'static) -> Arc<dyn sasl::Mechanism> {
    let provider = move || {
        let token = token.clone();
        async move { Ok(Token::new(token())) }
    };
    Arc::new(OAuthBearer::new(provider).allow_unencrypted())
}

/// An unsecured JSON web token (RFC 7519, section 6) that is valid for so long from now, or was until so long ago.
pub(in crate::suite) fn unsecured_token(subject: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    let claims = format!(r#"{{"sub":"{subject}","iat":{},"exp":{}}}"#, now - LIFETIME_SECONDS, now + seconds);
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
}

/// Longer than a suite takes.
const LIFETIME_SECONDS: i64 = 3_600;
