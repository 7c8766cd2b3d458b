//! Compressing with one codec, whose context is kept.

use std::fmt;
use std::ops::RangeInclusive;

use crate::compression::Compression;

/// A codec with its level and its context, to be kept and used for many batches.
///
/// ```
/// use kafka_protocol::records::{Compression, Compressor};
/// let none = Compressor::new(Compression::None, None)?;
/// assert_eq!(none.compression(), Compression::None);
/// # Ok::<(), kafka_protocol::records::CompressError>(())
/// ```
pub struct Compressor {
    compression: Compression,
    encoder: Encoder,
}

/// The context of a codec. Boxed, as some are large.
enum Encoder {
    None,
    #[cfg(feature = "gzip")]
    Gzip(Box<super::gzip::Encoder>),
    #[cfg(feature = "snappy")]
    Snappy(Box<super::snappy::Encoder>),
    #[cfg(feature = "lz4")]
    Lz4(Box<super::lz4::Encoder>),
    #[cfg(feature = "zstd")]
    Zstd(Box<super::zstd::Encoder>),
}

impl Compressor {
    /// A codec at a level; `None` stands for the codec's default, 6 for gzip and 3 for zstd.
    ///
    /// Gzip has levels 1 to 9, zstd from -131072 to 22, the others have none.
    ///
    /// # Errors
    /// [`CompressError::CodecDisabled`] if the codec's feature is off, [`CompressError::Level`] for a level that it lacks.
    pub fn new(compression: Compression, level: Option<i32>) -> Result<Self, CompressError> {
        if let Some(level) = level
            && !levels(compression).contains(&level)
        {
            return Err(CompressError::Level { compression, level });
        }
        let encoder = match compression {
            Compression::None => Encoder::None,
            #[cfg(feature = "gzip")]
            Compression::Gzip => Encoder::Gzip(Box::new(super::gzip::Encoder::new(level))),
            #[cfg(feature = "snappy")]
            Compression::Snappy => Encoder::Snappy(Box::new(super::snappy::Encoder::new())),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => Encoder::Lz4(Box::new(super::lz4::Encoder::new())),
            #[cfg(feature = "zstd")]
            Compression::Zstd => Encoder::Zstd(Box::new(super::zstd::Encoder::new(level)?)),
            #[allow(unreachable_patterns)]
            disabled => return Err(CompressError::CodecDisabled(disabled)),
        };
        Ok(Self { compression, encoder })
    }

    /// The codec.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Compresses `input` whole, and appends the result to `output`.
    ///
    /// # Errors
    /// [`CompressError::Codec`] if the codec's library fails, as zstd does when out of memory.
    #[allow(clippy::unnecessary_wraps)]
    pub fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        match &mut self.encoder {
            Encoder::None => output.extend_from_slice(input),
            #[cfg(feature = "gzip")]
            Encoder::Gzip(encoder) => encoder.compress(input, output)?,
            #[cfg(feature = "snappy")]
            Encoder::Snappy(encoder) => encoder.compress(input, output)?,
            #[cfg(feature = "lz4")]
            Encoder::Lz4(encoder) => encoder.compress(input, output)?,
            #[cfg(feature = "zstd")]
            Encoder::Zstd(encoder) => encoder.compress(input, output)?,
        }
        Ok(())
    }
}

/// Leaves the records as they are.
impl Default for Compressor {
    fn default() -> Self {
        Self { compression: Compression::None, encoder: Encoder::None }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("compression", &self.compression).finish_non_exhaustive()
    }
}

/// Why records were not compressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The feature of this codec is not compiled in.
    #[error("{0} compression is not compiled in: enable the feature `{0}` of kafka-protocol")]
    CodecDisabled(Compression),
    /// A level that the codec does not have.
    #[error("{compression} has no compression level {level}")]
    Level {
        /// The codec.
        compression: Compression,
        /// The level asked for.
        level: i32,
    },
    /// A codec that the record format cannot carry: zstd in a message set.
    #[error("records of format {magic} cannot be compressed with {compression}")]
    Format {
        /// The codec.
        compression: Compression,
        /// The record format.
        magic: i8,
    },
    /// The compressed records do not fit a batch, whose length is an int32.
    #[error("{0} bytes are too many for one record batch")]
    TooLong(usize),
    /// The codec's library failed.
    #[error("{compression} failed: {reason}")]
    Codec {
        /// The codec.
        compression: Compression,
        /// What its library said.
        reason: String,
    },
}

/// The levels of a codec; empty for one that has none.
fn levels(compression: Compression) -> RangeInclusive<i32> {
    match compression {
        Compression::Gzip => 1..=9,
        Compression::Zstd => -131_072..=22,
        #[allow(clippy::reversed_empty_ranges)]
        Compression::None | Compression::Snappy | Compression::Lz4 => 0..=-1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_the_codec_lacks_is_refused() {
        for (compression, level) in [(Compression::Gzip, 10), (Compression::Lz4, 1), (Compression::Zstd, 23)] {
            let refused = Compressor::new(compression, Some(level)).err();
            assert_eq!(refused, Some(CompressError::Level { compression, level }));
        }
    }

    #[cfg(not(feature = "zstd"))]
    #[test]
    fn a_codec_that_is_not_compiled_in_is_refused() {
        let refused = Compressor::new(Compression::Zstd, None).err();
        assert_eq!(refused, Some(CompressError::CodecDisabled(Compression::Zstd)));
    }
}
