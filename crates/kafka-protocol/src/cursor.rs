//! A place in a byte slice, and the numbers that can be read there.

use crate::error::{DecodeError, DecodeErrorKind};

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads big-endian and variable-length numbers from a slice; every read is checked, and a failed one does not move.
///
/// What is rare takes the cursor by value: so one that a function keeps to itself stays in registers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor<'a> {
    /// What is still to be read: a read is one check and takes its bytes off the front.
    rest: &'a [u8],
    /// The place behind it.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, end: data.len() }
    }

    /// A cursor at `position` of `data`, or at its end.
    #[inline]
    pub(crate) fn at(data: &'a [u8], position: usize) -> Self {
        Self { rest: data.get(position..).unwrap_or_default(), end: data.len() }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.position())
    }

    #[cold]
    fn truncated(self, needed: usize) -> DecodeError {
        self.error(DecodeErrorKind::Truncated { needed, remaining: self.remaining() })
    }

    /// Fails unless `needed` more bytes are there.
    #[inline]
    pub(crate) fn require(&self, needed: usize) -> Result<()> {
        if needed > self.remaining() {
            return Err(self.truncated(needed));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(len)),
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    pub(crate) fn int8(&mut self) -> Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn int16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn uint16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn int32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn uint32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn int64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    #[inline]
    pub(crate) fn float64(&mut self) -> Result<f64> {
        self.array().map(f64::from_be_bytes)
    }

    /// An unsigned LEB128 number of at most 32 bits, in at most five bytes.
    #[inline(always)]
    pub(crate) fn uvarint(&mut self) -> Result<u32> {
        match self.short_varint() {
            Some(value) => Ok(value),
            None => self.skip(self.long_varint(u32::BITS)?).map(|value| value as u32),
        }
    }

    /// A zigzag-encoded number of at most 32 bits.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<i32> {
        self.uvarint().map(|raw| (raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A zigzag-encoded number of at most 64 bits, in at most ten bytes.
    #[inline(always)]
    pub(crate) fn varlong(&mut self) -> Result<i64> {
        let raw = match self.short_varint() {
            Some(value) => u64::from(value),
            None => self.skip(self.long_varint(u64::BITS)?)?,
        };
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A LEB128 number of one or two bytes, as nearly all of them are.
    #[inline(always)]
    fn short_varint(&mut self) -> Option<u32> {
        match *self.rest {
            [first @ 0..0x80, ref rest @ ..] => {
                self.rest = rest;
                Some(u32::from(first))
            }
            [first, second @ 0..0x80, ref rest @ ..] => {
                self.rest = rest;
                Some(u32::from(first & 0x7f) | u32::from(second) << 7)
            }
            _ => None,
        }
    }

    /// Goes behind a number of so many bytes.
    #[inline]
    fn skip(&mut self, (value, len): (u64, usize)) -> Result<u64> {
        self.take(len).map(|_| value)
    }

    /// A LEB128 number of at most `bits` bits, and the bytes it takes; bits beyond them are an error, as for Java.
    #[inline(never)]
    fn long_varint(self, bits: u32) -> Result<(u64, usize)> {
        if let &[first, second, third @ 0..0x80, ..] = self.rest {
            // Lengths of records, mostly.
            let low = u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7;
            return Ok((low | u64::from(third) << 14, 3));
        }
        let mut value = 0u64;
        let mut shift = 0;
        for (index, &byte) in self.rest.iter().enumerate() {
            let low = u64::from(byte & 0x7f);
            if shift >= bits || low.checked_shr(bits - shift).is_some_and(|lost| lost != 0) {
                return Err(self.error(DecodeErrorKind::Varint));
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok((value, index + 1));
            }
            shift += 7;
        }
        if shift >= bits {
            return Err(self.error(DecodeErrorKind::Varint));
        }
        Err(self.truncated(self.rest.len() + 1))
    }
}
