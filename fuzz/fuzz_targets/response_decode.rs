//! Responses, decoded from any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::messages::response_decode(data));
