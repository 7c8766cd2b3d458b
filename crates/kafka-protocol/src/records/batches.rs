//! Going over the batches of a buffer.

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::records::{BatchDecoder, Compression, MessageSet, OwnedRecords, RecordBatch, Records};
use crate::{DecodeError, DecodeErrorKind};

/// Goes over the batches of a Produce request's or a Fetch response's `records`, checking each one's length, format and
/// checksum. After an error it ends: nothing behind a bad batch can be trusted.
///
/// A broker may cut the last batch short: that is no error, but [`trailing`](Self::trailing).
#[derive(Clone, Debug)]
pub struct Batches {
    data: Bytes,
    position: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
}

impl Batches {
    /// The batches of `data`, which they will share.
    pub fn new(data: Bytes) -> Self {
        Self { data, position: 0, state: State::Reading }
    }

    /// How many bytes are behind the batches read so far; after the last one, the length of a batch cut short.
    pub fn trailing(&self) -> usize {
        self.data.len().saturating_sub(self.position)
    }

    /// The length and the format of the next batch, if it is whole.
    fn frame(&self) -> Result<Option<(usize, i8)>, DecodeError> {
        let mut cursor = Cursor::at(&self.data, self.position);
        if cursor.remaining() < HEADER_UP_TO_MAGIC {
            return Ok(None);
        }
        cursor.int64()?;
        let at_len = cursor;
        let len = cursor.int32()?;
        // The crc, the magic, the attributes, the key's and the value's length of a message of format 0 (14 bytes).
        if len < MIN_LEN {
            return Err(at_len.error(DecodeErrorKind::Length(i64::from(len))));
        }
        let mut body = cursor;
        cursor.take(4)?;
        let magic = cursor.int8()?;
        if !(0..=2).contains(&magic) {
            return Err(cursor.error(DecodeErrorKind::Magic(magic)));
        }
        Ok(body.take(len as usize).is_ok().then(|| (body.position() - self.position, magic)))
    }

    fn read(&mut self) -> Result<Option<Batch>, DecodeError> {
        let Some((len, magic)) = self.frame()? else {
            return Ok(None);
        };
        let start = self.position;
        // In range, as the frame is whole.
        let data = self.data.slice(start..start + len);
        let batch = match magic {
            2 => RecordBatch::read(data, start).map(Batch::Records)?,
            _ => MessageSet::read(data, start).map(Batch::Messages)?,
        };
        self.position += len;
        Ok(Some(batch))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let batch = self.read().transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.state = State::Ended;
        }
        batch
    }
}

impl std::iter::FusedIterator for Batches {}

/// A batch of whichever format.
#[derive(Clone, Debug)]
pub enum Batch {
    /// A batch of format 2.
    Records(RecordBatch),
    /// A message of format 0 or 1, or a compressed set of them.
    Messages(MessageSet),
}

impl Batch {
    /// The format: 0, 1 or 2.
    pub fn magic(&self) -> i8 {
        match self {
            Self::Records(_) => 2,
            Self::Messages(set) => set.magic(),
        }
    }

    /// The batch's length, with its header.
    pub fn size_in_bytes(&self) -> usize {
        match self {
            Self::Records(batch) => batch.size_in_bytes(),
            Self::Messages(set) => set.size_in_bytes(),
        }
    }

    /// The offset of the last record, also if compaction has removed it: reading goes on behind it.
    pub fn last_offset(&self) -> i64 {
        match self {
            Self::Records(batch) => batch.last_offset(),
            Self::Messages(set) => set.last_offset(),
        }
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        match self {
            Self::Records(batch) => batch.compression(),
            Self::Messages(set) => set.compression(),
        }
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        match self {
            Self::Records(batch) => batch.timestamp_type(),
            Self::Messages(set) => set.timestamp_type(),
        }
    }

    /// The largest timestamp of the records, as the header says; -1 without one.
    pub fn max_timestamp(&self) -> i64 {
        match self {
            Self::Records(batch) => batch.max_timestamp(),
            Self::Messages(set) => set.max_timestamp(),
        }
    }

    /// The batch of format 2, or nothing.
    pub fn as_record_batch(&self) -> Option<&RecordBatch> {
        match self {
            Self::Records(batch) => Some(batch),
            Self::Messages(_) => None,
        }
    }

    /// Copies it out of the buffer that it came in: who keeps a small part of an answer for long need not keep all of it.
    pub fn detach(&mut self) {
        match self {
            Self::Records(batch) => batch.detach(),
            Self::Messages(set) => set.detach(),
        }
    }

    /// Goes over the records; the decoder lends the buffer that compressed ones go to.
    ///
    /// # Errors
    /// If the records cannot be decompressed, or are not as many as they should be.
    pub fn records<'a>(&'a self, decoder: &'a mut BatchDecoder) -> Result<Records<'a>, DecodeError> {
        match self {
            Self::Records(batch) => batch.records(decoder),
            Self::Messages(set) => set.records(decoder),
        }
    }

    /// Goes over records that share the buffer of the batch, or a fresh one if they are compressed.
    ///
    /// # Errors
    /// If the records cannot be decompressed, or are not as many as they should be.
    pub fn owned_records(&self, decoder: &mut BatchDecoder) -> Result<OwnedRecords, DecodeError> {
        match self {
            Self::Records(batch) => batch.owned_records(decoder),
            Self::Messages(set) => set.owned_records(decoder),
        }
    }
}

/// Whose clock the timestamps of a batch are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Nobody's: format 0 has no timestamps.
    None,
    /// The producer's.
    CreateTime,
    /// The broker's; all records of a batch have the same.
    LogAppendTime,
}

/// Offset (8 bytes), length (4), leader epoch or checksum (4), magic (1): where all formats agree.
const HEADER_UP_TO_MAGIC: usize = 17;
const MIN_LEN: i32 = 14;
