//! The end of transactions: markers in every partition, and offsets that count or do not.
//!
//! Sans-IO.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use kafka_protocol::records::{Batch, BatchBuilder, BatchOptions, Compressor, ControlRecord, ControlType, Producer};
use smol_str::SmolStr;

use super::{Outcome, Phase};
use crate::log::{StoredBatch, only_batch};
use crate::state::State;

impl State {
    /// Ends what an id has open. With `fences`, whoever has its epoch may do no more.
    pub(crate) fn end_transaction(&mut self, id: &SmolStr, outcome: Outcome, fences: bool) {
        let Some((ongoing, producer_id)) = self.transactions.close(id, outcome, fences) else {
            return;
        };
        for group in ongoing.groups {
            self.groups.change(&group, |group| group.offsets.end(producer_id, outcome == Outcome::Commit));
        }
        self.write_markers(id);
        self.changed = true;
    }

    /// Aborts what has been open for too long.
    pub(crate) fn abort_late_transactions(&mut self) {
        while let Some(id) = self.transactions.due(self.now) {
            self.end_transaction(&id, Outcome::Abort, true);
        }
    }

    /// Goes on with what ends, where partitions have leaders again, or are gone.
    pub(crate) fn go_on_with_endings(&mut self) {
        let ends = |phase: &Phase| matches!(phase, Phase::Ending(..));
        let ids = self.transactions.ids.iter().filter(|(_, known)| ends(&known.phase)).map(|(id, _)| id.clone());
        for id in ids.collect::<Vec<_>>() {
            self.write_markers(&id);
        }
    }

    fn write_markers(&mut self, id: &SmolStr) {
        let Some(transaction) = self.transactions.ids.get_mut(id) else {
            return;
        };
        let Phase::Ending(outcome, partitions) = &mut transaction.phase else {
            return;
        };
        let (outcome, partitions) = (*outcome, std::mem::take(partitions));
        let producer = Producer {
            producer_id: transaction.producer_id,
            producer_epoch: transaction.epoch,
            base_sequence: NO_SEQUENCE,
        };
        let left: BTreeSet<_> = partitions
            .into_iter()
            .filter(|(topic, index)| {
                let written = self.write_marker(topic, *index, producer, outcome, COORDINATOR_EPOCH);
                written == Err(ErrorCode::LEADER_NOT_AVAILABLE)
            })
            .collect();
        if let Some(transaction) = self.transactions.ids.get_mut(id) {
            let done = left.is_empty();
            transaction.phase = if done { Phase::Complete(outcome) } else { Phase::Ending(outcome, left) };
        }
    }

    /// Appends the marker of a producer's transaction.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `LEADER_NOT_AVAILABLE`; `INVALID_PRODUCER_EPOCH` where a newer instance has written.
    pub(crate) fn write_marker(
        &mut self,
        topic: &str,
        index: i32,
        producer: Producer,
        outcome: Outcome,
        coordinator_epoch: i32,
    ) -> Result<(), ErrorCode> {
        let time = self.wall_clock();
        let partition = self.partition_mut(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let epoch = partition.leader_epoch;
        let log = partition.leader_log_mut().ok_or(ErrorCode::LEADER_NOT_AVAILABLE)?;
        let newer = |epoch: i16| epoch > producer.producer_epoch;
        if log.producers().iter().any(|known| known.id == producer.producer_id && newer(known.epoch)) {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let marker = marker(producer, outcome, coordinator_epoch, time).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let Ok(Batch::Records(batch)) = only_batch(marker) else {
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        };
        let placed = StoredBatch::place(batch, log.end(), epoch, None).map_err(|refusal| refusal.code())?;
        log.append(placed);
        self.replicate(topic, index);
        Ok(())
    }
}

fn marker(producer: Producer, outcome: Outcome, coordinator_epoch: i32, time: i64) -> Option<Bytes> {
    let options = BatchOptions { producer, transactional: true, control: true, ..BatchOptions::default() };
    let mut batch = BatchBuilder::new(options);
    let kind = match outcome {
        Outcome::Commit => ControlType::Commit,
        Outcome::Abort => ControlType::Abort,
    };
    let value = ControlRecord::end_marker_value(coordinator_epoch);
    batch.append(time, Some(&kind.key()), Some(&value), []).ok()?;
    batch.seal(&mut Compressor::default()).ok()
}

/// Markers are of no count.
const NO_SEQUENCE: i32 = -1;
/// All coordinators are one here, and never fail.
const COORDINATOR_EPOCH: i32 = 0;
