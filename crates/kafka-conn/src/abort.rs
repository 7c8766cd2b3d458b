//! Which batches of a fetch belong to transactions that were aborted (KIP-98).
//!
//! Sans-IO.

use std::collections::{BTreeSet, VecDeque};

use kafka_protocol::messages::fetch::AbortedTransaction;
use kafka_protocol::records::{ControlType, RecordBatch};

/// Goes along the batches of one partition in one Fetch answer, in order, and tells which are to be dropped by those
/// who read committed records.
///
/// ```text
///  pending (by first offset) ── reached by a batch ──► aborted producers ── abort marker ──► forgotten
/// ```
#[derive(Debug, Default)]
pub struct AbortFilter {
    pending: VecDeque<AbortedTransaction>,
    aborted: BTreeSet<i64>,
}

impl AbortFilter {
    /// From the list in the answer, which brokers do not promise to sort.
    pub fn new(mut transactions: Vec<AbortedTransaction>) -> Self {
        transactions.sort_by_key(|transaction| transaction.first_offset);
        Self { pending: transactions.into(), aborted: BTreeSet::new() }
    }

    /// Whether the records of `batch` are to be returned as far as transactions are concerned. `marker` is what a
    /// control batch says.
    pub fn admits(&mut self, batch: &RecordBatch, marker: Option<ControlType>) -> bool {
        self.reach(batch.last_offset());
        let producer_id = batch.producer().producer_id;
        if marker == Some(ControlType::Abort) {
            // A transaction without records has a marker too, and is in no list.
            self.aborted.remove(&producer_id);
        }
        marker.is_some() || !(batch.is_transactional() && self.aborted.contains(&producer_id))
    }

    fn reach(&mut self, last_offset: i64) {
        while let Some(next) = self.pending.pop_front_if(|next| next.first_offset <= last_offset) {
            self.aborted.insert(next.producer_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{Batch, BatchBuilder, BatchOptions, Batches, Compressor, Producer};

    use super::*;

    fn batch(producer_id: i64, base_offset: i64, records: usize) -> RecordBatch {
        let producer = Producer { producer_id, producer_epoch: 0, base_sequence: 0 };
        let transactional = producer_id >= 0;
        let mut builder =
            BatchBuilder::new(BatchOptions { base_offset, producer, transactional, ..BatchOptions::default() });
        (0..records).for_each(|_| builder.append(0, None, None, []).unwrap());
        let bytes = builder.seal(&mut Compressor::default()).unwrap();
        match Batches::new(bytes).next() {
            Some(Ok(Batch::Records(batch))) => batch,
            other => panic!("{other:?}"),
        }
    }

    fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
        AbortedTransaction { producer_id, first_offset, ..Default::default() }
    }

    #[test]
    fn records_before_between_and_after_aborted_transactions_pass() {
        // Not sorted on purpose.
        let mut filter = AbortFilter::new(vec![aborted(7, 20), aborted(8, 12), aborted(7, 4)]);
        let data = None;
        assert!(filter.admits(&batch(7, 0, 2), data), "an earlier, committed transaction of the same producer");
        assert!(!filter.admits(&batch(7, 4, 2), data));
        assert!(filter.admits(&batch(-1, 6, 1), data), "without transaction");
        assert!(!filter.admits(&batch(7, 7, 1), data));
        assert!(filter.admits(&batch(7, 8, 1), Some(ControlType::Abort)));
        assert!(filter.admits(&batch(7, 9, 2), data), "after the marker");
        assert!(!filter.admits(&batch(8, 12, 1), data));
        assert!(filter.admits(&batch(9, 13, 1), data), "another producer");
        assert!(filter.admits(&batch(8, 14, 1), Some(ControlType::Abort)));
        assert!(!filter.admits(&batch(7, 20, 1), data));
    }

    #[test]
    fn a_marker_of_a_transaction_without_records_changes_nothing() {
        let mut filter = AbortFilter::new(vec![aborted(7, 5)]);
        assert!(filter.admits(&batch(7, 1, 1), Some(ControlType::Abort)));
        assert!(filter.admits(&batch(7, 2, 2), None));
        assert!(!filter.admits(&batch(7, 5, 1), None));
    }

    #[test]
    fn a_transaction_that_began_before_the_fetch_is_dropped_from_the_start() {
        let mut filter = AbortFilter::new(vec![aborted(7, 1)]);
        assert!(!filter.admits(&batch(7, 100, 3), None));
        assert!(filter.admits(&batch(7, 103, 1), Some(ControlType::Commit)), "as any marker");
    }
}
