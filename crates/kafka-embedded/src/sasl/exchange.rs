//! One login: the client's messages in, the broker's out.
//!
//! Sans-IO.

use fastrand::Rng;
use kafka_conn::sasl::ScramHash;
use smol_str::SmolStr;

use crate::sasl::oauth_bearer::OAuthBearer;
use crate::sasl::scram::Scram;
use crate::sasl::{Sasl, SaslMechanism, plain};

/// A login that is under way.
#[derive(Debug)]
pub(crate) enum Exchange {
    Plain,
    Scram(Scram),
    OAuthBearer(OAuthBearer),
}

/// What comes of a message.
#[derive(Debug)]
pub(crate) enum Step {
    /// The client has to say more to this.
    Continue(Vec<u8>),
    /// It has proven who it is; the last message for it, and when that ends, in milliseconds since 1970.
    Done { user: SmolStr, message: Vec<u8>, expires_ms: Option<i64> },
    /// It has not.
    Refused(String),
}

impl Exchange {
    pub(crate) fn new(mechanism: SaslMechanism) -> Self {
        match mechanism {
            SaslMechanism::Plain => Self::Plain,
            SaslMechanism::ScramSha256 => Self::Scram(Scram::new(ScramHash::Sha256)),
            SaslMechanism::ScramSha512 => Self::Scram(Scram::new(ScramHash::Sha512)),
            SaslMechanism::OAuthBearer => Self::OAuthBearer(OAuthBearer::default()),
        }
    }

    pub(crate) fn handle(&mut self, message: &[u8], sasl: &Sasl, now_ms: i64, rng: &mut Rng) -> Step {
        match self {
            Self::Plain => plain::check(message, sasl),
            Self::Scram(scram) => scram.handle(message, sasl, rng),
            Self::OAuthBearer(bearer) => bearer.handle(message, now_ms),
        }
    }
}
