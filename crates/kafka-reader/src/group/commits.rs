//! Which offsets are to be committed, which are on their way, and which are there.
//!
//! ```text
//!             mark: the highest counts          poll                    answer
//!  processed ──────────────────────► marked ───────────► on its way ──────────────► committed
//!                                      ▲                     │ to be made again
//!                                      └─────────────────────┘
//! ```
//!
//! One request is on its way at a time, and each has the highest offset that is known when it is made: so a request that
//! is made again never takes back what a later one said. What belongs to an ownership that is over is dropped, and never
//! sent.
//!
//! Sans-IO.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kafka_conn::{Backoff, Pauses};
use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::topic_partition::TopicPartition;

/// An offset to commit: that of the next message to process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOffset {
    /// The offset of the message after the last one that was processed.
    pub offset: i64,
    /// The epoch of the leader that wrote the last one that was processed: tells after an election whether the partition
    /// still has it (KIP-320). `None` where that is not known.
    pub leader_epoch: Option<i32>,
    /// Whatever the application wants to find beside the offset. Brokers take 4,096 bytes
    /// (`offset.metadata.max.bytes`).
    pub metadata: SmolStr,
}

/// A wait for offsets to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// Why an offset was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// The partition is not the member's, or no longer.
    NotOwned(TopicPartition),
    Refused(TopicPartition, ErrorCode),
    /// The partition is read from elsewhere by now. It may or may not be committed.
    Rewound(TopicPartition),
    /// The time was over. It may or may not be committed.
    TimedOut,
}

#[derive(Debug)]
pub(crate) struct Commits {
    owned: BTreeMap<TopicPartition, Entry>,
    in_flight: Option<BTreeMap<TopicPartition, (u64, i64)>>,
    waits: BTreeMap<Ticket, Wait>,
    done: VecDeque<(Ticket, Result<(), CommitFailure>)>,
    next_ticket: u64,
    next_epoch: u64,
    /// How long what was marked may wait, where nobody waits for it.
    interval: Duration,
    due: Option<Instant>,
    not_before: Option<Instant>,
    backoff: Backoff,
    pauses: Pauses,
}

#[derive(Debug)]
struct Entry {
    /// Tells this ownership of the partition from those before.
    epoch: u64,
    marked: Option<CommitOffset>,
    committed: i64,
}

#[derive(Debug)]
struct Wait {
    offsets: BTreeMap<TopicPartition, i64>,
    until: Instant,
}

impl Commits {
    pub(crate) fn new(interval: Duration, backoff: Backoff, seed: u64) -> Self {
        Self {
            owned: BTreeMap::new(),
            in_flight: None,
            waits: BTreeMap::new(),
            done: VecDeque::new(),
            next_ticket: 0,
            next_epoch: 0,
            interval,
            due: None,
            not_before: None,
            pauses: backoff.pauses_from(seed),
            backoff,
        }
    }

    /// A partition is the member's from now on, with `committed` as the offset that the group has.
    pub(crate) fn own(&mut self, partition: TopicPartition, committed: i64) {
        self.next_epoch += 1;
        self.owned.insert(partition, Entry { epoch: self.next_epoch, marked: None, committed });
    }

    /// A partition is no longer the member's: nothing is committed for it any more.
    pub(crate) fn disown(&mut self, partition: &TopicPartition) {
        self.owned.remove(partition);
        self.fail_waits(partition, CommitFailure::NotOwned);
    }

    fn fail_waits(&mut self, partition: &TopicPartition, failure: impl Fn(TopicPartition) -> CommitFailure) {
        let concerned = |wait: &Wait| wait.offsets.contains_key(partition);
        let failed: Vec<_> = self.waits.iter().filter(|(_, wait)| concerned(wait)).map(|(ticket, _)| *ticket).collect();
        for ticket in failed {
            self.finish(ticket, Err(failure(partition.clone())));
        }
    }

    /// The partition is read from elsewhere, by the application's decision or because records were lost: what was to be
    /// committed of it and was not yet is dropped, and what is marked from now on counts, also where it is lower.
    pub(crate) fn rewind(&mut self, partition: &TopicPartition) {
        let Some(entry) = self.owned.get_mut(partition) else { return };
        self.next_epoch += 1;
        *entry = Entry { epoch: self.next_epoch, marked: None, committed: -1 };
        self.fail_waits(partition, CommitFailure::Rewound);
    }

    /// An offset is to be committed, unless a higher one is, or is there. `false`: the partition is not the member's.
    pub(crate) fn mark(&mut self, now: Instant, partition: &TopicPartition, offset: CommitOffset) -> bool {
        let Some(entry) = self.owned.get_mut(partition) else { return false };
        let highest = entry.marked.as_ref().map_or(entry.committed, |marked| marked.offset.max(entry.committed));
        if offset.offset > highest {
            entry.marked = Some(offset);
            self.due.get_or_insert(now + self.interval);
        }
        true
    }

    /// Marks offsets, and waits until they, or higher ones, are committed.
    pub(crate) fn commit(
        &mut self,
        now: Instant,
        offsets: BTreeMap<TopicPartition, CommitOffset>,
        until: Instant,
    ) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let mut wait = Wait { offsets: BTreeMap::new(), until };
        let mut lost = None;
        for (partition, offset) in offsets {
            let wanted = offset.offset;
            if self.mark(now, &partition, offset) {
                wait.offsets.insert(partition, wanted);
            } else {
                lost.get_or_insert(partition);
            }
        }
        self.waits.insert(ticket, wait);
        match lost {
            // The others are committed all the same.
            Some(partition) => self.finish(ticket, Err(CommitFailure::NotOwned(partition))),
            None => self.settle(),
        }
        ticket
    }

    /// Waits until everything that is marked now is committed.
    pub(crate) fn flush(&mut self, now: Instant, until: Instant, of: impl Fn(&TopicPartition) -> bool) -> Ticket {
        let marked = self.owned.iter().filter(|(partition, _)| of(partition));
        let marked = marked.filter_map(|(partition, entry)| Some((partition.clone(), entry.marked.clone()?)));
        let marked = marked.collect();
        self.commit(now, marked, until)
    }

    /// The offsets to send now, where something is due and nothing is on its way.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Vec<(TopicPartition, CommitOffset)>> {
        self.expire(now);
        let waited_for = !self.waits.is_empty();
        let due = waited_for || self.due.is_some_and(|due| due <= now);
        if !due || self.in_flight.is_some() || self.not_before.is_some_and(|pause| pause > now) {
            return None;
        }
        let marked = |(partition, entry): (&TopicPartition, &Entry)| {
            Some((partition.clone(), entry.epoch, entry.marked.clone()?))
        };
        let pending: Vec<_> = self.owned.iter().filter_map(marked).collect();
        self.due = None;
        if pending.is_empty() {
            return None;
        }
        let sent = pending.iter().map(|(partition, epoch, mark)| (partition.clone(), (*epoch, mark.offset)));
        self.in_flight = Some(sent.collect());
        Some(pending.into_iter().map(|(partition, _, mark)| (partition, mark)).collect())
    }

    /// What came of the request: a code for each partition, or no answer at all. Returns a code that concerns the member
    /// as a whole.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        answer: Option<&BTreeMap<TopicPartition, ErrorCode>>,
    ) -> Option<ErrorCode> {
        let mut of_member = None;
        let mut again = false;
        for (partition, (epoch, offset)) in self.in_flight.take().unwrap_or_default() {
            // What a broker left out was not done.
            let missing = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            let code = answer.map_or(missing, |codes| codes.get(&partition).copied().unwrap_or(missing));
            let Some(entry) = self.owned.get_mut(&partition).filter(|entry| entry.epoch == epoch) else { continue };
            match code {
                ErrorCode::NONE => {
                    entry.committed = entry.committed.max(offset);
                    if entry.marked.as_ref().is_some_and(|marked| marked.offset <= offset) {
                        entry.marked = None;
                    }
                }
                code if is_of_member(code) => {
                    of_member = Some(code);
                    again = true;
                }
                code if code.is_retriable() => {
                    if answer.is_some() && is_of_coordinator(code) {
                        of_member.get_or_insert(code);
                    }
                    again = true;
                }
                code => self.refuse(&partition, offset, code),
            }
        }
        if again {
            self.not_before = Some(now + self.pauses.next_pause());
            self.due.get_or_insert(now);
        } else {
            self.not_before = None;
            self.pauses = self.backoff.pauses_from(self.next_ticket);
        }
        let left = self.owned.values().any(|entry| entry.marked.is_some());
        if left {
            self.due.get_or_insert(now + self.interval);
        }
        self.settle();
        of_member
    }

    /// The offset cannot be committed, however often it is tried.
    fn refuse(&mut self, partition: &TopicPartition, offset: i64, code: ErrorCode) {
        if let Some(entry) = self.owned.get_mut(partition)
            && entry.marked.as_ref().is_some_and(|marked| marked.offset <= offset)
        {
            entry.marked = None;
        }
        let refused = |wait: &Wait| wait.offsets.get(partition).is_some_and(|wanted| *wanted <= offset);
        let failed: Vec<_> = self.waits.iter().filter(|(_, wait)| refused(wait)).map(|(ticket, _)| *ticket).collect();
        for ticket in failed {
            self.finish(ticket, Err(CommitFailure::Refused(partition.clone(), code)));
        }
    }

    /// Answers those whose offsets are committed.
    fn settle(&mut self) {
        let committed = |(partition, wanted): (&TopicPartition, &i64)| {
            self.owned.get(partition).is_some_and(|entry| entry.committed >= *wanted)
        };
        let done: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, wait)| wait.offsets.iter().all(committed))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in done {
            self.finish(ticket, Ok(()));
        }
    }

    fn expire(&mut self, now: Instant) {
        let over: Vec<_> = self.waits.iter().filter(|(_, wait)| wait.until <= now).map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            self.finish(ticket, Err(CommitFailure::TimedOut));
        }
    }

    fn finish(&mut self, ticket: Ticket, result: Result<(), CommitFailure>) {
        if self.waits.remove(&ticket).is_some() {
            self.done.push_back((ticket, result));
        }
    }

    /// The next wait that is over.
    pub(crate) fn poll_done(&mut self) -> Option<(Ticket, Result<(), CommitFailure>)> {
        self.done.pop_front()
    }

    /// When [`poll`](Self::poll) may have something without anything being handed in.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let until = self.waits.values().map(|wait| wait.until).min();
        let wanted = if self.waits.is_empty() { self.due } else { self.not_before.or(self.due) };
        let next = wanted.filter(|_| self.in_flight.is_none()).map(|due| due.max(self.not_before.unwrap_or(due)));
        [until, next].into_iter().flatten().min()
    }
}

/// Whether the coordinator speaks of the member, not of a partition.
fn is_of_member(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::REBALANCE_IN_PROGRESS
    )
}

fn is_of_coordinator(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commits() -> (Commits, Instant) {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_millis(100) };
        let mut commits = Commits::new(Duration::from_secs(1), backoff, 1);
        commits.own(part(0), 0);
        commits.own(part(1), 0);
        (commits, Instant::now())
    }

    fn part(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn at(offset: i64) -> CommitOffset {
        CommitOffset { offset, ..CommitOffset::default() }
    }

    fn sent(commits: &mut Commits, now: Instant) -> Vec<(i32, i64)> {
        let sent = commits.poll(now).unwrap_or_default();
        sent.into_iter().map(|(partition, mark)| (partition.partition, mark.offset)).collect()
    }

    fn codes(codes: &[(i32, ErrorCode)]) -> BTreeMap<TopicPartition, ErrorCode> {
        codes.iter().map(|(partition, code)| (part(*partition), *code)).collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_highest_offset_of_each_partition_counts() {
        let (mut commits, now) = commits();
        for (partition, message) in [(0, 2), (0, 3), (0, 1), (1, 5), (1, 6)] {
            assert!(commits.mark(now, &part(partition), at(message + 1)));
        }
        assert_eq!(sent(&mut commits, now), [], "in a second");
        assert_eq!(commits.poll_timeout(), Some(now + SECOND));
        assert_eq!(sent(&mut commits, now + SECOND), [(0, 4), (1, 7)]);
    }

    #[test]
    fn who_waits_need_not_wait_for_the_interval() {
        let (mut commits, now) = commits();
        let ticket = commits.commit(now, [(part(0), at(5))].into(), now + 9 * SECOND);
        assert_eq!(sent(&mut commits, now), [(0, 5)]);
        assert_eq!(commits.handle_answer(now, Some(&codes(&[(0, ErrorCode::NONE)]))), None);
        assert_eq!(commits.poll_done(), Some((ticket, Ok(()))));
        let again = commits.commit(now, [(part(0), at(4))].into(), now + 9 * SECOND);
        assert_eq!(commits.poll_done(), Some((again, Ok(()))), "it is there already");
        assert_eq!(sent(&mut commits, now), []);
    }

    #[test]
    fn a_request_made_again_has_what_was_marked_since() {
        let (mut commits, now) = commits();
        let ticket = commits.commit(now, [(part(0), at(5))].into(), now + 9 * SECOND);
        assert_eq!(sent(&mut commits, now), [(0, 5)]);
        commits.mark(now, &part(0), at(8));
        assert_eq!(sent(&mut commits, now), [], "one at a time");
        assert_eq!(commits.handle_answer(now, None), None);
        assert_eq!(sent(&mut commits, now), [], "after a pause");
        let later = commits.poll_timeout().unwrap();
        assert_eq!(sent(&mut commits, later), [(0, 8)]);
        commits.handle_answer(later, Some(&codes(&[(0, ErrorCode::NONE)])));
        assert_eq!(commits.poll_done(), Some((ticket, Ok(()))));
    }

    #[test]
    fn an_ownership_that_is_over_commits_nothing_and_its_answer_counts_for_nothing() {
        let (mut commits, now) = commits();
        let ticket = commits.commit(now, [(part(0), at(5))].into(), now + 9 * SECOND);
        assert_eq!(sent(&mut commits, now), [(0, 5)]);
        commits.disown(&part(0));
        assert_eq!(commits.poll_done(), Some((ticket, Err(CommitFailure::NotOwned(part(0))))));
        assert!(!commits.mark(now, &part(0), at(6)));
        // It comes back, further behind than the answer that is late.
        commits.own(part(0), 2);
        commits.handle_answer(now, Some(&codes(&[(0, ErrorCode::NONE)])));
        commits.mark(now, &part(0), at(3));
        assert_eq!(sent(&mut commits, now + 2 * SECOND), [(0, 3)]);
    }

    #[test]
    fn who_goes_back_commits_what_is_lower() {
        let (mut commits, now) = commits();
        let ticket = commits.commit(now, [(part(0), at(9))].into(), now + 9 * SECOND);
        assert_eq!(sent(&mut commits, now), [(0, 9)]);
        commits.rewind(&part(0));
        assert_eq!(commits.poll_done(), Some((ticket, Err(CommitFailure::Rewound(part(0))))));
        // The answer to what was on its way says nothing of what comes now.
        commits.mark(now, &part(0), at(3));
        commits.handle_answer(now, Some(&codes(&[(0, ErrorCode::NONE)])));
        assert_eq!(sent(&mut commits, now + SECOND), [(0, 3)]);
        commits.handle_answer(now, Some(&codes(&[(0, ErrorCode::NONE)])));
        commits.mark(now, &part(0), at(2));
        assert_eq!(sent(&mut commits, now + 9 * SECOND), [], "from there on the highest counts again");
        commits.rewind(&part(7));
        assert!(!commits.mark(now, &part(7), at(1)), "not its own");
    }

    #[test]
    fn refusals_end_waits_and_the_member_hears_of_what_concerns_it() {
        let (mut commits, now) = commits();
        let both = [(part(0), at(5)), (part(1), at(6))].into();
        let ticket = commits.commit(now, both, now + 9 * SECOND);
        sent(&mut commits, now);
        let answer = codes(&[(0, ErrorCode::OFFSET_METADATA_TOO_LARGE), (1, ErrorCode::ILLEGAL_GENERATION)]);
        assert_eq!(commits.handle_answer(now, Some(&answer)), Some(ErrorCode::ILLEGAL_GENERATION));
        let refused = CommitFailure::Refused(part(0), ErrorCode::OFFSET_METADATA_TOO_LARGE);
        assert_eq!(commits.poll_done(), Some((ticket, Err(refused))));
        // The other one is tried again, should the partition stay.
        assert_eq!(sent(&mut commits, now + SECOND), [(1, 6)]);
    }

    #[test]
    fn waits_end_with_their_time() {
        let (mut commits, now) = commits();
        let ticket = commits.commit(now, [(part(0), at(5))].into(), now + SECOND);
        sent(&mut commits, now);
        assert_eq!(commits.poll_timeout(), Some(now + SECOND));
        assert_eq!(sent(&mut commits, now + SECOND), []);
        assert_eq!(commits.poll_done(), Some((ticket, Err(CommitFailure::TimedOut))));
    }
}
