//! First corpora: what Apache Kafka's own classes wrote (the golden vectors), and forms that it never writes.

mod sequences;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use flate2::bufread::GzDecoder;
use kafka_protocol::records::{Batch, Batches, Compression, Compressor};
use kafka_protocol::{MessageKind, messages};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use serde_json::Value;

use crate::bodies::messages::{ALL, MADE_UP, REQUESTS, RESPONSES};
use crate::bodies::selection::{Pool, selecting};
use crate::bodies::{codecs, message_set, record_batch};
use crate::packed::from_hex;

/// The inputs for a target, made from the golden vectors in `folder`.
///
/// # Errors
/// If a file of vectors cannot be read.
pub fn seeds(target: &str, folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = match target {
        "response_decode" => bodies(&RESPONSES, folder)?,
        "request_decode" => bodies(&REQUESTS, folder)?,
        "round_trip" => [bodies(&ALL, folder)?, made_up()].concat(),
        "frames" => streams(folder)?,
        "session" => sequences::sessions(),
        "scram" => sequences::exchanges(),
        "embedded" => [sequences::requests(folder)?, sequences::conversations()].concat(),
        "record_batch" => record_batches(folder)?,
        "message_set" => message_sets(folder)?,
        codec => compressed(codec.parse().map_err(io::Error::other)?, folder)?,
    };
    seeds.retain(|seed| seed.len() <= MAX_LEN);
    Ok(seeds)
}

/// Every message of the vectors, behind the bytes that select it.
fn bodies(pools: &[Pool], folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for file in ["rpc", "rpc-removed", "storage", "data", "header"] {
        for line in lines(folder, file)? {
            let kind = KINDS.into_iter().find(|kind| line["dir"] == kind.name());
            let facts = kind.and_then(|kind| messages::find(line["api"].as_str().unwrap_or_default(), kind));
            let facts = facts.ok_or_else(|| io::Error::other(format!("unknown message {}", line["api"])))?;
            let version = line["version"].as_i64().unwrap_or_default() as i16;
            if let Some(start) = selecting(pools, facts, version) {
                seeds.push([&start[..], &hex(&line)?].concat());
            }
        }
    }
    Ok(seeds)
}

/// For each message in its newest version, noise to make one up from.
fn made_up() -> Vec<Vec<u8>> {
    let mut noise = (1..).scan(0u32, |state, step: u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 ^ step);
        Some((*state >> 24) as u8)
    });
    let starts = messages::all().filter_map(|facts| selecting(&ALL, facts, facts.versions.max));
    let mut made_up = Vec::new();
    for [pool, message, version] in starts {
        made_up.push([pool | MADE_UP, message, version].into_iter().chain(noise.by_ref().take(250)).collect());
    }
    made_up
}

/// Short bodies in frames, and what is no frame.
fn streams(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let bodies: Vec<Vec<u8>> = lines(folder, "rpc")?.iter().map(hex).collect::<Result<_, _>>()?;
    let short: Vec<_> = bodies.into_iter().filter(|body| body.len() < 300).step_by(20).collect();
    let mut streams: Vec<Vec<u8>> =
        short.chunks(5).map(|bodies| bodies.iter().flat_map(|body| framed(body)).collect()).collect();
    for other in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[0x15, 3, 3, 0, 2, 2, 80], &[0xff; 4], b"SSH-2.0", &[0; 9]] {
        streams.push([&framed(b"first")[..], other].concat());
        streams.push(other.to_vec());
    }
    let cuts: [&[u8]; 4] = [&[], &[1], &[3, 5, 250], &[64, 1, 1, 1, 7]];
    let with_cuts = |(stream, cuts): (Vec<u8>, &&[u8])| [&[0x01, 0x40, cuts.len() as u8], *cuts, &stream].concat();
    Ok(streams.into_iter().zip(cuts.iter().cycle()).map(with_cuts).collect())
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn record_batches(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for buffer in buffers(folder)?.iter().filter(|buffer| buffer.get(MAGIC_AT) == Some(&2)) {
        seeds.push([&[record_batch::MANY], &buffer[..]].concat());
        seeds.push([&[record_batch::MANY | record_batch::KEEP_CRC], &buffer[..]].concat());
        if let Some(Ok(Batch::Records(batch))) = Batches::new(buffer.clone().into()).next() {
            let codecs =
                if batch.compression() == Compression::None { &Compression::ALL[..] } else { &[Compression::None] };
            let chosen = codecs.iter().map(|codec| record_batch::choosing(*codec));
            seeds.extend(chosen.map(|choice| [&[choice], &batch.as_bytes()[..]].concat()));
        }
    }
    Ok(seeds)
}

fn message_sets(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for buffer in buffers(folder)?.iter().filter(|buffer| buffer.get(MAGIC_AT).is_some_and(|magic| *magic < 2)) {
        let format = buffer[MAGIC_AT];
        seeds.push([&[message_set::KEEP_MAGIC], &buffer[..]].concat());
        seeds.push([&[message_set::KEEP_CRC], &buffer[..]].concat());
        for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
            let choice = message_set::choosing(codec) | format;
            seeds.push([&[choice | message_set::LOG_APPEND_TIME], &buffer[..]].concat());
            seeds.push([&[choice | message_set::ONE], &buffer[..]].concat());
        }
    }
    Ok(seeds)
}

/// What the vectors hold compressed, what we compress, and what the formats allow but nobody writes.
fn compressed(codec: Compression, folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for buffer in buffers(folder)? {
        for batch in Batches::new(buffer.into()).map_while(Result::ok).filter(|batch| batch.compression() == codec) {
            inputs.push(match &batch {
                Batch::Records(batch) => batch.as_bytes()[HEADER_LEN..].to_vec(),
                // Offset to attributes, a timestamp in format 1, a null key, the value's length.
                Batch::Messages(set) => set.as_bytes()[if set.magic() == 0 { 26 } else { 34 }..].to_vec(),
            });
        }
    }
    let text = "All happy families are alike; each unhappy family is unhappy in its own way. ".repeat(5);
    let ours = compress(codec, text.as_bytes())?;
    inputs.push([ours.clone(), ours.clone()].concat());
    inputs.push([&ours[..], b"left over"].concat());
    inputs.push(compress(codec, &[0; 40_000])?);
    inputs.extend(odd_forms(codec, text.as_bytes())?);
    inputs.push(ours);
    let mut seeds: Vec<_> = inputs.into_iter().map(|input| [&[0], &input[..]].concat()).collect();
    for choice in [codecs::COMPRESS, codecs::COMPRESS | codecs::SMALL_LIMIT, codecs::COMPRESS | 5 << 2] {
        seeds.push([&[choice], text.as_bytes()].concat());
        seeds.push(vec![choice]);
    }
    Ok(seeds)
}

fn compress(codec: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let mut compressor = Compressor::new(codec, None).map_err(io::Error::other)?;
    compressor.compress(data, &mut output).map_err(io::Error::other)?;
    Ok(output)
}

fn odd_forms(codec: Compression, text: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    match codec {
        Compression::Gzip => {
            let plain = compress(codec, text)?;
            // Extra field, name, comment and header checksum, one after the other and together.
            let forms: [(u8, &[u8]); 5] =
                [(4, &[2, 0, 7, 7]), (8, b"name\0"), (16, b"comment\0"), (2, &[1, 2]), (30, b"\x01\0x\0\0\x01\x02")];
            Ok(forms
                .map(|(flags, fields)| [&plain[..3], &[flags], &plain[4..10], fields, &plain[10..]].concat())
                .into())
        }
        Compression::Snappy => {
            // Bare, behind the frame's header and the length of its first block.
            Ok(vec![compress(codec, text)?[20..].to_vec()])
        }
        Compression::Lz4 => {
            let modes = [BlockMode::Independent, BlockMode::Linked];
            let sizes = [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB];
            let forms = sizes.into_iter().flat_map(|size| modes.map(|mode| (size, mode)));
            forms.map(|(size, mode)| lz4_frame(size, mode, text)).collect()
        }
        Compression::Zstd | Compression::None => Ok(Vec::new()),
    }
}

/// Two blocks at least, with every checksum there is.
fn lz4_frame(size: BlockSize, mode: BlockMode, text: &[u8]) -> io::Result<Vec<u8>> {
    let info = FrameInfo::new().block_size(size).block_mode(mode).block_checksums(true).content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info.content_size(Some(2 * text.len() as u64)), Vec::new());
    encoder.write_all(text)?;
    encoder.flush()?;
    encoder.write_all(text)?;
    encoder.finish().map_err(io::Error::other)
}

fn buffers(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut buffers = lines(folder, "records")?.iter().map(hex).collect::<io::Result<Vec<_>>>()?;
    buffers.retain(|buffer| buffer.len() < MAX_LEN);
    Ok(buffers)
}

fn lines(folder: &Path, file: &str) -> io::Result<Vec<Value>> {
    let file = File::open(folder.join(format!("{file}.jsonl.gz")))?;
    let text = BufReader::new(GzDecoder::new(BufReader::new(file)));
    text.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn hex(line: &Value) -> io::Result<Vec<u8>> {
    from_hex(line["hex"].as_str().unwrap_or_default())
}

/// Of an input; what is longer makes a fuzzer slow, and says nothing new.
pub const MAX_LEN: usize = 4096;

const KINDS: [MessageKind; 7] = [
    MessageKind::Request,
    MessageKind::Response,
    MessageKind::Header,
    MessageKind::Data,
    MessageKind::CoordinatorKey,
    MessageKind::CoordinatorValue,
    MessageKind::Metadata,
];
const MAGIC_AT: usize = 16;
const HEADER_LEN: usize = 61;
