//! How a client proves who it is: SASL mechanisms (RFC 4422), as Kafka uses them.
//!
//! ```text
//!  Mechanism ── start ──► Exchange ── initial ──────────────► broker
//!  (who we are; shared)   (one proof)  ◄───────── challenge ──
//!                                      ── respond ───────────► … until Reply::Done
//! ```
//!
//! The connection does the rest: it names the mechanism to the broker, carries the messages, and authenticates anew
//! before the broker's session lifetime is over (KIP-368).
//!
//! Sans-IO.

mod oauth_bearer;
mod plain;
mod scram;

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use smol_str::SmolStr;

pub use oauth_bearer::{OAuthBearer, Token, TokenProvider};
pub use plain::Plain;
pub use scram::{Scram, ScramExchange, ScramHash};

use crate::address::BrokerAddress;
use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// A way to authenticate. This crate has [`Plain`], [`Scram`] and [`OAuthBearer`]; others, such as GSSAPI, can be added
/// from outside.
///
/// ```
/// use async_trait::async_trait;
/// use kafka_conn::{BrokerAddress, Secret};
/// use kafka_conn::sasl::{Exchange, Mechanism, Reply, SaslError};
///
/// /// RFC 4422's EXTERNAL: who we are is known from the TLS certificate.
/// #[derive(Debug)]
/// struct External;
///
/// #[async_trait]
/// impl Mechanism for External {
///     fn name(&self) -> &str {
///         "EXTERNAL"
///     }
///
///     async fn start(&self, _: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
///         Ok(Box::new(Self))
///     }
/// }
///
/// impl Exchange for External {
///     fn initial(&mut self) -> Result<Secret, SaslError> {
///         Ok(Secret::default())
///     }
///
///     fn respond(&mut self, _: &[u8]) -> Result<Reply, SaslError> {
///         Ok(Reply::Done)
///     }
/// }
/// ```
#[async_trait]
pub trait Mechanism: fmt::Debug + Send + Sync + 'static {
    /// The name that brokers know it by, such as `SCRAM-SHA-256`.
    fn name(&self) -> &str;

    /// What the mechanism demands of the stream. Default: nothing.
    fn protection(&self) -> Protection {
        Protection::Optional
    }

    /// Begins to authenticate to a broker. May wait, for a token for instance: it is asked early, at the first
    /// authentication while the connection is set up, later while it is still in use. The dialer's timeout bounds it,
    /// and dropping the future must leave nothing behind.
    ///
    /// # Errors
    /// [`SaslError::Credentials`] where there are none at the moment.
    async fn start(&self, broker: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError>;
}

/// One authentication under way: a plain value that is given what the broker says, and returns what to answer.
///
/// Its methods may compute for a while, or block: they are called where that disturbs nobody.
pub trait Exchange: fmt::Debug + Send + 'static {
    /// The first message to the broker; it may be empty. Asked for once, before anything else.
    ///
    /// # Errors
    /// [`SaslError`]; it ends the connection.
    fn initial(&mut self) -> Result<Secret, SaslError>;

    /// Takes the broker's message, which may be empty.
    ///
    /// # Errors
    /// [`SaslError`]; it ends the connection.
    fn respond(&mut self, challenge: &[u8]) -> Result<Reply, SaslError>;
}

/// What to do after a challenge.
#[derive(Debug)]
pub enum Reply {
    /// Send this, and wait for the next challenge.
    Message(Secret),
    /// The mechanism has all it needs: each side knows the other, as far as it can tell.
    Done,
}

/// What a mechanism demands of the stream that its messages go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Who listens learns no secret: any stream will do.
    Optional,
    /// Its messages carry the secret itself: only over TLS.
    Required,
}

/// Why a mechanism cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaslError {
    /// The broker refuses these credentials, in its own words. Trying again with the same ones is of no use.
    #[error("the broker refuses: {0:?}")]
    Refused(SmolStr),
    /// What the broker sent is not what the mechanism demands.
    #[error("{0}")]
    Challenge(&'static str),
    /// The broker did not prove that it knows the secret, too: it may be somebody else.
    #[error("the broker did not prove that it knows the secret")]
    Unproven,
    /// There are no credentials to send.
    #[error("there are no credentials to send")]
    Credentials(#[source] Box<dyn StdError + Send + Sync>),
}

impl SaslError {
    /// As an error of the connection.
    pub(crate) fn into_error(self, mechanism: &str) -> Error {
        let mechanism = SmolStr::new(mechanism);
        match self {
            Self::Refused(reason) => Error::new(ErrorKind::AuthenticationFailed { mechanism, reason }),
            Self::Credentials(_) => Error::new(ErrorKind::NoCredentials { mechanism }).with_source(self),
            Self::Challenge(_) | Self::Unproven => {
                Error::new(ErrorKind::InvalidChallenge { mechanism }).with_source(self)
            }
        }
    }
}
