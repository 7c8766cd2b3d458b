//! No input makes decoding hold more than 64 bytes for each of its own, and 64 KiB; decompressed bytes come on top: up to
//! their limit, and, while their buffer moves to a larger place, up to twice as many.
//!
//! The counting allocator is that of the crate `allocation-counter`: it counts for each thread, and takes every move for
//! one that needs both places, which large blocks do not. What zstd's C code allocates it does not see.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use flate2::read::MultiGzDecoder;
use kafka_protocol::records::{
    BatchBuilder, BatchDecoder, BatchOptions, Batches, Compression, Compressor, Decompressor,
};
use kafka_protocol::{Limits, MessageType, messages};
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use serde_json::Value;

/// Runs `decode` on an input of `len` bytes, and says by how much it broke the bound, `extra` bytes aside.
fn bounded<T>(len: usize, extra: usize, decode: impl FnOnce() -> T) -> Result<T, String> {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(decode())).bytes_max;
    let bound = (PER_BYTE * len + FREE + extra) as u64;
    match result {
        Some(result) if held <= bound => Ok(result),
        _ => Err(format!("held {held} bytes for an input of {len}, {bound} is the bound")),
    }
}

const PER_BYTE: usize = 64;
const FREE: usize = 64 << 10;

/// Decodes a body, which may be none, within the bound.
fn check(facts: &MessageType, version: i16, body: &[u8]) {
    let bytes = Bytes::copy_from_slice(body);
    let outcome = bounded(body.len(), 0, || drop(facts.decode(version, bytes, &Limits::default())));
    if let Err(broken) = outcome {
        panic!("{} version {version}: {broken}: {:02x?}", facts.name(), &body[..body.len().min(100)]);
    }
}

/// A message of the golden vectors.
struct Golden {
    facts: &'static MessageType,
    version: i16,
    json: Value,
    body: Vec<u8>,
}

fn golden() -> Vec<Golden> {
    let files = ["rpc", "rpc-removed", "storage", "data", "header"];
    files.into_iter().flat_map(lines).map(|line| message(&line)).collect()
}

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{file}.jsonl.gz"));
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn message(line: &Value) -> Golden {
    let facts = messages::all().find(|facts| {
        line["api"] == facts.api && line["dir"] == facts.kind.name() && line["key"] == Value::from(facts.key)
    });
    Golden {
        facts: facts.expect("every message of the vectors is compiled in"),
        version: line["version"].as_i64().unwrap() as i16,
        json: line["json"].clone(),
        body: hex(line["hex"].as_str().unwrap()),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn every_version() -> impl Iterator<Item = (&'static MessageType, i16)> {
    messages::all().flat_map(|facts| (facts.versions.min..=facts.versions.max).map(move |version| (facts, version)))
}

#[test]
fn golden_messages_are_within_the_bound() {
    for Golden { facts, version, body, .. } in golden() {
        check(facts, version, &body);
    }
}

#[test]
fn what_repeats_without_sense_is_within_the_bound() {
    // Read as counts: null, none, one, few, more than there is; compact, and of two and four bytes.
    let patterns: [&[u8]; 14] = [
        &[0],
        &[1],
        &[2],
        &[3],
        &[0x11],
        &[0x7f],
        &[0xff],
        &[0, 1],
        &[0, 0, 0, 1],
        &[0, 0, 0, 16],
        &[0, 0, 1, 0],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 7],
        &[0x80, 0x40],
    ];
    for (facts, version) in every_version() {
        for pattern in patterns {
            for len in [1, 7, 64, 1000, 8000] {
                let body: Vec<u8> = pattern.iter().copied().cycle().take(len).collect();
                check(facts, version, &body);
            }
        }
    }
}

#[test]
fn mutated_messages_are_within_the_bound() {
    let mut rng = Rng::with_seed(1);
    let golden = golden();
    for Golden { facts, version, body, .. } in &golden {
        for _ in 0..60 {
            let mut body = body.clone();
            for _ in 0..rng.usize(1..4) {
                mutate(&mut body, &mut rng);
            }
            check(facts, *version, &body);
        }
    }
}

/// Cuts, lengthens, or puts a number somewhere that may be read as a count.
fn mutate(body: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.usize(..=body.len());
    let rest = body.len() - at;
    match rng.u8(..8) {
        0 => body.truncate(at),
        1 => body.splice(at..at, vec![rng.u8(..); 5000]).for_each(drop),
        2 if rest > 0 => body.splice(at..at, body[at..].to_vec().repeat(20)).for_each(drop),
        3 => overwrite(body, at, &(rest as u32).to_be_bytes()),
        4 => overwrite(body, at, &i32::MAX.to_be_bytes()),
        5 => overwrite(body, at, &[rest as u8 | 0x80, (rest >> 7) as u8 & 0x7f]),
        6 => overwrite(body, at, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        _ => overwrite(body, at, &[rng.u8(..)]),
    }
}

fn overwrite(body: &mut [u8], at: usize, bytes: &[u8]) {
    body.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
}

/// The shortest elements there are, many of them: what takes the most memory for its bytes.
#[test]
fn dense_arrays_are_within_the_bound() {
    let mut seen = HashSet::new();
    for Golden { facts, version, json, .. } in golden() {
        for path in arrays(&json) {
            if !seen.insert((facts.name(), version, path.clone())) {
                continue;
            }
            for (inner, count) in [(0, 1), (1, 1), (0, 150), (1, 150), (2, 150)] {
                let message = facts.from_json(version, &dense(&json, &path, inner, count)).expect("still a message");
                let mut body = BytesMut::new();
                message.encode(version, &mut body).expect("still a message");
                let (len, bytes) = (body.len(), body.freeze());
                let held = allocation_counter::measure(|| drop(facts.decode(version, bytes, &Limits::default())));
                // Many elements and not much else: what is free has to do for the message and an error.
                let bound = (PER_BYTE * len + FREE / 16) as u64;
                assert!(held.bytes_max <= bound, "{} version {version}, {path:?}: {held:?}", facts.name());
            }
        }
    }
    assert!(seen.len() > 1400, "{}", seen.len());
}

/// The paths of all arrays, through first elements.
fn arrays(json: &Value) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (name, member) in json.as_object().into_iter().flatten().filter(|(name, _)| *name != "_unknownTags") {
        let nested = match member.get(0) {
            Some(element) => [vec![Vec::new()], arrays(element)].concat(),
            None => arrays(member),
        };
        paths.extend(nested.into_iter().map(|path| [vec![name.clone()], path].concat()));
    }
    paths
}

/// `json`, shortened, with `count` elements in the array at `path`, whose own arrays have `inner` elements.
fn dense(json: &Value, path: &[String], inner: usize, count: usize) -> Value {
    let Some((name, path)) = path.split_first() else {
        return shortened(json, inner);
    };
    let mut dense = shortened(json, 0);
    dense[name] = match json[name].get(0) {
        Some(element) if path.is_empty() => vec![shortened(element, inner); count].into(),
        Some(element) => vec![self::dense(element, path, inner, count)].into(),
        None => self::dense(&json[name], path, inner, count),
    };
    dense
}

/// Without what a version can do without; arrays keep `count` of their elements, so shortened.
fn shortened(json: &Value, count: usize) -> Value {
    match json {
        // A uuid, or what is as long as one.
        Value::String(text) if text.len() == 22 => "A".repeat(22).into(),
        Value::String(_) => "".into(),
        Value::Array(items) => items.iter().take(count).map(|item| shortened(item, count)).collect(),
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "_unknownTags");
            members.map(|(name, member)| (name.clone(), shortened(member, count))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => json.clone(),
    }
}

/// Structs and tags that are nearly nothing on the wire.
#[test]
fn unknown_tags_are_within_the_bound() {
    for (facts, version) in every_version().filter(|(facts, version)| facts.flexible.contains(*version)) {
        let mut plain = BytesMut::new();
        if (facts.new)().encode(version, &mut plain).is_err() {
            continue;
        }
        // The section of tagged fields of the message itself is last, and empty.
        for count in [1, 2, 100, 1024, 1025] {
            let mut body = plain[..plain.len() - 1].to_vec();
            varint(&mut body, count);
            (0..count).for_each(|tag| {
                varint(&mut body, 100 + tag);
                body.push(0);
            });
            check(facts, version, &body);
            check(facts, version, &body[..body.len() - 1]);
        }
    }
}

fn varint(body: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        body.push(value as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}

/// Goes over all records of a buffer, borrowed, owned, and owned ones that are kept.
fn walk(buffer: &Bytes, limits: &Limits) {
    let mut decoder = BatchDecoder::new(limits.clone());
    for batch in Batches::new(buffer.clone()).map_while(Result::ok) {
        if let Ok(records) = batch.records(&mut decoder) {
            records
                .map_while(Result::ok)
                .for_each(|record| assert_eq!(record.headers.iter().count(), record.headers.len()));
        }
    }
    for batch in Batches::new(buffer.clone()).map_while(Result::ok) {
        if let Ok(records) = batch.owned_records(&mut decoder) {
            records.map_while(Result::ok).for_each(|record| assert!(record.headers.iter().len() <= buffer.len()));
        }
    }
}

fn record_buffers() -> Vec<Vec<u8>> {
    lines("records").iter().map(|line| hex(line["hex"].as_str().unwrap())).collect()
}

#[test]
fn records_are_within_the_bound() {
    let mut rng = Rng::with_seed(2);
    let limits = Limits { max_decompressed_len: 100_000, ..Limits::default() };
    for buffer in record_buffers() {
        for round in 0..20 {
            let mut buffer = buffer.clone();
            if round > 0 {
                mutate(&mut buffer, &mut rng);
                repair(&mut buffer);
            }
            let buffer = Bytes::from(buffer);
            // A decoder keeps one buffer for the next batch.
            if let Err(broken) = bounded(buffer.len(), 2 * limits.max_decompressed_len, || walk(&buffer, &limits)) {
                panic!("{broken}: {:02x?}", &buffer[..buffer.len().min(100)]);
            }
        }
    }
}

/// Makes the checksum of a first batch of format 2 right, so that what is behind it is read.
fn repair(buffer: &mut [u8]) {
    let Some(len) = buffer.get(8..12).map(|len| u32::from_be_bytes(len.try_into().unwrap()) as usize) else {
        return;
    };
    if let Some(batch) = buffer.get_mut(..len.saturating_add(12)).filter(|batch| batch.len() > 61 && batch[16] == 2) {
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

/// A batch of zeros, or of records as short as can be.
#[test]
fn bombs_are_within_the_bound() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut compressor = Compressor::new(codec, None).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(0, None, Some(&vec![0; 10 << 20]), []).unwrap();
        let large = builder.seal(&mut compressor).unwrap();
        (0..150_000).for_each(|_| builder.append(0, None, None, []).unwrap());
        let many = builder.seal(&mut compressor).unwrap();
        for bomb in [large, many] {
            for cap in [0, 1, 1000, 65_536, 300_000, 1 << 20, 16 << 20] {
                let limits = Limits { max_decompressed_len: cap, ..Limits::default() };
                if let Err(broken) = bounded(bomb.len(), 2 * cap, || walk(&bomb, &limits)) {
                    panic!("{codec} batch with a limit of {cap}: {broken}");
                }
            }
        }
    }
}

/// The largest block there is takes room for 4 MiB, if that is allowed.
#[test]
fn a_large_lz4_block_is_within_the_bound() {
    let info = FrameInfo::new().block_size(BlockSize::Max4MB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&vec![0; 8 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    for cap in [0, 1000, 65_536, 5 << 20] {
        let limits = Limits { max_decompressed_len: cap, ..Limits::default() };
        let mut output = Vec::new();
        let result = bounded(bomb.len(), 2 * cap, || {
            Decompressor::default().decompress(Compression::Lz4, &bomb, &limits, &mut output)
        });
        assert!(result.unwrap().unwrap_err().is_limit());
    }
}

#[test]
fn decompression_is_within_the_bound() {
    let mut rng = Rng::with_seed(3);
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut compressed = Vec::new();
        let text: Vec<u8> = (0..200_000u32).flat_map(|number| [b'a', (number % 977 * number % 97) as u8]).collect();
        Compressor::new(codec, None).unwrap().compress(&text, &mut compressed).unwrap();
        let mut decompressor = Decompressor::default();
        for round in 0..300 {
            let mut input = compressed.clone();
            if round > 0 {
                mutate(&mut input, &mut rng);
            }
            let cap = [0, 1000, 100_000, 1 << 20][round % 4];
            let limits = Limits { max_decompressed_len: cap, ..Limits::default() };
            let outcome = bounded(input.len(), 2 * cap, || {
                let mut output = Vec::new();
                decompressor.decompress(codec, &input, &limits, &mut output).is_ok()
            });
            if let Err(broken) = outcome {
                panic!("{codec} with a limit of {cap}, round {round}: {broken}");
            }
        }
    }
}
