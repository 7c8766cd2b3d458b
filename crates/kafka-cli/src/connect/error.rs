//! Settings from which no connection can be made: each says which setting, and what it should be.

use std::io;
use std::path::PathBuf;

use kafka_conn::AddressError;

use super::token::TokenError;

/// Why there is nothing to connect with. None of it ever has a secret in its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("no brokers are given: use --brokers <HOST:PORT,...>, the variable KAFKA_BROKERS, or a profile")]
    NoBrokers,
    #[error("the profile's broker {text:?} is no address: {source}")]
    Address { text: String, source: AddressError },
    #[error("there is no folder for configuration here: name the file with --profile-file")]
    NoFolder,
    #[error("{path:?} cannot be read")]
    File { path: PathBuf, source: io::Error },
    #[error("{path:?} is longer than {limit} bytes")]
    FileTooLong { path: PathBuf, limit: u64 },
    #[error("{path:?} is no profile file, line {line}: {message}")]
    Malformed { path: PathBuf, line: usize, message: String },
    #[error("{path:?} has no profile {name:?}; it has: {}", known.join(", "))]
    UnknownProfile { path: PathBuf, name: String, known: Vec<String> },
    #[error("a key for TLS is given without its certificate: add --tls-cert")]
    KeyWithoutCertificate,
    #[error("a SASL user is given without a mechanism: add --sasl, as in --sasl scram-sha-512")]
    NoMechanism,
    #[error("a SASL mechanism is given without a user: add --sasl-user, or sasl-user to the profile")]
    NoUser,
    #[error("a delegation token logs in by one of the scram mechanisms, as in --sasl scram-sha-256")]
    PlainToken,
    #[error("oauthbearer needs a token: add --sasl-token-file or --sasl-token-command, or set KAFKA_SASL_TOKEN")]
    NoToken,
    #[error("the profile has both sasl-token-file and sasl-token-command: leave one")]
    TwoTokens,
    #[error("oauthbearer takes no user, as the token says who it is: leave --sasl-user out")]
    UserOfToken,
    #[error("there is no token for oauthbearer: {0}")]
    Token(#[source] Box<TokenError>),
    #[error("there is no terminal to ask for the password on: use {0}")]
    NoTerminal(&'static str),
    #[error("the password cannot be read from the terminal")]
    Prompt(#[source] io::Error),
    #[error("the password is empty")]
    EmptyPassword,
}
