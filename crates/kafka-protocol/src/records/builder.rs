//! Writing a batch of format 2.

use bytes::Bytes;

use crate::EncodeError;
use crate::records::batch::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, CONTROL, COUNT_AT, CRC_AT, DELETE_HORIZON, HEADER_LEN,
    LAST_OFFSET_DELTA_AT, LENGTH_AT, LENGTH_END, LOG_APPEND_TIME, MAGIC_AT, MAX_TIMESTAMP_AT,
    PARTITION_LEADER_EPOCH_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, TRANSACTIONAL,
};
use crate::records::checksum::{crc32c, with_more, with_other_beginning};
use crate::records::stamp::put;
use crate::records::varint::{Numbers, varint_len, varlong_len};
use crate::records::{CompressError, Compression, Compressor, Producer};
use crate::varint::{put_varint, put_varlong};

/// What a batch's header says, apart from what follows from its records.
///
/// ```
/// use kafka_protocol::records::{BatchOptions, Producer};
/// let producer = Producer { producer_id: 4000, producer_epoch: 0, base_sequence: 0 };
/// let options = BatchOptions { producer, transactional: true, ..BatchOptions::default() };
/// assert_eq!(options.partition_leader_epoch, -1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// The offset that offset deltas count from. Default 0: the broker knows it, a producer does not.
    pub base_offset: i64,
    /// The epoch of the leader that appends the batch. Default -1, as producers write it.
    pub partition_leader_epoch: i32,
    /// Who writes the batch. Default: nobody in particular.
    pub producer: Producer,
    /// Whether it is part of a transaction. Default no.
    pub transactional: bool,
    /// Whether its records are [control records](crate::records::ControlRecord). Default no.
    pub control: bool,
    /// The broker's timestamp for all records, in milliseconds since 1970. Default none: they keep their own.
    pub log_append_time: Option<i64>,
    /// From when on compaction may remove tombstones and markers, in milliseconds since 1970 (KIP-534). Default none.
    pub delete_horizon: Option<i64>,
    /// The offset delta of the last record there was before compaction. Default: that of the last one appended, 0
    /// without any.
    pub last_offset_delta: Option<i32>,
    /// The largest timestamp of the records there were before compaction. Default: of those appended, -1 without any.
    pub max_timestamp: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            partition_leader_epoch: -1,
            producer: Producer::NONE,
            transactional: false,
            control: false,
            log_append_time: None,
            delete_horizon: None,
            last_offset_delta: None,
            max_timestamp: None,
        }
    }
}

/// Encodes records as they come, and seals them into a batch of format 2.
///
/// Appending and sealing are apart, so that whoever guards a builder with a lock need hold it only to append, and can
/// compress elsewhere.
///
/// ```
/// use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
///
/// let mut builder = BatchBuilder::new(BatchOptions::default());
/// builder.append(1_700_000_000_000, None, Some(b"first"), [])?;
/// builder.append(1_700_000_000_001, None, Some(b"second"), [])?;
/// assert_eq!(builder.count(), 2);
///
/// let len = builder.len();
/// let batch = builder.seal(&mut Compressor::default())?;
/// assert_eq!(batch.len(), len);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the records; or nothing at all.
    buffer: Vec<u8>,
    /// For the output of the next compression, or the next batch.
    spare: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    early: EarlyChecksum,
}

/// The checksum of what is covered of the buffer's beginning, with zeros for the header.
#[derive(Clone, Copy, Debug)]
struct EarlyChecksum {
    checksum: u32,
    /// How much of the buffer is looked at; nothing as long as there are only bytes that are not covered.
    end: usize,
    /// How long the buffer is when the next bytes are looked at: for ever too short where that is not wanted.
    next: usize,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            buffer: Vec::new(),
            spare: Vec::new(),
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
            last_offset_delta: 0,
            early: EarlyChecksum::UNWANTED,
        }
    }

    /// Takes records into the checksum soon after they are appended, some KiB at a time, while the processor has them in
    /// its cache: for batches of hundreds of KiB that will not be compressed. What is sealed is the same; if it is
    /// compressed, that was work in vain.
    #[must_use]
    pub fn with_early_checksum(self) -> Self {
        Self { early: EarlyChecksum::START, ..self }
    }

    /// What the header will say.
    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The length of the batch so far, header included, before compression.
    pub fn len(&self) -> usize {
        self.buffer.len().max(HEADER_LEN)
    }

    /// The largest timestamp so far, in milliseconds since 1970, or -1.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// By how many bytes [`append`](Self::append) would lengthen the batch.
    pub fn appended_len<'h, H>(&self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: H) -> usize
    where
        H: IntoIterator<Item = (&'h str, Option<&'h [u8]>), IntoIter: ExactSizeIterator>,
    {
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp_or(timestamp));
        let len = body_len(timestamp_delta, self.next_offset_delta(), key, value, headers.into_iter());
        len.saturating_add(i32::try_from(len).map_or(5, varint_len))
    }

    /// Appends a record behind the last one. The timestamp is in milliseconds since 1970, -1 for none.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] if the batch would exceed the 2 GiB that its length field can say; it is then unchanged.
    #[inline]
    pub fn append<'h, H>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), EncodeError>
    where
        H: IntoIterator<Item = (&'h str, Option<&'h [u8]>), IntoIter: ExactSizeIterator + Clone>,
    {
        self.append_at(self.next_offset_delta(), timestamp, key, value, headers)
    }

    /// Appends a record at an offset of its own, `offset_delta` behind the base offset: compaction leaves gaps.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    #[inline]
    pub fn append_at<'h, H>(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), EncodeError>
    where
        H: IntoIterator<Item = (&'h str, Option<&'h [u8]>), IntoIter: ExactSizeIterator + Clone>,
    {
        let headers = headers.into_iter();
        let base_timestamp = self.base_timestamp_or(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let before_key = Numbers::default().byte(NO_ATTRIBUTES).varlong(timestamp_delta).varint(offset_delta);
        let before_key = before_key.nullable_length(key);
        let before_value = Numbers::default().nullable_length(value);
        let len = before_key.len() + before_value.len() + headers_len(headers.clone());
        let len = len.saturating_add(key.map_or(0, <[u8]>::len)).saturating_add(value.map_or(0, <[u8]>::len));
        let body_len = self.checked_len(len)?;

        self.make_room_for_header();
        self.buffer.reserve(len + 2 * Numbers::CAPACITY);
        if !Numbers::default().length(len).append_both(before_key, &mut self.buffer) {
            put_far(&mut self.buffer, body_len, timestamp_delta, offset_delta, nullable_len(key));
        }
        // Copying nothing takes a call, too.
        if let Some(key) = key {
            self.buffer.extend_from_slice(key);
        }
        before_value.append(&mut self.buffer);
        if let Some(value) = value {
            self.buffer.extend_from_slice(value);
        }
        match headers.len() {
            0 => self.buffer.push(NO_HEADERS),
            _ => self.append_headers(headers),
        }

        self.base_timestamp = base_timestamp;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset_delta = offset_delta;
        self.count += 1;
        if self.buffer.len() >= self.early.next {
            self.early.go_on(&self.buffer);
        }
        Ok(())
    }

    fn append_headers<'h>(&mut self, headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>) {
        put_varint(&mut self.buffer, headers.len() as i32);
        for (key, value) in headers {
            put_varint(&mut self.buffer, key.len() as i32);
            self.buffer.extend_from_slice(key.as_bytes());
            put_varint(&mut self.buffer, nullable_len(value));
            self.buffer.extend_from_slice(value.unwrap_or_default());
        }
    }

    /// Compresses the records, and writes header, count and checksum; the records are not walked again. The builder is
    /// then empty, with the same options.
    ///
    /// # Errors
    /// If the codec fails, or what it makes is longer than a batch may be. The builder is then as it was.
    pub fn seal(&mut self, compressor: &mut Compressor) -> Result<Bytes, CompressError> {
        let mut output = std::mem::take(&mut self.spare);
        self.seal_into(compressor, &mut output)?;
        Ok(Bytes::from(output))
    }

    /// Seals as [`seal`](Self::seal) does, but into `output`, whose content is replaced; its memory is used for this
    /// batch or the next. Going to and fro between the same two, appending and sealing allocate nothing.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_into(&mut self, compressor: &mut Compressor, output: &mut Vec<u8>) -> Result<(), CompressError> {
        output.clear();
        let mut codec = Compression::None;
        let mut early = None;
        if self.is_empty() || compressor.compression() == Compression::None {
            self.make_room_for_header();
            std::mem::swap(&mut self.buffer, output);
            early = Some(self.early).filter(|early| early.end > HEADER_LEN);
        } else {
            codec = compressor.compression();
            output.resize(HEADER_LEN, 0);
            compressor.compress(self.buffer.get(HEADER_LEN..).unwrap_or_default(), output)?;
        }
        let len = output.len() - LENGTH_END;
        let len = i32::try_from(len).map_err(|_| CompressError::TooLong(len))?;
        put(output, 0, self.header(len, codec));
        let checksum = match early {
            Some(early) => early.complete(output),
            None => crc32c(output.get(ATTRIBUTES_AT..).unwrap_or_default()),
        };
        put(output, CRC_AT, checksum.to_be_bytes());
        self.clear();
        Ok(())
    }

    /// Hands over a buffer for a batch to come, such as that of a batch no longer needed (`Vec::from` of its `Bytes` does
    /// not copy if nobody else holds them).
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        let wanted = self.is_empty() && self.buffer.capacity() < buffer.capacity();
        let place = if wanted { &mut self.buffer } else { &mut self.spare };
        *place = buffer;
        place.clear();
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.count = 0;
        self.base_timestamp = -1;
        self.max_timestamp = -1;
        self.last_offset_delta = 0;
        self.early.start_again();
    }

    #[inline]
    fn make_room_for_header(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.resize(HEADER_LEN, 0);
        }
    }

    fn next_offset_delta(&self) -> i32 {
        if self.is_empty() { 0 } else { self.last_offset_delta.saturating_add(1) }
    }

    /// What timestamps are relative to, once a record with this one is there.
    fn base_timestamp_or(&self, timestamp: i64) -> i64 {
        if self.is_empty() { self.options.delete_horizon.unwrap_or(timestamp) } else { self.base_timestamp }
    }

    /// The length of a record, if the batch can take it.
    #[inline]
    fn checked_len(&self, len: usize) -> Result<i32, EncodeError> {
        let max = (i32::MAX as usize).saturating_sub(self.len() + 5);
        match i32::try_from(len) {
            Ok(checked) if len <= max => Ok(checked),
            _ => Err(too_long(len, max)),
        }
    }

    /// The header, whose checksum is still to come.
    fn header(&self, len: i32, codec: Compression) -> [u8; HEADER_LEN] {
        let options = &self.options;
        let mut attributes = i16::from(codec.code());
        for (set, flag) in [
            (options.log_append_time.is_some(), LOG_APPEND_TIME),
            (options.transactional, TRANSACTIONAL),
            (options.control, CONTROL),
            (options.delete_horizon.is_some(), DELETE_HORIZON),
        ] {
            attributes |= if set { flag } else { 0 };
        }
        let base_timestamp = self.base_timestamp_or(-1);
        let max_timestamp = options.log_append_time.or(options.max_timestamp).unwrap_or(self.max_timestamp);
        let last_offset_delta = options.last_offset_delta.unwrap_or(self.last_offset_delta);
        let mut header = [0; HEADER_LEN];
        put(&mut header, 0, options.base_offset.to_be_bytes());
        put(&mut header, LENGTH_AT, len.to_be_bytes());
        put(&mut header, PARTITION_LEADER_EPOCH_AT, options.partition_leader_epoch.to_be_bytes());
        put(&mut header, MAGIC_AT, [2]);
        put(&mut header, ATTRIBUTES_AT, attributes.to_be_bytes());
        put(&mut header, LAST_OFFSET_DELTA_AT, last_offset_delta.to_be_bytes());
        put(&mut header, BASE_TIMESTAMP_AT, base_timestamp.to_be_bytes());
        put(&mut header, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
        put(&mut header, PRODUCER_ID_AT, options.producer.producer_id.to_be_bytes());
        put(&mut header, PRODUCER_EPOCH_AT, options.producer.producer_epoch.to_be_bytes());
        put(&mut header, BASE_SEQUENCE_AT, options.producer.base_sequence.to_be_bytes());
        put(&mut header, COUNT_AT, self.count.to_be_bytes());
        header
    }
}

impl EarlyChecksum {
    const START: Self = Self { checksum: 0, end: ATTRIBUTES_AT, next: EARLY_STEP };
    const UNWANTED: Self = Self { next: usize::MAX, ..Self::START };

    fn start_again(&mut self) {
        *self = if self.next == usize::MAX { Self::UNWANTED } else { Self::START };
    }

    /// Takes in what is new.
    #[inline(never)]
    fn go_on(&mut self, buffer: &[u8]) {
        self.checksum = with_more(self.checksum, buffer.get(self.end..).unwrap_or_default());
        self.end = buffer.len();
        self.next = self.end + EARLY_STEP;
    }

    /// The checksum of a batch whose header is written.
    fn complete(self, batch: &[u8]) -> u32 {
        let with_zeros = with_more(self.checksum, batch.get(self.end..).unwrap_or_default());
        let header = batch.get(ATTRIBUTES_AT..HEADER_LEN).unwrap_or_default();
        let zeros = [0; HEADER_LEN - ATTRIBUTES_AT];
        with_other_beginning(with_zeros, crc32c(&zeros), crc32c(header), batch.len() - HEADER_LEN)
    }
}

/// Writes what stands before the key of a record far from the first one, in time or offset.
#[cold]
fn put_far(buffer: &mut Vec<u8>, body_len: i32, timestamp_delta: i64, offset_delta: i32, key_len: i32) {
    put_varint(buffer, body_len);
    buffer.push(NO_ATTRIBUTES);
    put_varlong(buffer, timestamp_delta);
    put_varint(buffer, offset_delta);
    put_varint(buffer, key_len);
}

#[cold]
fn too_long(len: usize, max: usize) -> EncodeError {
    EncodeError::TooLong { message: "RecordBatch", field: "records".to_owned(), len, max }
}

/// The length of a record behind its length field.
#[inline]
fn body_len<'h>(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> usize {
    let start = 1 + varlong_len(timestamp_delta) + varint_len(offset_delta);
    start.saturating_add(slice_len(key)).saturating_add(slice_len(value)).saturating_add(headers_len(headers))
}

/// The bytes that the headers take with their count.
#[inline]
fn headers_len<'h>(headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>) -> usize {
    let count_len = varint_len(headers.len() as i32);
    headers.fold(count_len, |len, (key, value)| {
        len.saturating_add(slice_len(Some(key.as_bytes()))).saturating_add(slice_len(value))
    })
}

/// The bytes that a slice takes with its length.
#[inline]
fn slice_len(slice: Option<&[u8]>) -> usize {
    varint_len(nullable_len(slice)).saturating_add(slice.map_or(0, <[u8]>::len))
}

/// The length field of a slice, -1 for null. One too long for it makes the record too long, which is refused.
#[inline]
fn nullable_len(slice: Option<&[u8]>) -> i32 {
    slice.map_or(-1, |slice| slice.len() as i32)
}

const NO_ATTRIBUTES: u8 = 0;
const NO_HEADERS: u8 = 0;
/// Half of what a processor's nearest cache has room for, or less.
const EARLY_STEP: usize = 16 << 10;
