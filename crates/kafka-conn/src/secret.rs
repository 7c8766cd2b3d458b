//! What must not be seen: passwords, tokens, private keys.
//!
//! Sans-IO.

use std::fmt;

use bytes::{Bytes, BytesMut};
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are wiped when they are dropped, and that no `Debug` shows. There is no `Display`.
///
/// ```
/// use kafka_conn::Secret;
///
/// let password = Secret::from("hunter2");
/// assert_eq!(format!("{password:?}"), "***");
/// assert_eq!(password.expose(), b"hunter2");
/// ```
///
/// To send it in a message, make it [`Bytes`] without a copy: `Bytes::from_owner(secret)` is wiped with its last clone.
/// What it is made from should not be kept elsewhere: a `String` or `Vec` that is moved in is wiped with it, a `&str`
/// or slice is copied.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes. Whoever asks for them has to keep them secret.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as something that can be sent, wiped with its last clone.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Takes over what `bytes` holds, and wipes it there.
    pub(crate) fn take(bytes: &mut BytesMut) -> Self {
        let secret = Self::from(&bytes[..]);
        bytes.as_mut().zeroize();
        secret
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_over_is_wiped_where_it_was() {
        let mut bytes = BytesMut::from(&b"secret"[..]);
        assert_eq!(Secret::take(&mut bytes).expose(), b"secret");
        assert_eq!(bytes, [0; 6][..]);
    }
}
