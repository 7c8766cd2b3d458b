//! The codec snappy, both ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::codecs::snappy(data));
