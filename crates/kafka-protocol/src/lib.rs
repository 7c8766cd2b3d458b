//! Kafka's bytes, both ways: every request, response, header, record batch and stored record, in every released version
//! up to Kafka 4.3.
//!
//! ```text
//!            decode(version, …)                 public fields                   encode(version, …)
//!  bytes ────────────────────────► struct ◄───────────────────────► struct ────────────────────────► bytes
//!    │      checked against Limits     one for all versions             an error leaves the buffer as it was
//!    │
//!    │ the `records` of a Fetch response or Produce request: a slice of the same buffer
//!    ▼
//!  Batches ──► Batch (length, checksum) ──► BatchDecoder (decompresses) ──► Records (borrowed), OwnedRecords (slices)
//!  BatchBuilder (append, append, …) ──► seal (compresses, checksums) ──► bytes
//! ```
//!
//! This crate never depends on an async runtime, opens a socket, asks a clock or starts a thread, and has no `unsafe`
//! code. No input makes it panic. Frames, the sizes before requests and responses on a connection, are not its business
//! either: a body begins behind its [header](messages::header), a header behind the size.
//!
//! ```
//! use bytes::BytesMut;
//! use kafka_protocol::messages::header::RequestHeader;
//! use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
//! use kafka_protocol::{ApiKey, Limits, Message};
//!
//! let header = RequestHeader {
//!     request_api_key: ApiKey::METADATA.0,
//!     request_api_version: 12,
//!     correlation_id: 7,
//!     client_id: Some("example".into()),
//!     ..RequestHeader::default()
//! };
//! let topic = MetadataRequestTopic { name: Some("orders".into()), ..MetadataRequestTopic::default() };
//! let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
//!
//! let mut buffer = BytesMut::new();
//! let header_version = ApiKey::METADATA.request_header_version(12);
//! header.encode(header_version, &mut buffer)?;
//! request.encode(12, &mut buffer)?;
//!
//! let mut bytes = buffer.freeze();
//! assert_eq!(RequestHeader::decode_prefix(header_version, &mut bytes, &Limits::default())?, header);
//! assert_eq!(MetadataRequest::decode(12, bytes)?, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where to look: [`Message`] for what all messages can do, [`messages`] for all of them, [`records`] for record batches,
//! [`versions`] for what a client and a broker have in common, [`ErrorCode`] for what brokers answer, [`Limits`] for what
//! decoding refuses, [`DecodeError`] for what it says then.
//!
//! # Features
//!
//! None is on by default. The headers, `ApiVersions`, `SaslHandshake`, `SaslAuthenticate`, `Metadata` and
//! `FindCoordinator` are always there.
//!
//! | feature | what it adds |
//! |---|---|
//! | `produce`, `fetch`, `group`, `transaction`, `admin`, `share`, `streams`, `telemetry` | what clients of that kind send and receive |
//! | `client` | all of these |
//! | `broker`, `storage` | what brokers and controllers tell each other; what Kafka stores |
//! | `gzip`, `snappy`, `lz4`, `zstd` | the codecs of compressed batches |
//! | `json` | every message as Kafka's JSON, both ways |
//! | `arbitrary` | every message from a fuzzer's bytes |
//! | `full` | all of it |
// No input may panic: what may is not written here.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable, clippy::unwrap_used)
)]

mod api_key;
mod compression;
mod cursor;
mod engine;
mod error;
mod error_code;
mod limits;
mod message;
pub mod messages;
pub mod murmur2;
pub mod records;
mod uuid;
pub mod varint;
pub mod versions;

pub use api_key::{ApiKey, Listener};
#[cfg(feature = "json")]
pub use engine::json::JsonError;
pub use engine::{RawTaggedField, Versions};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use error_code::{ErrorClass, ErrorCode};
pub use limits::Limits;
pub use message::{AnyMessage, Message, MessageKind, MessageType, Request};
pub use uuid::{Uuid, UuidError};
