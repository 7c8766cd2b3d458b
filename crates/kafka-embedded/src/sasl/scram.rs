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
use kafka_conn::Secret;
use kafka_conn::sasl::ScramHash;
use subtle::ConstantTimeEq;

use crate::sasl::{Sasl, Step};

/// What a broker keeps of a user's password for a mechanism (RFC 5802).
#[derive(Clone, Debug)]
pub(super) struct ScramKeys {
    hash: ScramHash,
    salt: Vec<u8>,
    stored_key: Secret,
    server_key: Secret,
}

impl ScramKeys {
    /// Derives them: slow, on purpose.
    pub(super) fn derive(hash: ScramHash, user: &str, password: &Secret) -> Self {
        let salt = ScramHash::Sha256.digest(format!("{} {user}", hash.mechanism()).as_bytes());
        let salt = salt.expose().iter().take(SALT_LEN).copied().collect::<Vec<u8>>();
        let salted = hash.salted_password(password.expose(), &salt, ITERATIONS);
        let client_key = hash.hmac(salted.expose(), &[b"Client Key"]);
        let stored_key = hash.digest(client_key.expose());
        let server_key = hash.hmac(salted.expose(), &[b"Server Key"]);
        Self { hash, salt, stored_key, server_key }
    }

    pub(super) fn is_of(&self, hash: ScramHash) -> bool {
        self.hash == hash
    }
}

/// A SCRAM login.
#[derive(Debug)]
pub(crate) struct Scram {
    hash: ScramHash,
    state: State,
}

#[derive(Debug)]
enum State {
    First,
    Final(Expected),
    Over,
}

impl Scram {
    pub(super) fn new(hash: ScramHash) -> Self {
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
            State::Final(expected) => self.last(text, &expected, sasl),
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
        let keys = sasl.keys(&user, self.hash)?;
        let own: String = std::iter::repeat_with(|| rng.alphanumeric()).take(NONCE_LEN).collect();
        let nonce = format!("{client_nonce}{own}");
        let answer = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(&keys.salt));
        let (gs2_header, transcript) = (format!("{flag},{on_behalf_of},"), format!("{bare},{answer}"));
        self.state = State::Final(Expected { user, gs2_header, nonce, transcript });
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
        let keys = sasl.keys(&expected.user, self.hash)?;
        let transcript = format!("{},{without_proof}", expected.transcript);
        let signature = self.hash.hmac(keys.stored_key.expose(), &[transcript.as_bytes()]);
        let proof = STANDARD.decode(proof).ok().filter(|proof| proof.len() == signature.len())?;
        let claimed: Vec<u8> = proof.iter().zip(signature.expose()).map(|(proof, own)| proof ^ own).collect();
        if !bool::from(self.hash.digest(&claimed).expose().ct_eq(keys.stored_key.expose())) {
            return None;
        }
        let signature = self.hash.hmac(keys.server_key.expose(), &[transcript.as_bytes()]);
        let message = format!("v={}", STANDARD.encode(signature.expose())).into_bytes();
        Some(Step::Done { user: expected.user.as_str().into(), message, expires_ms: None })
    }
}

/// What the last message has to fit.
#[derive(Debug)]
struct Expected {
    user: String,
    gs2_header: String,
    nonce: String,
    transcript: String,
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
    use kafka_conn::sasl::{Exchange, Reply};

    use super::*;
    use crate::sasl::SaslMechanism;

    fn sasl() -> Sasl {
        Sasl::new([SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]).user("a,b=c", "päss")
    }

    /// What kafka-conn's client, or one that changes its last message, comes to.
    fn login(hash: ScramHash, password: &str, change: impl Fn(String) -> String) -> Step {
        let (mut scram, mut rng) = (Scram::new(hash), Rng::with_seed(1));
        let mut client = kafka_conn::sasl::Scram::new(hash, "a,b=c", password).exchange("fyko");
        let first = client.initial().unwrap();
        let Step::Continue(answer) = scram.handle(first.expose(), &sasl(), &mut rng) else { panic!() };
        let Reply::Message(last) = client.respond(&answer).unwrap() else { panic!() };
        let last = change(String::from_utf8(last.expose().to_vec()).unwrap());
        let step = scram.handle(last.as_bytes(), &sasl(), &mut rng);
        if let Step::Done { message, .. } = &step {
            assert!(matches!(client.respond(message).unwrap(), Reply::Done), "the client trusts us, too");
        }
        step
    }

    #[test]
    fn the_right_password_is_proven() {
        for hash in [ScramHash::Sha256, ScramHash::Sha512] {
            assert!(matches!(login(hash, "päss", |last| last), Step::Done { user, .. } if user == "a,b=c"));
        }
    }

    /// Found in review: keys were derived for each login, while the whole cluster waited.
    #[test]
    fn a_login_derives_no_key_of_a_password() {
        let of = |sasl: &Sasl| sasl.keys("a,b=c", ScramHash::Sha512).unwrap().stored_key.clone();
        let (mut known, again) = (sasl(), sasl());
        assert_eq!(of(&known).expose(), of(&again).expose());
        // What is proven is the key that was kept: without the password, logins go on.
        known.users.values_mut().for_each(|user| user.password = Secret::default());
        let mut client = kafka_conn::sasl::Scram::new(ScramHash::Sha512, "a,b=c", "päss").exchange("fyko");
        let (mut scram, mut rng) = (Scram::new(ScramHash::Sha512), Rng::with_seed(1));
        let Step::Continue(answer) = scram.handle(client.initial().unwrap().expose(), &known, &mut rng) else {
            panic!()
        };
        let Reply::Message(last) = client.respond(&answer).unwrap() else { panic!() };
        assert!(matches!(scram.handle(last.expose(), &known, &mut rng), Step::Done { .. }));
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(matches!(login(ScramHash::Sha256, "pass", |last| last), Step::Refused(_)));
        let other_nonce = |last: String| last.replace("fyko", "fykp");
        assert!(matches!(login(ScramHash::Sha256, "päss", other_nonce), Step::Refused(_)));
        assert!(matches!(login(ScramHash::Sha256, "päss", |last| last.replace("biws", "eSws")), Step::Refused(_)));
        for first in ["", "n,,n=nobody,r=x", "p=tls-unique,,n=a,r=x", "n,,r=x", "n,,n=a=2Cb=3Dc,r=", "n,,n=a=2,r=x"] {
            let step = Scram::new(ScramHash::Sha256).handle(first.as_bytes(), &sasl(), &mut Rng::with_seed(1));
            assert!(matches!(step, Step::Refused(_)), "{first}");
        }
    }
}
