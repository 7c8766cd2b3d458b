//! Reading messages from the connection's partition.

use std::time::Duration;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};
use tokio::time::{Instant, sleep_until};

use super::batch::{self, Batch, Facts};
use super::fetched::Fetched;
use super::limits::{for_broker, milliseconds};
use super::position::Position;
use super::{Conn, left};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::isolation::IsolationLevel;
use crate::message::Message;

/// What a [`read_batch_with`](Conn::read_batch_with) asks for: `ReadBatchConfig { max_bytes, ..Default::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatchConfig {
    /// The broker waits until it has so many bytes, or until `max_wait` is over. Default 1: until there is a message.
    /// With 0 it does not wait.
    pub min_bytes: usize,
    /// The broker sends no more bytes than this, but always one batch, however large it is. Default 1 MiB
    /// (`max.partition.fetch.bytes`).
    pub max_bytes: usize,
    /// How long the broker waits for `min_bytes`. Default: the time that the call has, less a second (or a quarter, if
    /// that is less) for the way, as in kafka-go. An empty batch is the answer then.
    pub max_wait: Option<Duration>,
    /// Which records of transactions are returned. Default: all.
    pub isolation_level: IsolationLevel,
}

impl Default for ReadBatchConfig {
    fn default() -> Self {
        Self { min_bytes: 1, max_bytes: 1 << 20, max_wait: None, isolation_level: IsolationLevel::default() }
    }
}

impl Conn {
    /// Fetches a batch of messages, from the position on: at least `min_bytes`, if they come in time, and at most
    /// `max_bytes`, but always one batch of the log, however large.
    ///
    /// # Errors
    /// As [`read_batch_with`](Self::read_batch_with).
    pub async fn read_batch(&mut self, min_bytes: usize, max_bytes: usize) -> Result<Batch<'_>> {
        self.read_batch_with(ReadBatchConfig { min_bytes, max_bytes, ..ReadBatchConfig::default() }).await
    }

    /// Fetches a batch of messages, from the position on. The position moves as the messages are read from the batch.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) where `min_bytes` is more than `max_bytes`, or the connection is
    /// bound to no partition; the broker's error code, such as `OFFSET_OUT_OF_RANGE` or `NOT_LEADER_OR_FOLLOWER`; those
    /// of [`Connection::call`](crate::Connection::call).
    pub async fn read_batch_with(&mut self, config: ReadBatchConfig) -> Result<Batch<'_>> {
        let until = self.read_until();
        self.ahead = None;
        let (fetched, facts) = self.fetch(&config, until).await?;
        Ok(Batch::new(self, fetched, facts))
    }

    /// Reads the next message; waits for one until the call's time is over. A fetch brings up to `max_bytes`, but always
    /// a whole message; what it brings beyond the first one is kept for the next reads.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) where none comes in time;
    /// [`CorruptRecords`](ErrorKind::CorruptRecords); those of [`read_batch_with`](Self::read_batch_with).
    pub async fn read_message(&mut self, max_bytes: usize) -> Result<Message> {
        self.fill(max_bytes).await?;
        let (topic, partition) = self.bound().map(|(topic, partition)| (topic.clone(), partition))?;
        let next = self.ahead.as_mut().and_then(|(fetched, high_watermark)| Some((fetched.take()?, *high_watermark)));
        let (record, high_watermark) = next.ok_or_else(|| self.at(Error::new(ErrorKind::Decode)))?;
        self.position = Position::At(record.offset.saturating_add(1));
        Ok(batch::message(record, topic, partition, high_watermark))
    }

    /// Reads the value of the next message into `buffer`, and returns its length; 0 for one without value. Waits as
    /// [`read_message`](Self::read_message) does.
    ///
    /// # Errors
    /// [`ShortBuffer`](ErrorKind::ShortBuffer) where it does not fit; the message is still the next one. Those of
    /// [`read_message`](Self::read_message).
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.fill(buffer.len()).await?;
        let Some((fetched, _)) = &mut self.ahead else { return Err(self.at(Error::new(ErrorKind::Decode))) };
        let copied = batch::copy_value(fetched, &mut self.decoder, buffer);
        self.position = Position::At(fetched.offset());
        copied.and_then(|len| len.ok_or_else(|| Error::new(ErrorKind::Decode))).map_err(|error| self.at(error))
    }

    /// Fetches until there is a message ahead.
    async fn fill(&mut self, max_bytes: usize) -> Result<()> {
        let (begun, until) = (Instant::now(), self.read_until());
        let config = ReadBatchConfig { max_bytes: max_bytes.max(1), ..ReadBatchConfig::default() };
        let mut pauses = Backoff::default().pauses();
        loop {
            if self.has_ahead()? {
                return Ok(());
            }
            let before = self.position;
            if until <= Instant::now() {
                let after = Some(until.saturating_duration_since(begun));
                return Err(self.at(Error::new(ErrorKind::Timeout { step: Step::Messages, after })));
            }
            let (fetched, facts) = self.fetch(&config, until).await?;
            self.position = Position::At(fetched.offset());
            self.ahead = Some((fetched, facts.high_watermark));
            // Nothing came, and may be told so again at once.
            if !self.has_ahead()? && self.position == before {
                sleep_until(until.min(Instant::now() + pauses.next_pause())).await;
            }
        }
    }

    /// Whether a message was fetched and not read. What holds none moves the position.
    fn has_ahead(&mut self) -> Result<bool> {
        let Some((fetched, _)) = &mut self.ahead else { return Ok(false) };
        let found = fetched.peek(&mut self.decoder).map(|record| record.is_some());
        self.position = Position::At(fetched.offset());
        if !matches!(found, Ok(true)) {
            self.ahead = None;
        }
        found.map_err(|error| self.at(error))
    }

    /// Asks for records from the position on.
    async fn fetch(&mut self, config: &ReadBatchConfig, until: Instant) -> Result<(Fetched, Facts)> {
        if config.min_bytes > config.max_bytes {
            return Err(self.invalid("min_bytes is more than max_bytes"));
        }
        let offset = self.resolve(until).await?;
        let (topic, partition) = self.bound()?;
        let asked = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: wire_len(config.max_bytes),
            ..FetchPartition::default()
        };
        let max_wait_ms = config.max_wait.map_or(i32::MAX, milliseconds).min(for_broker(left(until)));
        let request = FetchRequest {
            max_wait_ms,
            min_bytes: wire_len(config.min_bytes),
            max_bytes: wire_len(config.max_bytes),
            isolation_level: config.isolation_level.code(),
            topics: vec![FetchTopic { topic: topic.clone(), partitions: vec![asked], ..FetchTopic::default() }],
            ..FetchRequest::default()
        };
        let answer = self.call_until(&request, Some(MAX_VERSION), until).await.map_err(|error| self.at(error))?;
        let throttle = Duration::from_millis(u64::try_from(answer.throttle_time_ms).unwrap_or_default());
        let data = partition_data(answer, topic, partition).map_err(|error| self.at(error))?;
        let facts = Facts::read(&data, throttle);
        // Brokers list aborted transactions only to those who read committed records.
        let aborted = data.aborted_transactions.unwrap_or_default();
        Ok((Fetched::new(data.records.unwrap_or_default(), offset, aborted), facts))
    }
}

/// What an answer says of the partition.
fn partition_data(answer: FetchResponse, topic: &str, partition: i32) -> Result<PartitionData> {
    let check = |code| match ErrorCode(code) {
        ErrorCode::NONE => Ok(()),
        code => Err(Error::broker(code)),
    };
    check(answer.error_code)?;
    let topics = answer.responses.into_iter().filter(|answered| answered.topic == topic);
    let data = topics.flat_map(|answered| answered.partitions).find(|data| data.partition_index == partition);
    let data = data.ok_or_else(|| Error::new(ErrorKind::Decode))?;
    check(data.error_code).map(|()| data)
}

fn wire_len(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// The newest version to use: the next one names topics by their ids (KIP-516), which a connection does not know.
const MAX_VERSION: i16 = 12;
