//! Kafka's uuid.

use std::fmt;
use std::str::FromStr;

/// A topic id, directory id and the like: 16 bytes, written as 22 characters of url-safe base64 without padding, as
/// Kafka's tools print them.
///
/// ```
/// use kafka_protocol::Uuid;
/// let id: Uuid = "AAAAAAAAAAAAAAAAAAAAAA".parse()?;
/// assert!(id.is_zero());
/// # Ok::<(), kafka_protocol::UuidError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// All zero: "none" in Kafka's requests, also the default of a uuid field.
    pub const ZERO: Self = Self([0; 16]);

    /// From its bytes, in the order of the wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order of the wire.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether it is [`ZERO`](Self::ZERO), which stands for none.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        // 22 digits of six bits: 128 bits, and four zero bits behind them.
        let digit = |index: u32| match index {
            21 => (number << 4) as usize & 63,
            _ => (number >> (122 - 6 * index)) as usize & 63,
        };
        let mut letters = (0..22).filter_map(|index| ALPHABET.get(digit(index)));
        letters.try_for_each(|&letter| fmt::Write::write_char(f, char::from(letter)))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    /// Reads what [`Display`](fmt::Display) writes; two `=` of padding are accepted.
    fn from_str(text: &str) -> Result<Self, UuidError> {
        let text = text.strip_suffix("==").unwrap_or(text);
        let (22, Some(head)) = (text.len(), text.as_bytes().first_chunk::<21>()) else {
            return Err(UuidError);
        };
        let digit = |&byte: &u8| ALPHABET.iter().position(|&letter| letter == byte).ok_or(UuidError);
        let mut number = 0u128;
        for byte in head {
            number = number << 6 | digit(byte)? as u128;
        }
        let last = text.as_bytes().last().map_or(Err(UuidError), digit)?;
        if last & 15 != 0 {
            return Err(UuidError);
        }
        Ok(Self((number << 2 | (last as u128 >> 4)).to_be_bytes()))
    }
}

/// Text that is not a [`Uuid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a uuid: 22 characters of url-safe base64 are expected")]
pub struct UuidError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_java_prints() {
        // new Uuid(1, 2).toString() in Java.
        let id = Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(id.to_string(), "AAAAAAAAAAEAAAAAAAAAAg");
        assert_eq!("AAAAAAAAAAEAAAAAAAAAAg".parse(), Ok(id));
        assert_eq!("AAAAAAAAAAEAAAAAAAAAAg==".parse(), Ok(id));
    }

    #[test]
    fn every_bit_survives() {
        for bit in 0..128 {
            let id = Uuid::from_bytes((1u128 << bit).to_be_bytes());
            assert_eq!(id.to_string().parse(), Ok(id), "bit {bit}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAEAAAAAAAAAAgA",
            "AAAAAAAAAAEAAAAAAAAA+g",
            "AAAAAAAAAAEAAAAAAAAAAh",
            "éAAAAAAAAEAAAAAAAAAAg",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(UuidError), "{text}");
        }
    }
}
