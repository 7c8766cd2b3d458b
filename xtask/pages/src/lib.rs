//! The pages of the documentation, so that their programs are compiled: each Rust block in them is a test of this crate.
//!
//! ```text
//! README.md, docs/*.md, crates/*/README.md ──► a module each ──► rustdoc's tests
//! ```
//!
//! It never has code of its own. What else the pages say is checked in `tests/`: that links lead somewhere, and that the
//! references name every field and every kind of error.

#[doc = include_str!("../../../README.md")]
pub mod readme {}

#[doc = include_str!("../../../docs/configuration.md")]
pub mod configuration {}

#[doc = include_str!("../../../docs/delivery.md")]
pub mod delivery {}

#[doc = include_str!("../../../docs/errors.md")]
pub mod errors {}

#[doc = include_str!("../../../docs/from-kafka-go.md")]
pub mod from_kafka_go {}

#[doc = include_str!("../../../docs/from-rdkafka.md")]
pub mod from_rdkafka {}

#[doc = include_str!("../../../docs/operating.md")]
pub mod operating {}

#[doc = include_str!("../../../crates/kafka-conn/README.md")]
pub mod kafka_conn_page {}

#[doc = include_str!("../../../crates/kafka-reader/README.md")]
pub mod kafka_reader_page {}

#[doc = include_str!("../../../crates/kafka-writer/README.md")]
pub mod kafka_writer_page {}
