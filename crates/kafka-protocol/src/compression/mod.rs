//! The codecs of record batches: what they are called, and contexts that are kept from batch to batch.
//!
//! One file per codec, each behind the feature of its name; [`Compressor`] and [`Decompressor`] are their common faces.

mod compressor;
mod decompressor;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "gzip", feature = "lz4", feature = "snappy", feature = "zstd"))]
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxh32;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::str::FromStr;

pub use compressor::{CompressError, Compressor};
pub use decompressor::Decompressor;
pub(crate) use decompressor::Lz4HeaderChecksum;

/// How the records of a batch are compressed (attributes, bits 0 to 2). Default: not at all.
///
/// ```
/// use kafka_protocol::records::Compression;
/// assert_eq!("zstd".parse(), Ok(Compression::Zstd));
/// assert_eq!(Compression::Lz4.to_string(), "lz4");
/// assert_eq!(Compression::from_code(2), Some(Compression::Snappy));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Gzip members.
    Gzip,
    /// Snappy blocks in xerial framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames; only in batches of format 2, from Produce version 7 and Fetch version 10 on (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number that stands for it in the attributes of a batch: 0 to 4.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of a number, or nothing where Kafka defines none.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.code() == code)
    }
}

/// The name that Kafka's configuration uses: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// Reads the name that [`Display`](fmt::Display) writes, in any case.
impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.to_string().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownCompression(name.to_owned()))
    }
}

/// A name that is no codec of Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression `{0}`: use none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression(pub String);
