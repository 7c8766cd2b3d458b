//! SCRAM: a client that a broker says anything to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kafka_conn::Secret;
use kafka_conn::sasl::{Exchange, Reply, SaslError, Scram, ScramExchange, ScramHash};
use sha2::{Digest, Sha256, Sha512};

use super::memory;

/// The input: a byte of options, one for the length of the broker's first message, that message, then its last one.
pub fn scram(data: &[u8]) {
    let Some((&[options, len], rest)) = data.split_first_chunk() else { return };
    let (first, last) = rest.split_at(rest.len().min(usize::from(len)));
    let first = if options & BARE == 0 { [b"r=", NONCE.as_bytes(), first].concat() } else { first.to_vec() };
    let iterations = iterations(&first);
    if iterations.is_some_and(|count| (TOO_SLOW..=MAX_ITERATIONS).contains(&count)) {
        return;
    }
    let hash = if options & SHA_512 == 0 { ScramHash::Sha256 } else { ScramHash::Sha512 };
    let scram = Scram::new(hash, USER, PASSWORD);
    let outcome = memory::bounded(data.len(), 0, || exchange(hash, &scram, options, &first, last));
    // The key is known now, which changes nothing.
    assert_eq!(exchange(hash, &scram, options, &first, last), outcome);
}

/// What came of an exchange, in words.
fn exchange(hash: ScramHash, scram: &Scram, options: u8, first: &[u8], last: &[u8]) -> String {
    let mut exchange = scram.exchange(NONCE);
    let initial = exchange.initial().expect("the first message");
    assert_eq!(initial.expose(), format!("n,,{BARE_FIRST}").as_bytes());
    let proof = match exchange.respond(first) {
        Ok(Reply::Message(proof)) => proof,
        Ok(Reply::Done) => panic!("done, and nothing is proven"),
        Err(error) => return refused(&mut exchange, &error),
    };
    let broker = Broker::new(hash, first);
    broker.check(&proof);
    let last = broker.last(options, last);
    match exchange.respond(&last) {
        Ok(Reply::Done) => {
            let right = broker.right();
            let tail = last.strip_prefix(right.as_bytes()).expect("done without the broker's proof");
            assert!(matches!(tail.first(), None | Some(b',')), "done with more than the broker's proof");
            assert!(exchange.respond(&last).is_err(), "an exchange ends once");
            "done".to_owned()
        }
        Ok(Reply::Message(_)) => panic!("there is nothing more to say"),
        Err(error) => {
            assert_ne!(last, broker.right().as_bytes(), "a broker that is right is refused");
            refused(&mut exchange, &error)
        }
    }
}

/// What is refused stays so, and the error does not say what is secret.
fn refused(exchange: &mut ScramExchange, error: &SaslError) -> String {
    assert!(!matches!(error, SaslError::Credentials(_)), "{error:?}");
    assert!(exchange.respond(b"").is_err() && exchange.initial().is_err(), "an exchange goes on after {error:?}");
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() <= MAX_TEXT, "{text}");
    text
}

/// The number behind the first `,i=`.
fn iterations(first: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(first).ok()?;
    let (_, number) = text.split_once(",i=")?;
    let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

/// The other side, told by RFC 5802, of a first message that the client took.
struct Broker {
    hash: ScramHash,
    nonce: String,
    salted_password: Secret,
    auth_message: String,
}

impl Broker {
    fn new(hash: ScramHash, first: &[u8]) -> Self {
        let text = std::str::from_utf8(first).expect("the client took it");
        let mut fields = text.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name)).expect("it is there");
        let (nonce, salt, _) = (field("r=").to_owned(), field("s="), field("i="));
        assert!(nonce.len() > NONCE.len() && nonce.starts_with(NONCE), "{nonce}");
        let iterations = iterations(first).expect("a number");
        assert!((MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations), "{iterations}");
        let salt = STANDARD.decode(salt).expect("a salt");
        let iterations = u32::try_from(iterations).expect("not more than the cap");
        let salted_password = hash.salted_password(PASSWORD.as_bytes(), &salt, iterations);
        let auth_message = format!("{BARE_FIRST},{text},c=biws,r={nonce}");
        Self { hash, nonce, salted_password, auth_message }
    }

    /// The client must know the password.
    fn check(&self, message: &Secret) {
        let message = std::str::from_utf8(message.expose()).expect("text");
        let proof = message.strip_prefix(&format!("c=biws,r={},p=", self.nonce)).expect("the client's last message");
        let mut client_key = STANDARD.decode(proof).expect("a proof");
        let real_key = self.hmac(self.salted_password.expose(), b"Client Key");
        let signature = self.hmac(&self.digest(&real_key), self.auth_message.as_bytes());
        client_key.iter_mut().zip(signature).for_each(|(byte, sign)| *byte ^= sign);
        assert_eq!(client_key, real_key, "the client does not prove that it knows the password");
    }

    /// What the client has to be told.
    fn right(&self) -> String {
        let key = self.hmac(self.salted_password.expose(), b"Server Key");
        format!("v={}", STANDARD.encode(self.hmac(&key, self.auth_message.as_bytes())))
    }

    /// What the client is told.
    fn last(&self, options: u8, last: &[u8]) -> Vec<u8> {
        let mut right = self.right().into_bytes();
        match last.split_first() {
            Some((at, rest)) if options & ALTERED != 0 => {
                let at = usize::from(*at) % right.len();
                right[at] ^= rest.first().map_or(1, |change| (*change).max(1));
                [&right, rest.get(1..).unwrap_or_default()].concat()
            }
            _ if options & RIGHT != 0 => [&right, last].concat(),
            _ => last.to_vec(),
        }
    }

    fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self.hash {
            ScramHash::Sha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(message);
                mac.finalize().into_bytes().to_vec()
            }
            ScramHash::Sha512 => {
                let mac = Hmac::<Sha512>::new_from_slice(key).expect("any length").chain_update(message);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        match self.hash {
            ScramHash::Sha256 => Sha256::digest(bytes).to_vec(),
            ScramHash::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// In the first byte of an input: SCRAM-SHA-512, not SCRAM-SHA-256.
pub const SHA_512: u8 = 1;
/// In the first byte of an input: `r=` and the client's nonce are not put in front of the first message.
pub const BARE: u8 = 2;
/// In the first byte of an input: the broker's proof is put in front of the last message.
pub const RIGHT: u8 = 4;
/// In the first byte of an input: that, with the byte changed that the last message's first one says.
pub const ALTERED: u8 = 8;

/// RFC 7677's example.
pub const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const USER: &str = "user";
const PASSWORD: &str = "pencil";
const BARE_FIRST: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO";
const MIN_ITERATIONS: u64 = 4096;
const MAX_ITERATIONS: u64 = 1_000_000;
/// From here up to what is refused an input takes long, and says nothing new. More than is allowed takes no time: were it
/// not refused before it is computed, four thousand million rounds would never end.
const TOO_SLOW: u64 = 4500;
/// 256 letters of what the broker says, escaped, and our own words.
const MAX_TEXT: usize = 4 << 10;
