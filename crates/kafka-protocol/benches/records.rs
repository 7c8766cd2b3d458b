//! Encoding and decoding of record batches in every codec.
//!
//! Beside other crates: `xtask/peers/codec`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::records::{BatchBuilder, BatchDecoder, BatchOptions, Batches, Compression, Compressor};

#[path = "fixture/records.rs"]
mod fixture;
#[path = "fixture/text.rs"]
mod text;

use fixture::{COUNT, Shape, Source, sources};

fn records(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        let sources = sources(shape);
        for compression in Compression::ALL {
            let mut group = criterion.benchmark_group(format!("{}, {compression}", shape.name()));
            group.throughput(Throughput::Elements(COUNT as u64));

            let mut builder = BatchBuilder::new(BatchOptions::default());
            let mut compressor = Compressor::new(compression, None).expect("every codec is compiled in");
            let batch = encode(&mut builder, &mut compressor, &sources);
            group.bench_function("encode", |bencher| {
                bencher.iter(|| {
                    let batch = encode(&mut builder, &mut compressor, black_box(&sources));
                    builder.recycle(Vec::from(black_box(batch)));
                });
            });

            let mut decoder = BatchDecoder::default();
            group.bench_function("decode borrowed", |bencher| {
                bencher.iter(|| decode_borrowed(&mut decoder, black_box(&batch)));
            });
            group.bench_function("decode owned", |bencher| {
                bencher.iter(|| decode_owned(&mut decoder, black_box(&batch)));
            });
            group.finish();
        }
    }
}

fn encode(builder: &mut BatchBuilder, compressor: &mut Compressor, sources: &[Source]) -> Bytes {
    for source in sources {
        let (key, value) = (Some(&source.key[..]), Some(&source.value[..]));
        builder.append(source.timestamp, key, value, source.headers()).expect("there is room");
    }
    builder.seal(compressor).expect("it compresses")
}

fn decode_borrowed(decoder: &mut BatchDecoder, bytes: &Bytes) {
    for batch in Batches::new(bytes.clone()) {
        let batch = batch.expect("it was encoded");
        for record in batch.records(decoder).expect("it decompresses") {
            let record = record.expect("it was encoded");
            black_box((record.key, record.value));
            for header in record.headers {
                black_box((header.key.as_bytes(), header.value));
            }
        }
    }
}

fn decode_owned(decoder: &mut BatchDecoder, bytes: &Bytes) {
    for batch in Batches::new(bytes.clone()) {
        let batch = batch.expect("it was encoded");
        for record in batch.owned_records(decoder).expect("it decompresses") {
            let record = record.expect("it was encoded");
            for header in record.headers.iter() {
                black_box(header);
            }
            black_box(record);
        }
    }
}

criterion_group!(benches, records);
criterion_main!(benches);
