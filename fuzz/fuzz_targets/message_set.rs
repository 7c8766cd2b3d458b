//! Message sets of format 0 and 1, their checksums repaired.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::message_set::message_set(data));
