//! Snappy blocks in the framing of the Java library xerial, which is what Kafka means by snappy.
//!
//! `82 "SNAPPY" 00`, int32 version, int32 compatible version, then blocks: int32 length, raw snappy.

use snap::raw;

use crate::DecodeError;
use crate::compression::output::Output;
use crate::compression::{CompressError, Compression};
use crate::cursor::Cursor;

/// Writes blocks of 32 KiB.
pub(super) struct Encoder(raw::Encoder);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(raw::Encoder::new())
    }

    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        output.reserve(HEADER_LEN + raw::max_compress_len(input.len()));
        output.extend_from_slice(&MAGIC);
        output.extend_from_slice(&VERSION.to_be_bytes());
        output.extend_from_slice(&VERSION.to_be_bytes());
        for block in input.chunks(BLOCK_LEN) {
            self.block(block, output).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8], output: &mut Vec<u8>) -> Result<(), snap::Error> {
        let start = output.len();
        output.resize(start + 4 + raw::max_compress_len(block.len()), 0);
        if let Some((len, room)) = output.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut) {
            let written = self.0.compress(block, room)?;
            *len = (written as u32).to_be_bytes();
            output.truncate(start + 4 + written);
        }
        Ok(())
    }
}

/// Reads framed blocks, also of several streams one after the other, or one bare block.
pub(super) fn decompress(input: &[u8], output: &mut Output<'_>) -> Result<(), DecodeError> {
    if !input.starts_with(&MAGIC) {
        return block(input, 0, output);
    }
    let mut cursor = Cursor::new(input);
    while cursor.remaining() > 0 {
        let at = cursor.position();
        if cursor.clone().take(MAGIC.len()).is_ok_and(|start| start == MAGIC) {
            cursor.take(HEADER_LEN)?;
            continue;
        }
        let len = cursor.int32()?;
        let len = usize::try_from(len).map_err(|_| output.refused("negative block length", at))?;
        block(cursor.take(len)?, at, output)?;
    }
    Ok(())
}

fn block(block: &[u8], at: usize, output: &mut Output<'_>) -> Result<(), DecodeError> {
    let len = raw::decompress_len(block).map_err(|error| output.refused(error.to_string(), at))?;
    // No element makes more than 64 bytes of 3, so that a larger claim is a lie.
    if len > block.len().saturating_mul(22) {
        return Err(output.refused("block claims more than it can hold", at));
    }
    output.require(len)?;
    let result = raw::Decoder::new().decompress(block, output.room(len));
    let written = result.map_err(|error| output.refused(error.to_string(), at))?;
    output.produce(written)
}

fn failed(error: &snap::Error) -> CompressError {
    CompressError::Codec { compression: Compression::Snappy, reason: error.to_string() }
}

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const VERSION: i32 = 1;
const HEADER_LEN: usize = MAGIC.len() + 8;
const BLOCK_LEN: usize = 32 * 1024;
