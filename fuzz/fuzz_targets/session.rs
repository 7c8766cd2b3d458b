//! Any sequence of what a connection's owner and its broker may do.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::session::session(data));
