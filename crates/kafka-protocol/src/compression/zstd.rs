//! Zstandard frames.

use std::io::{Cursor, Error};

use zstd::bulk;
use zstd::stream::raw::{self, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe;

use crate::DecodeError;
use crate::compression::output::Output;
use crate::compression::{CompressError, Compression};

/// Writes one frame per batch, which says how long its content is.
pub(super) struct Encoder(bulk::Compressor<'static>);

impl Encoder {
    pub(super) fn new(level: Option<i32>) -> Result<Self, CompressError> {
        bulk::Compressor::new(level.unwrap_or(DEFAULT_LEVEL)).map(Self).map_err(|error| failed(&error))
    }

    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressError> {
        output.reserve(zstd_safe::compress_bound(input.len()));
        let mut place = Cursor::new(&mut *output);
        place.set_position(place.get_ref().len() as u64);
        self.0.compress_to_buffer(input, &mut place).map(drop).map_err(|error| failed(&error))
    }
}

/// Reads frames one after the other.
pub(super) struct Decoder(raw::Decoder<'static>);

impl Decoder {
    pub(super) fn new(output: &Output<'_>) -> Result<Self, DecodeError> {
        raw::Decoder::new().map(Self).map_err(|error| output.refused(error.to_string(), 0))
    }

    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output<'_>) -> Result<(), DecodeError> {
        self.0.reinit().map_err(|error| output.refused(error.to_string(), 0))?;
        let mut input = InBuffer::around(input);
        loop {
            let (read, written) = (input.pos(), output.produced());
            let missing = output
                .append(|buffer| {
                    let len = buffer.len();
                    self.0.run(&mut input, &mut OutBuffer::around_pos(buffer, len))
                })?
                .map_err(|error| output.refused(error.to_string(), read))?;
            // Nothing is missing at the end of a frame, behind which another one may begin.
            if missing == 0 && input.pos() == input.src.len() {
                return Ok(());
            }
            // Neither read nor written although there was room: the frame is not whole.
            if input.pos() == read && output.produced() == written {
                return Err(output.refused("frame ends early", read));
            }
        }
    }
}

fn failed(error: &Error) -> CompressError {
    CompressError::Codec { compression: Compression::Zstd, reason: error.to_string() }
}

const DEFAULT_LEVEL: i32 = 3;
