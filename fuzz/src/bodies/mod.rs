//! What the fuzz targets do with an input: one plain function for each, that panics where a promise is broken.
//!
//! The targets in `fuzz_targets/` call these under libFuzzer; `xtask/tests/corpus.rs` calls them over the committed
//! corpus in every test run.

pub mod batches;
pub mod codecs;
pub mod embedded;
pub mod frames;
pub mod memory;
pub mod message_set;
pub mod messages;
pub mod record_batch;
pub mod scram;
pub mod selection;
pub mod session;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the target's file, its corpus and its body.
    pub name: &'static str,
    /// What it does with an input.
    pub body: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "response_decode", body: messages::response_decode },
    Target { name: "request_decode", body: messages::request_decode },
    Target { name: "round_trip", body: messages::round_trip },
    Target { name: "frames", body: frames::frames },
    Target { name: "session", body: session::session },
    Target { name: "scram", body: scram::scram },
    Target { name: "embedded", body: embedded::embedded },
    Target { name: "record_batch", body: record_batch::record_batch },
    Target { name: "message_set", body: message_set::message_set },
    Target { name: "gzip", body: codecs::gzip },
    Target { name: "snappy", body: codecs::snappy },
    Target { name: "lz4", body: codecs::lz4 },
    Target { name: "zstd", body: codecs::zstd },
];
