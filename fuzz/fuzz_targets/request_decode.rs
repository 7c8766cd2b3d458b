//! Requests, headers and all that Kafka stores, decoded from any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::messages::request_decode(data));
