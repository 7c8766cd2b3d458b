//! The embedded cluster: any requests of clients that keep to nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::embedded::embedded(data));
