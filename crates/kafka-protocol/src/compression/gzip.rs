//! Gzip (RFC 1952) around a kept deflate context.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use crate::DecodeError;
use crate::compression::output::Output;
use crate::compression::{CompressError, Compression};
use crate::cursor::Cursor;

/// Writes one gzip member per batch.
pub(super) struct Encoder(Compress);

impl Encoder {
    pub(super) fn new(level: Option<i32>) -> Self {
        let level = level.map_or(DEFAULT_LEVEL, |level| level as u32);
        Self(Compress::new_gzip(flate2::Compression::new(level), WINDOW_BITS))
    }

    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        self.0.reset();
        let mut rest = input;
        loop {
            output.reserve(rest.len() / 2 + 1024);
            let before = self.0.total_in();
            let status = self.0.compress_vec(rest, output, FlushCompress::Finish).map_err(|error| failed(&error))?;
            rest = rest.get((self.0.total_in() - before) as usize..).unwrap_or_default();
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

/// Reads gzip members. The framing is read here, as only a context without it can be used again.
pub(super) struct Decoder(Decompress);

impl Decoder {
    pub(super) fn new() -> Self {
        Self(Decompress::new(false))
    }

    /// Members follow one another; whatever follows that is no member is passed over, as Java does.
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output<'_>) -> Result<(), DecodeError> {
        let mut rest = input;
        loop {
            let at = input.len() - rest.len();
            let body = skip_header(rest).ok_or_else(|| output.refused("not a gzip header", at))?;
            let from = output.produced();
            let trailer = self.inflate(body, output)?;
            rest = check_trailer(trailer, output.since(from))
                .ok_or_else(|| output.refused("gzip checksum or length mismatch", input.len() - trailer.len()))?;
            if !rest.starts_with(&MAGIC) {
                return Ok(());
            }
        }
    }

    /// Inflates one deflate stream, and returns what follows it.
    fn inflate<'a>(&mut self, body: &'a [u8], output: &mut Output<'_>) -> Result<&'a [u8], DecodeError> {
        self.0.reset(false);
        let mut rest = body;
        loop {
            let (read, written) = (self.0.total_in(), self.0.total_out());
            let status = output
                .append(|buffer| self.0.decompress_vec(rest, buffer, FlushDecompress::None))?
                .map_err(|error| output.refused(error.to_string(), body.len() - rest.len()))?;
            rest = rest.get((self.0.total_in() - read) as usize..).unwrap_or_default();
            if status == Status::StreamEnd {
                return Ok(rest);
            }
            // Neither read nor written although there was room: the stream is not whole.
            if self.0.total_in() == read && self.0.total_out() == written {
                return Err(output.refused("deflate stream ends early", body.len() - rest.len()));
            }
        }
    }
}

fn failed(error: &flate2::CompressError) -> CompressError {
    CompressError::Codec { compression: Compression::Gzip, reason: error.to_string() }
}

/// What follows a member's header.
fn skip_header(member: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(member);
    let [first, second, method, flags] = cursor.array().ok()?;
    if [first, second] != MAGIC || method != DEFLATE || flags & RESERVED != 0 {
        return None;
    }
    cursor.take(6).ok()?;
    if flags & EXTRA != 0 {
        let len = u16::from_le_bytes(cursor.array().ok()?);
        cursor.take(usize::from(len)).ok()?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            while cursor.int8().ok()? != 0 {}
        }
    }
    if flags & HEADER_CRC != 0 {
        cursor.take(2).ok()?;
    }
    cursor.take(cursor.remaining()).ok()
}

/// What follows a member's trailer, if that agrees with the data.
fn check_trailer<'a>(trailer: &'a [u8], data: &[u8]) -> Option<&'a [u8]> {
    let (checksum, rest) = trailer.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let right = u32::from_le_bytes(*checksum) == crc32fast::hash(data) && u32::from_le_bytes(*len) == data.len() as u32;
    right.then_some(rest)
}

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const DEFAULT_LEVEL: u32 = 6;
const WINDOW_BITS: u8 = 15;

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;
