//! A batch of format 2: its header, and the way to its records.

use bytes::Bytes;

use crate::compression::Lz4HeaderChecksum;
use crate::cursor::Cursor;
use crate::records::checksum::crc32c;
use crate::records::decoder::Section;
use crate::records::iter::{Layout, Walk};
use crate::records::producer::sequence;
use crate::records::record::{Base, MIN_RECORD_LEN};
use crate::records::{BatchDecoder, Compression, OwnedRecords, Producer, Records, TimestampType};
use crate::{DecodeError, DecodeErrorKind, Limits};

/// A batch of format 2 (KIP-98), whose length and checksum are right.
///
/// | bytes | field | bytes | field |
/// |--|--|--|--|
/// | 0..8 | base offset | 27..35 | base timestamp |
/// | 8..12 | length of what follows | 35..43 | max timestamp |
/// | 12..16 | partition leader epoch | 43..51 | producer id |
/// | 16 | magic: 2 | 51..53 | producer epoch |
/// | 17..21 | CRC-32C of what follows | 53..57 | base sequence |
/// | 21..23 | attributes | 57..61 | record count |
/// | 23..27 | last offset delta | 61.. | records |
#[derive(Clone, Debug)]
pub struct RecordBatch {
    data: Bytes,
    base_offset: i64,
    last_offset: i64,
    partition_leader_epoch: i32,
    crc: u32,
    compression: Compression,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: Producer,
    last_sequence: i32,
    count: i32,
}

impl RecordBatch {
    /// Reads the header of the batch that fills `data`; `start` is the place of the batch in its buffer, for errors.
    pub(super) fn read(data: Bytes, start: usize) -> Result<Self, DecodeError> {
        let fail = |kind, at: usize| DecodeError::new(kind, start.saturating_add(at));
        let Some((header, _)) = data.split_first_chunk::<HEADER_LEN>() else {
            return Err(fail(DecodeErrorKind::Length(data.len().saturating_sub(LENGTH_END) as i64), LENGTH_AT));
        };
        let mut cursor = Cursor::new(header);
        let base_offset = cursor.int64()?;
        cursor.int32()?;
        let partition_leader_epoch = cursor.int32()?;
        cursor.int8()?;
        let crc = cursor.uint32()?;
        let computed = crc32c(data.get(ATTRIBUTES_AT..).unwrap_or_default());
        if crc != computed {
            return Err(fail(DecodeErrorKind::Checksum { stored: crc, computed }, CRC_AT));
        }
        let attributes = cursor.int16()?;
        let code = (attributes & CODEC_MASK) as u8;
        let compression =
            Compression::from_code(code).ok_or_else(|| fail(DecodeErrorKind::UnknownCodec(code), ATTRIBUTES_AT))?;
        let last_offset_delta = cursor.int32()?;
        // A batch that ends before it begins would send its reader back.
        let last_offset = if last_offset_delta < 0 { None } else { base_offset.checked_add(last_offset_delta.into()) };
        let last_offset =
            last_offset.ok_or_else(|| fail(DecodeErrorKind::Length(last_offset_delta.into()), LAST_OFFSET_DELTA_AT))?;
        let base_timestamp = cursor.int64()?;
        let max_timestamp = cursor.int64()?;
        let producer =
            Producer { producer_id: cursor.int64()?, producer_epoch: cursor.int16()?, base_sequence: cursor.int32()? };
        let count = cursor.int32()?;
        if count < 0 {
            return Err(fail(DecodeErrorKind::Length(count.into()), COUNT_AT));
        }
        Ok(Self {
            base_offset,
            last_offset,
            partition_leader_epoch,
            crc,
            compression,
            attributes,
            base_timestamp,
            max_timestamp,
            last_sequence: sequence(producer.base_sequence, last_offset_delta),
            producer,
            count,
            data,
        })
    }

    /// The whole batch, header and records as they came.
    pub fn as_bytes(&self) -> &Bytes {
        &self.data
    }

    pub(super) fn detach(&mut self) {
        self.data = Bytes::copy_from_slice(&self.data);
    }

    /// The batch's length, with its header.
    pub fn size_in_bytes(&self) -> usize {
        self.data.len()
    }

    /// The offset of the first record, also if compaction has removed it.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// The offset of the last record, also if compaction has removed it: reading goes on behind it.
    pub fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// The epoch of the leader that appended the batch (KIP-101), or -1.
    pub fn partition_leader_epoch(&self) -> i32 {
        self.partition_leader_epoch
    }

    /// The stored checksum.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The attributes as they came.
    pub fn attributes(&self) -> i16 {
        self.attributes
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.has(LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Whether the records are for the client, not for its user: transaction markers and the like
    /// ([`ControlRecord`](crate::records::ControlRecord)).
    pub fn is_control(&self) -> bool {
        self.has(CONTROL)
    }

    /// From when on compaction may remove the batch's tombstones and markers, in milliseconds since 1970 (KIP-534).
    pub fn delete_horizon(&self) -> Option<i64> {
        self.has(DELETE_HORIZON).then_some(self.base_timestamp)
    }

    /// What the records' timestamps are relative to: that of the first one, or the delete horizon.
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// The largest timestamp of the records, or the broker's with log-append time; -1 without one.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Who wrote the batch.
    pub fn producer(&self) -> Producer {
        self.producer
    }

    /// The sequence number of the last record, also if compaction has removed it; -1 without idempotence.
    pub fn last_sequence(&self) -> i32 {
        self.last_sequence
    }

    /// How many records there are. Compaction may leave none: the batch still moves the position.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Goes over the records; the decoder lends the buffer that compressed ones go to.
    ///
    /// # Errors
    /// If the records cannot be decompressed, or cannot be as many as the header says.
    pub fn records<'a>(&'a self, decoder: &'a mut BatchDecoder) -> Result<Records<'a>, DecodeError> {
        self.check_count(decoder.limits())?;
        let data = match self.section() {
            Some(section) => decoder.borrowed(&section)?,
            None => self.record_bytes(),
        };
        Ok(Records::new(data, self.walk(data.len())?))
    }

    /// Goes over records that share the buffer of the batch, or a fresh one if they are compressed.
    ///
    /// # Errors
    /// If the records cannot be decompressed, or cannot be as many as the header says.
    pub fn owned_records(&self, decoder: &mut BatchDecoder) -> Result<OwnedRecords, DecodeError> {
        self.check_count(decoder.limits())?;
        let data = match self.section() {
            Some(section) => decoder.owned(&section)?,
            None => self.data.slice(HEADER_LEN..),
        };
        let walk = self.walk(data.len())?;
        Ok(OwnedRecords::new(data, walk))
    }

    fn has(&self, flag: i16) -> bool {
        self.attributes & flag != 0
    }

    fn record_bytes(&self) -> &[u8] {
        self.data.get(HEADER_LEN..).unwrap_or_default()
    }

    /// What has to be decompressed. A batch that compaction has emptied holds nothing, whatever its attributes say.
    fn section(&self) -> Option<Section<'_>> {
        let Self { compression, .. } = *self;
        let data = self.record_bytes();
        let compressed = compression != Compression::None && !data.is_empty();
        compressed.then_some(Section { compression, checksum: Lz4HeaderChecksum::Verified, data })
    }

    fn check_count(&self, limits: &Limits) -> Result<(), DecodeError> {
        if self.count() > limits.max_records {
            let (actual, limit) = (self.count() as u64, limits.max_records as u64);
            let kind = DecodeErrorKind::Limit { what: "max_records", actual, limit };
            return Err(DecodeError::new(kind, COUNT_AT));
        }
        Ok(())
    }

    /// The way over `len` bytes of records, if those can hold as many as the header says.
    fn walk(&self, len: usize) -> Result<Walk, DecodeError> {
        if self.count() > len / MIN_RECORD_LEN {
            return Err(DecodeError::new(DecodeErrorKind::Length(self.count.into()), COUNT_AT));
        }
        let log_append_time = self.has(LOG_APPEND_TIME).then_some(self.max_timestamp);
        let base = Base {
            offset: self.base_offset,
            timestamp: self.base_timestamp,
            sequence: self.producer.base_sequence,
            log_append_time,
        };
        Ok(Walk { remaining: self.count(), layout: Layout::Batch(base) })
    }
}

pub(super) const HEADER_LEN: usize = 61;
pub(super) const LENGTH_AT: usize = 8;
pub(super) const LENGTH_END: usize = 12;
pub(super) const PARTITION_LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const BASE_SEQUENCE_AT: usize = 53;
pub(super) const COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0b111;
pub(super) const LOG_APPEND_TIME: i16 = 1 << 3;
pub(super) const TRANSACTIONAL: i16 = 1 << 4;
pub(super) const CONTROL: i16 = 1 << 5;
pub(super) const DELETE_HORIZON: i16 = 1 << 6;
