//! SCRAM (RFC 5802) as Kafka speaks it: raw UTF-8 (no SASLprep), no channel binding.
//!
//! ```text
//!  client  n,,n=user,r=NONCE                    server  r=NONCE+ours,s=salt,i=4096
//!  client  c=biws,r=NONCE+ours,p=proof          server  v=signature
//! ```
//!
//! Sans-IO.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::sasl::{Sasl, Step};

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// A SCRAM login.
#[derive(Debug)]
pub(crate) struct Scram {
    hash: Hash,
    state: State,
}

#[derive(Debug)]
enum State {
    First,
    Final { user: String, gs2_header: String, nonce: String, transcript: String, salt: Vec<u8> },
    Over,
}

impl Scram {
    pub(super) fn new(hash: Hash) -> Self {
        Self { hash, state: State::First }
    }

    pub(super) fn handle(&mut self, message: &[u8], sasl: &Sasl, rng: &mut Rng) -> Step {
        let mechanism = self.hash.mechanism();
        let because = "Authentication failed during authentication due to invalid credentials with SASL mechanism";
        let refused = || Step::Refused(format!("{because} {mechanism}"));
        let Ok(text) = std::str::from_utf8(message) else {
            return refused();
        };
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::First => self.first(text, sasl, rng),
            State::Final { user, gs2_header, nonce, transcript, salt } => {
                let expected = Expected { user, gs2_header, nonce, transcript, salt };
                self.last(text, &expected, sasl)
            }
            State::Over => None,
        };
        step.unwrap_or_else(refused)
    }

    fn first(&mut self, text: &str, sasl: &Sasl, rng: &mut Rng) -> Option<Step> {
        // n: no channel binding; y: the client could, but thinks that we cannot.
        let (flag, rest) = text.split_once(',')?;
        let (on_behalf_of, bare) = rest.split_once(',')?;
        let (name, rest) = bare.strip_prefix("n=")?.split_once(',')?;
        let client_nonce = rest.strip_prefix("r=")?.split(',').next()?;
        let user = unescape(name)?;
        let allowed = on_behalf_of.is_empty() || on_behalf_of.strip_prefix("a=") == Some(name);
        let printable = client_nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !matches!(flag, "n" | "y") || !allowed || client_nonce.is_empty() || !printable {
            return None;
        }
        sasl.password(&user)?;
        let own: String = std::iter::repeat_with(|| rng.alphanumeric()).take(NONCE_LEN).collect();
        let nonce = format!("{client_nonce}{own}");
        let salt = Sha256::digest(format!("{} {user}", self.hash.mechanism())).get(..SALT_LEN)?.to_vec();
        let answer = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(&salt));
        let (gs2_header, transcript) = (format!("{flag},{on_behalf_of},"), format!("{bare},{answer}"));
        self.state = State::Final { user, gs2_header, nonce, transcript, salt };
        Some(Step::Continue(answer.into_bytes()))
    }

    fn last(&self, text: &str, expected: &Expected, sasl: &Sasl) -> Option<Step> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let (binding, rest) = without_proof.strip_prefix("c=")?.split_once(',')?;
        let nonce = rest.strip_prefix("r=")?.split(',').next()?;
        let bound = STANDARD.decode(binding).ok()?;
        if bound != expected.gs2_header.as_bytes() || nonce != expected.nonce {
            return None;
        }
        let password = sasl.password(&expected.user)?;
        let salted = self.hash.salted(password.as_bytes(), &expected.salt);
        let client_key = self.hash.mac(&salted, b"Client Key")?;
        let stored_key = self.hash.digest(&client_key);
        let transcript = format!("{},{without_proof}", expected.transcript);
        let signature = self.hash.mac(&stored_key, transcript.as_bytes())?;
        let proof = STANDARD.decode(proof).ok().filter(|proof| proof.len() == signature.len())?;
        let claimed: Vec<u8> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        if !bool::from(self.hash.digest(&claimed).ct_eq(&stored_key)) {
            return None;
        }
        let server_key = self.hash.mac(&salted, b"Server Key")?;
        let signature = self.hash.mac(&server_key, transcript.as_bytes())?;
        let message = format!("v={}", STANDARD.encode(signature)).into_bytes();
        Some(Step::Done { user: expected.user.as_str().into(), message, expires_ms: None })
    }
}

/// What the last message has to fit.
struct Expected {
    user: String,
    gs2_header: String,
    nonce: String,
    transcript: String,
    salt: Vec<u8>,
}

impl Hash {
    fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn salted(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, ITERATIONS).to_vec(),
            Self::Sha512 => pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, salt, ITERATIONS).to_vec(),
        }
    }

    /// Never `None`: a key may have any length.
    fn mac(self, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Sha256 => {
                Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(data).finalize().into_bytes().to_vec()
            }
            Self::Sha512 => {
                Hmac::<Sha512>::new_from_slice(key).ok()?.chain_update(data).finalize().into_bytes().to_vec()
            }
        })
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

/// A name with `=2C` for a comma and `=3D` for an equals sign.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        plain.push(match code {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(plain)
}

/// As few as the mechanisms allow (RFC 7677): this is no place for real passwords.
const ITERATIONS: u32 = 4096;
const NONCE_LEN: usize = 24;
const SALT_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::SaslMechanism;

    fn sasl() -> Sasl {
        Sasl::new([SaslMechanism::ScramSha256]).user("a,b=c", "päss")
    }

    /// What an honest client says last.
    fn client_final(hash: Hash, first: &str, answer: &str, password: &str) -> String {
        let part = |prefix: &str| answer.split(',').find_map(|part| part.strip_prefix(prefix)).unwrap();
        let salted = hash.salted(password.as_bytes(), &STANDARD.decode(part("s=")).unwrap());
        let key = hash.mac(&salted, b"Client Key").unwrap();
        let without_proof = format!("c=biws,r={}", part("r="));
        let transcript = format!("{first},{answer},{without_proof}");
        let signature = hash.mac(&hash.digest(&key), transcript.as_bytes()).unwrap();
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    fn login(hash: Hash, password: &str, change: impl Fn(String) -> String) -> Step {
        let (mut scram, mut rng) = (Scram::new(hash), Rng::with_seed(1));
        let first = "n=a=2Cb=3Dc,r=fyko";
        let Step::Continue(answer) = scram.handle(format!("n,,{first}").as_bytes(), &sasl(), &mut rng) else {
            panic!()
        };
        let last = client_final(hash, first, std::str::from_utf8(&answer).unwrap(), password);
        scram.handle(change(last).as_bytes(), &sasl(), &mut rng)
    }

    #[test]
    fn the_right_password_is_proven() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            assert!(matches!(login(hash, "päss", |last| last), Step::Done { user, .. } if user == "a,b=c"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(matches!(login(Hash::Sha256, "pass", |last| last), Step::Refused(_)));
        let other_nonce = |last: String| last.replace("fyko", "fykp");
        assert!(matches!(login(Hash::Sha256, "päss", other_nonce), Step::Refused(_)));
        assert!(matches!(login(Hash::Sha256, "päss", |last| last.replace("biws", "eSws")), Step::Refused(_)));
        for first in ["", "n,,n=nobody,r=x", "p=tls-unique,,n=a,r=x", "n,,r=x", "n,,n=a=2Cb=3Dc,r=", "n,,n=a=2,r=x"] {
            let step = Scram::new(Hash::Sha256).handle(first.as_bytes(), &sasl(), &mut Rng::with_seed(1));
            assert!(matches!(step, Step::Refused(_)), "{first}");
        }
    }
}
