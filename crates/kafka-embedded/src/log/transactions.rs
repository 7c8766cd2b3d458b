//! What a partition remembers of transactions: where open ones began, and which were aborted.
//!
//! Sans-IO.

use std::collections::BTreeMap;

use kafka_protocol::records::ControlType;

use crate::log::batch::StoredBatch;

/// Open and aborted transactions of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    /// The first offset of each producer's open transaction.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
}

/// A transaction that was aborted: its records lie between these offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first: i64,
    /// The offset of the marker.
    pub(crate) last: i64,
}

impl Transactions {
    /// The offset up to which all transactions are decided.
    pub(crate) fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        self.open.values().min().map_or(high_watermark, |first| *first.min(&high_watermark))
    }

    /// The aborted transactions with records from `from` to before `until`.
    pub(crate) fn aborted(&self, from: i64, until: i64) -> impl Iterator<Item = &Aborted> {
        self.aborted.iter().filter(move |aborted| aborted.last >= from && aborted.first < until)
    }

    /// Where the open transaction of a producer began.
    pub(crate) fn open_since(&self, producer_id: i64) -> Option<i64> {
        self.open.get(&producer_id).copied()
    }

    pub(super) fn remember(&mut self, batch: &StoredBatch) {
        if !batch.transactional {
            return;
        }
        let id = batch.producer.producer_id;
        if !batch.control {
            self.open.entry(id).or_insert(batch.base);
            return;
        }
        let first = self.open.remove(&id);
        let aborts = batch.marker.is_some_and(|marker| marker.control_type == ControlType::Abort);
        if let Some(first) = first.filter(|_| aborts) {
            self.aborted.push(Aborted { producer_id: id, first, last: batch.last });
        }
    }

    pub(super) fn delete_before(&mut self, offset: i64) {
        self.aborted.retain(|aborted| aborted.last >= offset);
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.aborted.clear();
    }
}
