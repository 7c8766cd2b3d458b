//! The codec lz4, both ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::codecs::lz4(data));
