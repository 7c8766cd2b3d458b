//! What a partition remembers of idempotent producers (KIP-98), as Kafka's `ProducerStateManager` does.
//!
//! Sans-IO.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ErrorCode;
use kafka_protocol::records::{Producer, RecordBatch};

use crate::log::batch::{Refusal, StoredBatch};

/// The last batches of each producer.
#[derive(Clone, Debug)]
pub(crate) struct Producers {
    states: BTreeMap<i64, ProducerState>,
    max: usize,
}

#[derive(Clone, Debug)]
struct ProducerState {
    epoch: i16,
    /// The newest last.
    batches: VecDeque<Remembered>,
    /// The offset behind the newest batch: who wrote least recently has the lowest.
    end: i64,
    /// Of the newest batch, control batches included.
    timestamp: i64,
    /// Of the coordinator that wrote the newest marker, -1 without one.
    coordinator_epoch: i32,
}

/// What is known of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// -1 where nothing was written in this epoch.
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp: i64,
    /// Of the coordinator that ended its last transaction, -1 without one.
    pub(crate) coordinator_epoch: i32,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    first: i32,
    last: i32,
    base: i64,
    timestamp: i64,
}

/// How a batch fits behind those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequenced {
    /// It is the next one, or of nobody in particular.
    Next,
    /// It is there already, at this offset and with this timestamp.
    Duplicate { base: i64, timestamp: i64 },
}

impl Producers {
    pub(super) fn new(max: usize) -> Self {
        Self { states: BTreeMap::new(), max }
    }

    /// Where a batch belongs.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` where a newer instance of the producer has written, `OUT_OF_ORDER_SEQUENCE_NUMBER` where
    /// a batch is missing before it.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<Sequenced, Refusal> {
        let Producer { producer_id, producer_epoch, base_sequence } = batch.producer();
        let Some(state) = self.states.get(&producer_id) else {
            // All of its batches may have been deleted: any sequence will do.
            return Ok(Sequenced::Next);
        };
        if producer_epoch < state.epoch {
            let text = format!("producer {producer_id} has epoch {}, not {producer_epoch}", state.epoch);
            return Err(Refusal::Code(ErrorCode::INVALID_PRODUCER_EPOCH, text));
        }
        let last = if producer_epoch == state.epoch { state.batches.back().map(|batch| batch.last) } else { None };
        let same = |old: &&Remembered| old.first == base_sequence && old.last == batch.last_sequence();
        if last.is_some()
            && let Some(old) = state.batches.iter().find(same)
        {
            return Ok(Sequenced::Duplicate { base: old.base, timestamp: old.timestamp });
        }
        // After 2^31 - 1 comes 0.
        let expected = last.map_or(0, |last| last.wrapping_add(1) & i32::MAX);
        if base_sequence != expected {
            let text = format!("producer {producer_id} continues with sequence {expected}, not {base_sequence}");
            return Err(Refusal::Code(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, text));
        }
        Ok(Sequenced::Next)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = KnownProducer> {
        self.states.iter().map(|(id, state)| KnownProducer {
            id: *id,
            epoch: state.epoch,
            last_sequence: state.batches.back().map_or(-1, |batch| batch.last),
            last_timestamp: state.timestamp,
            coordinator_epoch: state.coordinator_epoch,
        })
    }

    pub(super) fn remember(&mut self, batch: &StoredBatch) {
        let Producer { producer_id, producer_epoch, base_sequence } = batch.producer;
        if producer_id < 0 {
            return;
        }
        let new = || ProducerState {
            epoch: producer_epoch,
            batches: VecDeque::new(),
            end: 0,
            timestamp: -1,
            coordinator_epoch: -1,
        };
        let state = self.states.entry(producer_id).or_insert_with(new);
        if producer_epoch > state.epoch {
            state.epoch = producer_epoch;
            state.batches.clear();
        }
        (state.end, state.timestamp) = (batch.last + 1, batch.max_timestamp);
        if let Some(epoch) = batch.marker.and_then(|marker| marker.coordinator_epoch) {
            state.coordinator_epoch = epoch;
        }
        if !batch.control {
            if state.batches.len() == REMEMBERED {
                state.batches.pop_front();
            }
            let (base, timestamp) = (batch.base, batch.max_timestamp);
            state.batches.push_back(Remembered { first: base_sequence, last: batch.last_sequence, base, timestamp });
        }
        if self.states.len() > self.max {
            let oldest = self.states.iter().min_by_key(|(_, state)| state.end).map(|(id, _)| *id);
            oldest.map(|id| self.states.remove(&id));
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.clear();
    }
}

/// Batches of a producer that a duplicate is recognised among: as many as it may have in flight.
const REMEMBERED: usize = 5;

#[cfg(test)]
mod tests {
    use kafka_protocol::records::Batch;

    use super::*;
    use crate::log::{only_batch, tests::batch};

    fn written(epoch: i16, sequence: i32, count: i64) -> RecordBatch {
        let producer = Producer { producer_id: 7, producer_epoch: epoch, base_sequence: sequence };
        let Batch::Records(batch) = only_batch(batch(count, producer)).unwrap() else { panic!() };
        batch
    }

    fn remember(producers: &mut Producers, batch: RecordBatch, base: i64) {
        producers.remember(&StoredBatch::place(batch, base, 0, None).unwrap());
    }

    #[test]
    fn sequences_go_on_without_gap_and_five_duplicates_are_known() {
        let mut producers = Producers::new(10);
        for number in 0..6 {
            let batch = written(0, number * 2, 2);
            assert_eq!(producers.check(&batch).unwrap(), Sequenced::Next);
            remember(&mut producers, batch, i64::from(number) * 2);
        }
        let duplicate = producers.check(&written(0, 2, 2)).unwrap();
        assert_eq!(duplicate, Sequenced::Duplicate { base: 2, timestamp: 1_001 });
        let code = |batch| producers.check(&batch).unwrap_err().code();
        assert_eq!(code(written(0, 0, 2)), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "the sixth is forgotten");
        assert_eq!(code(written(0, 14, 2)), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(code(written(1, 12, 2)), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "a new epoch begins at 0");
        assert_eq!(producers.check(&written(1, 0, 2)).unwrap(), Sequenced::Next);
    }

    #[test]
    fn an_older_instance_is_fenced() {
        let mut producers = Producers::new(10);
        remember(&mut producers, written(3, 0, 1), 0);
        assert_eq!(producers.check(&written(2, 1, 1)).unwrap_err().code(), ErrorCode::INVALID_PRODUCER_EPOCH);
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::new(10);
        remember(&mut producers, written(0, i32::MAX - 1, 2), 0);
        assert_eq!(producers.check(&written(0, 0, 1)).unwrap(), Sequenced::Next);
    }

    #[test]
    fn who_wrote_least_recently_makes_room() {
        let mut producers = Producers::new(1);
        remember(&mut producers, written(0, 0, 1), 0);
        let other = Producer { producer_id: 8, producer_epoch: 0, base_sequence: 0 };
        let Batch::Records(other) = only_batch(batch(1, other)).unwrap() else { panic!() };
        remember(&mut producers, other, 1);
        assert_eq!(producers.states.keys().collect::<Vec<_>>(), [&8]);
    }
}
