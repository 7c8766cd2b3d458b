//! Record batches, as Produce requests and Fetch responses carry them.
//!
//! ```text
//! reading:  buffer → Batches → Batch (checked) → BatchDecoder (decompresses) → Records or OwnedRecords
//! writing:  append, append, … → BatchBuilder → seal (compresses, checksums) → bytes → stamp_producer before each attempt
//! ```
//!
//! Batches of format ("magic") 2 ([`RecordBatch`]) are what any cluster since Kafka 0.11 stores; [`MessageSet`] is what
//! came before them, and may still lie in old topics.
//!
//! ```
//! use kafka_protocol::records::{BatchBuilder, BatchDecoder, BatchOptions, Batches, Compressor};
//!
//! let mut builder = BatchBuilder::new(BatchOptions::default());
//! builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), [("trace", Some(&b"7"[..]))])?;
//! let bytes = builder.seal(&mut Compressor::default())?;
//!
//! let mut decoder = BatchDecoder::default();
//! for batch in Batches::new(bytes) {
//!     let batch = batch?;
//!     for record in batch.records(&mut decoder)? {
//!         let record = record?;
//!         assert_eq!((record.offset, record.key, record.value), (0, Some(&b"key"[..]), Some(&b"value"[..])));
//!         assert_eq!(record.headers.into_iter().next().unwrap().key, "trace");
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod batches;
mod builder;
mod checksum;
mod control;
mod decoder;
mod entry;
mod header;
mod iter;
#[cfg(feature = "json")]
pub mod json;
mod message_set;
mod message_set_builder;
mod owned;
mod producer;
mod record;
mod stamp;
mod varint;

pub use crate::compression::{CompressError, Compression, Compressor, Decompressor, UnknownCompression};
pub use batch::RecordBatch;
pub use batches::{Batch, Batches, TimestampType};
pub use builder::{BatchBuilder, BatchOptions};
pub use control::{ControlRecord, ControlType};
pub use decoder::BatchDecoder;
pub use header::{Header, Headers, HeadersIter};
pub use iter::Records;
pub use message_set::MessageSet;
pub use message_set_builder::{MessageFormat, MessageSetBuilder};
pub use owned::{OwnedHeader, OwnedHeaders, OwnedRecord, OwnedRecords};
pub use producer::Producer;
pub use record::Record;
pub use stamp::{stamp_log_append_time, stamp_offset, stamp_producer};
