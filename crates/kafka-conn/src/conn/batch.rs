//! Messages that one Fetch brought, read one after the other.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::fetch::PartitionData;
use kafka_protocol::records::{BatchDecoder, OwnedRecord};
use smol_str::SmolStr;

use super::Conn;
use super::fetched::Fetched;
use super::position::Position;
use crate::cluster::BrokerId;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Header, Message};

/// Messages that one fetch brought, in order; from [`Conn::read_batch`].
///
/// Reading from it moves the connection's position, message by message: whoever drops it half read, and reads another
/// one, goes on where they were. It waits for nothing: all of it is in memory, checked and decompressed as it is read.
///
/// ```no_run
/// # async fn example(conn: &mut kafka_conn::Conn) -> kafka_conn::Result<()> {
/// let mut batch = conn.read_batch(1, 1 << 20).await?;
/// println!("{} messages behind", batch.high_watermark() - batch.offset());
/// while let Some(message) = batch.read_message()? {
///     println!("{}: {:?}", message.offset, message.value);
/// }
/// batch.close()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "messages are read from it"]
pub struct Batch<'a> {
    conn: &'a mut Conn,
    fetched: Fetched,
    facts: Facts,
    /// What the last read failed with.
    error: Option<Error>,
}

/// What the answer said beside the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) high_watermark: i64,
    last_stable_offset: i64,
    log_start_offset: i64,
    preferred_read_replica: i32,
    throttle: Duration,
}

impl Facts {
    pub(super) fn read(data: &PartitionData, throttle: Duration) -> Self {
        Self {
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
            log_start_offset: data.log_start_offset,
            preferred_read_replica: data.preferred_read_replica,
            throttle,
        }
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(conn: &'a mut Conn, fetched: Fetched, facts: Facts) -> Self {
        conn.position = Position::At(fetched.offset());
        Self { conn, fetched, facts, error: None }
    }

    /// The next message; `None` when there is none left, or none came in time.
    ///
    /// # Errors
    /// [`CorruptRecords`](ErrorKind::CorruptRecords): the position stays before what cannot be read, and every read
    /// from now on fails so.
    pub fn read_message(&mut self) -> Result<Option<Message>> {
        if !self.peek()? {
            return Ok(None);
        }
        let record = self.fetched.take();
        self.conn.position = Position::At(self.fetched.offset());
        let (topic, partition) = self.conn.bound().map(|(topic, partition)| (topic.clone(), partition))?;
        Ok(record.map(|record| message(record, topic, partition, self.facts.high_watermark)))
    }

    /// Reads the value of the next message into `buffer`, and returns its length (0 for one without value); `None` when
    /// there is no message left. No key, header or message is made.
    ///
    /// # Errors
    /// [`ShortBuffer`](ErrorKind::ShortBuffer) where it does not fit: nothing is copied, and the message is still the
    /// next one. Those of [`read_message`](Self::read_message).
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        if !self.peek()? {
            return Ok(None);
        }
        let copied = copy_value(&mut self.fetched, &mut self.conn.decoder, buffer);
        self.conn.position = Position::At(self.fetched.offset());
        copied.map_err(|error| self.keep(error))
    }

    /// The offset to read next. At the end of the batch it is behind everything that holds no message to return:
    /// control records, aborted transactions, what compaction removed.
    pub fn offset(&self) -> i64 {
        self.fetched.offset()
    }

    /// The offset that the next replicated message gets.
    pub fn high_watermark(&self) -> i64 {
        self.facts.high_watermark
    }

    /// The offset of the first message of a transaction that is open, or else the high watermark: where reading
    /// committed records ends. -1 where the broker does not tell.
    pub fn last_stable_offset(&self) -> i64 {
        self.facts.last_stable_offset
    }

    /// The first offset there is. -1 where the broker does not tell.
    pub fn log_start_offset(&self) -> i64 {
        self.facts.log_start_offset
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.conn.topic().unwrap_or_default()
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.conn.partition().unwrap_or(-1)
    }

    /// How long the broker delayed the answer, as a quota was exceeded.
    pub fn throttle(&self) -> Duration {
        self.facts.throttle
    }

    /// A broker that the leader would rather have this read from (KIP-392).
    pub fn preferred_read_replica(&self) -> Option<BrokerId> {
        Some(BrokerId(self.facts.preferred_read_replica)).filter(|id| id.0 >= 0)
    }

    /// What the last read failed with.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Ends the batch. Dropping it does the same, but does not tell of errors.
    ///
    /// # Errors
    /// What the last read failed with, for those who read to the end and look once. Not having read to the end is none.
    pub fn close(self) -> Result<()> {
        self.error.map_or(Ok(()), Err)
    }

    /// Whether there is a next message.
    fn peek(&mut self) -> Result<bool> {
        match self.error.take() {
            Some(error) if !matches!(error.kind(), ErrorKind::ShortBuffer { .. }) => return Err(self.keep(error)),
            _ => {}
        }
        let found = self.fetched.peek(&mut self.conn.decoder).map(|record| record.is_some());
        self.conn.position = Position::At(self.fetched.offset());
        found.map_err(|error| self.keep(error))
    }

    fn keep(&mut self, error: Error) -> Error {
        let error = self.conn.at(error);
        self.error.insert(error).clone()
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("high_watermark", &self.high_watermark())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// Takes the next record and copies its value; its length, or `None` where there is no record.
pub(super) fn copy_value(
    fetched: &mut Fetched,
    decoder: &mut BatchDecoder,
    buffer: &mut [u8],
) -> Result<Option<usize>> {
    let Some(record) = fetched.peek(decoder)? else { return Ok(None) };
    let value = record.value.as_deref().unwrap_or_default();
    let needed = value.len();
    let room = buffer.get_mut(..needed).ok_or_else(|| Error::new(ErrorKind::ShortBuffer { needed }))?;
    room.copy_from_slice(value);
    fetched.take();
    Ok(Some(needed))
}

pub(super) fn message(record: OwnedRecord, topic: SmolStr, partition: i32, high_watermark: i64) -> Message {
    Message {
        topic,
        partition,
        offset: record.offset,
        high_watermark,
        key: record.key,
        value: record.value,
        headers: record.headers.iter().map(|header| Header { key: header.key, value: header.value }).collect(),
        timestamp: timestamp(record.timestamp),
    }
}

/// `None` for -1, and for other times that no clock has shown.
pub(super) fn timestamp(milliseconds: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(u64::try_from(milliseconds).ok()?);
    UNIX_EPOCH.checked_add(since)
}
