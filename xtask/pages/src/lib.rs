//! The pages of the documentation, so that their programs are compiled: each Rust block in them is a test of this crate.
//!
//! ```text
//! README.md, docs/*.md, crates/*/README.md ──► a module each ──► rustdoc's tests
//! ```
//!
//! The pages of kafka-admin and kafka-embedded are in those crates' own documentation, and tests there.
//!
//! They are there for these tests only: their links are those of files, which rustdoc does not follow.
//!
//! It never has code of its own. What else the pages say is checked in `tests/`: that links lead somewhere, and that the
//! references name every field and every kind of error.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/configuration.md")]
mod configuration {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/delivery.md")]
mod delivery {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/errors.md")]
mod errors {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-kafka-go.md")]
mod from_kafka_go {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-rdkafka.md")]
mod from_rdkafka {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/operating.md")]
mod operating {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/cli.md")]
mod cli {}

#[cfg(doctest)]
#[doc = include_str!("../../../crates/kafka-cli/README.md")]
mod kafka_cli_page {}

#[cfg(doctest)]
#[doc = include_str!("../../../crates/kafka-conn/README.md")]
mod kafka_conn_page {}

#[cfg(doctest)]
#[doc = include_str!("../../../crates/kafka-protocol/README.md")]
mod kafka_protocol_page {}

#[cfg(doctest)]
#[doc = include_str!("../../../crates/kafka-reader/README.md")]
mod kafka_reader_page {}

#[cfg(doctest)]
#[doc = include_str!("../../../crates/kafka-writer/README.md")]
mod kafka_writer_page {}
