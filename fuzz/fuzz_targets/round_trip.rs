//! Messages of every kind, decoded, encoded and decoded again; as JSON, too.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::bodies::messages::round_trip(data));
