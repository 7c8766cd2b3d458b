//! The variable-length numbers of a record: their lengths, and several of them at once.

/// A few bytes on the stack, to be appended to a buffer at once.
pub(super) struct Prefix {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Prefix {
    /// Holds what stands before a record's key: three varints, a varlong and a byte.
    pub(super) const CAPACITY: usize = 32;

    #[inline]
    pub(super) fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        debug_assert!(self.len + N <= Self::CAPACITY);
        if let Some(place) = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
            self.len += N;
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

    /// One or two bytes, as nearly always, take no loop.
    #[inline(always)]
    fn unsigned(&mut self, value: u64) {
        match value {
            0..0x80 => self.array([value as u8]),
            0x80..0x4000 => self.array([value as u8 | 0x80, (value >> 7) as u8]),
            _ => self.long(value),
        }
    }

    #[inline(never)]
    fn long(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Copies more than there is, and cuts it off: to copy a fixed number of bytes takes no call.
    #[inline]
    pub(super) fn append_to(&self, buffer: &mut Vec<u8>) {
        let end = buffer.len() + self.len;
        buffer.extend_from_slice(&self.bytes);
        buffer.truncate(end);
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
                assert_eq!(prefix.len, varlong_len(value));
                let mut prefix = Prefix::new();
                prefix.varint(value as i32);
                assert_eq!(prefix.len, varint_len(value as i32));
            }
        }
    }
}
