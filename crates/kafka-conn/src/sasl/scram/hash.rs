//! The hash functions of SCRAM, and what is derived by them.
//!
//! Sans-IO.

use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize;

use crate::secret::Secret;

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramHash {
    /// The name that brokers know the mechanism by.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The length of its output, in bytes.
    pub fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// What a password becomes with a salt: `Hi(password, salt, iterations)` (RFC 5802). Slow on purpose: a thread for
    /// work that blocks is the place for it. Brokers are given this, not the password, when credentials are set.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
        let mut output = vec![0; self.output_len()];
        match self {
            Self::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut output),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut output),
        }
        output.into()
    }

    /// The message authentication code `HMAC(key, parts)`, of the parts as one.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Sha256 => authenticate(Hmac::<Sha256>::new_from_slice(key), parts),
            Self::Sha512 => authenticate(Hmac::<Sha512>::new_from_slice(key), parts),
        }
    }

    /// The hash `H(bytes)`.
    pub fn digest(self, bytes: &[u8]) -> Secret {
        match self {
            Self::Sha256 => wiped(Sha256::digest(bytes)),
            Self::Sha512 => wiped(Sha512::digest(bytes)),
        }
    }
}

/// HMAC takes keys of every length, so there is always one.
fn authenticate<M: Mac, E>(mac: Result<M, E>, parts: &[&[u8]]) -> Secret {
    let Ok(mut mac) = mac else {
        debug_assert!(false, "HMAC refuses a key");
        return Secret::default();
    };
    parts.iter().for_each(|part| mac.update(part));
    wiped(mac.finalize().into_bytes())
}

fn wiped<A: AsRef<[u8]> + AsMut<[u8]>>(mut output: A) -> Secret {
    let secret = Secret::from(output.as_ref());
    output.as_mut().zeroize();
    secret
}
