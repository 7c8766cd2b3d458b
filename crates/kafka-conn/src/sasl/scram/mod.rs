//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and neither says it.
//!
//! Sans-IO.

mod hash;
mod message;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol_str::SmolStr;
use subtle::ConstantTimeEq;

pub use hash::ScramHash;
use message::{ServerFinal, parse_server_final, parse_server_first};

use super::{Exchange, Mechanism, Reply, SaslError};
use crate::address::BrokerAddress;
use crate::secret::Secret;

/// SASL SCRAM-SHA-256 and SCRAM-SHA-512. User name and password are taken as they are, in UTF-8, as Kafka does: they are
/// not normalised by SASLprep.
///
/// ```
/// use std::sync::Arc;
///
/// use kafka_conn::Dialer;
/// use kafka_conn::sasl::{Scram, ScramHash};
///
/// let scram = Scram::new(ScramHash::Sha512, "billing", "secret");
/// let dialer = Dialer { sasl: Some(Arc::new(scram)), ..Dialer::default() };
/// ```
///
/// Of the password, a key is derived slowly, on purpose. It is kept from one authentication to the next, for as long as
/// the broker stays with its salt.
#[derive(Clone, Debug)]
pub struct Scram {
    credentials: Credentials,
}

#[derive(Clone)]
struct Credentials {
    hash: ScramHash,
    user: SmolStr,
    password: Secret,
    /// Whether user and password are those of a delegation token.
    is_token: bool,
    /// The lock is held to copy a key in or out.
    known: Arc<Mutex<Option<Derived>>>,
}

#[derive(Clone)]
struct Derived {
    salt: Vec<u8>,
    iterations: u32,
    salted_password: Secret,
}

impl Scram {
    /// A user and a password.
    pub fn new(hash: ScramHash, user: impl Into<SmolStr>, password: impl Into<Secret>) -> Self {
        let known = Arc::new(Mutex::new(None));
        let (user, password) = (user.into(), password.into());
        Self { credentials: Credentials { hash, user, password, is_token: false, known } }
    }

    /// A delegation token (KIP-48), which authenticates as its owner: the token's id, and its secret in base64 as brokers
    /// want it for a password (Java's `tokenauth="true"`).
    pub fn delegation_token(hash: ScramHash, id: impl Into<SmolStr>, secret: impl Into<Secret>) -> Self {
        let Self { credentials } = Self::new(hash, id, secret);
        Self { credentials: Credentials { is_token: true, ..credentials } }
    }

    /// An exchange with a nonce of the caller's, which must never be used twice: printable ASCII without comma, 128 bits
    /// of randomness at the least. For tests and replays; [`Mechanism::start`] takes one from the operating system.
    pub fn exchange(&self, nonce: impl Into<String>) -> ScramExchange {
        ScramExchange { credentials: self.credentials.clone(), state: State::Start { nonce: nonce.into() } }
    }
}

#[async_trait]
impl Mechanism for Scram {
    fn name(&self) -> &str {
        self.credentials.hash.mechanism()
    }

    async fn start(&self, _: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        let mut random = [0; NONCE_LEN];
        getrandom::fill(&mut random).map_err(|error| SaslError::Credentials(error.into()))?;
        Ok(Box::new(self.exchange(STANDARD.encode(random))))
    }
}

/// What tells brokers that the user is a token's id.
const TOKEN_EXTENSION: &str = ",tokenauth=true";

/// One authentication by [`Scram`].
///
/// ```text
///  Start ── n,,n=user,r=nonce ──► First ── c=biws,r=…,p=proof ──► Final ──► done
/// ```
#[derive(Debug)]
pub struct ScramExchange {
    credentials: Credentials,
    state: State,
}

enum State {
    Start {
        nonce: String,
    },
    /// The client's first message went out.
    First {
        nonce: String,
        bare: String,
    },
    /// The client's proof went out; the broker's is to equal this.
    Final {
        signature: Secret,
    },
    Over,
}

impl Exchange for ScramExchange {
    fn initial(&mut self) -> Result<Secret, SaslError> {
        let State::Start { nonce } = std::mem::replace(&mut self.state, State::Over) else {
            return Err(SaslError::Challenge(OUT_OF_TURN));
        };
        let extension = if self.credentials.is_token { TOKEN_EXTENSION } else { "" };
        let bare = format!("n={},r={nonce}{extension}", escape(&self.credentials.user));
        let message = format!("{GS2_HEADER}{bare}");
        self.state = State::First { nonce, bare };
        Ok(message.into())
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Reply, SaslError> {
        let text = std::str::from_utf8(challenge).map_err(|_| SaslError::Challenge("a SCRAM message is not UTF-8"))?;
        match std::mem::replace(&mut self.state, State::Over) {
            State::First { nonce, bare } => self.prove(&nonce, &bare, text),
            State::Final { signature } => verify(&signature, text).map(|()| Reply::Done),
            State::Start { .. } | State::Over => Err(SaslError::Challenge(OUT_OF_TURN)),
        }
    }
}

impl ScramExchange {
    /// The client's last message: the proof that it knows the password.
    fn prove(&mut self, nonce: &str, bare: &str, challenge: &str) -> Result<Reply, SaslError> {
        let Some(first) = parse_server_first(challenge) else {
            return Err(match parse_server_final(challenge) {
                Some(ServerFinal::Error(error)) => SaslError::Refused(error),
                _ => SaslError::Challenge("the broker's first SCRAM message cannot be read"),
            });
        };
        if first.nonce.len() <= nonce.len() || !first.nonce.starts_with(nonce) {
            return Err(SaslError::Challenge("the broker's SCRAM nonce does not continue ours: it may be a replay"));
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&first.iterations) {
            return Err(SaslError::Challenge("the broker's SCRAM iterations are not between 4,096 and 1,000,000"));
        }
        let hash = self.credentials.hash;
        let salted_password = self.credentials.salted_password(&first.salt, first.iterations);
        let client_key = hash.hmac(salted_password.expose(), &[b"Client Key"]);
        let server_key = hash.hmac(salted_password.expose(), &[b"Server Key"]);
        let stored_key = hash.digest(client_key.expose());
        let without_proof = format!("{CHANNEL_BINDING},r={}", first.nonce);
        let auth_message = [bare, ",", challenge, ",", &without_proof].map(str::as_bytes);
        let client_signature = hash.hmac(stored_key.expose(), &auth_message);
        let proof = client_key.expose().iter().zip(client_signature.expose()).map(|(key, sign)| key ^ sign);
        let proof = Secret::from(proof.collect::<Vec<u8>>());
        self.state = State::Final { signature: hash.hmac(server_key.expose(), &auth_message) };
        Ok(Reply::Message(format!("{without_proof},p={}", STANDARD.encode(&proof)).into()))
    }
}

/// Whether the broker, too, knows the password, or what is derived from it.
fn verify(expected: &Secret, challenge: &str) -> Result<(), SaslError> {
    match parse_server_final(challenge) {
        Some(ServerFinal::Error(error)) => Err(SaslError::Refused(error)),
        Some(ServerFinal::Signature(actual)) if bool::from(actual.ct_eq(expected.expose())) => Ok(()),
        Some(ServerFinal::Signature(_)) => Err(SaslError::Unproven),
        None => Err(SaslError::Challenge("the broker's last SCRAM message cannot be read")),
    }
}

impl Credentials {
    fn salted_password(&self, salt: &[u8], iterations: u32) -> Secret {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.salt == salt && known.iterations == iterations) {
            return known.salted_password;
        }
        let salted_password = self.hash.salted_password(self.password.expose(), salt, iterations);
        let derived = Derived { salt: salt.to_vec(), iterations, salted_password: salted_password.clone() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(derived);
        salted_password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("hash", &self.hash).field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start { .. } => "Start",
            Self::First { .. } => "First",
            Self::Final { .. } => "Final",
            Self::Over => "Over",
        })
    }
}

/// A user name within a message: comma and equals sign have other meanings there.
fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// No channel binding, nobody to act for; Kafka has neither.
const GS2_HEADER: &str = "n,,";
/// `GS2_HEADER` in base64.
const CHANNEL_BINDING: &str = "c=biws";
const OUT_OF_TURN: &str = "a SCRAM message came out of turn";
/// RFC 7677's least, and Kafka's.
const MIN_ITERATIONS: u32 = 4096;
/// Kafka itself goes up to 16,384; beyond this, a broker only wants our time.
const MAX_ITERATIONS: u32 = 1_000_000;
/// 192 bits; RFC 5802 leaves it open, 128 are the usual least.
const NONCE_LEN: usize = 24;
