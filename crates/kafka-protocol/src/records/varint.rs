//! The variable-length numbers of a record: their lengths, and several of them at once.

/// A few bytes on the stack, to be appended to a buffer at once.
pub(super) struct Prefix {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Prefix {
    /// Holds what stands before a record's key: three varints, a varlong and a byte.
    const CAPACITY: usize = 32;

    #[inline]
    pub(super) fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        debug_assert!(self.len < Self::CAPACITY);
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    #[inline]
    pub(super) fn varint(&mut self, value: i32) {
        self.unsigned(u64::from(zigzag32(value)));
    }

    #[inline]
    pub(super) fn varlong(&mut self, value: i64) {
        self.unsigned(zigzag64(value));
    }

    #[inline]
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// How many bytes a zigzag-encoded number of 32 bits takes.
#[inline]
pub(super) fn varint_len(value: i32) -> usize {
    unsigned_len(u64::from(zigzag32(value)))
}

/// How many bytes a zigzag-encoded number of 64 bits takes.
#[inline]
pub(super) fn varlong_len(value: i64) -> usize {
    unsigned_len(zigzag64(value))
}

/// A byte for every 7 bits begun, and one for 0; (bits × 9 + 64) / 64 divides by 7 for up to 64 bits.
#[inline]
fn unsigned_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    ((bits * 9 + 64) / 64).clamp(1, 10) as usize
}

#[inline]
fn zigzag32(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

#[inline]
fn zigzag64(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_number_is_what_writing_it_takes() {
        for shift in 0..64 {
            for value in [1i64 << shift, (1i64 << shift).wrapping_sub(1), (1i64 << shift).wrapping_neg()] {
                let mut prefix = Prefix::new();
                prefix.varlong(value);
                assert_eq!(prefix.as_slice().len(), varlong_len(value));
                let mut prefix = Prefix::new();
                prefix.varint(value as i32);
                assert_eq!(prefix.as_slice().len(), varint_len(value as i32));
            }
        }
    }
}
