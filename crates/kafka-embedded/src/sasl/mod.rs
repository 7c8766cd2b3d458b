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

use kafka_conn::Secret;
use kafka_conn::sasl::ScramHash;
use smol_str::SmolStr;

pub(crate) use exchange::{Exchange, Step};
use scram::ScramKeys;

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
    users: BTreeMap<SmolStr, User>,
    pub(crate) session_lifetime: Option<Duration>,
}

impl Sasl {
    /// These mechanisms, and nobody yet. `OAUTHBEARER` takes any unsecured token that has a subject and is not expired
    /// (Kafka's `OAuthBearerUnsecuredValidatorCallbackHandler`): as there, for tests only.
    pub fn new(mechanisms: impl IntoIterator<Item = SaslMechanism>) -> Self {
        Self { mechanisms: mechanisms.into_iter().collect(), ..Self::default() }
    }

    /// A user for PLAIN and SCRAM. The keys of SCRAM are derived here, once, which takes some milliseconds for each of its
    /// mechanisms: as real brokers, these keep them, and a login costs them little.
    #[must_use]
    pub fn user(mut self, name: impl Into<SmolStr>, password: impl Into<Secret>) -> Self {
        let (name, password) = (name.into(), password.into());
        let hashes = self.mechanisms.iter().filter_map(|mechanism| mechanism.scram_hash());
        let keys = hashes.map(|hash| ScramKeys::derive(hash, &name, &password)).collect();
        self.users.insert(name, User { password, keys });
        self
    }

    /// How long a login lasts: then clients have to log in again (`connections.max.reauth.ms`, KIP-368). Default: for
    /// ever, or as long as a token lasts.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = Some(lifetime);
        self
    }

    fn password(&self, user: &str) -> Option<&Secret> {
        self.users.get(user).map(|user| &user.password)
    }

    fn keys(&self, user: &str, hash: ScramHash) -> Option<&ScramKeys> {
        self.users.get(user)?.keys.iter().find(|keys| keys.is_of(hash))
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

/// What is known of a user.
#[derive(Clone, Debug)]
struct User {
    password: Secret,
    /// For each SCRAM mechanism.
    keys: Vec<ScramKeys>,
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
            Self::ScramSha256 => ScramHash::Sha256.mechanism(),
            Self::ScramSha512 => ScramHash::Sha512.mechanism(),
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    pub(crate) fn scram_hash(self) -> Option<ScramHash> {
        match self {
            Self::ScramSha256 => Some(ScramHash::Sha256),
            Self::ScramSha512 => Some(ScramHash::Sha512),
            Self::Plain | Self::OAuthBearer => None,
        }
    }
}
