//! Codecs: decompressing any bytes within a limit, and what we compressed ourselves.

use kafka_protocol::records::{Compression, Compressor, Decompressor};
use kafka_protocol::{DecodeError, DecodeErrorKind, Limits};

use super::memory;

/// Gzip members.
pub fn gzip(data: &[u8]) {
    codec(Compression::Gzip, data);
}

/// Snappy blocks, framed as xerial does or bare.
pub fn snappy(data: &[u8]) {
    codec(Compression::Snappy, data);
}

/// LZ4 frames.
pub fn lz4(data: &[u8]) {
    codec(Compression::Lz4, data);
}

/// Zstandard frames.
pub fn zstd(data: &[u8]) {
    codec(Compression::Zstd, data);
}

/// The first byte of an input: the bits of [`COMPRESS`] and [`SMALL_LIMIT`]; the other bits choose a level.
fn codec(compression: Compression, data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let max_decompressed_len = if choice & SMALL_LIMIT == 0 { LIMIT } else { data.len().saturating_sub(1) };
    let limits = Limits { max_decompressed_len, ..Limits::default() };
    if choice & COMPRESS == 0 {
        any_bytes(compression, data, &limits);
    } else {
        our_bytes(compression, i32::from(choice >> 2), data, &limits);
    }
}

/// Decompressing keeps its limit and what was in the buffer before, and a context that is used again has no memory.
fn any_bytes(compression: Compression, data: &[u8], limits: &Limits) {
    let mut decompressor = Decompressor::default();
    let mut output = BEFORE.to_vec();
    let result = memory::bounded(data.len(), 2 * limits.max_decompressed_len, || {
        decompressor.decompress(compression, data, limits, &mut output)
    });
    assert!(output.starts_with(BEFORE));
    match &result {
        Ok(()) => assert!(output.len() - BEFORE.len() <= limits.max_decompressed_len),
        Err(error) => {
            assert_eq!(output, BEFORE, "a failure leaves the buffer as it was");
            refused(error, data.len());
        }
    }
    let mut again = BEFORE.to_vec();
    assert_eq!(decompressor.decompress(compression, data, limits, &mut again), result);
    assert_eq!(again, output);
}

/// What was compressed comes back, or breaks the limit.
fn our_bytes(compression: Compression, level: i32, data: &[u8], limits: &Limits) {
    let level = match compression {
        Compression::Gzip => Some(1 + level % 9),
        Compression::Zstd => Some(level % 10 - 3),
        _ => None,
    };
    let mut compressor = Compressor::new(compression, level).expect("the codec has the level");
    let mut compressed = Vec::new();
    compressor.compress(data, &mut compressed).expect("anything can be compressed");
    let mut output = Vec::new();
    let result = Decompressor::default().decompress(compression, &compressed, limits, &mut output);
    if data.len() <= limits.max_decompressed_len {
        assert_eq!((result, &output[..]), (Ok(()), data));
    } else {
        assert!(result.is_err_and(|error| error.is_limit()));
    }
}

fn refused(error: &DecodeError, len: usize) {
    assert!(error.offset() <= len, "{error:?} of {len} bytes");
    assert!(!error.to_string().is_empty());
    let kinds = matches!(
        error.kind(),
        DecodeErrorKind::Decompress { .. } | DecodeErrorKind::Limit { .. } | DecodeErrorKind::Truncated { .. }
    );
    assert!(kinds, "{error:?}");
}

/// In the first byte of an input: compress the rest and decompress that, instead of decompressing the rest.
pub const COMPRESS: u8 = 1;
/// In the first byte of an input: allow fewer decompressed bytes than there are in the input, by one.
pub const SMALL_LIMIT: u8 = 2;

const LIMIT: usize = 256 << 10;
const BEFORE: &[u8] = b"before";
