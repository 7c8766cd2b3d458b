//! The log of a partition: batches of every sort, and which of their records are visible.

use bytes::Bytes;
use fastrand::Rng;
use kafka_conn::IsolationLevel;
use kafka_protocol::Uuid;
use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, ControlRecord, ControlType, Producer};

pub(super) struct Log {
    pub(super) topic_id: Uuid,
    batches: Vec<(i64, Bytes)>,
    /// Transactions that were aborted: the producer, the first offset, and the marker's.
    aborted: Vec<(i64, i64, i64)>,
    pub(super) end: i64,
    /// The offsets of the records that a reader gets.
    pub(super) visible: Vec<i64>,
    isolation_level: IsolationLevel,
}

impl Log {
    pub(super) fn new(topic_id: Uuid, isolation_level: IsolationLevel) -> Self {
        Self { topic_id, batches: Vec::new(), aborted: Vec::new(), end: 0, visible: Vec::new(), isolation_level }
    }

    /// The log of the topic that takes its place.
    pub(super) fn anew(&self, topic_id: Uuid) -> Self {
        Self::new(topic_id, self.isolation_level)
    }

    /// Appends something: records, a transaction, or what compaction leaves of them.
    pub(super) fn append(&mut self, random: &mut Rng) {
        let producer_id = random.i64(1..3);
        match random.u8(..6) {
            0 => {
                let first = self.end;
                self.batch(of_producer(producer_id), random.i32(1..4), 0, self.isolation_level == UNCOMMITTED);
                self.marker(producer_id, ControlType::Abort);
                self.aborted.push((producer_id, first, self.end - 1));
            }
            1 => {
                self.batch(of_producer(producer_id), random.i32(1..4), 0, true);
                self.marker(producer_id, ControlType::Commit);
            }
            // All of its records, or the last of them, were compacted away.
            2 => self.batch(BatchOptions::default(), 0, random.i32(1..4), true),
            3 => self.batch(BatchOptions::default(), random.i32(1..4), random.i32(1..4), true),
            _ => self.batch(BatchOptions::default(), random.i32(1..4), 0, true),
        }
    }

    fn batch(&mut self, options: BatchOptions, records: i32, compacted: i32, visible: bool) {
        let last = records + compacted - 1;
        let options = BatchOptions { base_offset: self.end, last_offset_delta: Some(last), ..options };
        let mut builder = BatchBuilder::new(options);
        (0..records).for_each(|_| builder.append(0, None, Some(b"v"), []).unwrap_or_default());
        if visible {
            self.visible.extend((self.end..).take(records.unsigned_abs() as usize));
        }
        self.seal(builder, i64::from(last) + 1);
    }

    fn marker(&mut self, producer_id: i64, control_type: ControlType) {
        let options = BatchOptions { control: true, base_offset: self.end, ..of_producer(producer_id) };
        let mut builder = BatchBuilder::new(options);
        let (key, value) = (control_type.key(), ControlRecord::end_marker_value(0));
        builder.append(0, Some(&key), Some(&value), []).unwrap_or_default();
        self.seal(builder, 1);
    }

    fn seal(&mut self, mut builder: BatchBuilder, offsets: i64) {
        let bytes = builder.seal(&mut Compressor::default()).unwrap_or_default();
        self.end += offsets;
        self.batches.push((self.end - 1, bytes));
    }

    /// The batches from the one on that has `offset`, at most `count`, and the transactions among them that were aborted.
    pub(super) fn read(&self, offset: i64, count: usize) -> (Vec<Bytes>, Vec<AbortedTransaction>) {
        let from = self.batches.partition_point(|(last, _)| *last < offset);
        let read = &self.batches[from..self.batches.len().min(from + count)];
        let Some((last, _)) = read.last() else { return (Vec::new(), Vec::new()) };
        let among = |(_, first, marker): &&(i64, i64, i64)| first <= last && *marker >= offset;
        let transaction = |&(producer_id, first_offset, _): &(i64, i64, i64)| AbortedTransaction {
            producer_id,
            first_offset,
            ..AbortedTransaction::default()
        };
        let aborted = match self.isolation_level {
            IsolationLevel::ReadUncommitted => Vec::new(),
            IsolationLevel::ReadCommitted => self.aborted.iter().filter(among).map(transaction).collect(),
        };
        (read.iter().map(|(_, bytes)| bytes.clone()).collect(), aborted)
    }
}

fn of_producer(producer_id: i64) -> BatchOptions {
    let producer = Producer { producer_id, producer_epoch: 0, base_sequence: 0 };
    BatchOptions { producer, transactional: true, ..BatchOptions::default() }
}

const UNCOMMITTED: IsolationLevel = IsolationLevel::ReadUncommitted;
