//! The count of one partition's messages, by which brokers tell duplicates and gaps (KIP-98).
//!
//! Sans-IO.

use kafka_protocol::records::Producer;

use super::identity::ProducerIdentity;
use crate::mutation::{Mutation, is_planted};

/// How far a partition has counted, and under which identity.
///
/// ```text
///  Unstarted ── start ──► Counting, unconfirmed ── confirm ──► Counting, confirmed ── unconfirm ──┐
///      ▲                    │        ▲ └───────────────────────────│──────────────────────────────┘
///      │                  interrupt  └─────────────────────────────│ the partition is another one
///      └──── restart ──── Broken ◄──────────── interrupt ──────────┘
///         nothing in flight
/// ```
///
/// A broker that has no state of a producer takes any sequence number for the first. So until one batch is confirmed,
/// no second one is under way that could overtake it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    counting: Option<Counting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counting {
    identity: ProducerIdentity,
    /// The sequence number of the next message, 0 to 2³¹ - 1, and then 0 again.
    next: i32,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Unconfirmed,
    Confirmed,
    /// A number that was given will not be in the log: what follows it would be out of order.
    Broken,
}

impl Sequence {
    /// Who counts; `None` where nothing has been counted.
    pub(crate) fn identity(&self) -> Option<ProducerIdentity> {
        self.counting.map(|counting| counting.identity)
    }

    /// Begins to count from 0.
    pub(crate) fn start(&mut self, identity: ProducerIdentity) {
        debug_assert!(self.counting.is_none(), "a count is thrown away");
        self.counting = Some(Counting { identity, next: 0, progress: Progress::Unconfirmed });
    }

    /// Counts on from anywhere, as after many messages.
    #[cfg(test)]
    pub(crate) fn at(identity: ProducerIdentity, next: i32) -> Self {
        Self { counting: Some(Counting { identity, next, progress: Progress::Unconfirmed }) }
    }

    #[cfg(test)]
    pub(crate) fn confirmed_at(identity: ProducerIdentity, next: i32) -> Self {
        Self { counting: Some(Counting { identity, next, progress: Progress::Confirmed }) }
    }

    /// The numbers of the next batch; `None` where nobody counts.
    pub(crate) fn assign(&mut self, messages: u32) -> Option<Producer> {
        let counting = self.counting.as_mut()?;
        let ProducerIdentity { producer_id, producer_epoch } = counting.identity;
        let base_sequence = counting.next;
        if !is_planted(Mutation::ReuseASequence) {
            counting.next = following(base_sequence, messages);
        }
        Some(Producer { producer_id, producer_epoch, base_sequence })
    }

    /// A batch of this count is in the log.
    pub(crate) fn confirm(&mut self) {
        self.change(Progress::Unconfirmed, Progress::Confirmed);
    }

    /// The broker may have no state of this count, as where the topic was deleted and made anew.
    pub(crate) fn unconfirm(&mut self) {
        self.change(Progress::Confirmed, Progress::Unconfirmed);
    }

    /// A batch that has numbers will not be in the log.
    pub(crate) fn interrupt(&mut self) {
        if let Some(counting) = &mut self.counting {
            counting.progress = Progress::Broken;
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.counting.is_some_and(|counting| counting.progress == Progress::Broken)
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.counting.is_some_and(|counting| counting.progress == Progress::Confirmed)
    }

    /// Forgets a count that is broken; returns whose it was. Only with nothing in flight.
    pub(crate) fn restart(&mut self) -> Option<ProducerIdentity> {
        self.counting.take().map(|counting| counting.identity)
    }

    fn change(&mut self, from: Progress, to: Progress) {
        if let Some(counting) = self.counting.as_mut().filter(|counting| counting.progress == from) {
            counting.progress = to;
        }
    }
}

/// The sequence number so many messages behind another: after 2³¹ - 1 comes 0.
pub(crate) fn following(sequence: i32, messages: u32) -> i32 {
    sequence.wrapping_add(messages.cast_signed()) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: ProducerIdentity = ProducerIdentity { producer_id: 7, producer_epoch: 2 };

    #[test]
    fn numbers_follow_each_other_and_wrap() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.assign(3), None);
        sequence.start(IDENTITY);
        let mut bases = Vec::new();
        for messages in [3, 1, i32::MAX as u32 - 4, 2, 5] {
            bases.push(sequence.assign(messages).unwrap().base_sequence);
        }
        assert_eq!(bases, [0, 3, 4, i32::MAX, 1]);
        // As Java: the last one before the wrap is 2^31 - 1.
        assert_eq!([following(i32::MAX - 1, 1), following(i32::MAX, 1), following(i32::MAX - 1, 5)], [i32::MAX, 0, 3]);
    }

    #[test]
    fn a_broken_count_stays_broken_until_it_restarts() {
        let mut sequence = Sequence::default();
        sequence.start(IDENTITY);
        assert!(!sequence.is_confirmed());
        sequence.confirm();
        assert!(sequence.is_confirmed());
        sequence.unconfirm();
        assert!(!sequence.is_confirmed() && !sequence.is_broken());
        sequence.interrupt();
        sequence.confirm();
        assert!(sequence.is_broken());
        assert_eq!(sequence.restart(), Some(IDENTITY));
        assert_eq!(sequence, Sequence::default());
    }
}
