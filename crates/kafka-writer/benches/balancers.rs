//! The time that each balancer takes to choose a partition: keys of 16 bytes, among 100 partitions.
//!
//! Beside other clients, and how evenly partitions are chosen: `cargo xtask bench balancers`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafka_conn::Message;
use kafka_writer::{Balancer, Candidates, Crc32, Hash, LeastBytes, Murmur2, ReferenceHash, RoundRobin, Sticky};

const KEYS: usize = 10_000;
const PARTITIONS: i32 = 100;

fn balancers(criterion: &mut Criterion) {
    let key = |number| format!("customer-{number:07}").into();
    let keyed: Vec<_> = (0..KEYS).map(|number| Message { key: Some(key(number)), ..Message::default() }).collect();
    let keyless = [Message { value: Some([b'v'; 100].as_slice().into()), ..Message::default() }];
    let balancers: [(&str, Arc<dyn Balancer>, &[Message]); 10] = [
        ("crc32", Arc::new(Crc32::default()), &keyed),
        ("crc32-consistent", Arc::new(Crc32::consistent()), &keyed),
        ("hash", Arc::new(Hash::default()), &keyed),
        ("least-bytes", Arc::new(LeastBytes::default()), &keyed),
        ("murmur2", Arc::new(Murmur2::default()), &keyed),
        ("murmur2-consistent", Arc::new(Murmur2::consistent()), &keyed),
        ("reference-hash", Arc::new(ReferenceHash::default()), &keyed),
        ("round-robin", Arc::new(RoundRobin::default()), &keyed),
        ("sticky", Arc::new(Sticky::default()), &keyed),
        ("sticky-without-key", Arc::new(Sticky::default()), &keyless),
    ];
    let mut group = criterion.benchmark_group("balancers");
    group.throughput(Throughput::Elements(1));
    for (name, balancer, messages) in balancers {
        let partitions: Vec<_> = (0..PARTITIONS).collect();
        let candidates = Candidates::new(&partitions, &partitions, &|_| 0);
        let mut messages = messages.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| messages.next().map(|message| black_box(&balancer).choose(black_box(message), &candidates)));
        });
    }
    group.finish();
}

criterion_group!(benches, balancers);
criterion_main!(benches);
