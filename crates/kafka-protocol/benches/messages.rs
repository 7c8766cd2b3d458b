//! Encoding and decoding of the bodies that a client handles most.
//!
//! Beside other crates: `xtask/peers/codec`.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::Message;

#[path = "fixture/bodies.rs"]
mod bodies;
#[path = "fixture/text.rs"]
mod text;

fn messages(criterion: &mut Criterion) {
    body(criterion, "metadata", &bodies::metadata(), bodies::METADATA_VERSION);
    body(criterion, "fetch", &bodies::fetch(), bodies::FETCH_VERSION);
    body(criterion, "produce", &bodies::produce(), bodies::PRODUCE_VERSION);
}

fn body<M: Message>(criterion: &mut Criterion, name: &str, message: &M, version: i16) {
    let mut buffer = BytesMut::new();
    message.encode(version, &mut buffer).expect("the fixture is valid");
    let bytes: Bytes = buffer.split().freeze();

    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(message).encode(version, &mut buffer).expect("the fixture is valid");
            black_box(buffer.len())
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| black_box(M::decode(version, black_box(&bytes).clone()).expect("it was encoded")));
    });
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
