//! The codec zstd, both ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::codecs::zstd(data));
