//! A stream cut into frames, whatever the chunks it comes in.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::frames::frames(data));
