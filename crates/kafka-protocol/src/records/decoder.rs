//! What decoding keeps from batch to batch.

use bytes::Bytes;

use crate::compression::{Compression, Decompressor, Lz4HeaderChecksum};
use crate::{DecodeError, Limits};

/// Decompression contexts, a buffer and limits, to be kept and used for many batches.
///
/// ```
/// use kafka_protocol::Limits;
/// use kafka_protocol::records::BatchDecoder;
/// let decoder = BatchDecoder::new(Limits { max_decompressed_len: 1 << 20, ..Limits::default() });
/// assert_eq!(decoder.limits().max_decompressed_len, 1 << 20);
/// ```
#[derive(Debug, Default)]
pub struct BatchDecoder {
    limits: Limits,
    decompressor: Decompressor,
    scratch: Vec<u8>,
    last: Ratio,
}

/// The lengths of the last decompressed batch: the next one is probably alike.
#[derive(Debug, Default)]
struct Ratio {
    compressed: usize,
    decompressed: usize,
}

/// The compressed records of a batch.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) compression: Compression,
    pub(super) checksum: Lz4HeaderChecksum,
    pub(super) data: &'a [u8],
}

impl BatchDecoder {
    /// A decoder that accepts no more than `limits` allow.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Hands over a buffer to decompress the next batch into, such as that of a batch no longer needed
    /// ([`OwnedRecords::into_buffer`](crate::records::OwnedRecords::into_buffer)); ignored if the decoder has a larger one.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.scratch.capacity() {
            self.scratch = buffer;
        }
    }

    /// Decompresses into the buffer that the decoder keeps.
    pub(super) fn borrowed(&mut self, section: &Section<'_>) -> Result<&[u8], DecodeError> {
        self.decompress(section)?;
        Ok(&self.scratch)
    }

    /// Decompresses into a buffer that the caller keeps.
    pub(super) fn owned(&mut self, section: &Section<'_>) -> Result<Bytes, DecodeError> {
        self.decompress(section)?;
        let mut buffer = std::mem::take(&mut self.scratch);
        // The records may stay long: they should not pin much more than they fill.
        if buffer.capacity() / 2 > buffer.len() {
            buffer.shrink_to_fit();
        }
        Ok(Bytes::from(buffer))
    }

    fn decompress(&mut self, section: &Section<'_>) -> Result<(), DecodeError> {
        self.scratch.clear();
        let expected = self.expected_len(section.data.len());
        if self.scratch.capacity() < expected {
            // Nothing is in it that would have to move.
            self.scratch = Vec::new();
            self.scratch.reserve_exact(expected);
        }
        let Section { compression, checksum, data } = *section;
        self.decompressor.decompress_checking(compression, data, checksum, &self.limits, &mut self.scratch)?;
        self.last = Ratio { compressed: data.len(), decompressed: self.scratch.len() };
        Ok(())
    }

    /// What these bytes decompress to at the ratio of the last batch, and an eighth more.
    fn expected_len(&self, compressed: usize) -> usize {
        let Ratio { compressed: last, decompressed } = self.last;
        let expected = (compressed as u64).saturating_mul(decompressed as u64) / (last as u64).max(1);
        let expected = usize::try_from(expected.saturating_add(expected / 8)).unwrap_or(usize::MAX);
        expected.clamp(compressed, self.limits.max_decompressed_len.max(compressed))
    }
}
