//! What all messages have in common: their type, and the verbs.

use std::any::Any;
use std::fmt;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "json")]
use crate::engine::json;
use crate::engine::{Declared, Struct, StructSchema, Versions, decode, encode};
use crate::{DecodeError, EncodeError, Limits};

/// A Kafka message: a request or response body, a header, or data that Kafka stores or embeds.
///
/// One Rust type serves all versions: fields that a version lacks keep their default when decoding, and must be at
/// their default when encoding, unless Kafka's schema lets them be dropped silently.
///
/// ```
/// use bytes::BytesMut;
/// use kafka_protocol::Message;
/// use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
///
/// let request = MetadataRequest {
///     topics: Some(vec![MetadataRequestTopic { name: Some("orders".into()), ..Default::default() }]),
///     ..Default::default()
/// };
/// let mut buffer = BytesMut::new();
/// request.encode(12, &mut buffer)?;
/// assert_eq!(buffer.len(), request.encoded_len(12)?);
/// assert_eq!(MetadataRequest::decode(12, buffer.freeze())?, request);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Message: Declared + Clone + PartialEq {
    /// What kind of message it is, its key and its versions.
    const TYPE: &'static MessageType;

    /// Appends the body as `version` has it, without size and header. On an error, `buffer` is as it was.
    ///
    /// # Errors
    /// [`EncodeError`] where the version does not exist, lacks a field that is set, or allows no null where one is.
    fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        encode::message(self, Self::TYPE, version, buffer)
    }

    /// The number of bytes that [`encode`](Self::encode) appends.
    ///
    /// # Errors
    /// The same as those of [`encode`](Self::encode).
    fn encoded_len(&self, version: i16) -> Result<usize, EncodeError> {
        encode::len(self, Self::TYPE, version)
    }

    /// Reads a body of `version` that fills `bytes`. Byte fields are slices of `bytes`, which they keep alive.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are not such a body, or bytes are left over.
    fn decode(version: i16, bytes: Bytes) -> Result<Self, DecodeError> {
        Self::decode_within(version, bytes, &Limits::default())
    }

    /// [`decode`](Self::decode) with limits other than the default ones.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_within(version: i16, bytes: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let mut message = Self::default();
        decode::message(&mut message, Self::TYPE, version, &bytes, limits)?;
        Ok(message)
    }

    /// Reads a body of `version` from the front of `bytes`, and leaves the rest.
    ///
    /// # Errors
    /// [`DecodeError`] where `bytes` does not begin with such a body; `bytes` is then as it was.
    fn decode_prefix(version: i16, bytes: &mut Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let mut message = Self::default();
        let used = decode::prefix(&mut message, Self::TYPE, version, bytes, limits)?;
        bytes::Buf::advance(bytes, used);
        Ok(message)
    }

    /// The message as `version` has it, in Kafka's JSON.
    ///
    /// Fields that the version lacks are left out; secrets are not.
    #[cfg(feature = "json")]
    fn to_json(&self, version: i16) -> serde_json::Value {
        json::write(self, version)
    }

    /// Reads Kafka's JSON of `version`.
    ///
    /// # Errors
    /// [`JsonError`](crate::JsonError) where a field is missing, unknown or of another type, or the version does not exist.
    #[cfg(feature = "json")]
    fn from_json(version: i16, json: &serde_json::Value) -> Result<Self, crate::JsonError> {
        let mut message = Self::default();
        json::read(&mut message, Self::TYPE, version, json)?;
        Ok(message)
    }

    /// A message that `version` can carry, of values that lean towards the edges of their types.
    ///
    /// # Errors
    /// Only where `source` refuses; without data left it gives defaults.
    #[cfg(feature = "arbitrary")]
    fn arbitrary(version: i16, source: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
        let mut message = Self::default();
        crate::engine::arbitrary::fill(&mut message, Self::TYPE, version, source)?;
        Ok(message)
    }
}

/// A request: a [`Message`] that a broker answers with another.
pub trait Request: Message {
    /// What the broker answers.
    type Response: Message;
}

/// What is known of a kind of message without a value at hand.
pub struct MessageType {
    /// The API it belongs to, such as `Metadata`; for what is neither request nor response, the message's own name.
    pub api: &'static str,
    /// Which of its API's messages it is.
    pub kind: MessageKind,
    /// The API key of a request or response, the record type of what Kafka stores.
    pub key: Option<i16>,
    /// The versions there are.
    pub versions: Versions,
    /// The versions with tagged fields and compact lengths (KIP-482).
    pub flexible: Versions,
    /// The versions that brokers only speak when told to (`unstable.api.versions.enable`).
    pub unstable: Versions,
    /// The facts about its fields.
    pub(crate) schema: &'static StructSchema,
    /// Makes one at its defaults.
    pub new: fn() -> Box<dyn AnyMessage>,
}

impl MessageType {
    /// Its name in Kafka's schema: `MetadataRequest`, `RequestHeader`.
    pub fn name(&self) -> &'static str {
        self.schema.name
    }

    /// As [`Message::decode_within`].
    ///
    /// # Errors
    /// As there.
    pub fn decode(&self, version: i16, bytes: Bytes, limits: &Limits) -> Result<Box<dyn AnyMessage>, DecodeError> {
        let mut message = (self.new)();
        decode::message(&mut *message, self, version, &bytes, limits)?;
        Ok(message)
    }

    /// As [`Message::from_json`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "json")]
    pub fn from_json(&self, version: i16, json: &serde_json::Value) -> Result<Box<dyn AnyMessage>, crate::JsonError> {
        let mut message = (self.new)();
        json::read(&mut *message, self, version, json)?;
        Ok(message)
    }

    /// As [`Message::arbitrary`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "arbitrary")]
    pub fn arbitrary(
        &self,
        version: i16,
        source: &mut arbitrary::Unstructured<'_>,
    ) -> arbitrary::Result<Box<dyn AnyMessage>> {
        let mut message = (self.new)();
        crate::engine::arbitrary::fill(&mut *message, self, version, source)?;
        Ok(message)
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageType")
            .field("api", &self.api)
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("versions", &format_args!("{}", self.versions))
            .finish_non_exhaustive()
    }
}

/// A message at its defaults, whose type is forgotten.
pub(crate) fn boxed<M: Message>() -> Box<dyn AnyMessage> {
    Box::new(M::default())
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A request to a broker or controller.
    Request,
    /// The answer to one.
    Response,
    /// What stands before every request and response.
    Header,
    /// Data that other messages or records carry as bytes.
    Data,
    /// The key of a record in an internal topic.
    CoordinatorKey,
    /// The value of a record in an internal topic.
    CoordinatorValue,
    /// A record of the cluster's metadata log, or of the remote log's.
    Metadata,
}

impl MessageKind {
    /// The word of Kafka's schema for it, such as `coordinator-key`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Header => "header",
            Self::Data => "data",
            Self::CoordinatorKey => "coordinator-key",
            Self::CoordinatorValue => "coordinator-value",
            Self::Metadata => "metadata",
        }
    }
}

/// A [`Message`] whose type is only known while running: what proxies, tools and tests handle.
///
/// ```
/// # use bytes::Bytes;
/// use kafka_protocol::{Limits, MessageKind, messages};
///
/// let metadata = messages::find("Metadata", MessageKind::Request).expect("always compiled in");
/// let request = metadata.decode(1, Bytes::from_static(b"\xff\xff\xff\xff"), &Limits::default())?;
/// assert!(format!("{request:?}").contains("topics: None"));
/// # Ok::<(), kafka_protocol::DecodeError>(())
/// ```
pub trait AnyMessage: Struct + Any {
    /// What kind of message it is.
    fn message_type(&self) -> &'static MessageType;
}

impl<M: Message> AnyMessage for M {
    fn message_type(&self) -> &'static MessageType {
        M::TYPE
    }
}

impl dyn AnyMessage {
    /// As [`Message::encode`].
    ///
    /// # Errors
    /// As there.
    pub fn encode(&self, version: i16, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        encode::message(self, self.message_type(), version, buffer)
    }

    /// As [`Message::encoded_len`].
    ///
    /// # Errors
    /// As there.
    pub fn encoded_len(&self, version: i16) -> Result<usize, EncodeError> {
        encode::len(self, self.message_type(), version)
    }

    /// As [`Message::to_json`].
    #[cfg(feature = "json")]
    pub fn to_json(&self, version: i16) -> serde_json::Value {
        json::write(self, version)
    }

    /// The message as its own type, if it is an `M`.
    pub fn downcast_ref<M: Message>(&self) -> Option<&M> {
        (self as &dyn Any).downcast_ref()
    }
}
