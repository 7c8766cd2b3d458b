//! One message of format 0 or 1.
//!
//! int64 offset, int32 length of what follows, uint32 CRC-32 of what follows, int8 magic, int8 attributes, int64 timestamp
//! (format 1 only), key and value behind int32 lengths, of which -1 stands for null.

use crate::cursor::Cursor;
use crate::records::{Compression, Headers, Record, TimestampType};
use crate::{DecodeError, DecodeErrorKind};

/// A message as it lies in a buffer, its checksum verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) offset: i64,
    pub(super) crc: u32,
    pub(super) magic: i8,
    pub(super) compression: Compression,
    pub(super) timestamp_type: TimestampType,
    /// -1 in format 0.
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let offset = cursor.int64()?;
        let len = cursor.int32()?;
        let length = |cursor: &Cursor<'_>| cursor.error(DecodeErrorKind::Length(i64::from(len)));
        let start = *cursor;
        let body = cursor.take(usize::try_from(len).map_err(|_| length(&start))?)?;
        let end = cursor.position();
        let mut fields = start;
        let stored = fields.uint32()?;
        let computed = crc32fast::hash(body.get(4..).ok_or_else(|| length(&start))?);
        if stored != computed {
            return Err(start.error(DecodeErrorKind::Checksum { stored, computed }));
        }
        let magic = fields.int8()?;
        if !(0..=1).contains(&magic) {
            return Err(fields.error(DecodeErrorKind::Magic(magic)));
        }
        let attributes = fields.int8()?;
        let timestamp = if magic == 1 { fields.int64()? } else { -1 };
        let key = nullable(&mut fields)?;
        let value = nullable(&mut fields)?;
        if fields.position() != end {
            return Err(length(&start));
        }
        Ok(Self {
            offset,
            crc: stored,
            magic,
            compression: compression(attributes).map_err(|kind| start.error(kind))?,
            timestamp_type: timestamp_type(magic, attributes),
            timestamp,
            key,
            value,
        })
    }
}

/// What the outer message says about those in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryBase {
    pub(super) magic: i8,
    /// What to add to the offset of a message: inner ones of format 1 are relative.
    pub(super) offset: i64,
    pub(super) log_append_time: Option<i64>,
}

impl EntryBase {
    /// Reads one message that holds a record.
    #[inline(never)]
    pub(super) fn read<'a>(&self, cursor: &mut Cursor<'a>) -> Result<Record<'a>, DecodeError> {
        let start = *cursor;
        let entry = Entry::read(cursor)?;
        if entry.magic != self.magic {
            return Err(start.error(DecodeErrorKind::Magic(entry.magic)));
        }
        if entry.compression != Compression::None {
            let reason = "compressed messages within compressed messages".to_owned();
            return Err(start.error(DecodeErrorKind::Decompress { codec: entry.compression, reason }));
        }
        let offset = entry.offset.checked_add(self.offset);
        Ok(Record {
            offset: offset.ok_or_else(|| start.error(DecodeErrorKind::Length(entry.offset)))?,
            timestamp: self.log_append_time.unwrap_or(entry.timestamp),
            sequence: -1,
            key: entry.key,
            value: entry.value,
            headers: Headers::default(),
        })
    }
}

fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let len = cursor.int32()?;
    match usize::try_from(len) {
        Ok(len) => cursor.take(len).map(Some),
        Err(_) if len == -1 => Ok(None),
        Err(_) => Err(cursor.error(DecodeErrorKind::Length(i64::from(len)))),
    }
}

fn compression(attributes: i8) -> Result<Compression, DecodeErrorKind> {
    let code = (attributes & CODEC_MASK) as u8;
    match Compression::from_code(code) {
        // Zstd came after these formats, and no broker lets it in (KIP-110).
        None | Some(Compression::Zstd) => Err(DecodeErrorKind::UnknownCodec(code)),
        Some(compression) => Ok(compression),
    }
}

fn timestamp_type(magic: i8, attributes: i8) -> TimestampType {
    match magic {
        0 => TimestampType::None,
        _ if attributes & LOG_APPEND_TIME != 0 => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    }
}

const CODEC_MASK: i8 = 0b111;
pub(super) const LOG_APPEND_TIME: i8 = 1 << 3;
/// Offset, length, checksum, magic, attributes, and two lengths.
pub(super) const MIN_ENTRY_LEN: usize = 26;
