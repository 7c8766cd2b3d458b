//! Kafka's bytes, both ways: every request, response, header, record batch and stored record.

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
