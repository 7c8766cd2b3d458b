//! Transactions, as their coordinator keeps them (KIP-98): who writes in one, what belongs to it, and how it ends.
//!
//! ```text
//!            InitProducerId           AddPartitionsToTxn, AddOffsetsToTxn         EndTxn, or time is up
//!  (nobody) ────────────────► Empty ───────────────────────────► Ongoing ────────────────────────► Ending
//!                                                                   ▲                                 │ every partition has
//!                                                                   └──────────── Complete ◄──────────┘ its marker
//! ```
//!
//! The protocol of before KIP-890: who wants to write to a partition says so first, and a producer keeps its epoch from
//! one transaction to the next.
//!
//! Sans-IO.

mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::core::Limits;

/// The transactional ids of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    ids: BTreeMap<SmolStr, Transaction>,
    /// When those that are open are aborted.
    deadlines: BTreeSet<(Instant, SmolStr)>,
    /// Partitions and groups of all that are open.
    parts: usize,
}

/// A transactional id, and its last transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout: Duration,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Empty,
    Ongoing(Ongoing),
    /// Markers are missing in these partitions, which nobody leads.
    Ending(Outcome, BTreeSet<(SmolStr, i32)>),
    Complete(Outcome),
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Ongoing {
    /// In milliseconds since 1970.
    pub(crate) began_ms: i64,
    deadline: Instant,
    pub(crate) partitions: BTreeSet<(SmolStr, i32)>,
    groups: BTreeSet<SmolStr>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Commit,
    Abort,
}

/// A point in time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) wall_clock: i64,
}

impl Transaction {
    /// Kafka's word for where it is.
    pub(crate) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Ongoing(_) => "Ongoing",
            Phase::Ending(Outcome::Commit, _) => "PrepareCommit",
            Phase::Ending(Outcome::Abort, _) => "PrepareAbort",
            Phase::Complete(Outcome::Commit) => "CompleteCommit",
            Phase::Complete(Outcome::Abort) => "CompleteAbort",
        }
    }

    /// What is open, if anything.
    pub(crate) fn ongoing(&self) -> Option<&Ongoing> {
        match &self.phase {
            Phase::Ongoing(ongoing) => Some(ongoing),
            _ => None,
        }
    }

    /// Whether who asks is the producer that has the id.
    fn check(&self, producer_id: i64, epoch: i16) -> Result<(), ErrorCode> {
        if self.producer_id != producer_id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if self.epoch == epoch { Ok(()) } else { Err(ErrorCode::PRODUCER_FENCED) }
    }
}

impl Transactions {
    pub(crate) fn get(&self, id: &str) -> Option<&Transaction> {
        self.ids.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Transaction)> {
        self.ids.iter()
    }

    /// Gives an id to a producer that begins: its own producer id and the next epoch. Nothing may be open.
    ///
    /// # Errors
    /// `CONCURRENT_TRANSACTIONS` while the last one ends, `POLICY_VIOLATION` where there are too many ids.
    pub(crate) fn begin_producer(
        &mut self,
        id: &SmolStr,
        timeout: Duration,
        next_producer_id: &mut i64,
        limits: &Limits,
    ) -> Result<(i64, i16), ErrorCode> {
        let known = self.ids.contains_key(id);
        if !known && self.ids.len() >= limits.max_transactional_ids {
            let idle = |transaction: &Transaction| matches!(transaction.phase, Phase::Empty | Phase::Complete(_));
            let idle = self.ids.iter().find(|(_, known)| idle(known)).map(|(id, _)| id.clone());
            self.ids.remove(&idle.ok_or(ErrorCode::POLICY_VIOLATION)?);
        }
        let new = Transaction { producer_id: -1, epoch: -1, timeout, phase: Phase::Empty };
        let transaction = self.ids.entry(id.clone()).or_insert(new);
        if let Phase::Ongoing(_) | Phase::Ending(..) = transaction.phase {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        // The last epoch is kept for the coordinator, to fence with.
        if transaction.producer_id < 0 || transaction.epoch >= i16::MAX - 1 {
            (transaction.producer_id, transaction.epoch) = (*next_producer_id, -1);
            *next_producer_id = next_producer_id.saturating_add(1);
        }
        (transaction.epoch, transaction.timeout, transaction.phase) = (transaction.epoch + 1, timeout, Phase::Empty);
        Ok((transaction.producer_id, transaction.epoch))
    }

    /// Whether a producer still has the id that it says it had.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`.
    pub(crate) fn check(&self, id: &str, producer_id: i64, epoch: i16) -> Result<&Transaction, ErrorCode> {
        let transaction = self.ids.get(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        transaction.check(producer_id, epoch).map(|()| transaction)
    }

    /// Whether a producer may write to a partition now: it belongs to its open transaction.
    ///
    /// # Errors
    /// What a broker answers that has asked the coordinator.
    pub(crate) fn check_write(
        &self,
        id: &str,
        producer_id: i64,
        epoch: i16,
        topic: &SmolStr,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let transaction = self.check(id, producer_id, epoch).map_err(|code| match code {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            code => code,
        })?;
        let added = transaction.ongoing().is_some_and(|open| open.partitions.contains(&(topic.clone(), partition)));
        if added { Ok(()) } else { Err(ErrorCode::INVALID_TXN_STATE) }
    }

    /// Whether a producer may commit offsets of a group now.
    ///
    /// # Errors
    /// As [`check_write`](Self::check_write).
    pub(crate) fn check_group(&self, id: &str, producer_id: i64, epoch: i16, group: &str) -> Result<(), ErrorCode> {
        let transaction = self.check(id, producer_id, epoch).map_err(|code| match code {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            code => code,
        })?;
        let added = transaction.ongoing().is_some_and(|open| open.groups.contains(group));
        if added { Ok(()) } else { Err(ErrorCode::INVALID_TXN_STATE) }
    }

    /// Adds to the open transaction of an id, which it opens if none is.
    ///
    /// # Errors
    /// What a coordinator answers.
    pub(crate) fn add(
        &mut self,
        id: &SmolStr,
        producer: (i64, i16),
        moment: Moment,
        parts: impl IntoIterator<Item = Part>,
        limits: &Limits,
    ) -> Result<(), ErrorCode> {
        let transaction = self.ids.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        transaction.check(producer.0, producer.1)?;
        if let Phase::Ending(..) = transaction.phase {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if transaction.ongoing().is_none() {
            let deadline = moment.now.checked_add(transaction.timeout).unwrap_or(moment.now);
            let (partitions, groups) = (BTreeSet::new(), BTreeSet::new());
            let began_ms = moment.wall_clock;
            transaction.phase = Phase::Ongoing(Ongoing { began_ms, deadline, partitions, groups });
            self.deadlines.insert((deadline, id.clone()));
        }
        let Phase::Ongoing(ongoing) = &mut transaction.phase else {
            return Err(ErrorCode::INVALID_TXN_STATE);
        };
        for part in parts {
            if self.parts >= limits.max_transaction_parts {
                return Err(ErrorCode::POLICY_VIOLATION);
            }
            let new = match part {
                Part::Partition(topic, partition) => ongoing.partitions.insert((topic, partition)),
                Part::Group(group) => ongoing.groups.insert(group),
            };
            self.parts += usize::from(new);
        }
        Ok(())
    }

    /// When the first open transaction is aborted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next one whose time is up.
    fn due(&self, now: Instant) -> Option<SmolStr> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, id)| id.clone())
    }

    /// Takes out what is open, for its end. With `fences`, whoever has the epoch so far may do no more.
    fn close(&mut self, id: &SmolStr, outcome: Outcome, fences: bool) -> Option<(Ongoing, i64)> {
        let transaction = self.ids.get_mut(id)?;
        let ongoing = match std::mem::replace(&mut transaction.phase, Phase::Empty) {
            Phase::Ongoing(ongoing) => ongoing,
            other => {
                transaction.phase = other;
                return None;
            }
        };
        if fences {
            transaction.epoch = transaction.epoch.saturating_add(1);
        }
        self.deadlines.remove(&(ongoing.deadline, id.clone()));
        self.parts -= ongoing.partitions.len() + ongoing.groups.len();
        transaction.phase = Phase::Ending(outcome, ongoing.partitions.clone());
        Some((ongoing, transaction.producer_id))
    }
}

/// What can belong to a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Partition(SmolStr, i32),
    /// Its committed offsets.
    Group(SmolStr),
}

/// What a producer asks for that ends its transaction.
pub(crate) fn check_end(transaction: &Transaction, outcome: Outcome) -> Result<Ending, ErrorCode> {
    match &transaction.phase {
        Phase::Ongoing(_) => Ok(Ending::Now),
        Phase::Ending(under_way, _) if *under_way == outcome => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
        // It asks again, as the answer was lost.
        Phase::Complete(ended) if *ended == outcome => Ok(Ending::Done),
        Phase::Empty | Phase::Ending(..) | Phase::Complete(_) => Err(ErrorCode::INVALID_TXN_STATE),
    }
}

/// Whether there is something to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Now,
    Done,
}

/// About the bytes of a marker in a log.
pub(crate) const MARKER_SIZE: usize = 80;
