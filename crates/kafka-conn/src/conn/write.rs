//! Writing messages to the connection's partition.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compression, Compressor};
use kafka_protocol::{ApiKey, ErrorCode, Message as _};
use tokio::time::Instant;

use super::batch::timestamp;
use super::limits::for_broker;
use super::produce::{self, Destination};
use super::{Conn, left, refusal};
use crate::acks::RequiredAcks;
use crate::call::{CallOptions, RawRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;

/// What became of messages that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The bytes of keys and values.
    pub bytes: usize,
    /// The partition that they are in.
    pub partition: i32,
    /// The offset of the first one; the others follow it without a gap. `None` where there was none to write, or where
    /// nobody was asked to acknowledge it ([`RequiredAcks::None`]).
    pub offset: Option<i64>,
    /// When the broker appended them, where the topic is set to log-append time; else they have their own timestamps.
    pub append_time: Option<SystemTime>,
}

impl Conn {
    /// Writes a message of this value, without key, and returns its length.
    ///
    /// # Errors
    /// As [`write_messages`](Self::write_messages).
    pub async fn write(&mut self, value: &[u8]) -> Result<usize> {
        let message = Message { value: Some(Bytes::copy_from_slice(value)), ..Message::default() };
        self.write_messages(&[message]).await.map(|written| written.bytes)
    }

    /// Writes messages to the partition as one batch: all of them, in this order, or none. Those without a timestamp get
    /// the present time. None at all is no request.
    ///
    /// Their `topic` may be empty, or the connection's; their `partition` 0, or the connection's.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for another topic or partition, and on a connection that is bound
    /// to none; the broker's error code; those of [`Connection::call`](crate::Connection::call). Where the error is not
    /// [unsent](Error::is_unsent), nor an error code of a broker that refused, the messages may be written.
    pub async fn write_messages(&mut self, messages: &[Message]) -> Result<Written> {
        self.write_compressed_messages(Compression::None, messages).await
    }

    /// [`write_messages`](Self::write_messages), compressed (kafka-go `WriteCompressedMessagesAt`).
    ///
    /// # Errors
    /// As [`write_messages`](Self::write_messages); [`Encode`](ErrorKind::Encode) where the codec is not compiled in.
    pub async fn write_compressed_messages(&mut self, codec: Compression, messages: &[Message]) -> Result<Written> {
        let until = self.write_until();
        let (topic, partition) = self.bound().map(|(topic, partition)| (topic.clone(), partition))?;
        let bytes = messages.iter().map(content_len).sum();
        let mut written = Written { bytes, partition, offset: None, append_time: None };
        if messages.is_empty() {
            return Ok(written);
        }
        let records = self.seal(codec, messages)?;
        let version = self.connection.version_for::<ProduceRequest>(Some(produce::MAX_VERSION))?;
        let destination =
            Destination { topic: topic.clone(), partition, acks: self.acks, timeout_ms: for_broker(left(until)) };
        let body = produce::encode(version, destination, records).map_err(|error| self.at(error.into()))?;
        let request = RawRequest { api_key: ApiKey::PRODUCE, version, body };
        if let Some(answer) = self.produce(request, until).await.map_err(|error| self.at(error))? {
            let answer = produce::answer_for(answer, &topic, partition);
            let answer = answer.ok_or_else(|| self.at(Error::new(ErrorKind::Decode)))?;
            match ErrorCode(answer.error_code) {
                ErrorCode::NONE => {}
                code => return Err(self.at(refusal(code, answer.error_message))),
            }
            written.offset = Some(answer.base_offset).filter(|offset| *offset >= 0);
            written.append_time = timestamp(answer.log_append_time_ms);
        }
        Ok(written)
    }

    /// `None` where no answer comes.
    async fn produce(&self, request: RawRequest, until: Instant) -> Result<Option<ProduceResponse>> {
        let options = CallOptions { timeout: Some(left(until)), ..CallOptions::default() };
        if self.acks == RequiredAcks::None {
            return self.connection.send_raw(request, options).await.map(|()| None);
        }
        let version = request.version;
        let answer = self.connection.call_raw(request, options).await?;
        let decoded = ProduceResponse::decode(version, answer.body).map(Some);
        decoded.map_err(|error| Error::from(error).with_api(ApiKey::PRODUCE, version))
    }

    /// One batch of all messages.
    fn seal(&mut self, codec: Compression, messages: &[Message]) -> Result<Bytes> {
        let (topic, partition) = self.bound()?;
        let foreign = |message: &&Message| {
            (!message.topic.is_empty() && message.topic != *topic)
                || (message.partition != 0 && message.partition != partition)
        };
        if messages.iter().any(|message| foreign(&message)) {
            return Err(self.invalid("a message names another topic or partition than the connection's"));
        }
        let now = SystemTime::now();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for message in messages {
            let headers = message.headers.iter().map(|header| (header.key.as_str(), header.value.as_deref()));
            let time = milliseconds(message.timestamp.unwrap_or(now));
            let appended = builder.append(time, message.key.as_deref(), message.value.as_deref(), headers);
            appended.map_err(|error| self.at(error.into()))?;
        }
        let encode = |error| Error::new(ErrorKind::Encode).with_source(error).with_unsent();
        if self.compressor.compression() != codec {
            self.compressor = Compressor::new(codec, None).map_err(|error| self.at(encode(error)))?;
        }
        builder.seal(&mut self.compressor).map_err(|error| self.at(encode(error)))
    }
}

fn content_len(message: &Message) -> usize {
    message.key.as_ref().map_or(0, Bytes::len) + message.value.as_ref().map_or(0, Bytes::len)
}

/// Since 1970; what is before that counts as 1970.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
