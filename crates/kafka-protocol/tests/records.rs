//! Record batches: the golden buffers of Apache Kafka's own classes, and properties that hold for any records.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use kafka_protocol::records::{
    Batch, BatchBuilder, BatchDecoder, BatchOptions, Batches, Compression, Compressor, MessageFormat,
    MessageSetBuilder, OwnedRecord, Producer, RecordBatch, json, stamp_log_append_time, stamp_offset, stamp_producer,
};
use kafka_protocol::{DecodeError, DecodeErrorKind, Limits};
use proptest::prelude::*;
use serde_json::Value;

/// A golden case: a buffer, and what it says unless it is corrupt.
struct Case {
    name: String,
    buffer: Bytes,
    json: Option<Value>,
}

fn golden() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/records.jsonl.gz");
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let name = line["name"].as_str().unwrap().to_owned();
            Case { name, buffer: unhex(line["hex"].as_str().unwrap()), json: line.get("json").cloned() }
        })
        .collect()
}

fn unhex(hex: &str) -> Bytes {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn describe(buffer: &Bytes) -> Result<Value, DecodeError> {
    json::describe(buffer, &Limits::default())
}

/// A description without what depends on the compressor.
fn comparable(mut json: Value) -> Value {
    for batch in json["batches"].as_array_mut().unwrap() {
        let batch = batch.as_object_mut().unwrap();
        batch.remove("sizeInBytes");
        batch.remove("crc");
    }
    json["trailing"] = 0.into();
    json
}

#[test]
fn golden_buffers_say_what_kafka_says() {
    let cases = golden();
    assert_eq!(cases.len(), 116);
    for Case { name, buffer, json } in cases {
        if let Some(json) = json {
            assert_eq!(describe(&buffer).unwrap(), json, "{name}");
        }
    }
}

#[test]
fn golden_buffers_that_are_not_compressed_are_written_to_the_byte() {
    let mut written = 0;
    for Case { name, buffer, json } in golden() {
        // Log-append time replaces the records' timestamps, whose deltas are still in the bytes.
        let Some(json) = json.filter(|_| name != "v2-none-log-append-time") else {
            continue;
        };
        if let Some(rebuilt) = json::rebuild(&json) {
            let whole = buffer.len() - json["trailing"].as_u64().unwrap() as usize;
            assert_eq!(rebuilt, buffer[..whole], "{name}");
            written += 1;
        }
    }
    assert_eq!(written, 36);
}

#[test]
fn golden_buffers_written_by_us_say_the_same() {
    for Case { name, json, .. } in golden() {
        let Some(json) = json else { continue };
        let ours = json::encode(&json).unwrap();
        assert_eq!(comparable(describe(&ours).unwrap()), comparable(json), "{name}");
    }
}

#[test]
fn golden_buffers_that_are_corrupt_are_refused_for_the_right_reason() {
    let mut refused = 0;
    for Case { name, buffer, json } in golden() {
        if json.is_some() {
            continue;
        }
        let error = describe(&buffer).unwrap_err();
        let right = match (name.as_str(), error.kind()) {
            ("v0-bad-crc" | "v1-bad-crc" | "v2-bad-crc", DecodeErrorKind::Checksum { .. }) => true,
            ("v2-length-too-small", kind) => *kind == DecodeErrorKind::Length(5),
            ("magic-3", kind) => *kind == DecodeErrorKind::Magic(3),
            _ => false,
        };
        assert!(right, "{name}: {error}");
        refused += 1;
    }
    assert_eq!(refused, 5);
}

#[test]
fn golden_buffers_read_the_same_borrowed_and_owned() {
    for Case { name, buffer, json } in golden() {
        if json.is_none() {
            continue;
        }
        let (mut one, mut other) = (BatchDecoder::default(), BatchDecoder::default());
        for batch in Batches::new(buffer) {
            let batch = batch.unwrap();
            let mut borrowed = batch.records(&mut one).unwrap();
            let mut owned = batch.owned_records(&mut other).unwrap();
            for (borrowed, owned) in borrowed.by_ref().zip(owned.by_ref()) {
                let (borrowed, owned) = (borrowed.unwrap(), owned.unwrap());
                assert_eq!((borrowed.offset, borrowed.timestamp), (owned.offset, owned.timestamp), "{name}");
                assert_eq!((borrowed.key, borrowed.value), (owned.key.as_deref(), owned.value.as_deref()), "{name}");
                assert_eq!(borrowed.headers.len(), owned.headers.iter().len(), "{name}");
                for (borrowed, owned) in borrowed.headers.iter().zip(owned.headers.iter()) {
                    assert_eq!((&*borrowed.key, borrowed.value), (&*owned.key, owned.value.as_deref()), "{name}");
                }
            }
            assert!(borrowed.next().is_none() && owned.next().is_none(), "{name}");
        }
    }
}

#[test]
fn any_cut_of_a_golden_buffer_leaves_its_whole_batches() {
    for Case { name, buffer, json } in golden() {
        if json.is_none() || buffer.len() > 2000 {
            continue;
        }
        for len in 0..buffer.len() {
            let mut batches = Batches::new(buffer.slice(..len));
            let whole: usize = batches.by_ref().map(|batch| batch.unwrap().size_in_bytes()).sum();
            assert_eq!(whole + batches.trailing(), len, "{name} cut at {len}");
        }
    }
}

#[test]
fn any_flipped_byte_of_a_golden_buffer_is_noticed_or_harmless() {
    for Case { name, buffer, json } in golden() {
        let Some(json) = json.filter(|_| buffer.len() < 700) else {
            continue;
        };
        for at in 0..buffer.len() {
            let mut flipped = buffer.to_vec();
            flipped[at] ^= 0x55;
            // Outside of the checksums are: offset, length, leader epoch, magic.
            if let Ok(other) = describe(&Bytes::from(flipped)) {
                let records = |json: &Value| {
                    let batches = json["batches"].as_array().unwrap();
                    batches.iter().map(|batch| batch["records"].as_array().unwrap().len()).sum::<usize>()
                };
                assert!(records(&other) <= records(&json), "{name} flipped at {at}");
            }
        }
    }
}

fn sealed(compression: Compression, records: &[Sample], options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let Sample { timestamp, key, value, headers } = record;
        let headers = || headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let (key, value) = (key.as_deref(), value.as_deref());
        let expected = builder.len() + builder.appended_len(*timestamp, key, value, headers());
        builder.append(*timestamp, key, value, headers()).unwrap();
        assert_eq!(builder.len(), expected);
    }
    builder.seal(&mut Compressor::new(compression, None).unwrap()).unwrap()
}

fn only_batch(buffer: Bytes) -> RecordBatch {
    let mut batches = Batches::new(buffer);
    let Some(Ok(Batch::Records(batch))) = batches.next() else { panic!("a batch of format 2") };
    assert!(batches.next().is_none());
    batch
}

fn owned(batch: &Batch, decoder: &mut BatchDecoder) -> Result<Vec<OwnedRecord>, DecodeError> {
    batch.owned_records(decoder)?.collect()
}

#[test]
fn a_sealed_batch_is_stamped_again_and_again() {
    let sample = Sample { timestamp: 7, key: None, value: Some(b"value".to_vec()), headers: vec![] };
    let buffer = sealed(Compression::Lz4, &[sample], BatchOptions::default());
    let producer = Producer { producer_id: 9, producer_epoch: 3, base_sequence: i32::MAX };
    let shared = buffer.clone();
    let stamped = stamp_producer(buffer, producer).unwrap();
    assert_eq!(only_batch(shared).producer(), Producer::NONE, "bytes that are shared stay as they are");
    let place = stamped.as_ptr();
    let stamped = stamp_offset(stamped, 500, 4).unwrap();
    let stamped = stamp_log_append_time(stamped, 99).unwrap();
    assert_eq!(stamped.as_ptr(), place, "bytes that are not shared are not copied");
    let batch = only_batch(stamped);
    assert_eq!(batch.producer(), producer);
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.partition_leader_epoch()), (500, 500, 4));
    let mut decoder = BatchDecoder::default();
    let record = batch.records(&mut decoder).unwrap().next().unwrap().unwrap();
    assert_eq!((record.offset, record.timestamp, record.sequence), (500, 99, i32::MAX));
}

#[test]
fn bytes_that_are_no_batch_are_not_stamped() {
    assert!(stamp_offset(Bytes::from_static(b"short"), 0, 0).unwrap_err().is_truncated());
    let mut builder = MessageSetBuilder::new(MessageFormat::V1);
    builder.append(0, 0, None, Some(&[7; 50])).unwrap();
    let messages = builder.seal(&mut Compressor::default()).unwrap();
    assert_eq!(stamp_producer(messages, Producer::NONE).unwrap_err().kind(), &DecodeErrorKind::Magic(1));
}

#[test]
fn buffers_are_recycled() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(1, None, Some(&[1; 1000]), []).unwrap();
    let batch = builder.seal(&mut Compressor::default()).unwrap();
    let place = batch.as_ptr();
    builder.recycle(Vec::from(batch));
    builder.append(1, None, Some(&[2; 900]), []).unwrap();
    assert_eq!(builder.seal(&mut Compressor::default()).unwrap().as_ptr(), place);
}

#[test]
fn sealing_to_and_fro_uses_two_buffers() {
    for compression in Compression::ALL {
        let mut compressor = Compressor::new(compression, None).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let mut output = Vec::new();
        let mut places = Vec::new();
        for _ in 0..6 {
            builder.append(1, None, Some(&[1; 1000]), []).unwrap();
            builder.seal_into(&mut compressor, &mut output).unwrap();
            assert_eq!(only_batch(Bytes::copy_from_slice(&output)).count(), 1);
            places.push(output.as_ptr());
        }
        assert_eq!(places[2], places[4], "{compression}");
        assert_eq!(places[3], places[5], "{compression}");
    }
}

#[test]
fn a_decompression_bomb_is_stopped_at_the_limit() {
    let zeros = Sample { timestamp: 0, key: None, value: Some(vec![0; 8 << 20]), headers: vec![] };
    let limits = Limits { max_decompressed_len: 1 << 20, ..Limits::default() };
    for compression in &Compression::ALL[1..] {
        let buffer = sealed(*compression, std::slice::from_ref(&zeros), BatchOptions::default());
        let batch = only_batch(buffer);
        let mut decoder = BatchDecoder::new(limits.clone());
        let refused = batch.records(&mut decoder).map(|_| ()).unwrap_err();
        assert!(refused.is_limit(), "{compression}: {refused}");
        assert!(batch.owned_records(&mut decoder).unwrap_err().is_limit());
        assert!(batch.records(&mut BatchDecoder::default()).is_ok(), "{compression}");
    }
}

/// Whatever was appended, sealed, refused or recycled before, with whichever codec.
#[test]
fn an_early_checksum_is_the_same() {
    let producer = Producer { producer_id: 77, producer_epoch: 3, base_sequence: 12 };
    let options = BatchOptions { producer, ..BatchOptions::default() };
    let mut late = BatchBuilder::new(options.clone());
    let mut early = BatchBuilder::new(options).with_early_checksum();
    let mut lz4 = Compressor::new(Compression::Lz4, None).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        // None at all, some that fit in a first look, and some that need many.
        for _ in 0..random.usize(..[1, 8, 400][round % 3]) {
            let len = random.usize(..900);
            let value: Vec<_> = std::iter::repeat_with(|| random.u8(..)).take(len).collect();
            let timestamp = random.i64(0..1 << 40);
            for builder in [&mut late, &mut early] {
                builder.append(timestamp, None, Some(&value), []).unwrap();
            }
        }
        // One that runs on with what it has got.
        let mut copy = early.clone();
        let mut codec = Compressor::default();
        let batch = late.seal(&mut codec).unwrap();
        let compressed = copy.seal(&mut lz4).unwrap();
        assert_eq!(copy.seal(&mut codec).unwrap(), BatchBuilder::new(late.options().clone()).seal(&mut codec).unwrap());
        assert_eq!(early.seal(&mut codec).unwrap(), batch, "round {round}");
        assert_eq!(batch[17..21], crc32c::crc32c(&batch[21..]).to_be_bytes());
        let count = only_batch(compressed).count();
        let other = Producer { base_sequence: 99, ..producer };
        let stamped = stamp_producer(batch.clone(), other).unwrap();
        assert_eq!(stamped[17..21], crc32c::crc32c(&stamped[21..]).to_be_bytes());
        assert_eq!(only_batch(stamped).count(), count);
        early.recycle(batch.into());
    }
}

/// A batch that was changed, with the checksum of what it is now.
fn with_checksum(mut batch: Vec<u8>) -> Bytes {
    let checksum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    Bytes::from(batch)
}

#[test]
fn a_damaged_batch_is_found_out_after_stamping_too() {
    let sample = Sample { timestamp: 0, key: None, value: Some(vec![7; 80]), headers: vec![] };
    let mut buffer = sealed(Compression::None, &[sample], BatchOptions::default()).to_vec();
    buffer[100] ^= 1;
    let stamped = stamp_producer(Bytes::from(buffer), Producer { producer_id: 9, ..Producer::NONE }).unwrap();
    assert!(describe(&stamped).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn a_count_that_disagrees_with_the_records_is_refused() {
    let sample = Sample { timestamp: 0, key: None, value: Some(vec![0; 80]), headers: vec![] };
    let right = sealed(Compression::None, &[sample.clone(), sample], BatchOptions::default());
    for (count, expected) in
        [(1, "left over"), (3, "more bytes needed"), (40, "invalid length"), (-1, "invalid length")]
    {
        let mut wrong = right.to_vec();
        wrong[57..61].copy_from_slice(&i32::to_be_bytes(count));
        let wrong = with_checksum(wrong);
        let refused = describe(&wrong).unwrap_err().to_string();
        assert!(refused.contains(expected), "{count}: {refused}");
        let owned = Batches::new(wrong).try_for_each(|batch| owned(&batch?, &mut BatchDecoder::default()).map(drop));
        assert_eq!(owned.unwrap_err().to_string(), refused);
    }
    let strict = Limits { max_records: 1, ..Limits::default() };
    assert!(json::describe(&right, &strict).unwrap_err().is_limit());
}

#[test]
fn a_header_key_that_is_not_utf8_does_not_hide_the_record() {
    let sample = Sample { timestamp: 0, key: None, value: None, headers: vec![("abc".to_owned(), None)] };
    let mut buffer = sealed(Compression::None, &[sample], BatchOptions::default()).to_vec();
    let at = buffer.windows(3).position(|window| window == b"abc").unwrap();
    buffer[at] = 0xff;
    let buffer = with_checksum(buffer);
    let json = describe(&buffer).unwrap();
    assert_eq!(json["batches"][0]["records"][0]["headers"][0]["key"], "\u{fffd}bc");
}

#[test]
fn compressed_messages_within_compressed_messages_are_refused() {
    let mut inner = MessageSetBuilder::new(MessageFormat::V0);
    inner.append(0, -1, None, Some(b"deep")).unwrap();
    let inner = inner.seal(&mut Compressor::new(Compression::Gzip, None).unwrap()).unwrap();
    let mut compressed = Vec::new();
    Compressor::new(Compression::Snappy, None).unwrap().compress(&inner, &mut compressed).unwrap();
    let mut outer = MessageSetBuilder::new(MessageFormat::V0);
    outer.append(0, -1, None, Some(&compressed)).unwrap();
    let mut outer = outer.seal(&mut Compressor::default()).unwrap().to_vec();
    outer[17] = Compression::Snappy.code();
    let checksum = crc32fast::hash(&outer[16..]);
    outer[12..16].copy_from_slice(&checksum.to_be_bytes());
    let refused = describe(&Bytes::from(outer)).unwrap_err();
    assert!(refused.to_string().contains("within compressed"), "{refused}");
}

#[test]
fn message_sets_know_no_zstd() {
    let mut builder = MessageSetBuilder::new(MessageFormat::V1);
    builder.append(0, 0, None, None).unwrap();
    let refused = builder.seal(&mut Compressor::new(Compression::Zstd, None).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "records of format 1 cannot be compressed with zstd");
}

#[test]
fn snappy_without_framing_is_read() {
    let mut builder = MessageSetBuilder::new(MessageFormat::V1);
    builder.append(0, 0, None, Some(b"bare")).unwrap();
    let messages = builder.seal(&mut Compressor::default()).unwrap();
    // A raw block: its length, and one literal of up to 60 bytes.
    let mut bare = vec![messages.len() as u8, (messages.len() as u8 - 1) << 2];
    bare.extend_from_slice(&messages);
    let mut output = Vec::new();
    let mut decompressor = kafka_protocol::records::Decompressor::default();
    decompressor.decompress(Compression::Snappy, &bare, &Limits::default(), &mut output).unwrap();
    assert_eq!(output, messages);
}

#[test]
fn members_and_frames_one_after_the_other_are_read() {
    for compression in &Compression::ALL[1..] {
        let mut compressor = Compressor::new(*compression, None).unwrap();
        let mut twice = Vec::new();
        compressor.compress(b"one after ", &mut twice).unwrap();
        compressor.compress(b"the other", &mut twice).unwrap();
        let mut output = b"behind: ".to_vec();
        let mut decompressor = kafka_protocol::records::Decompressor::default();
        decompressor.decompress(*compression, &twice, &Limits::default(), &mut output).unwrap();
        assert_eq!(output, b"behind: one after the other", "{compression}");
        for cut in 1..twice.len() {
            let mut output = Vec::new();
            let result = decompressor.decompress(*compression, &twice[..cut], &Limits::default(), &mut output);
            assert!(result.is_err() && output.is_empty() || b"one after the other".starts_with(&output[..]));
        }
    }
}

/// A record as it goes in.
#[derive(Clone, Debug)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Sample {
    fn is(&self, record: &OwnedRecord) -> bool {
        let headers = record.headers.iter().map(|header| (header.key.to_string(), header.value.map(Vec::from)));
        (self.timestamp, &self.key, &self.value)
            == (record.timestamp, &record.key.clone().map(Vec::from), &record.value.clone().map(Vec::from))
            && headers.eq(self.headers.iter().cloned())
    }
}

fn blob() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        1 => Just(None),
        4 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (any::<u8>(), 0..9000usize).prop_map(|(byte, len)| Some(vec![byte; len])),
    ]
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let header = (".{0,9}", blob());
    let timestamp = prop_oneof![1_700_000_000_000..1_700_000_100_000i64, any::<i64>()];
    let sample = (timestamp, blob(), blob(), proptest::collection::vec(header, 0..4))
        .prop_map(|(timestamp, key, value, headers)| Sample { timestamp, key, value, headers });
    proptest::collection::vec(sample, 0..30)
}

fn compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_is_built_is_read(compression in compression(), records in samples(), base_offset in 0..i64::MAX / 2) {
        let options = BatchOptions { base_offset, transactional: true, ..BatchOptions::default() };
        let buffer = sealed(compression, &records, options);
        let batch = only_batch(buffer);
        prop_assert_eq!((batch.base_offset(), batch.count()), (base_offset, records.len()));
        prop_assert_eq!(batch.last_offset(), base_offset + records.len().saturating_sub(1) as i64);
        prop_assert!(batch.is_transactional() && !batch.is_control());
        let read = owned(&Batch::Records(batch), &mut BatchDecoder::default()).unwrap();
        prop_assert!(read.len() == records.len() && read.iter().zip(&records).all(|(read, sample)| sample.is(read)));
        prop_assert!(read.iter().zip(base_offset..).all(|(read, offset)| read.offset == offset));
    }

    #[test]
    fn message_sets_that_are_built_are_read(
        compression in compression().prop_filter("zstd came later", |compression| *compression != Compression::Zstd),
        format in proptest::sample::select(vec![MessageFormat::V0, MessageFormat::V1]),
        records in samples(),
        base_offset in 0..i64::MAX / 2,
        gap in 1..5usize,
    ) {
        let mut builder = MessageSetBuilder::new(format);
        let offsets = (base_offset..).step_by(gap);
        for (record, offset) in records.iter().zip(offsets.clone()) {
            builder.append(offset, record.timestamp, record.key.as_deref(), record.value.as_deref()).unwrap();
        }
        let buffer = builder.seal(&mut Compressor::new(compression, None).unwrap()).unwrap();
        let mut read = Vec::new();
        let mut decoder = BatchDecoder::default();
        for batch in Batches::new(buffer) {
            let batch = batch.unwrap();
            read.extend(owned(&batch, &mut decoder).unwrap());
            prop_assert_eq!(batch.last_offset(), read.last().unwrap().offset);
        }
        prop_assert_eq!(read.len(), records.len());
        for ((read, sample), offset) in read.iter().zip(&records).zip(offsets) {
            let timestamp = if format == MessageFormat::V0 { -1 } else { sample.timestamp };
            prop_assert_eq!((read.offset, read.timestamp), (offset, timestamp));
            prop_assert_eq!(read.key.as_deref(), sample.key.as_deref());
            prop_assert_eq!(read.value.as_deref(), sample.value.as_deref());
        }
    }

    #[test]
    fn a_flipped_byte_under_the_checksum_is_noticed(
        compression in compression(), records in samples(), at in any::<prop::sample::Index>(), mask in 1..=u8::MAX,
    ) {
        let mut buffer = sealed(compression, &records, BatchOptions::default()).to_vec();
        let at = 17 + at.index(buffer.len() - 17);
        buffer[at] ^= mask;
        prop_assert!(describe(&Bytes::from(buffer)).unwrap_err().is_checksum());
    }

    #[test]
    fn records_of_any_bytes_are_read_or_refused(
        compression in compression(), records in proptest::collection::vec(any::<u8>(), 0..200), count in -1..40i32,
    ) {
        let mut buffer = sealed(Compression::None, &[], BatchOptions::default()).to_vec();
        buffer.extend_from_slice(&records);
        let len = buffer.len() as i32 - 12;
        buffer[8..12].copy_from_slice(&len.to_be_bytes());
        buffer[22] = compression.code();
        buffer[57..61].copy_from_slice(&count.to_be_bytes());
        let buffer = with_checksum(buffer);
        let _ = describe(&buffer);
    }

    #[test]
    fn damaged_compressed_records_are_read_or_refused(
        compression in compression(), records in samples(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut buffer = sealed(compression, &records, BatchOptions::default()).to_vec();
        let at = 21 + at.index(buffer.len() - 21);
        buffer[at] = byte;
        let buffer = with_checksum(buffer);
        let limits = Limits { max_decompressed_len: 1 << 20, ..Limits::default() };
        let _ = json::describe(&buffer, &limits);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = describe(&Bytes::from(bytes));
    }
}
