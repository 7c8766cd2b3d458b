//! SCRAM: a client that a broker says anything to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::scram::scram(data));
