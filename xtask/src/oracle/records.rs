//! The record batches that Java judges: of every format and codec, from a seeded generator.

use bytes::Bytes;
use fastrand::Rng;
use kafka_protocol::Limits;
use kafka_protocol::records::{
    BatchBuilder, BatchOptions, Compression, Compressor, MessageFormat, MessageSetBuilder, Producer, json,
};
use serde_json::json;

/// `count` buffers of each format, form and codec, a line each.
pub(super) fn lines(seed: u64, count: usize) -> String {
    let mut lines = String::new();
    for number in 0..count {
        for (index, compression) in Compression::ALL.into_iter().enumerate() {
            let mut random = Rng::with_seed(seed ^ (number * Compression::ALL.len() + index) as u64);
            for (name, buffer) in buffers(compression, &mut random) {
                lines.push_str(&line(&format!("{name}-{compression}-{number}"), &buffer));
                lines.push('\n');
            }
        }
    }
    lines
}

fn line(name: &str, buffer: &Bytes) -> String {
    let described = json::describe(buffer, &Limits::default());
    let described = described.unwrap_or_else(|error| panic!("{name}: what we made we cannot read: {error}"));
    let hex: String = buffer.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "name": name, "json": described, "hex": hex }).to_string()
}

fn buffers(compression: Compression, random: &mut Rng) -> Vec<(&'static str, Bytes)> {
    let mut made = vec![
        ("plain", batch(BatchOptions::default(), compression, random)),
        ("idempotent", batch(BatchOptions { producer: producer(random), ..options(random) }, compression, random)),
        (
            "transactional",
            batch(
                BatchOptions { producer: producer(random), transactional: true, ..options(random) },
                compression,
                random,
            ),
        ),
        (
            "log-append-time",
            batch(BatchOptions { log_append_time: Some(time(random)), ..options(random) }, compression, random),
        ),
        (
            "delete-horizon",
            batch(BatchOptions { delete_horizon: Some(time(random)), ..options(random) }, compression, random),
        ),
    ];
    made.push((
        "several",
        [batch(options(random), compression, random), batch(options(random), compression, random)].concat().into(),
    ));
    if compression != Compression::Zstd {
        made.push(("v0", message_set(MessageFormat::V0, None, compression, random)));
        made.push(("v1", message_set(MessageFormat::V1, None, compression, random)));
        let stamped = Some(time(random));
        made.push(("v1-log-append-time", message_set(MessageFormat::V1, stamped, compression, random)));
    }
    made
}

fn batch(options: BatchOptions, compression: Compression, random: &mut Rng) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    let mut offset_delta = 0;
    for _ in 0..random.usize(1..12) {
        let headers: Vec<(&str, Option<Vec<u8>>)> =
            (0..random.usize(0..4)).map(|_| (header_key(random), blob(random))).collect();
        let headers = headers.iter().map(|(key, value)| (*key, value.as_deref())).collect::<Vec<_>>();
        let (key, value) = (blob(random), blob(random));
        builder
            .append_at(offset_delta, time(random), key.as_deref(), value.as_deref(), headers)
            .expect("a few records are no 2 GiB");
        // Compaction leaves gaps.
        offset_delta += if random.u8(..8) == 0 { random.i32(1..100_000) } else { 1 };
    }
    builder.seal(&mut compressor(compression)).expect("the codecs are compiled in")
}

fn message_set(
    format: MessageFormat,
    log_append_time: Option<i64>,
    compression: Compression,
    random: &mut Rng,
) -> Bytes {
    let mut builder = MessageSetBuilder::new(format);
    if let Some(log_append_time) = log_append_time {
        builder = builder.with_log_append_time(log_append_time);
    }
    let base = random.i64(0..1 << 40);
    for index in 0..random.i64(1..8) {
        let (key, value) = (blob(random), blob(random));
        builder
            .append(base + index, time(random), key.as_deref(), value.as_deref())
            .expect("a few messages are no 2 GiB");
    }
    builder.seal(&mut compressor(compression)).expect("the codecs are compiled in")
}

fn compressor(compression: Compression) -> Compressor {
    Compressor::new(compression, None).expect("the codecs are compiled in")
}

fn options(random: &mut Rng) -> BatchOptions {
    let base_offset = if random.bool() { random.i64(0..1 << 20) } else { random.i64(0..i64::MAX / 2) };
    BatchOptions { base_offset, partition_leader_epoch: random.i32(-1..100), ..BatchOptions::default() }
}

fn producer(random: &mut Rng) -> Producer {
    // Now and then a sequence that wraps within the batch.
    let base_sequence = if random.bool() { random.i32(0..10_000) } else { i32::MAX - random.i32(0..5) };
    Producer { producer_id: random.i64(0..i64::MAX), producer_epoch: random.i16(0..i16::MAX), base_sequence }
}

fn time(random: &mut Rng) -> i64 {
    1_700_000_000_000 + random.i64(-10_000_000_000..10_000_000_000)
}

fn header_key(random: &mut Rng) -> &'static str {
    ["", "a", "content-type", "é中😀"][random.usize(..4)]
}

/// Null, empty, short, or longer than the blocks of the block codecs: noise, or text that compresses.
fn blob(random: &mut Rng) -> Option<Vec<u8>> {
    let len = random.usize(..300);
    match random.u8(..8) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some((0..len).map(|_| random.alphabetic() as u8).collect()),
        3 if random.u8(..4) == 0 => Some(PROSE.iter().copied().cycle().take(200 * len).collect()),
        _ => Some((0..len / 8).map(|_| random.u8(..)).collect()),
    }
}

const PROSE: &[u8] = b"the quick brown fox jumps over the lazy dog and ";
