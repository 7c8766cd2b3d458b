//! Writing messages of format 0 and 1.

use bytes::Bytes;

use crate::EncodeError;
use crate::records::entry::{LOG_APPEND_TIME, MIN_ENTRY_LEN};
use crate::records::{CompressError, Compression, Compressor};

/// Encodes records as messages of format 0 or 1, for clusters before Kafka 0.11 and for tests against them.
///
/// ```
/// use kafka_protocol::records::{Compressor, MessageFormat, MessageSetBuilder};
/// let mut builder = MessageSetBuilder::new(MessageFormat::V1);
/// builder.append(0, 1_700_000_000_000, None, Some(b"value"))?;
/// let messages = builder.seal(&mut Compressor::default())?;
/// assert_eq!(messages.len(), 34 + 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageSetBuilder {
    format: MessageFormat,
    log_append_time: Option<i64>,
    /// The messages, in the form that they have uncompressed.
    messages: Vec<u8>,
    /// Where each of them begins.
    starts: Vec<usize>,
    last_offset: i64,
    max_timestamp: i64,
}

/// The formats before record batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageFormat {
    /// Without timestamps.
    V0,
    /// With timestamps (KIP-32), and relative offsets in compressed sets (KIP-31).
    V1,
}

impl MessageSetBuilder {
    /// An empty set.
    pub fn new(format: MessageFormat) -> Self {
        Self {
            format,
            log_append_time: None,
            messages: Vec::new(),
            starts: Vec::new(),
            last_offset: -1,
            max_timestamp: -1,
        }
    }

    /// Gives all messages of format 1 the broker's timestamp, in milliseconds since 1970.
    #[must_use]
    pub fn with_log_append_time(mut self, log_append_time: i64) -> Self {
        self.log_append_time = Some(log_append_time);
        self
    }

    /// Appends a message; format 0 drops the timestamp.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] if the set would exceed the 2 GiB that a length field can say; it is then unchanged.
    pub fn append(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), EncodeError> {
        let timestamp = self.log_append_time.unwrap_or(timestamp);
        let message = Outline { format: self.format, offset, timestamp, attributes: self.attributes(), key, value };
        let max = (i32::MAX as usize).saturating_sub(self.messages.len() + 2 * MAX_OVERHEAD);
        let len = key.map_or(0, <[u8]>::len).saturating_add(value.map_or(0, <[u8]>::len));
        if len > max {
            return Err(EncodeError::TooLong { message: "MessageSet", field: "messages".to_owned(), len, max });
        }
        self.starts.push(self.messages.len());
        message.write(&mut self.messages);
        self.last_offset = offset;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// The messages, one after the other, or compressed in the value of one.
    ///
    /// # Errors
    /// If the codec fails, or is zstd, which these formats do not know.
    pub fn seal(mut self, compressor: &mut Compressor) -> Result<Bytes, CompressError> {
        let compression = compressor.compression();
        match compression {
            Compression::None => return Ok(Bytes::from(self.messages)),
            Compression::Zstd => {
                return Err(CompressError::Format { compression, magic: self.format.magic() });
            }
            _ if self.starts.is_empty() => return Ok(Bytes::new()),
            _ => {}
        }
        if self.format == MessageFormat::V1 {
            self.make_offsets_relative();
        }
        let mut value = Vec::new();
        compressor.compress(&self.messages, &mut value)?;
        if i32::try_from(value.len().saturating_add(MAX_OVERHEAD)).is_err() {
            return Err(CompressError::TooLong(value.len()));
        }
        if (self.format, compression) == (MessageFormat::V0, Compression::Lz4) {
            spoil_lz4_checksum(&mut value);
        }
        let mut output = Vec::with_capacity(value.len() + MAX_OVERHEAD);
        Outline {
            format: self.format,
            offset: self.last_offset,
            timestamp: self.log_append_time.unwrap_or(self.max_timestamp),
            attributes: self.attributes() | compression.code() as i8,
            key: None,
            value: Some(&value),
        }
        .write(&mut output);
        Ok(Bytes::from(output))
    }

    fn attributes(&self) -> i8 {
        match (self.format, self.log_append_time) {
            (MessageFormat::V1, Some(_)) => LOG_APPEND_TIME,
            _ => 0,
        }
    }

    /// Counts offsets from that of the first message; the checksums do not cover them.
    fn make_offsets_relative(&mut self) {
        let mut first = None;
        for &start in &self.starts {
            let place = self.messages.get_mut(start..).and_then(|tail| tail.first_chunk_mut());
            let Some(place) = place else {
                debug_assert!(false, "a message begins at each start");
                return;
            };
            let offset = i64::from_be_bytes(*place);
            *place = offset.wrapping_sub(*first.get_or_insert(offset)).to_be_bytes();
        }
    }
}

impl MessageFormat {
    /// The number that stands for it.
    pub fn magic(self) -> i8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }
}

/// A message to be written.
struct Outline<'a> {
    format: MessageFormat,
    offset: i64,
    timestamp: i64,
    attributes: i8,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl Outline<'_> {
    fn write(&self, output: &mut Vec<u8>) {
        let start = output.len();
        output.extend_from_slice(&self.offset.to_be_bytes());
        output.extend_from_slice(&[0; 8]);
        output.extend_from_slice(&self.format.magic().to_be_bytes());
        output.extend_from_slice(&self.attributes.to_be_bytes());
        if self.format == MessageFormat::V1 {
            output.extend_from_slice(&self.timestamp.to_be_bytes());
        }
        for slice in [self.key, self.value] {
            let len = slice.map_or(-1, |slice| slice.len() as i32);
            output.extend_from_slice(&len.to_be_bytes());
            output.extend_from_slice(slice.unwrap_or_default());
        }
        let len = (output.len() - start - 12) as i32;
        let checksum = crc32fast::hash(output.get(start + 16..).unwrap_or_default());
        if let Some(place) = output.get_mut(start + 8..).and_then(|tail| tail.first_chunk_mut()) {
            *place = (u64::from(len as u32) << 32 | u64::from(checksum)).to_be_bytes();
        }
    }
}

/// Readers of format 0 expect a header checksum that counts the frame's magic number in (KAFKA-3160).
fn spoil_lz4_checksum(frame: &mut [u8]) {
    if let Some(checksum) = frame.get_mut(6) {
        *checksum = 0x1a;
    }
}

/// What a message of format 1 takes besides key and value.
const MAX_OVERHEAD: usize = MIN_ENTRY_LEN + 8;
