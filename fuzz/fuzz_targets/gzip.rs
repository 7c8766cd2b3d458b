//! The codec gzip, both ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::codecs::gzip(data));
