//! The broker's side of SASL: which mechanisms, whose passwords, for how long.
//!
//! Sans-IO.

mod exchange;
mod oauth_bearer;
mod plain;
mod scram;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use smol_str::SmolStr;

pub(crate) use exchange::{Exchange, Step};

/// Who may log in, and how. Without any of it a cluster asks nobody who they are.
///
/// ```
/// use std::time::Duration;
/// use kafka_embedded::{Sasl, SaslMechanism};
///
/// let sasl = Sasl::new([SaslMechanism::ScramSha256]).user("alice", "secret").session_lifetime(Duration::from_secs(3));
/// assert!(!format!("{sasl:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
pub struct Sasl {
    pub(crate) mechanisms: Vec<SaslMechanism>,
    users: BTreeMap<SmolStr, SmolStr>,
    pub(crate) session_lifetime: Option<Duration>,
}

impl Sasl {
    /// These mechanisms, and nobody yet. `OAUTHBEARER` takes any unsecured token that has a subject and is not expired
    /// (Kafka's `OAuthBearerUnsecuredValidatorCallbackHandler`): as there, for tests only.
    pub fn new(mechanisms: impl IntoIterator<Item = SaslMechanism>) -> Self {
        Self { mechanisms: mechanisms.into_iter().collect(), ..Self::default() }
    }

    /// A user for PLAIN and SCRAM.
    #[must_use]
    pub fn user(mut self, name: impl Into<SmolStr>, password: impl Into<SmolStr>) -> Self {
        self.users.insert(name.into(), password.into());
        self
    }

    /// How long a login lasts: then clients have to log in again (`connections.max.reauth.ms`, KIP-368). Default: for
    /// ever, or as long as a token lasts.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = Some(lifetime);
        self
    }

    pub(crate) fn password(&self, user: &str) -> Option<&str> {
        self.users.get(user).map(SmolStr::as_str)
    }

    pub(crate) fn mechanism(&self, name: &str) -> Option<SaslMechanism> {
        self.mechanisms.iter().copied().find(|mechanism| mechanism.name() == name)
    }
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanisms", &self.mechanisms)
            .field("users", &self.users.keys())
            .field("session_lifetime", &self.session_lifetime)
            .finish()
    }
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaslMechanism {
    /// User and password in clear (RFC 4616).
    Plain,
    /// A proof of the password (RFC 5802, RFC 7677).
    ScramSha256,
    /// The same with the longer hash.
    ScramSha512,
    /// A token (RFC 7628); here without signature.
    OAuthBearer,
}

impl SaslMechanism {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}
