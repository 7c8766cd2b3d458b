//! One record, borrowed from the bytes of its batch.

use crate::cursor::Cursor;
use crate::records::Headers;
use crate::records::header::nullable;
use crate::records::producer::sequence;
use crate::{DecodeError, DecodeErrorKind};

/// A record, whose key, value and headers are slices of its (decompressed) batch.
///
/// `None` and an empty slice are different things: a `None` value is a tombstone.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, of the producer or of the broker as the batch's timestamp type says. -1 without one.
    pub timestamp: i64,
    /// Its number in the producer's sequence, or -1 without idempotence.
    pub sequence: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers; none in message sets.
    pub headers: Headers<'a>,
}

/// What the header of a batch says about each of its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) sequence: i32,
    pub(super) log_append_time: Option<i64>,
}

impl Base {
    /// Reads one record of a batch of format 2, as what `make` makes of it.
    #[inline(always)]
    pub(super) fn read<'a, T>(
        &self,
        cursor: &mut Cursor<'a>,
        make: impl FnOnce(Record<'a>) -> T,
    ) -> Result<T, DecodeError> {
        // A copy stays in registers.
        let place = cursor;
        let cursor = &mut { *place };
        let len = cursor.varint()?;
        let end = end(cursor, len)?;
        // No attribute of a record is defined.
        cursor.int8()?;
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        let key = nullable(cursor)?;
        let value = nullable(cursor)?;
        let headers = match cursor.varint()? {
            0 => Headers::default(),
            count => {
                let (headers, behind) = Headers::read(*cursor, count)?;
                *cursor = behind;
                headers
            }
        };
        if cursor.position() != end {
            return Err(cursor.error(DecodeErrorKind::Length(i64::from(len))));
        }
        let offset = self.offset_at(offset_delta, cursor)?;
        *place = *cursor;
        Ok(make(Record {
            offset,
            // Wraps as Java's arithmetic does, so that any two timestamps have a difference.
            timestamp: self.log_append_time.unwrap_or_else(|| self.timestamp.wrapping_add(timestamp_delta)),
            sequence: sequence(self.sequence, offset_delta),
            key,
            value,
            headers,
        }))
    }

    #[inline]
    fn offset_at(&self, delta: i32, cursor: &Cursor<'_>) -> Result<i64, DecodeError> {
        let offset = if delta < 0 { None } else { self.offset.checked_add(i64::from(delta)) };
        offset.ok_or_else(|| cursor.error(DecodeErrorKind::Length(i64::from(delta))))
    }
}

/// Where a record of this length ends.
#[inline]
fn end(cursor: &Cursor<'_>, len: i32) -> Result<usize, DecodeError> {
    match usize::try_from(len) {
        Ok(len) => cursor.require(len).map(|()| cursor.position() + len),
        Err(_) => Err(cursor.error(DecodeErrorKind::Length(i64::from(len)))),
    }
}

/// The fewest bytes that a record takes: a length, and six fields of a byte each.
pub(super) const MIN_RECORD_LEN: usize = 7;
