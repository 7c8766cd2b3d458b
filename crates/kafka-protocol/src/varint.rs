//! Kafka's variable-length numbers: LEB128, signed ones zigzag-encoded, as in protocol buffers.
//!
//! Lengths in flexible versions are unsigned varints (KIP-482); the fields of a record are signed (KIP-98).
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use kafka_protocol::varint;
//!
//! let mut buffer = BytesMut::new();
//! varint::put_varint(&mut buffer, -196);
//! assert_eq!(buffer[..], [0x87, 0x03]);
//! assert_eq!(varint::take_varint(&mut buffer.freeze()), Ok(-196));
//! ```

use bytes::{Buf, BufMut, Bytes};

use crate::DecodeError;
use crate::cursor::Cursor;

/// Writes an unsigned number in one to five bytes.
pub fn put_uvarint(buffer: &mut impl BufMut, value: u32) {
    put(buffer, u64::from(value));
}

/// Writes a signed number in one to five bytes, small ones of either sign in few.
pub fn put_varint(buffer: &mut impl BufMut, value: i32) {
    put(buffer, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Writes a signed number in one to ten bytes, small ones of either sign in few.
pub fn put_varlong(buffer: &mut impl BufMut, value: i64) {
    put(buffer, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads what [`put_uvarint`] writes from the front of `bytes`.
///
/// # Errors
/// [`DecodeError`] where the number is cut short or has more than 32 bits; `bytes` is then as it was.
pub fn take_uvarint(bytes: &mut Bytes) -> Result<u32, DecodeError> {
    take(bytes, |cursor| cursor.uvarint())
}

/// Reads what [`put_varint`] writes from the front of `bytes`.
///
/// # Errors
/// [`DecodeError`] where the number is cut short or has more than 32 bits; `bytes` is then as it was.
pub fn take_varint(bytes: &mut Bytes) -> Result<i32, DecodeError> {
    take(bytes, |cursor| cursor.varint())
}

/// Reads what [`put_varlong`] writes from the front of `bytes`.
///
/// # Errors
/// [`DecodeError`] where the number is cut short or has more than 64 bits; `bytes` is then as it was.
pub fn take_varlong(bytes: &mut Bytes) -> Result<i64, DecodeError> {
    take(bytes, |cursor| cursor.varlong())
}

/// One or two bytes, as nearly always, take no loop.
#[inline(always)]
fn put(buffer: &mut impl BufMut, value: u64) {
    match value {
        0..0x80 => buffer.put_u8(value as u8),
        0x80..0x4000 => buffer.put_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        _ => put_long(buffer, value),
    }
}

#[inline(never)]
fn put_long(buffer: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

fn take<T>(bytes: &mut Bytes, read: impl FnOnce(&mut Cursor<'_>) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let value = read(&mut cursor)?;
    let used = cursor.position();
    bytes.advance(used);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_too_many_bits_are_refused() {
        for bytes in [&b"\xff\xff\xff\xff\x1f"[..], b"\x80\x80\x80\x80\x80\x00", b"\x80\x80\x80\x80\x10"] {
            assert!(take_uvarint(&mut Bytes::copy_from_slice(bytes)).is_err(), "{bytes:x?}");
        }
        let long = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03";
        assert!(take_varlong(&mut Bytes::from_static(long)).is_err());
    }

    #[test]
    fn a_number_cut_short_leaves_the_bytes_alone() {
        let mut bytes = Bytes::from_static(b"\x80\x80");
        assert!(take_uvarint(&mut bytes).is_err_and(|error| error.is_truncated()));
        assert_eq!(bytes.len(), 2);
    }
}
