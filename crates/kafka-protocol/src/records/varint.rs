//! The variable-length numbers of a record: their lengths, and several of them at once.

/// Numbers that are to be appended to a buffer at once. They are gathered in a register: bytes gathered in memory would
/// have to get there before they could be copied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// The first byte is the lowest.
    bits: u64,
    /// How many bytes there are; more than there is room for makes `bits` meaningless.
    len: usize,
}

impl Numbers {
    /// How many bytes there is room for.
    pub(super) const CAPACITY: usize = 8;

    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn byte(self, byte: u8) -> Self {
        self.then(Self { bits: byte.into(), len: 1 })
    }

    #[inline(always)]
    pub(super) fn varint(self, value: i32) -> Self {
        self.then(unsigned(zigzag32(value).into()))
    }

    /// A length, as a varint says it; one that is too long for any record takes too much room, too.
    #[inline(always)]
    pub(super) fn length(self, len: usize) -> Self {
        self.then(unsigned(2 * len as u64))
    }

    /// The length of a slice, -1 for null.
    #[inline(always)]
    pub(super) fn nullable_length(self, slice: Option<&[u8]>) -> Self {
        match slice {
            Some(slice) => self.length(slice.len()),
            None => self.byte(MINUS_ONE),
        }
    }

    #[inline(always)]
    pub(super) fn varlong(self, value: i64) -> Self {
        self.then(unsigned(zigzag64(value)))
    }

    #[inline(always)]
    fn then(self, next: Self) -> Self {
        Self { bits: self.bits | next.bits.wrapping_shl(8 * self.len as u32), len: self.len + next.len }
    }

    /// Appends both, if there was room for each. Copies more than there is, and cuts it off: to copy a fixed number of
    /// bytes takes no call.
    #[inline(always)]
    pub(super) fn append_both(self, next: Self, buffer: &mut Vec<u8>) -> bool {
        if self.len > Self::CAPACITY || next.len > Self::CAPACITY {
            return false;
        }
        let end = buffer.len() + self.len + next.len;
        let bits = u128::from(self.bits) | u128::from(next.bits) << (8 * self.len);
        buffer.extend_from_slice(&bits.to_le_bytes());
        buffer.truncate(end);
        true
    }

    /// Appends a single number of 32 bits, for which there is always room.
    #[inline(always)]
    pub(super) fn append(self, buffer: &mut Vec<u8>) {
        let end = buffer.len() + self.len;
        buffer.extend_from_slice(&self.bits.to_le_bytes());
        buffer.truncate(end);
    }
}

const MINUS_ONE: u8 = 1;

/// One or two bytes, as nearly always, take no loop.
#[inline(always)]
fn unsigned(value: u64) -> Numbers {
    match value {
        0..0x80 => Numbers { bits: value, len: 1 },
        0x80..0x4000 => Numbers { bits: value & 0x7f | 0x80 | value << 1 & 0x7f00, len: 2 },
        _ => long(value),
    }
}

#[inline(never)]
fn long(value: u64) -> Numbers {
    let (mut bits, mut len, mut rest) = (0u64, 0, value);
    while rest >= 0x80 {
        bits |= (rest & 0x7f | 0x80).wrapping_shl(8 * len);
        len += 1;
        rest >>= 7;
    }
    Numbers { bits: bits | rest.wrapping_shl(8 * len), len: len as usize + 1 }
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
    use crate::varint::{put_varint, put_varlong};

    #[test]
    fn the_length_of_a_number_is_what_writing_it_takes() {
        for shift in 0..64 {
            for value in [1i64 << shift, (1i64 << shift).wrapping_sub(1), (1i64 << shift).wrapping_neg()] {
                let mut buffer = Vec::new();
                put_varlong(&mut buffer, value);
                assert_eq!(buffer.len(), varlong_len(value));
                let numbers = Numbers::default().varlong(value);
                assert_eq!(numbers.len(), buffer.len());
                let mut appended = Vec::new();
                let one = Numbers::default().byte(1);
                assert_eq!(one.append_both(numbers, &mut appended), buffer.len() <= Numbers::CAPACITY);
                assert!(appended.is_empty() || appended[1..] == buffer);

                let mut buffer = Vec::new();
                put_varint(&mut buffer, value as i32);
                assert_eq!(buffer.len(), varint_len(value as i32));
                let mut appended = Vec::new();
                Numbers::default().varint(value as i32).append(&mut appended);
                assert_eq!(appended, buffer);
            }
        }
    }
}
