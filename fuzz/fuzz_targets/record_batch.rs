//! Record batches of format 2, their checksums repaired.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::record_batch::record_batch(data));
