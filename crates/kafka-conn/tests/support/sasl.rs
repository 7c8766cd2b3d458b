//! A broker's side of SASL: it knows one user, and is as strict as Kafka about who may say what when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::metadata::MetadataResponse;
use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use sha2::{Digest, Sha256, Sha512};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Peer, api_versions};

pub const USER: &str = "billing";

/// What a broker knows, and what it has seen.
#[derive(Clone)]
pub struct Broker {
    pub offered: Vec<&'static str>,
    /// The user's password, or the token.
    pub secret: Arc<Mutex<String>>,
    /// How long a session lives; zero for ever.
    pub lifetime: Duration,
    /// What is done with the signature by which it proves that it knows the password.
    pub forge: bool,
    pub authentications: Arc<AtomicUsize>,
    pub calls: Arc<AtomicUsize>,
}

enum Outcome {
    Challenge(Vec<u8>),
    Success(Vec<u8>),
    Failure(String),
}

impl Broker {
    pub fn new(mechanism: &'static str, secret: &str) -> Self {
        Self {
            offered: vec![mechanism],
            secret: Arc::new(Mutex::new(secret.to_owned())),
            lifetime: Duration::ZERO,
            forge: false,
            authentications: Arc::default(),
            calls: Arc::default(),
        }
    }

    pub fn authentications(&self) -> usize {
        self.authentications.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Serves a connection to its end, which comes at once when the client does what it may not.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, mut peer: Peer<S>) {
        let mut expires = Some(Instant::now());
        while let Some(request) = peer.recv().await {
            match request.api {
                ApiKey::API_VERSIONS => peer.answer(&request, &api_versions()).await,
                ApiKey::SASL_HANDSHAKE => {
                    let mechanism = request.decode::<SaslHandshakeRequest>().mechanism;
                    let mechanisms = self.offered.iter().map(|&name| name.into()).collect();
                    let error_code = if self.offered.contains(&mechanism.as_str()) { 0 } else { 33 };
                    let answer = SaslHandshakeResponse { error_code, mechanisms, ..Default::default() };
                    peer.answer(&request, &answer).await;
                    if error_code != 0 || !self.authenticate(&mut peer, &mechanism).await {
                        return;
                    }
                    self.authentications.fetch_add(1, Ordering::SeqCst);
                    expires = (!self.lifetime.is_zero()).then(|| Instant::now() + self.lifetime);
                }
                _ if expires.is_some_and(|at| at <= Instant::now()) => return,
                _ => {
                    self.calls.fetch_add(1, Ordering::SeqCst);
                    peer.answer(&request, &MetadataResponse::default()).await;
                }
            }
        }
    }

    async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(&self, peer: &mut Peer<S>, mechanism: &str) -> bool {
        let mut state = None;
        loop {
            let Some(request) = peer.recv().await else { return false };
            if request.api != ApiKey::SASL_AUTHENTICATE {
                return false;
            }
            let message = request.decode::<SaslAuthenticateRequest>().auth_bytes;
            let outcome = match mechanism {
                "PLAIN" => self.plain(&message),
                "OAUTHBEARER" => self.bearer(&mut state, &message),
                "SCRAM-SHA-256" => self.scram(&mut state, &message, &SHA_256),
                _ => self.scram(&mut state, &message, &SHA_512),
            };
            let mut answer = SaslAuthenticateResponse::default();
            let done = matches!(outcome, Outcome::Success(_));
            match outcome {
                Outcome::Challenge(bytes) => answer.auth_bytes = bytes.into(),
                Outcome::Success(bytes) => {
                    answer.auth_bytes = bytes.into();
                    answer.session_lifetime_ms = self.lifetime.as_millis().try_into().unwrap();
                }
                Outcome::Failure(why) => {
                    (answer.error_code, answer.error_message) = (58, Some(why.into()));
                    peer.answer(&request, &answer).await;
                    return false;
                }
            }
            peer.answer(&request, &answer).await;
            if done {
                return true;
            }
        }
    }

    fn secret(&self) -> String {
        self.secret.lock().unwrap().clone()
    }

    fn plain(&self, message: &[u8]) -> Outcome {
        if message == format!("\0{USER}\0{}", self.secret()).as_bytes() {
            return Outcome::Success(Vec::new());
        }
        Outcome::Failure("Authentication failed: Invalid username or password".into())
    }

    fn bearer(&self, state: &mut Option<String>, message: &[u8]) -> Outcome {
        let refusal = r#"{"status":"invalid_token"}"#;
        if state.take().is_some() {
            assert_eq!(message, b"\x01", "a refusal is acknowledged");
            return Outcome::Failure(refusal.into());
        }
        let expected = format!("n,,\x01auth=Bearer {}\x01traceId=7\x01\x01", self.secret());
        if message == expected.as_bytes() {
            return Outcome::Success(Vec::new());
        }
        *state = Some(String::new());
        Outcome::Challenge(refusal.into())
    }

    fn scram(&self, state: &mut Option<String>, message: &[u8], hash: &Hash) -> Outcome {
        let message = std::str::from_utf8(message).unwrap();
        let Some(before) = state.take() else {
            let bare = message.strip_prefix("n,,").unwrap();
            let nonce = bare.strip_prefix(&format!("n={USER},r=")).unwrap();
            let challenge = format!("r={nonce}more,s={},i=4096", STANDARD.encode(SALT));
            *state = Some(format!("{bare},{challenge}"));
            return Outcome::Challenge(challenge.into());
        };
        let (without_proof, proof) = message.rsplit_once(",p=").unwrap();
        let text = format!("{before},{without_proof}");
        let salted = (hash.pbkdf2)(self.secret().as_bytes());
        let client_key = (hash.hmac)(&salted, b"Client Key");
        let signature = (hash.hmac)(&(hash.digest)(&client_key), text.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        if STANDARD.decode(proof).unwrap() != expected {
            return Outcome::Failure("Authentication failed during authentication due to invalid credentials".into());
        }
        let mut signature = (hash.hmac)(&(hash.hmac)(&salted, b"Server Key"), text.as_bytes());
        signature[0] ^= u8::from(self.forge);
        Outcome::Success(format!("v={}", STANDARD.encode(signature)).into())
    }
}

/// What a client's password becomes at the broker, and must not become visible.
pub fn salted_password(password: &str) -> Vec<u8> {
    (SHA_512.pbkdf2)(password.as_bytes())
}

struct Hash {
    pbkdf2: fn(&[u8]) -> Vec<u8>,
    hmac: fn(&[u8], &[u8]) -> Vec<u8>,
    digest: fn(&[u8]) -> Vec<u8>,
}

const SALT: &[u8] = b"a pinch of salt";

const SHA_256: Hash = Hash {
    pbkdf2: |password| pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, SALT, 4096).to_vec(),
    hmac: |key, text| Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec(),
    digest: |bytes| Sha256::digest(bytes).to_vec(),
};

const SHA_512: Hash = Hash {
    pbkdf2: |password| pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, SALT, 4096).to_vec(),
    hmac: |key, text| Hmac::<Sha512>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec(),
    digest: |bytes| Sha512::digest(bytes).to_vec(),
};
