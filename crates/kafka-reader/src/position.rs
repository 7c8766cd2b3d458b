//! Where a partition is read, and what an answer about it means.
//!
//! Sans-IO.

use bytes::Bytes;
use kafka_protocol::messages::fetch::PartitionData;
use kafka_protocol::records::{Batch, Batches};
use kafka_protocol::{DecodeError, ErrorCode};

/// The place of a partition that is fetched next, and how.
///
/// It moves only by whole batches that were handed over; nothing else moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    offset: i64,
    /// The epoch of the leader that wrote what is before `offset`, or -1: what a validation after a change of leader
    /// (KIP-320) goes by.
    leader_epoch: i32,
    /// At least so many bytes are asked for, where a batch did not fit into less.
    min_max_bytes: i32,
    /// How often in a row the batch here was wrong.
    corrupt: u8,
    /// How often in a row there was nothing here though the partition goes on.
    vacant: u8,
    /// Up to where it is certain that there is nothing.
    vacant_to: i64,
}

/// What came of an answer about a partition.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Batches to hand over, none of them wholly before `from`. The position is behind them.
    Batches { batches: Vec<Batch>, from: i64, size: usize },
    /// Nothing new.
    Nothing,
    /// Something, but nothing that is at the position or behind it. Asking again at once would go on for ever.
    NoProgress,
    /// To be tried again after a pause, and fresh metadata if the code says so.
    Again(ErrorCode),
    /// The partition has no such offset, says the broker.
    OutOfRange,
    /// What is here could not be read; once more may help.
    Unreadable(DecodeError),
    /// What is here cannot be read.
    Corrupt(DecodeError),
}

impl Position {
    pub(crate) fn new(offset: i64, leader_epoch: i32) -> Self {
        Self { offset, leader_epoch, min_max_bytes: 0, corrupt: 0, vacant: 0, vacant_to: offset }
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// The epoch of the leader that wrote what is before the offset, or -1.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// What to ask for at most, where `granted` are allowed.
    pub(crate) fn max_bytes(&self, granted: usize) -> i32 {
        i32::try_from(granted).unwrap_or(i32::MAX).max(self.min_max_bytes)
    }

    /// Takes the answer to a request at this position for `asked` bytes.
    pub(crate) fn handle_data(&mut self, data: &PartitionData, asked: i32) -> Outcome {
        match ErrorCode(data.error_code) {
            ErrorCode::NONE => self.handle_records(data.records.clone().unwrap_or_default(), asked),
            ErrorCode::OFFSET_OUT_OF_RANGE => Outcome::OutOfRange,
            code => Outcome::Again(code),
        }
    }

    /// Takes an answer without any record that had room for some, while the partition goes on to `end`. Whether that has
    /// happened so often that the records up to there are probably gone (all of a log's tail may be compacted away).
    pub(crate) fn handle_vacancy(&mut self, end: i64) -> bool {
        if end <= self.offset.max(self.vacant_to) {
            return false;
        }
        self.vacant = (self.vacant + 1) % MAX_TRIES;
        self.vacant == 0
    }

    /// It is certain now that there is nothing before `end`. The position stays: whatever is there would still be read.
    pub(crate) fn set_vacant_to(&mut self, end: i64) {
        self.vacant_to = end;
    }

    fn handle_records(&mut self, records: Bytes, asked: i32) -> Outcome {
        let (from, mut size, empty) = (self.offset, 0usize, records.is_empty());
        let mut whole = Vec::new();
        let mut batches = Batches::new(records);
        for batch in &mut batches {
            match batch {
                // A compressed batch is sent whole, so the first one may begin, or even end, before the position.
                Ok(batch) if batch.last_offset() < self.offset => {}
                // There is no position behind that: it would be read again and again.
                Ok(batch) if batch.last_offset() == i64::MAX => break,
                Ok(batch) => {
                    size = size.saturating_add(batch.size_in_bytes());
                    self.pass(&batch);
                    whole.push(batch);
                }
                // What came before is good. This one will come again, alone.
                Err(_) if !whole.is_empty() => break,
                Err(error) => return self.unreadable(error),
            }
        }
        if !whole.is_empty() {
            (self.min_max_bytes, self.corrupt, self.vacant) = (0, 0, 0);
            return Outcome::Batches { batches: whole, from, size };
        }
        if batches.trailing() > 0 && asked < i32::MAX {
            // Only brokers before 0.10.1 send less than a batch; the next request asks for more.
            self.min_max_bytes = asked.saturating_mul(2).max(MIN_GROWN);
            return Outcome::Nothing;
        }
        if empty { Outcome::Nothing } else { Outcome::NoProgress }
    }

    fn pass(&mut self, batch: &Batch) {
        // No overflow: the last offset is less than 2^63 - 1.
        self.offset = batch.last_offset().saturating_add(1);
        self.leader_epoch = batch.as_record_batch().map_or(-1, |batch| batch.partition_leader_epoch());
    }

    fn unreadable(&mut self, error: DecodeError) -> Outcome {
        self.corrupt = self.corrupt.saturating_add(1);
        if self.corrupt < MAX_TRIES { Outcome::Unreadable(error) } else { Outcome::Corrupt(error) }
    }
}

/// What is wrong or missing in one answer may be right in the next, if it was hurt on the way; three times is enough.
const MAX_TRIES: u8 = 3;
const MIN_GROWN: i32 = 1 << 16;

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};

    use super::*;

    fn batch(base_offset: i64, records: i32, epoch: i32) -> Vec<u8> {
        let options = BatchOptions { base_offset, partition_leader_epoch: epoch, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        (0..records).for_each(|_| builder.append(0, None, Some(b"value"), []).unwrap());
        builder.seal(&mut Compressor::default()).unwrap().to_vec()
    }

    fn empty_batch(base_offset: i64, last_offset_delta: i32) -> Vec<u8> {
        let options =
            BatchOptions { base_offset, last_offset_delta: Some(last_offset_delta), ..BatchOptions::default() };
        BatchBuilder::new(options).seal(&mut Compressor::default()).unwrap().to_vec()
    }

    fn data(records: Vec<u8>) -> PartitionData {
        PartitionData { records: Some(records.into()), ..PartitionData::default() }
    }

    fn refused(code: ErrorCode) -> PartitionData {
        PartitionData { error_code: code.0, ..PartitionData::default() }
    }

    #[test]
    fn whole_batches_move_it_and_the_one_cut_short_comes_again() {
        let mut position = Position::new(12, 1);
        let mut records = [batch(0, 5, 1), batch(10, 5, 2), batch(20, 2, 3)].concat();
        records.truncate(records.len() - 1);
        let Outcome::Batches { batches, from, .. } = position.handle_data(&data(records), 100) else {
            panic!("no batches")
        };
        // The first ends before the position, the second contains it, the third is cut short.
        assert_eq!((batches.len(), from, position.offset(), position.leader_epoch), (1, 12, 15, 2));
        assert_eq!(position.max_bytes(50), 50);
    }

    #[test]
    fn an_empty_batch_moves_it() {
        let mut position = Position::new(7, -1);
        let outcome = position.handle_data(&data(empty_batch(5, 9)), 100);
        assert!(matches!(outcome, Outcome::Batches { batches, .. } if batches.len() == 1));
        assert_eq!(position.offset(), 15);
    }

    #[test]
    fn where_not_one_batch_was_whole_the_next_request_asks_for_more() {
        let mut position = Position::new(0, -1);
        let whole = batch(0, 1000, 1);
        let cut = whole[..100].to_vec();
        assert!(matches!(position.handle_data(&data(cut.clone()), 1 << 20), Outcome::Nothing));
        assert_eq!(position.max_bytes(100), 2 << 20);
        assert!(matches!(position.handle_data(&data(cut), 2 << 20), Outcome::Nothing));
        assert_eq!(position.max_bytes(100), 4 << 20);
        assert!(matches!(position.handle_data(&data(whole), 4 << 20), Outcome::Batches { .. }));
        assert_eq!((position.max_bytes(100), position.offset()), (100, 1000));
    }

    #[test]
    fn an_answer_that_does_not_get_anywhere_is_told_from_an_empty_one() {
        let mut position = Position::new(20, -1);
        assert!(matches!(position.handle_data(&data(Vec::new()), 100), Outcome::Nothing));
        assert!(matches!(position.handle_data(&data(batch(0, 10, 1)), 100), Outcome::NoProgress), "below the position");
        let cut = batch(20, 10, 1)[..70].to_vec();
        let mut asked = 100;
        while let Outcome::Nothing = position.handle_data(&data(cut.clone()), asked) {
            assert!(position.max_bytes(100) > asked, "it asks for more and more");
            asked = position.max_bytes(100);
        }
        assert!(matches!(position.handle_data(&data(cut), asked), Outcome::NoProgress));
        assert!(
            matches!(position.handle_data(&data(batch(i64::MAX, 1, 1)), 100), Outcome::NoProgress),
            "no offset behind"
        );
        assert_eq!(position.offset(), 20);
    }

    #[test]
    fn a_vacancy_is_believed_when_it_comes_again_and_told_once() {
        let mut position = Position::new(5, -1);
        assert!([5, 5, 5, 5].iter().all(|end| !position.handle_vacancy(*end)), "at the end");
        assert_eq!([9; 3].map(|end| position.handle_vacancy(end)), [false, false, true]);
        position.set_vacant_to(9);
        assert!([9; 6].iter().all(|end| !position.handle_vacancy(*end)), "known");
        assert!(!position.handle_vacancy(10));
        assert!(matches!(position.handle_data(&data(batch(5, 1, 1)), 100), Outcome::Batches { .. }));
        assert_eq!([10; 3].map(|end| position.handle_vacancy(end)), [false, false, true], "records came meanwhile");
    }

    #[test]
    fn a_corrupt_batch_is_tried_again_then_given_up_and_never_passed() {
        let mut position = Position::new(0, -1);
        let mut bad = batch(5, 2, 1);
        *bad.last_mut().unwrap() ^= 1;
        let both = [batch(0, 5, 1), bad.clone()].concat();
        let outcome = position.handle_data(&data(both), 100);
        assert!(matches!(outcome, Outcome::Batches { batches, .. } if batches.len() == 1));
        for _ in 1..MAX_TRIES {
            assert!(matches!(position.handle_data(&data(bad.clone()), 100), Outcome::Unreadable(_)));
        }
        let Outcome::Corrupt(error) = position.handle_data(&data(bad), 100) else { panic!("not corrupt") };
        assert!(error.is_checksum());
        assert_eq!(position.offset(), 5);
    }

    #[test]
    fn errors_never_move_it() {
        let mut position = Position::new(42, 3);
        for code in [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::FENCED_LEADER_EPOCH, ErrorCode(9999)] {
            assert!(matches!(position.handle_data(&refused(code), 1), Outcome::Again(again) if again == code));
        }
        let outcome = position.handle_data(&refused(ErrorCode::OFFSET_OUT_OF_RANGE), 1);
        assert!(matches!(outcome, Outcome::OutOfRange));
        assert_eq!(position, Position::new(42, 3));
    }
}
