//! Decompressing with any codec, within a limit.

use std::fmt;

use crate::compression::Compression;
use crate::{DecodeError, DecodeErrorKind, Limits};

/// The contexts of all codecs, each made when first needed, to be kept and used for many batches.
///
/// ```
/// use kafka_protocol::Limits;
/// use kafka_protocol::records::{Compression, Decompressor};
/// let mut output = Vec::new();
/// Decompressor::default().decompress(Compression::None, b"as it is", &Limits::default(), &mut output)?;
/// assert_eq!(output, b"as it is");
/// # Ok::<(), kafka_protocol::DecodeError>(())
/// ```
#[derive(Default)]
pub struct Decompressor {
    #[cfg(feature = "gzip")]
    gzip: Option<super::gzip::Decoder>,
    #[cfg(feature = "zstd")]
    zstd: Option<super::zstd::Decoder>,
}

/// Whether an LZ4 frame's header checksum counts. Message sets of format 0 carry a wrong one on purpose, which their
/// writers took over the frame's magic number too (KAFKA-3160).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lz4HeaderChecksum {
    Verified,
    Ignored,
}

impl Decompressor {
    /// Decompresses `input` whole, and appends the result to `output`, which grows with what is really produced,
    /// whatever a header claims. Several gzip members, LZ4 or zstd frames are one after the other.
    ///
    /// # Errors
    /// `CodecDisabled` if the codec's feature is off, `Decompress` for what the codec refuses, and `Limit` beyond
    /// [`Limits::max_decompressed_len`]. `output` is then as it was.
    pub fn decompress(
        &mut self,
        compression: Compression,
        input: &[u8],
        limits: &Limits,
        output: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        self.decompress_checking(compression, input, Lz4HeaderChecksum::Verified, limits, output)
    }

    /// The same, with a say about the header of LZ4 frames.
    // Without the codecs some arguments have no use.
    #[cfg_attr(not(feature = "lz4"), allow(unused_variables))]
    #[cfg_attr(not(any(feature = "gzip", feature = "zstd")), allow(clippy::needless_pass_by_ref_mut))]
    pub(crate) fn decompress_checking(
        &mut self,
        compression: Compression,
        input: &[u8],
        checksum: Lz4HeaderChecksum,
        limits: &Limits,
        output: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        match compression {
            Compression::None => {
                check_limit(input.len(), limits)?;
                output.extend_from_slice(input);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Compression::Gzip => super::output::fill(output, compression, limits, |output| {
                self.gzip.get_or_insert_with(super::gzip::Decoder::new).decompress(input, output)
            }),
            #[cfg(feature = "snappy")]
            Compression::Snappy => {
                super::output::fill(output, compression, limits, |output| super::snappy::decompress(input, output))
            }
            #[cfg(feature = "lz4")]
            Compression::Lz4 => super::output::fill(output, compression, limits, |output| {
                super::lz4::decompress(input, checksum, output)
            }),
            #[cfg(feature = "zstd")]
            Compression::Zstd => super::output::fill(output, compression, limits, |output| {
                let decoder = match self.zstd.take() {
                    Some(decoder) => decoder,
                    None => super::zstd::Decoder::new(output)?,
                };
                self.zstd.insert(decoder).decompress(input, output)
            }),
            #[allow(unreachable_patterns)]
            disabled => Err(DecodeError::new(DecodeErrorKind::CodecDisabled(disabled), 0)),
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

/// Fails if so many decompressed bytes are more than the limit.
pub(super) fn check_limit(len: usize, limits: &Limits) -> Result<(), DecodeError> {
    if len > limits.max_decompressed_len {
        let (actual, limit) = (len as u64, limits.max_decompressed_len as u64);
        let kind = DecodeErrorKind::Limit { what: "max_decompressed_len", actual, limit };
        return Err(DecodeError::new(kind, 0));
    }
    Ok(())
}
