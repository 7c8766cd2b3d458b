//! The log of a replica: batches as bytes, and what brokers remember beside them.
//!
//! ```text
//!  start                    high watermark       end
//!    │ batch │ batch │ batch │ batch │ batch │     offsets
//!    └─ epochs: where each leader began    producers: last sequences    transactions: open and aborted ones
//! ```
//!
//! Sans-IO.

mod batch;
mod epochs;
mod producers;
mod transactions;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{Batch, BatchDecoder, Batches};

pub(crate) use batch::{Refusal, StoredBatch, TimestampRule, validate};
pub(crate) use epochs::Epochs;
pub(crate) use producers::{Producers, Sequenced};
pub(crate) use transactions::{Aborted, Transactions};

/// What one replica of a partition has.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    start: i64,
    end: i64,
    batches: VecDeque<StoredBatch>,
    size: usize,
    epochs: Epochs,
    producers: Producers,
    transactions: Transactions,
}

/// What a fetch gets from a log.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Whole batches, but for the last, which may be cut short.
    pub(crate) records: Bytes,
    /// The offset behind the last whole batch.
    pub(crate) next: i64,
}

impl Log {
    pub(crate) fn new(max_producers: usize) -> Self {
        Self {
            start: 0,
            end: 0,
            batches: VecDeque::new(),
            size: 0,
            epochs: Epochs::default(),
            producers: Producers::new(max_producers),
            transactions: Transactions::default(),
        }
    }

    /// The first offset that there is.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The bytes of all batches.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(crate) fn producers(&self) -> &Producers {
        &self.producers
    }

    pub(crate) fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// A leader begins: what it appends bears `epoch`.
    pub(crate) fn begin_epoch(&mut self, epoch: i32) {
        self.epochs.begin(epoch, self.end);
    }

    /// Appends a batch that has its place already.
    pub(crate) fn append(&mut self, batch: StoredBatch) {
        debug_assert!(batch.base >= self.end, "a batch lies behind what is there");
        self.epochs.begin(batch.epoch, batch.base);
        self.remember(&batch);
        self.end = batch.last.saturating_add(1);
        self.size += batch.bytes.len();
        self.batches.push_back(batch);
    }

    /// Drops everything from `offset` on: what another leader never had.
    pub(crate) fn truncate(&mut self, offset: i64) {
        if offset >= self.end {
            return;
        }
        while self.batches.back().is_some_and(|batch| batch.last >= offset) {
            self.size -= self.batches.pop_back().map_or(0, |batch| batch.bytes.len());
        }
        let emptied = self.start.min(offset);
        self.end = self.batches.back().map_or(emptied, |batch| batch.last + 1);
        self.start = self.start.min(self.end);
        self.epochs.truncate(offset);
        self.recall();
    }

    /// Drops everything and begins at `offset`: what a follower does that has nothing in common with its leader.
    pub(crate) fn restart(&mut self, offset: i64) {
        self.batches.clear();
        (self.start, self.end, self.size) = (offset, offset, 0);
        self.epochs.truncate(i64::MIN);
        self.recall();
    }

    /// Deletes records before `offset`, whole batches only; the start is there nevertheless.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        let offset = offset.min(self.end);
        if offset <= self.start {
            return;
        }
        self.start = offset;
        while self.batches.front().is_some_and(|batch| batch.last < offset) {
            self.size -= self.batches.pop_front().map_or(0, |batch| batch.bytes.len());
        }
        self.epochs.delete_before(offset);
        self.transactions.delete_before(offset);
    }

    /// Where the log would begin if it kept no more than `bytes`, the last batch always included, and nothing from
    /// `until` on were deleted.
    pub(crate) fn start_within(&self, bytes: usize, until: i64) -> i64 {
        let (mut size, mut start) = (self.size, self.start);
        for batch in self.batches.iter().take(self.batches.len().saturating_sub(1)) {
            if size <= bytes || batch.last >= until {
                break;
            }
            size -= batch.bytes.len();
            start = batch.last + 1;
        }
        start
    }

    /// Batches from the one that holds `offset` on, up to `until`, of at most `max_bytes`; the first one is whole if
    /// `at_least_one`, and else there is none that does not begin whole. As Kafka, the last may be cut short.
    pub(crate) fn read(&self, offset: i64, until: i64, max_bytes: usize, at_least_one: bool) -> Slice {
        let first = self.batches.partition_point(|batch| batch.last < offset);
        let batches = || self.batches.iter().skip(first).take_while(|batch| batch.last < until);
        let empty = Slice { records: Bytes::new(), next: offset };
        let Some(front) = batches().next() else {
            return empty;
        };
        if front.bytes.len() > max_bytes && !at_least_one {
            return empty;
        }
        let limit = max_bytes.max(front.bytes.len());
        let total = batches().scan(0usize, |sum, batch| {
            let before = *sum;
            *sum = sum.saturating_add(batch.bytes.len());
            (before < limit).then_some(*sum)
        });
        let total = total.last().unwrap_or_default();
        if total == front.bytes.len() {
            return Slice { records: front.bytes.clone(), next: front.last + 1 };
        }
        let mut records = BytesMut::with_capacity(total.min(limit));
        let mut next = offset;
        for batch in batches() {
            let room = limit - records.len();
            if batch.bytes.len() > room {
                records.extend_from_slice(batch.bytes.get(..room).unwrap_or_default());
                break;
            }
            records.extend_from_slice(&batch.bytes);
            next = batch.last + 1;
        }
        Slice { records: records.freeze(), next }
    }

    /// How many bytes a fetch from `offset` could get, no more than `enough` counted.
    pub(crate) fn available(&self, offset: i64, until: i64, enough: usize) -> usize {
        let first = self.batches.partition_point(|batch| batch.last < offset);
        let mut sum = 0usize;
        for batch in self.batches.iter().skip(first).take_while(|batch| batch.last < until) {
            sum = sum.saturating_add(batch.bytes.len());
            if sum >= enough {
                break;
            }
        }
        sum
    }

    /// The batches that a follower which ends at `offset` lacks.
    pub(crate) fn batches_from(&self, offset: i64) -> impl Iterator<Item = &StoredBatch> {
        let first = self.batches.partition_point(|batch| batch.last < offset);
        self.batches.iter().skip(first)
    }

    /// The offset and timestamp of the first record before `until` that is not older than `timestamp`.
    pub(crate) fn offset_at_time(&self, timestamp: i64, until: i64, decoder: &mut BatchDecoder) -> Option<(i64, i64)> {
        let batches = self.batches.iter().take_while(|batch| batch.last < until);
        batches
            .filter(|batch| batch.max_timestamp >= timestamp && !batch.control)
            .find_map(|batch| batch.find(decoder, |offset, time| offset >= self.start && time >= timestamp))
    }

    /// The offset and timestamp of the newest record by timestamp, the first of several.
    pub(crate) fn newest(&self, until: i64, decoder: &mut BatchDecoder) -> Option<(i64, i64)> {
        let batches = || self.batches.iter().take_while(|batch| batch.last < until).filter(|batch| !batch.control);
        let newest = batches().map(|batch| batch.max_timestamp).max()?;
        batches()
            .filter(|batch| batch.max_timestamp == newest)
            .find_map(|batch| batch.find(decoder, |offset, time| offset >= self.start && time == newest))
    }

    /// The epoch of the record at `offset`, or of the last one before it.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        self.epochs.at(offset)
    }

    fn remember(&mut self, batch: &StoredBatch) {
        self.producers.remember(batch);
        self.transactions.remember(batch);
    }

    /// Learns again from what is left what stands beside the batches.
    fn recall(&mut self) {
        self.producers.clear();
        self.transactions.clear();
        for batch in &self.batches {
            self.producers.remember(batch);
            self.transactions.remember(batch);
        }
    }
}

/// The only batch of `data`, if there is exactly one and nothing else.
pub(crate) fn only_batch(data: Bytes) -> Result<Batch, Refusal> {
    let mut batches = Batches::new(data);
    let batch = batches.next().ok_or(Refusal::Invalid("there is no whole record batch"))?;
    let batch = batch.map_err(|error| Refusal::Decode(Box::new(error)))?;
    if batches.next().is_some() || batches.trailing() > 0 {
        return Err(Refusal::Invalid("there is more than one record batch for a partition"));
    }
    Ok(batch)
}

#[cfg(test)]
pub(crate) mod tests {
    use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, Producer};

    use super::*;

    /// A batch of `count` records as a client writes it.
    pub(crate) fn batch(count: i64, producer: Producer) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
        for number in 0..count {
            builder.append(1_000 + number, None, Some(b"value"), []).unwrap();
        }
        builder.seal(&mut Compressor::default()).unwrap()
    }

    fn append(log: &mut Log, count: i64, epoch: i32) {
        let Batch::Records(batch) = only_batch(batch(count, Producer::NONE)).unwrap() else { panic!() };
        log.append(StoredBatch::place(batch, log.end(), epoch, None).unwrap());
    }

    fn log(counts: &[(i64, i32)]) -> Log {
        let mut log = Log::new(10);
        for &(count, epoch) in counts {
            append(&mut log, count, epoch);
        }
        log
    }

    #[test]
    fn the_first_batch_is_whole_and_the_last_may_be_cut() {
        let log = log(&[(2, 0), (2, 0), (2, 0)]);
        let one = log.size() / 3;
        assert_eq!(log.read(0, 6, 1, true).records.len(), one);
        assert!(log.read(0, 6, 1, false).records.is_empty());
        let cut = log.read(1, 6, one * 2 + 7, true);
        assert_eq!((cut.records.len(), cut.next), (one * 2 + 7, 4));
        assert_eq!(log.read(2, 4, usize::MAX, true).next, 4);
        assert!(log.read(4, 4, usize::MAX, true).records.is_empty());
        assert_eq!(log.available(2, 6, usize::MAX), 2 * one);
    }

    #[test]
    fn truncation_takes_whole_batches_and_their_epochs() {
        let mut log = log(&[(2, 0), (2, 1), (2, 3)]);
        log.truncate(3);
        assert_eq!((log.start(), log.end()), (0, 2));
        assert_eq!(log.epochs().end_of(3, log.end()), None);
        assert_eq!(log.epochs().end_of(0, log.end()), Some((0, 2)));
        log.truncate(0);
        assert_eq!((log.end(), log.size()), (0, 0));
    }

    #[test]
    fn deletion_moves_the_start_within_a_batch() {
        let mut log = log(&[(4, 0), (4, 0)]);
        log.delete_before(3);
        assert_eq!((log.start(), log.batches.len()), (3, 2));
        log.delete_before(4);
        assert_eq!((log.start(), log.batches.len()), (4, 1));
        assert_eq!(log.start_within(0, 8), 4, "the last batch stays");
    }

    #[test]
    fn time_finds_offsets() {
        let log = log(&[(4, 0), (4, 0)]);
        let mut decoder = BatchDecoder::default();
        assert_eq!(log.offset_at_time(1_002, 8, &mut decoder), Some((2, 1_002)));
        assert_eq!(log.offset_at_time(1_004, 8, &mut decoder), None);
        assert_eq!(log.newest(8, &mut decoder), Some((3, 1_003)));
    }
}
