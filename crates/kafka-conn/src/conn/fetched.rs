//! The records of one partition from one Fetch answer, read one after the other.
//!
//! ```text
//!  bytes ─► Batches (length, format, checksum) ─► AbortFilter ─► OwnedRecords (decompressed) ─► peek, take
//! ```
//!
//! Sans-IO.

use bytes::Bytes;
use kafka_protocol::DecodeError;
use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{
    Batch, BatchDecoder, Batches, Compression, ControlRecord, ControlType, OwnedRecord, OwnedRecords, RecordBatch,
};

use crate::abort::AbortFilter;
use crate::error::{Error, ErrorKind, Result};

/// Records that were fetched, and how far they were taken.
#[derive(Debug)]
pub(super) struct Fetched {
    batches: Batches,
    filter: AbortFilter,
    /// The offset to read next: behind the last record taken, and behind what holds no record to return.
    offset: i64,
    current: Option<Current>,
    /// Read, and not taken yet.
    next: Option<OwnedRecord>,
}

/// The batch that is being read.
#[derive(Debug)]
struct Current {
    batch: Batch,
    records: OwnedRecords,
    /// The offset when it was begun; it may hold records before that.
    from: i64,
}

impl Fetched {
    /// The records from `offset` on; those of the `aborted` transactions are left out.
    pub(super) fn new(records: Bytes, offset: i64, aborted: Vec<AbortedTransaction>) -> Self {
        Self { batches: Batches::new(records), filter: AbortFilter::new(aborted), offset, current: None, next: None }
    }

    /// The offset to read next. A record that was only looked at does not move it.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// The next record; `None` when there is none left. What holds no record to return (control batches, aborted
    /// transactions, what compaction removed) has then moved the offset.
    ///
    /// # Errors
    /// [`CorruptRecords`](ErrorKind::CorruptRecords); the offset stays before what could not be read.
    pub(super) fn peek(&mut self, decoder: &mut BatchDecoder) -> Result<Option<&OwnedRecord>> {
        while self.next.is_none() {
            if let Some(record) = self.next_record()? {
                self.next = Some(record);
                break;
            }
            self.finish(decoder);
            let Some(batch) = self.next_batch(decoder)? else { return Ok(None) };
            let records = batch.owned_records(decoder).map_err(|error| self.corrupt(error))?;
            self.current = Some(Current { batch, records, from: self.offset });
        }
        Ok(self.next.as_ref())
    }

    /// Takes the record that [`peek`](Self::peek) found.
    pub(super) fn take(&mut self) -> Option<OwnedRecord> {
        let record = self.next.take()?;
        self.offset = record.offset.saturating_add(1);
        Some(record)
    }

    /// The next record of the current batch that is not before the offset.
    fn next_record(&mut self) -> Result<Option<OwnedRecord>> {
        let Some(current) = &mut self.current else { return Ok(None) };
        for record in current.records.by_ref() {
            let record = record.map_err(|error| corrupt(self.offset).with_source(error))?;
            if record.offset < current.from {
                continue;
            }
            // An offset that goes back, or one that its batch does not have.
            let good = (self.offset..=current.batch.last_offset()).contains(&record.offset);
            return if good { Ok(Some(record)) } else { Err(corrupt(self.offset)) };
        }
        Ok(None)
    }

    /// Moves behind the current batch, whose records are all taken, and keeps its buffer where nobody else does.
    fn finish(&mut self, decoder: &mut BatchDecoder) {
        let Some(Current { batch, records, .. }) = self.current.take() else { return };
        self.offset = self.offset.max(batch.last_offset().saturating_add(1));
        let buffer = records.into_buffer();
        if batch.compression() != Compression::None && buffer.is_unique() {
            decoder.recycle(Vec::from(buffer));
        }
    }

    /// The next batch that holds records to return. Those before it only move the offset.
    fn next_batch(&mut self, decoder: &mut BatchDecoder) -> Result<Option<Batch>> {
        while let Some(batch) = self.batches.next() {
            let batch = batch.map_err(|error| self.corrupt(error))?;
            if batch.last_offset() < self.offset {
                continue;
            }
            let wanted = match batch.as_record_batch() {
                Some(records) => self.wants(records, decoder).map_err(|error| self.corrupt(error))?,
                None => true,
            };
            if wanted {
                return Ok(Some(batch));
            }
            self.offset = batch.last_offset().saturating_add(1);
        }
        Ok(None)
    }

    fn wants(&mut self, batch: &RecordBatch, decoder: &mut BatchDecoder) -> Result<bool, DecodeError> {
        let marker = if batch.is_control() { Some(marker(batch, decoder)?) } else { None };
        Ok(self.filter.admits(batch, marker) && marker.is_none() && batch.count() > 0)
    }

    fn corrupt(&self, error: DecodeError) -> Error {
        corrupt(self.offset).with_source(error)
    }
}

fn corrupt(offset: i64) -> Error {
    Error::new(ErrorKind::CorruptRecords { offset })
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

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, MessageFormat, MessageSetBuilder, Producer};

    use super::*;

    /// A batch of records at these offsets, that ends at `last`.
    fn batch(options: BatchOptions, offsets: &[i64], last: i64) -> Vec<u8> {
        let delta = |offset: i64| i32::try_from(offset - options.base_offset).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions { last_offset_delta: Some(delta(last)), ..options.clone() });
        for offset in offsets {
            builder.append_at(delta(*offset), 0, None, Some(b"v"), []).unwrap();
        }
        builder.seal(&mut Compressor::default()).unwrap().to_vec()
    }

    fn plain(offsets: &[i64], last: i64) -> Vec<u8> {
        batch(BatchOptions { base_offset: offsets[0], ..BatchOptions::default() }, offsets, last)
    }

    fn of_producer(producer_id: i64, base_offset: i64) -> BatchOptions {
        let producer = Producer { producer_id, producer_epoch: 0, base_sequence: 0 };
        BatchOptions { base_offset, producer, transactional: true, ..BatchOptions::default() }
    }

    fn marker(producer_id: i64, base_offset: i64, control_type: ControlType) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { control: true, ..of_producer(producer_id, base_offset) });
        builder.append(0, Some(&control_type.key()), Some(&ControlRecord::end_marker_value(0)), []).unwrap();
        builder.seal(&mut Compressor::default()).unwrap().to_vec()
    }

    /// The offsets of the records, and where reading goes on.
    fn read(fetched: &mut Fetched) -> (Vec<i64>, i64) {
        let (mut decoder, mut offsets) = (BatchDecoder::default(), Vec::new());
        while fetched.peek(&mut decoder).unwrap().is_some() {
            let before = fetched.offset();
            let record = fetched.take().unwrap();
            assert!(before <= record.offset && fetched.offset() == record.offset + 1);
            offsets.push(record.offset);
        }
        (offsets, fetched.offset())
    }

    #[test]
    fn gaps_empty_batches_and_ends_that_compaction_removed_move_the_offset() {
        let bytes = [plain(&[3, 4, 7], 9), batch(of_producer(-1, 10), &[], 14), plain(&[15, 17], 19)].concat();
        let mut fetched = Fetched::new(bytes.clone().into(), 4, Vec::new());
        assert_eq!(read(&mut fetched), (vec![4, 7, 15, 17], 20));
        let mut fetched = Fetched::new(bytes.into(), 8, Vec::new());
        assert_eq!(read(&mut fetched), (vec![15, 17], 20), "from inside of a gap");
    }

    #[test]
    fn a_record_that_was_only_looked_at_is_not_taken() {
        let mut fetched = Fetched::new(plain(&[5, 6], 6).into(), 3, Vec::new());
        let mut decoder = BatchDecoder::default();
        for _ in 0..2 {
            assert_eq!(fetched.peek(&mut decoder).unwrap().unwrap().offset, 5);
            assert_eq!(fetched.offset(), 3);
        }
        assert_eq!(fetched.take().unwrap().offset, 5);
        assert!(fetched.take().is_none(), "the next one was not looked at");
        assert_eq!(fetched.offset(), 6);
    }

    #[test]
    fn control_batches_and_aborted_transactions_are_left_out() {
        let bytes = [
            batch(of_producer(7, 0), &[0, 1], 1),
            batch(of_producer(8, 2), &[2], 2),
            marker(7, 3, ControlType::Abort),
            marker(8, 4, ControlType::Commit),
            batch(of_producer(7, 5), &[5], 5),
            marker(7, 6, ControlType::Commit),
        ]
        .concat();
        let aborted = vec![AbortedTransaction { producer_id: 7, first_offset: 0, ..Default::default() }];
        let mut committed = Fetched::new(bytes.clone().into(), 0, aborted);
        assert_eq!(read(&mut committed), (vec![2, 5], 7));
        let mut uncommitted = Fetched::new(bytes.into(), 0, Vec::new());
        assert_eq!(read(&mut uncommitted), (vec![0, 1, 2, 5], 7));
    }

    #[test]
    fn a_batch_cut_short_ends_the_answer_and_is_read_next_time() {
        let (first, second) = (plain(&[0, 1], 1), plain(&[2, 3], 3));
        for cut in 1..second.len() {
            let bytes = [&first[..], &second[..cut]].concat();
            assert_eq!(read(&mut Fetched::new(bytes.into(), 0, Vec::new())), (vec![0, 1], 2));
        }
    }

    #[test]
    fn what_is_corrupt_is_not_passed() {
        let mut bytes = [plain(&[0, 1], 1), plain(&[2, 3], 3)].concat();
        *bytes.last_mut().unwrap() ^= 1;
        let mut fetched = Fetched::new(bytes.into(), 0, Vec::new());
        let mut decoder = BatchDecoder::default();
        for _ in 0..2 {
            assert!(fetched.peek(&mut decoder).unwrap().is_some());
            fetched.take().unwrap();
        }
        let error = fetched.peek(&mut decoder).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::CorruptRecords { offset: 2 });
        assert_eq!(fetched.offset(), 2);
    }

    #[test]
    fn offsets_that_go_back_or_beyond_their_batch_are_corrupt() {
        for offsets in [&[0, 1, 3, 2, 4], &[0, 1, 2, 2, 4], &[0, 1, 2, 9, 4]] {
            let mut builder = MessageSetBuilder::new(MessageFormat::V0);
            offsets.iter().for_each(|offset| builder.append(*offset, 0, None, Some(b"v")).unwrap());
            let bytes = builder.seal(&mut Compressor::new(Compression::Gzip, None).unwrap()).unwrap();
            let mut fetched = Fetched::new(bytes, 1, Vec::new());
            let mut decoder = BatchDecoder::default();
            let mut good = 0;
            let error = loop {
                match fetched.peek(&mut decoder) {
                    Ok(Some(_)) => good += fetched.take().into_iter().len(),
                    Ok(None) => panic!("{offsets:?}: not found"),
                    Err(error) => break error,
                }
            };
            assert_eq!(*error.kind(), ErrorKind::CorruptRecords { offset: fetched.offset() }, "{error}");
            assert_eq!(good, 2, "{offsets:?}");
        }
    }

    #[test]
    fn message_sets_of_old_topics() {
        for format in [MessageFormat::V0, MessageFormat::V1] {
            for compression in [Compression::None, Compression::Gzip] {
                let mut builder = MessageSetBuilder::new(format);
                (10..14).for_each(|offset| builder.append(offset, 0, None, Some(b"v")).unwrap());
                let bytes = builder.seal(&mut Compressor::new(compression, None).unwrap()).unwrap();
                assert_eq!(read(&mut Fetched::new(bytes, 12, Vec::new())), (vec![12, 13], 14), "{format:?}");
            }
        }
    }
}
