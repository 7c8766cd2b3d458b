//! Where decompressed bytes go: a buffer that grows as they come, up to the limit.

use crate::compression::Compression;
use crate::compression::decompressor::check_limit;
use crate::{DecodeError, DecodeErrorKind, Limits};

/// The tail of a buffer, behind what was there before.
pub(super) struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    /// Where the output begins in the buffer.
    start: usize,
    /// Where the produced bytes end; those behind are zeros or left-overs.
    filled: usize,
    codec: Compression,
    limits: &'a Limits,
}

/// Lets `produce` append to `buffer`, and takes back what it did if it fails.
pub(super) fn fill(
    buffer: &mut Vec<u8>,
    codec: Compression,
    limits: &Limits,
    produce: impl FnOnce(&mut Output<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let start = buffer.len();
    let mut output = Output { buffer, start, filled: start, codec, limits };
    let result = produce(&mut output);
    let end = if result.is_ok() { output.filled } else { start };
    buffer.truncate(end);
    result
}

impl Output<'_> {
    /// How many bytes were produced.
    pub(super) fn produced(&self) -> usize {
        self.filled.saturating_sub(self.start)
    }

    /// Room for a block of at most `len` bytes, which [`produce`](Self::produce) then counts.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        self.window_and_room(0, len).1
    }

    /// The last bytes produced, `window` of them at most, and room for a block of at most `len` behind them.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn window_and_room(&mut self, window: usize, len: usize) -> (&[u8], &mut [u8]) {
        self.grow(len);
        let end = self.filled.saturating_add(len);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let window = window.min(self.produced());
        let Some((before, behind)) = self.buffer.split_at_mut_checked(self.filled) else {
            return Default::default();
        };
        let window = before.get(before.len().saturating_sub(window)..).unwrap_or_default();
        (window, behind.get_mut(..len).unwrap_or_default())
    }

    /// Counts `len` bytes written to the room as produced.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn produce(&mut self, len: usize) -> Result<(), DecodeError> {
        self.filled = self.filled.saturating_add(len).min(self.buffer.len());
        check_limit(self.produced(), self.limits)
    }

    /// What was produced from the `from`th byte on.
    #[cfg(any(feature = "lz4", feature = "gzip"))]
    pub(super) fn since(&self, from: usize) -> &[u8] {
        self.buffer.get(self.start.saturating_add(from)..self.filled).unwrap_or_default()
    }

    /// Lets `append` write into the buffer's spare capacity, of which there is some.
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub(super) fn append<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, DecodeError> {
        self.buffer.truncate(self.filled);
        self.grow(SPARE);
        let result = append(self.buffer);
        self.filled = self.buffer.len();
        check_limit(self.produced(), self.limits)?;
        Ok(result)
    }

    /// How many bytes may still be produced.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn remaining(&self) -> usize {
        self.limits.max_decompressed_len.saturating_sub(self.produced())
    }

    /// Fails if `len` bytes more are more than the limit.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn require(&self, len: usize) -> Result<(), DecodeError> {
        check_limit(self.produced().saturating_add(len), self.limits)
    }

    /// Makes room for `len` bytes. The buffer doubles, as a vector does, but not to more than the limit needs.
    fn grow(&mut self, len: usize) {
        let (capacity, needed) = (self.buffer.capacity(), self.filled.saturating_add(len));
        if capacity < needed {
            let most = self.start.saturating_add(self.limits.max_decompressed_len).saturating_add(SPARE);
            let wanted = capacity.saturating_mul(2).max(FIRST).min(most).max(needed);
            self.buffer.reserve_exact(wanted - self.buffer.len());
        }
    }

    /// What the codec refuses, with the place in the input.
    pub(super) fn refused(&self, reason: impl Into<String>, offset: usize) -> DecodeError {
        DecodeError::new(DecodeErrorKind::Decompress { codec: self.codec, reason: reason.into() }, offset)
    }
}

/// Room that a codec is lent at least: beyond the limit, too, so that breaking it is seen.
const SPARE: usize = 64;
/// What a buffer without room grows to at once.
const FIRST: usize = 8 << 10;
