//! LZ4 frames around the block functions of lz4_flex.
//!
//! The frame is read here rather than by lz4_flex: its reader cannot pass over the wrong header checksum of old message
//! sets, takes a frame cut short for whole, and reserves and clears megabytes for a frame of a few bytes.

use lz4_flex::block::{self, CompressTable, DecompressError};

use crate::DecodeError;
use crate::compression::output::Output;
use crate::compression::xxh32::xxh32;
use crate::compression::{CompressError, Compression, Lz4HeaderChecksum};
use crate::cursor::Cursor;

/// Writes frames as Java does: independent blocks of at most 64 KiB, no checksums.
pub(super) struct Encoder {
    table: CompressTable,
    /// For a block, which is copied from here: cheaper than to clear as much of the output as a block could take.
    room: Box<[u8]>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let room = vec![0; block::get_maximum_output_size(WRITTEN_BLOCK_LEN)];
        Self { table: CompressTable::small(), room: room.into() }
    }

    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        output.reserve(HEADER.len() + block::get_maximum_output_size(input.len()));
        output.extend_from_slice(&HEADER);
        for block in input.chunks(WRITTEN_BLOCK_LEN) {
            self.block(block, output)?;
        }
        output.extend_from_slice(&END_MARK.to_le_bytes());
        Ok(())
    }

    fn block(&mut self, block: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        let written = block::compress_into_with_table(block, &mut self.room, &mut self.table);
        let written = written.map_err(|error| failed(&error))?;
        let (len, stored) = match self.room.get(..written) {
            Some(compressed) if written < block.len() => (written as u32, compressed),
            _ => (block.len() as u32 | STORED, block),
        };
        output.extend_from_slice(&len.to_le_bytes());
        output.extend_from_slice(stored);
        Ok(())
    }
}

/// Reads frames one after the other, of any block size, with linked blocks and checksums too.
pub(super) fn decompress(
    input: &[u8],
    checksum: Lz4HeaderChecksum,
    output: &mut Output<'_>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(input);
    loop {
        frame(&mut cursor, checksum, output)?;
        if cursor.remaining() == 0 {
            return Ok(());
        }
    }
}

/// A frame's descriptor.
struct Descriptor {
    max_block_len: usize,
    flags: u8,
    content_len: Option<u64>,
}

impl Descriptor {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn frame(cursor: &mut Cursor<'_>, checksum: Lz4HeaderChecksum, output: &mut Output<'_>) -> Result<(), DecodeError> {
    let descriptor = descriptor(cursor, checksum, output)?;
    let start = output.produced();
    while let Some(len) = block_len(cursor)? {
        let at = cursor.position();
        let data = cursor.take((len & !STORED) as usize)?;
        if data.len() > descriptor.max_block_len {
            return Err(output.refused("block is larger than the frame allows", at));
        }
        if descriptor.has(BLOCK_CHECKSUM) && u32::from_le_bytes(cursor.array()?) != xxh32(data) {
            return Err(output.refused("block checksum mismatch", at));
        }
        if len & STORED != 0 {
            output.room(data.len()).copy_from_slice(data);
            output.produce(data.len())?;
        } else {
            unpack(data, &descriptor, output.produced() - start, at, output)?;
        }
    }
    if descriptor.content_len.is_some_and(|len| len != (output.produced() - start) as u64) {
        return Err(output.refused("content is not as long as the frame says", cursor.position()));
    }
    if descriptor.has(CONTENT_CHECKSUM) && u32::from_le_bytes(cursor.array()?) != xxh32(output.since(start)) {
        return Err(output.refused("content checksum mismatch", cursor.position()));
    }
    Ok(())
}

/// The length word of the next block, or nothing at the end mark.
fn block_len(cursor: &mut Cursor<'_>) -> Result<Option<u32>, DecodeError> {
    let len = u32::from_le_bytes(cursor.array()?);
    Ok((len != END_MARK).then_some(len))
}

/// Decompresses a block; `behind` bytes of its frame are there already.
fn unpack(
    data: &[u8],
    descriptor: &Descriptor,
    behind: usize,
    at: usize,
    output: &mut Output<'_>,
) -> Result<(), DecodeError> {
    // A byte stands for at most 255, so that a small block needs no room for a full one.
    let room = descriptor.max_block_len.min(data.len().saturating_mul(255)).min(output.remaining());
    let result = if descriptor.has(INDEPENDENT) {
        block::decompress_into(data, output.room(room))
    } else {
        let (window, room) = output.window_and_room(behind.min(WINDOW_LEN), room);
        block::decompress_into_with_dict(data, room, window)
    };
    let written = result.map_err(|error| match error {
        DecompressError::OutputTooSmall { expected, .. } if room == output.remaining() => {
            output.require(expected).err().unwrap_or_else(|| output.refused(error.to_string(), at))
        }
        _ => output.refused(error.to_string(), at),
    })?;
    output.produce(written)
}

fn descriptor(
    cursor: &mut Cursor<'_>,
    checksum: Lz4HeaderChecksum,
    output: &Output<'_>,
) -> Result<Descriptor, DecodeError> {
    let at = cursor.position();
    if cursor.array()? != MAGIC {
        return Err(output.refused("not an LZ4 frame", at));
    }
    let mut covered = *cursor;
    let from = cursor.position();
    let [flags, block_descriptor] = cursor.array()?;
    if flags & VERSION_MASK != VERSION || flags & (RESERVED | DICTIONARY) != 0 {
        return Err(output.refused("unknown frame version or flag", from));
    }
    let max_block_len = match block_descriptor {
        0x40 => BLOCK_LEN,
        0x50 => 256 * 1024,
        0x60 => 1024 * 1024,
        0x70 => 4 * 1024 * 1024,
        _ => return Err(output.refused("unknown block size", from)),
    };
    let content_len = if flags & CONTENT_LEN != 0 { Some(u64::from_le_bytes(cursor.array()?)) } else { None };
    let covered = covered.take(cursor.position() - from)?;
    let [stored] = cursor.array()?;
    if checksum == Lz4HeaderChecksum::Verified && stored != (xxh32(covered) >> 8) as u8 {
        return Err(output.refused("header checksum mismatch", from));
    }
    Ok(Descriptor { max_block_len, flags, content_len })
}

fn failed(error: &block::CompressError) -> CompressError {
    CompressError::Codec { compression: Compression::Lz4, reason: error.to_string() }
}

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_LEN: usize = 64 * 1024;
/// The most of which lz4_flex keeps the places in 16 bits: that is a seventh faster than one byte more in 32.
const WRITTEN_BLOCK_LEN: usize = u16::MAX as usize - 1;
const WINDOW_LEN: usize = 64 * 1024;
const END_MARK: u32 = 0;
/// In a block's length: the block is not compressed.
const STORED: u32 = 1 << 31;

const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUM: u8 = 1 << 4;
const CONTENT_LEN: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const RESERVED: u8 = 1 << 1;
const DICTIONARY: u8 = 1 << 0;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::*;
    use crate::compression::Decompressor;
    use crate::{DecodeErrorKind, Limits};

    fn text() -> Vec<u8> {
        (0..40_000).flat_map(|i: u32| format!("record {} ", i * i % 977).into_bytes()).collect()
    }

    fn framed(info: FrameInfo, data: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut output = Vec::new();
        Decompressor::default().decompress(Compression::Lz4, input, &Limits::default(), &mut output)?;
        Ok(output)
    }

    #[test]
    fn frames_of_any_block_size_mode_and_checksum_are_read() {
        let text = text();
        for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
            for block_mode in [BlockMode::Independent, BlockMode::Linked] {
                let info = FrameInfo::new().block_size(block_size).block_mode(block_mode);
                let info = info.block_checksums(true).content_checksum(true).content_size(Some(text.len() as u64));
                assert_eq!(read(&framed(info, &text)), Ok(text.clone()));
            }
        }
    }

    #[test]
    fn what_is_written_is_read_by_us_and_by_others() {
        let mut encoder = Encoder::new();
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<_> = std::iter::repeat_with(|| random.u8(..)).take(2 * WRITTEN_BLOCK_LEN + 1).collect();
        let text = text();
        // What fills no block, one to the byte, and two; noise is stored, not compressed.
        for len in [0, 1, 12, 13, 65_533, 65_534, 65_535, 65_536, 65_537, 131_068, 131_069] {
            for data in [&noise[..len], &text[..len]] {
                let mut written = Vec::new();
                encoder.compress(data, &mut written).unwrap();
                assert_eq!(read(&written).as_deref(), Ok(data), "{len} bytes");
                let mut theirs = Vec::new();
                FrameDecoder::new(&written[..]).read_to_end(&mut theirs).unwrap();
                assert!(theirs == data, "{len} bytes, to lz4_flex");
            }
        }
    }

    #[test]
    fn frames_one_after_the_other_are_read() {
        let info = |block_size| FrameInfo::new().block_size(block_size).block_mode(BlockMode::Linked);
        let mut input = framed(info(BlockSize::Max4MB), b"one ");
        input.extend(framed(info(BlockSize::Max64KB), b"two"));
        assert_eq!(read(&input), Ok(b"one two".to_vec()));
    }

    #[test]
    fn a_wrong_header_checksum_is_refused_where_it_counts() {
        let mut input = framed(FrameInfo::new().block_size(BlockSize::Max64KB), b"data");
        input[6] ^= 1;
        assert!(matches!(read(&input).unwrap_err().kind(), DecodeErrorKind::Decompress { .. }));
        let (mut decompressor, mut output) = (Decompressor::default(), Vec::new());
        let limits = Limits::default();
        let ignored = Lz4HeaderChecksum::Ignored;
        decompressor.decompress_checking(Compression::Lz4, &input, ignored, &limits, &mut output).unwrap();
        assert_eq!(output, b"data");
    }

    #[test]
    fn a_frame_cut_short_is_refused() {
        let input = framed(FrameInfo::new(), &text());
        for len in [0, 5, 7, 9, 1000, input.len() - 4, input.len() - 1] {
            assert!(read(&input[..len]).is_err());
        }
    }
}
