//! A message of format 0 or 1, and those it may hold compressed.

use bytes::Bytes;

use crate::compression::Lz4HeaderChecksum;
use crate::cursor::Cursor;
use crate::records::decoder::Section;
use crate::records::entry::{Entry, EntryBase};
use crate::records::iter::{Layout, Walk};
use crate::records::{BatchDecoder, Compression, OwnedRecords, Records, TimestampType};
use crate::{DecodeError, DecodeErrorKind, Limits};

/// An outer message of format 0 or 1: one record, or, compressed in its value, an inner set of them (one deep). What
/// clusters before Kafka 0.11 stored, and what may still lie in old topics.
#[derive(Clone, Debug)]
pub struct MessageSet {
    data: Bytes,
    offset: i64,
    crc: u32,
    magic: i8,
    compression: Compression,
    timestamp_type: TimestampType,
    timestamp: i64,
    /// The inner messages, compressed; empty if there are none.
    inner: Bytes,
}

impl MessageSet {
    /// Reads the message that fills `data`; `start` is the place of the message in its buffer, for errors.
    pub(super) fn read(data: Bytes, start: usize) -> Result<Self, DecodeError> {
        let entry = Entry::read(&mut Cursor::new(&data)).map_err(|error| error.shifted(start))?;
        let inner = match (entry.compression, entry.value) {
            (Compression::None, _) => Bytes::new(),
            (_, Some(value)) => data.slice_ref(value),
            (_, None) => return Err(DecodeError::new(DecodeErrorKind::Null, start)),
        };
        let Entry { offset, crc, magic, compression, timestamp_type, timestamp, .. } = entry;
        Ok(Self { offset, crc, magic, compression, timestamp_type, timestamp, inner, data })
    }

    pub(super) fn detach(&mut self) {
        self.data = Bytes::copy_from_slice(&self.data);
        // The value is what a message ends with.
        self.inner = self.data.slice(self.data.len().saturating_sub(self.inner.len())..);
    }

    /// The whole message as it came.
    pub fn as_bytes(&self) -> &Bytes {
        &self.data
    }

    /// The message's length, with its header.
    pub fn size_in_bytes(&self) -> usize {
        self.data.len()
    }

    /// The format: 0 or 1.
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// The offset of the (last) record. That of the first one is known only after decompression.
    pub fn last_offset(&self) -> i64 {
        self.offset
    }

    /// The stored checksum.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// How the inner messages are compressed; `None` if there are none.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// The largest timestamp of the records, or the broker's with log-append time; -1 in format 0.
    pub fn max_timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Goes over the records; the decoder lends the buffer that compressed ones go to.
    ///
    /// # Errors
    /// If the inner messages cannot be decompressed, or there is none.
    pub fn records<'a>(&'a self, decoder: &'a mut BatchDecoder) -> Result<Records<'a>, DecodeError> {
        let limits = decoder.limits().clone();
        let data = match self.section() {
            Some(section) => decoder.borrowed(&section)?,
            None => &self.data,
        };
        Ok(Records::new(data, self.walk(data, &limits)?))
    }

    /// Goes over records that share the buffer of the batch, or a fresh one if they are compressed.
    ///
    /// # Errors
    /// If the inner messages cannot be decompressed, or there is none.
    pub fn owned_records(&self, decoder: &mut BatchDecoder) -> Result<OwnedRecords, DecodeError> {
        let data = match self.section() {
            Some(section) => decoder.owned(&section)?,
            None => self.data.clone(),
        };
        let walk = self.walk(&data, decoder.limits())?;
        Ok(OwnedRecords::new(data, walk))
    }

    fn section(&self) -> Option<Section<'_>> {
        let checksum = if self.magic == 0 { Lz4HeaderChecksum::Ignored } else { Lz4HeaderChecksum::Verified };
        let section = Section { compression: self.compression, checksum, data: &self.inner };
        (self.compression != Compression::None).then_some(section)
    }

    /// The way over the messages in `data`. Those of a compressed set of format 1 count from 0 (KIP-31): the last one is
    /// at the outer offset.
    fn walk(&self, data: &[u8], limits: &Limits) -> Result<Walk, DecodeError> {
        let (remaining, last_offset) = survey(data, limits)?;
        let offset = match (self.magic, self.compression) {
            (0, _) | (_, Compression::None) => Some(0),
            _ => self.offset.checked_sub(last_offset),
        };
        let offset = offset.ok_or_else(|| DecodeError::new(DecodeErrorKind::Length(last_offset), 0))?;
        let log_append_time = (self.timestamp_type == TimestampType::LogAppendTime).then_some(self.timestamp);
        let base = EntryBase { magic: self.magic, offset, log_append_time };
        Ok(Walk { remaining, layout: Layout::MessageSet(base) })
    }
}

/// How many messages there are, and the offset of the last one.
fn survey(data: &[u8], limits: &Limits) -> Result<(usize, i64), DecodeError> {
    let mut cursor = Cursor::new(data);
    let mut count = 0;
    let mut last_offset = 0;
    while cursor.remaining() > 0 {
        last_offset = cursor.int64()?;
        let len = cursor.int32()?;
        let len = usize::try_from(len).map_err(|_| cursor.error(DecodeErrorKind::Length(i64::from(len))))?;
        cursor.take(len)?;
        count += 1;
        if count > limits.max_records {
            let (actual, limit) = (count as u64, limits.max_records as u64);
            return Err(cursor.error(DecodeErrorKind::Limit { what: "max_records", actual, limit }));
        }
    }
    if count == 0 {
        return Err(cursor.error(DecodeErrorKind::Length(0)));
    }
    Ok((count, last_offset))
}
