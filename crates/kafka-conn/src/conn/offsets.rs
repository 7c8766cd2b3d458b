//! Where the connection reads next, and which offsets its partition has.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::try_join;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use tokio::time::Instant;

use super::limits::for_broker;
use super::position::{Position, Whence};
use super::{Conn, left};
use crate::error::{Error, ErrorKind, Result};

impl Conn {
    /// What is read next, as a number and what it counts from: `(0, Start)` at first, an absolute offset after a
    /// [`seek`](Self::seek) or a read.
    pub fn offset(&self) -> (i64, Whence) {
        self.position.parts()
    }

    /// Moves to `offset`, counted from `whence`, and returns the absolute offset. Asks the broker for the bounds, unless
    /// the offset is absolute and does not change.
    ///
    /// # Errors
    /// [`OffsetOutOfRange`](ErrorKind::OffsetOutOfRange) outside the first and the last offset, both of which are
    /// allowed; the position is then as it was. Those of [`read_offsets`](Self::read_offsets).
    pub async fn seek(&mut self, offset: i64, whence: Whence) -> Result<i64> {
        if whence == Whence::Absolute && self.position == Position::At(offset) {
            return Ok(offset);
        }
        let position = self.moved(offset, whence)?;
        let (first, last) = self.read_offsets().await?;
        let offset = position.resolve(first, last);
        if !(first..=last).contains(&offset) {
            return Err(self.at(Error::new(ErrorKind::OffsetOutOfRange { offset, first, last })));
        }
        self.move_to(Position::At(offset));
        Ok(offset)
    }

    /// Moves to `offset`, counted from `whence`, without asking the broker whether there is such an offset: the next
    /// read will tell (kafka-go `SeekDontCheck`). What counts from the start or the end of the log is resolved then.
    ///
    /// ```no_run
    /// # fn example(conn: &mut kafka_conn::Conn) -> kafka_conn::Result<()> {
    /// use kafka_conn::Whence;
    ///
    /// // Where the log ends when the next read begins.
    /// conn.seek_unchecked(0, Whence::End)?;
    /// assert_eq!(conn.offset(), (0, Whence::End));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for an absolute offset below 0; the position is then as it was.
    pub fn seek_unchecked(&mut self, offset: i64, whence: Whence) -> Result<()> {
        let position = self.moved(offset, whence)?;
        if matches!(position, Position::At(offset) if offset < 0) {
            return Err(self.invalid("an offset is not negative"));
        }
        self.move_to(position);
        Ok(())
    }

    /// The first offset there is.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) on a connection that is bound to no partition, the broker's error
    /// code, and those of [`Connection::call`](crate::Connection::call).
    pub async fn read_first_offset(&self) -> Result<i64> {
        self.list_offset(FIRST, self.read_until()).await
    }

    /// The offset behind the last message: the high watermark.
    ///
    /// # Errors
    /// As [`read_first_offset`](Self::read_first_offset).
    pub async fn read_last_offset(&self) -> Result<i64> {
        self.list_offset(LAST, self.read_until()).await
    }

    /// The first offset there is, and the one behind the last message.
    ///
    /// # Errors
    /// As [`read_first_offset`](Self::read_first_offset).
    pub async fn read_offsets(&self) -> Result<(i64, i64)> {
        self.offsets_until(self.read_until()).await
    }

    /// The offset of the first message whose timestamp is `time` or later; `None` where there is none.
    ///
    /// # Errors
    /// As [`read_first_offset`](Self::read_first_offset).
    pub async fn read_offset(&self, time: SystemTime) -> Result<Option<i64>> {
        // Times before 1970 are before all messages; negative numbers would mean something else.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let timestamp = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let offset = self.list_offset(timestamp, self.read_until()).await?;
        Ok(Some(offset).filter(|offset| *offset >= 0))
    }

    /// Where to read next as an absolute offset; asks the broker where the position counts from an end of the log. It
    /// is kept: who waits at the end, gives up and waits again has missed nothing.
    pub(super) async fn resolve(&mut self, until: Instant) -> Result<i64> {
        let offset = match self.position {
            Position::At(offset) => offset,
            position @ Position::Start(_) => position.resolve(self.list_offset(FIRST, until).await?, 0),
            position @ Position::End(_) => position.resolve(0, self.list_offset(LAST, until).await?),
        };
        self.position = Position::At(offset);
        Ok(offset)
    }

    fn moved(&self, offset: i64, whence: Whence) -> Result<Position> {
        let moved = self.position.moved(offset, whence);
        moved.ok_or_else(|| self.invalid("no offset is so large"))
    }

    fn move_to(&mut self, position: Position) {
        self.position = position;
        self.ahead = None;
    }

    /// Two requests, as a broker takes a partition once in each; both are on their way at once.
    async fn offsets_until(&self, until: Instant) -> Result<(i64, i64)> {
        try_join(self.list_offset(FIRST, until), self.list_offset(LAST, until)).await
    }

    async fn list_offset(&self, timestamp: i64, until: Instant) -> Result<i64> {
        let (topic, partition) = self.bound()?;
        let asked = ListOffsetsPartition { partition_index: partition, timestamp, ..ListOffsetsPartition::default() };
        let asked = ListOffsetsTopic { name: topic.clone(), partitions: vec![asked], ..ListOffsetsTopic::default() };
        let timeout_ms = for_broker(left(until));
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![asked], timeout_ms, ..ListOffsetsRequest::default() };
        let answer = self.call_until(&request, None, until).await.map_err(|error| self.at(error))?;
        let listed = answer.topics.into_iter().filter(|answered| answered.name == *topic);
        let listed =
            listed.flat_map(|answered| answered.partitions).find(|answered| answered.partition_index == partition);
        let listed = listed.ok_or_else(|| self.at(Error::new(ErrorKind::Decode)))?;
        match ErrorCode(listed.error_code) {
            ErrorCode::NONE => Ok(listed.offset),
            code => Err(self.at(Error::broker(code))),
        }
    }
}

/// The timestamps that stand for the ends of a log.
const FIRST: i64 = -2;
const LAST: i64 = -1;
