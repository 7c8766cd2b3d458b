//! The bodies of the fuzz targets over their committed corpora: the gate needs neither nightly nor cargo-fuzz.

use std::path::Path;

#[path = "../../fuzz/src/bodies/mod.rs"]
pub mod bodies;
#[path = "../../fuzz/src/packed.rs"]
pub mod packed;

/// Runs a target over its corpus, which holds at least so many inputs.
fn holds(name: &str, at_least: usize) {
    let target = bodies::TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let inputs = packed::committed(&fuzz, name).unwrap_or_else(|error| panic!("the corpus of {name}: {error}"));
    assert!(inputs.len() >= at_least, "{} inputs for {name}, of {at_least} at least", inputs.len());
    for input in inputs {
        // What fails says its input, so that it can be tried alone.
        let outcome = std::panic::catch_unwind(|| (target.body)(&input));
        assert!(outcome.is_ok(), "{name} fails for {input:02x?}");
    }
}

macro_rules! targets {
    ($($name:ident $at_least:literal;)*) => {
        $(
            #[test]
            fn $name() {
                holds(stringify!($name), $at_least);
            }
        )*

        #[test]
        fn every_target_has_its_test() {
            let names = bodies::TARGETS.map(|target| target.name);
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets! {
    response_decode 500;
    request_decode 500;
    round_trip 500;
    frames 20;
    session 500;
    scram 150;
    embedded 500;
    record_batch 100;
    message_set 100;
    gzip 20;
    snappy 20;
    lz4 20;
    zstd 20;
}
