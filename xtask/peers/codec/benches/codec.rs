//! All cases under criterion, for a close look at one of them: `cargo codec-bench "Fetch response"`.

use codec_peers::cases;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn codec(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(case.name());
        group.throughput(Throughput::Elements(case.section.units() as u64));
        for mut contestant in case.contestants {
            group.bench_function(contestant.name, |bencher| bencher.iter(&mut contestant.run));
        }
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
