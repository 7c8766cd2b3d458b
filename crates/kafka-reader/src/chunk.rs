//! What crosses the channel: the checked batches of one partition from one answer. They are decompressed, and their
//! records iterated, in the call of whoever reads.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_conn::{AbortFilter, Header, Message};
use kafka_protocol::DecodeError;
use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{
    Batch, BatchDecoder, Compression, ControlRecord, ControlType, OwnedRecords, Record, RecordBatch,
};
use smol_str::SmolStr;

use crate::batch::FetchedBatch;
use crate::error::{Error, ErrorKind, Result};
use crate::gauge::{Gauge, Held};

/// The batches of one partition from one answer, and how far they were returned.
#[derive(Debug)]
pub(crate) struct Chunk {
    held: Held,
    batches: std::vec::IntoIter<Batch>,
    filter: AbortFilter,
    high_watermark: i64,
    /// The offset of the next record to return.
    offset: i64,
    leader_epoch: i32,
    current: Option<Current>,
}

/// The batch that is being returned record by record.
#[derive(Debug)]
struct Current {
    batch: Batch,
    records: OwnedRecords,
    /// The offset to return when it was begun; it may hold records before that.
    from: i64,
    /// The batch's last offset.
    last: i64,
}

impl Chunk {
    pub(crate) fn new(
        held: Held,
        batches: Vec<Batch>,
        from: i64,
        high_watermark: i64,
        aborted: Vec<AbortedTransaction>,
    ) -> Self {
        let filter = AbortFilter::new(aborted);
        Self {
            held,
            batches: batches.into_iter(),
            filter,
            high_watermark,
            offset: from,
            leader_epoch: -1,
            current: None,
        }
    }

    pub(crate) fn gauge(&self) -> &Gauge {
        self.held.gauge()
    }

    /// Copies what is left out of the answer that it came in: it may wait for long, and the answer may be much larger.
    pub(crate) fn detach(&mut self) {
        self.batches.as_mut_slice().iter_mut().for_each(Batch::detach);
        // Its records borrow from the answer, too: they are looked for anew.
        if let Some(Current { mut batch, .. }) = self.current.take()
            && batch.last_offset() >= self.offset
        {
            batch.detach();
            let left = std::mem::take(&mut self.batches);
            self.batches = std::iter::once(batch).chain(left).collect::<Vec<_>>().into_iter();
        }
    }

    /// The offset of the next record to return.
    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// The epoch of the leader that wrote what was returned last, or -1.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Puts the next message into its place; `None` when there is none left. The message is made right there: each time
    /// that one is handed on costs as much as to read it.
    ///
    /// # Errors
    /// [`CorruptBatch`](ErrorKind::CorruptBatch); the offset stays before what could not be read.
    #[inline]
    pub(crate) fn next_message(
        &mut self,
        decoder: &mut BatchDecoder,
        place: &mut Option<Message>,
    ) -> Result<Option<()>> {
        loop {
            match self.next_record(place) {
                Some(Ok(())) => return Ok(Some(())),
                Some(Err(error)) => return Err(self.at(error)),
                None => {}
            }
            if !self.next_current(decoder)? {
                return Ok(None);
            }
        }
    }

    /// Begins the next batch with records to return; `false` when there is none left.
    #[inline(never)]
    fn next_current(&mut self, decoder: &mut BatchDecoder) -> Result<bool> {
        self.finish(decoder);
        let Some(batch) = self.next_data(decoder)? else { return Ok(false) };
        let records = batch.owned_records(decoder).map_err(|error| self.at(error.into()))?;
        let last = batch.last_offset();
        self.current = Some(Current { batch, records, from: self.offset, last });
        Ok(true)
    }

    /// The next batch with records to return, or what is left of the one begun; `None` when there is none left.
    ///
    /// # Errors
    /// As [`next_message`](Self::next_message).
    pub(crate) fn next_batch(&mut self, decoder: &mut BatchDecoder) -> Result<Option<FetchedBatch>> {
        let begun = self.current.take().map(|current| current.batch);
        let left = begun.filter(|batch| batch.last_offset() >= self.offset);
        let batch = match left {
            Some(batch) => batch,
            None => match self.next_data(decoder)? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let from = std::mem::replace(&mut self.offset, batch.last_offset().saturating_add(1));
        let gauge = self.held.gauge();
        Ok(Some(FetchedBatch::new(gauge.topic.clone(), gauge.partition, self.high_watermark, from, batch)))
    }

    /// The next record of the current batch that is not before the offset.
    #[inline]
    fn next_record(&mut self, place: &mut Option<Message>) -> Option<Result<()>> {
        let Self { held, high_watermark, offset, current, .. } = self;
        let (current, gauge) = (current.as_mut()?, held.gauge());
        let expected = *offset..=current.last;
        loop {
            let read = |record: Record<'_>, buffer: &Bytes| {
                if expected.contains(&record.offset) {
                    *place = Some(message(gauge, *high_watermark, &record, buffer));
                }
                record.offset
            };
            match current.records.next_as(read)? {
                Ok(found) if expected.contains(&found) => {
                    *offset = found.saturating_add(1);
                    return Some(Ok(()));
                }
                Ok(found) if found < current.from => {}
                // An offset that its header does not have, or one that goes back.
                Ok(_) => return Some(Err(Error::new(ErrorKind::CorruptBatch))),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// Moves behind the current batch, whose records are all returned, and keeps its buffer where nobody else does.
    fn finish(&mut self, decoder: &mut BatchDecoder) {
        let Some(Current { batch, records, .. }) = self.current.take() else { return };
        self.offset = self.offset.max(batch.last_offset().saturating_add(1));
        let buffer = records.into_buffer();
        if batch.compression() != Compression::None && buffer.is_unique() {
            decoder.recycle(Vec::from(buffer));
        }
    }

    /// The next batch that holds records for the user. Those before it only move the offset.
    fn next_data(&mut self, decoder: &mut BatchDecoder) -> Result<Option<Batch>> {
        while let Some(batch) = self.batches.next() {
            if batch.last_offset() < self.offset {
                continue;
            }
            let data = match batch.as_record_batch() {
                Some(records) => self.is_data(records, decoder).map_err(|error| self.at(error.into()))?,
                None => true,
            };
            if data {
                self.leader_epoch = batch.as_record_batch().map_or(-1, RecordBatch::partition_leader_epoch);
                return Ok(Some(batch));
            }
            self.offset = batch.last_offset().saturating_add(1);
        }
        Ok(None)
    }

    fn is_data(&mut self, batch: &RecordBatch, decoder: &mut BatchDecoder) -> Result<bool, DecodeError> {
        let marker = if batch.is_control() { Some(marker(batch, decoder)?) } else { None };
        Ok(self.filter.admits(batch, marker) && marker.is_none() && batch.count() > 0)
    }

    fn at(&self, error: Error) -> Error {
        let gauge = self.held.gauge();
        error.with_partition(&gauge.topic, gauge.partition).with_offset(self.offset)
    }
}

/// A record as a message, whose parts share the buffer that the record lies in.
#[inline(always)]
fn message(gauge: &Gauge, high_watermark: i64, record: &Record<'_>, buffer: &Bytes) -> Message {
    Message {
        topic: gauge.topic.clone(),
        partition: gauge.partition,
        offset: record.offset,
        high_watermark,
        key: record.key.map(|key| buffer.slice_ref(key)),
        value: record.value.map(|value| buffer.slice_ref(value)),
        headers: if record.headers.is_empty() { Vec::new() } else { headers(record, buffer) },
        timestamp: timestamp(record.timestamp),
    }
}

#[inline(never)]
fn headers(record: &Record<'_>, buffer: &Bytes) -> Vec<Header> {
    let header = |header: kafka_protocol::records::Header<'_>| Header {
        key: SmolStr::from(&*header.key),
        value: header.value.map(|value| buffer.slice_ref(value)),
    };
    record.headers.iter().map(header).collect()
}

/// What a control batch says; it has one record. Compaction may have removed that too.
fn marker(batch: &RecordBatch, decoder: &mut BatchDecoder) -> Result<ControlType, DecodeError> {
    match batch.records(decoder)?.next() {
        Some(record) => {
            let record = record?;
            ControlRecord::read(record.key, record.value).map(|control| control.control_type)
        }
        None => Ok(ControlType::Unknown(-1)),
    }
}

/// `None` for -1, and for other times that no clock has shown.
fn timestamp(milliseconds: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(u64::try_from(milliseconds).ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka_protocol::records::{BatchBuilder, BatchOptions, Batches, Compressor, MessageFormat, MessageSetBuilder};

    use super::*;
    use crate::gauge::Total;

    /// One compressed set with these offsets; no broker would store most of them.
    fn chunk(from: i64, offsets: &[i64]) -> Chunk {
        let mut builder = MessageSetBuilder::new(MessageFormat::V0);
        offsets.iter().for_each(|offset| builder.append(*offset, 0, None, Some(b"v")).unwrap());
        let bytes = builder.seal(&mut Compressor::new(Compression::Gzip, None).unwrap()).unwrap();
        let batches = Batches::new(bytes).collect::<Result<_, _>>().unwrap();
        let gauge = Arc::new(Gauge::new("t".into(), 0, 0, Arc::new(Total::default())));
        Chunk::new(gauge.hold(100, 1), batches, from, 100, Vec::new())
    }

    #[test]
    fn what_is_detached_leaves_the_answer_it_came_in() {
        for compression in [Compression::None, Compression::Gzip] {
            for format in [Some(MessageFormat::V1), None] {
                let answer = answer(format, compression);
                let batches: Vec<_> = Batches::new(answer.clone()).collect::<Result<_, _>>().unwrap();
                let gauge = Arc::new(Gauge::new("t".into(), 0, 0, Arc::new(Total::default())));
                let mut chunk = Chunk::new(gauge.hold(100, 6), batches, 0, 6, Vec::new());
                let mut decoder = BatchDecoder::default();
                let mut offsets = vec![next(&mut chunk, &mut decoder).unwrap().unwrap().offset];
                assert!(!answer.is_unique());
                chunk.detach();
                assert!(answer.is_unique(), "{format:?}");
                while let Some(message) = next(&mut chunk, &mut decoder).unwrap() {
                    assert_eq!(message.value.as_deref(), Some(&b"value"[..]));
                    offsets.push(message.offset);
                }
                assert_eq!(offsets, [0, 1, 2, 3, 4, 5]);
            }
        }
    }

    fn next(chunk: &mut Chunk, decoder: &mut BatchDecoder) -> Result<Option<Message>> {
        let mut message = None;
        assert_eq!(chunk.next_message(decoder, &mut message)?.is_some(), message.is_some());
        Ok(message)
    }

    /// Two batches of three records each.
    fn answer(format: Option<MessageFormat>, compression: Compression) -> Bytes {
        let mut bytes = Vec::new();
        for base in [0, 3] {
            let mut compressor = Compressor::new(compression, None).unwrap();
            bytes.extend_from_slice(&match format {
                Some(format) => {
                    let mut builder = MessageSetBuilder::new(format);
                    (0..3).for_each(|delta| builder.append(base + delta, 0, None, Some(b"value")).unwrap());
                    builder.seal(&mut compressor).unwrap()
                }
                None => {
                    let mut builder = BatchBuilder::new(BatchOptions { base_offset: base, ..BatchOptions::default() });
                    (0..3).for_each(|_| builder.append(0, None, Some(b"value"), []).unwrap());
                    builder.seal(&mut compressor).unwrap()
                }
            });
        }
        bytes.into()
    }

    #[test]
    fn offsets_that_go_back_or_beyond_the_batch_are_corrupt_and_not_passed() {
        for (offsets, good) in [(&[0, 1, 3, 2, 4], 2), (&[0, 1, 2, 2, 4], 2), (&[0, 1, 2, 9, 4], 2)] {
            let (mut messages, mut batches) = (chunk(1, offsets), chunk(1, offsets));
            let mut decoder = BatchDecoder::default();
            for _ in 0..good {
                assert!(next(&mut messages, &mut decoder).unwrap().is_some());
            }
            let error = next(&mut messages, &mut decoder).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::CorruptBatch, "{offsets:?}");
            let batch = batches.next_batch(&mut BatchDecoder::default()).unwrap().unwrap();
            let records: Vec<_> = batch.records(&mut decoder).unwrap().collect();
            assert_eq!(records.len(), good + 1, "{offsets:?}");
            assert!(records[good].is_err() && records[..good].iter().all(Result::is_ok));
        }
    }
}
