//! A partition's log as a broker keeps it: with what it remembers of each producer (KIP-98, KIP-360).

use std::collections::{HashMap, VecDeque};

use kafka_protocol::records::Producer;

use super::*;
use crate::accumulator::sequence::following;

/// A log, and the leader's rules for what may be appended to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// The numbers of the messages.
    pub(super) messages: Vec<u64>,
    producers: HashMap<i64, Epoch>,
}

/// What is known of a producer.
#[derive(Clone, Debug)]
struct Epoch {
    epoch: i16,
    /// The last five batches: first and last sequence number, and where it is.
    batches: VecDeque<(i32, i32, i64)>,
}

impl Log {
    /// Appends a batch, or says that it is there; returns where.
    pub(super) fn append(&mut self, records: &Bytes) -> Result<i64, ErrorCode> {
        let producer = producer(records);
        let numbers = numbers(records);
        let last = following(producer.base_sequence, numbers.len() as u32 - 1);
        let base = self.messages.len() as i64;
        if producer.producer_id >= 0 {
            if let Some(offset) = self.duplicate(producer, last)? {
                return Ok(offset);
            }
            self.remember(producer, last, base);
        }
        self.messages.extend(numbers);
        Ok(base)
    }

    /// Forgets what it knows of producers, as when all that they wrote was deleted.
    pub(super) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    fn duplicate(&self, producer: Producer, last: i32) -> Result<Option<i64>, ErrorCode> {
        // Of who is not known any number is taken.
        let Some(known) = self.producers.get(&producer.producer_id) else { return Ok(None) };
        let base = producer.base_sequence;
        if producer.producer_epoch < known.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if producer.producer_epoch > known.epoch {
            return if base == 0 { Ok(None) } else { Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) };
        }
        if let Some((.., offset)) = known.batches.iter().find(|(first, end, _)| (*first, *end) == (base, last)) {
            return Ok(Some(*offset));
        }
        let expected = known.batches.back().map(|(_, end, _)| following(*end, 1));
        if expected == Some(base) { Ok(None) } else { Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) }
    }

    fn remember(&mut self, producer: Producer, last: i32, offset: i64) {
        let fresh = || Epoch { epoch: producer.producer_epoch, batches: VecDeque::new() };
        let known = self.producers.entry(producer.producer_id).or_insert_with(fresh);
        if known.epoch != producer.producer_epoch {
            *known = fresh();
        }
        known.batches.push_back((producer.base_sequence, last, offset));
        if known.batches.len() > MAX_IN_FLIGHT {
            known.batches.pop_front();
        }
    }
}

/// Who wrote a batch.
pub(super) fn producer(records: &Bytes) -> Producer {
    let Some(Ok(Batch::Records(batch))) = Batches::new(records.clone()).next() else { panic!("not of format 2") };
    batch.producer()
}
