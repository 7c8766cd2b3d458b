//! The commits of a member: callers write into the book, the task sends, and tells who waited.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::ErrorCode;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::calls::{self, Committer};
use super::super::commits::{CommitFailure, CommitOffset, Commits, Ticket};
use super::super::event::AssignedPartition;
use super::{Done, Task, Waits};
use crate::config::LONGEST_WAIT;
use crate::error::{Error, ErrorKind, Result};
use crate::topic_partition::TopicPartition;

/// The commits, and who waits for them: callers write into it, the task sends. Held for a few instructions.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) commits: Commits,
    callers: HashMap<Ticket, oneshot::Sender<Result<(), CommitFailure>>>,
}

impl Book {
    pub(crate) fn new(commits: Commits) -> Self {
        Self { commits, callers: HashMap::new() }
    }

    /// Commits offsets, and tells when that is done.
    pub(crate) fn commit(
        &mut self,
        offsets: BTreeMap<TopicPartition, CommitOffset>,
        timeout: Duration,
    ) -> oneshot::Receiver<Result<(), CommitFailure>> {
        let (reply, answer) = oneshot::channel();
        let now = Instant::now();
        let ticket = self.commits.commit(now.into_std(), offsets, (now + timeout.min(LONGEST_WAIT)).into_std());
        self.callers.insert(ticket, reply);
        answer
    }

    /// Nothing will be committed any more: who waits is told rather than left.
    pub(super) fn abandon(&mut self) {
        self.callers.clear();
    }
}

pub(crate) type SharedCommits = Arc<Mutex<Book>>;

pub(crate) fn lock(commits: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    // Whoever panicked while it had the lock has left numbers in it that each are what they were.
    commits.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Task {
    pub(super) fn send_commits(&mut self) {
        let Some((coordinator, _)) = &self.coordinator else { return };
        let generation = self.membership.generation();
        let Some(offsets) = lock(&self.commits).commits.poll(Instant::now().into_std()) else { return };
        let committer = Committer {
            group_id: self.config.group_id.clone(),
            instance_id: self.config.instance_id.clone(),
            member_id: self.membership.member_id().clone(),
            generation,
        };
        let (transport, coordinator) = (self.transport.clone(), *coordinator);
        self.calls.spawn(async move {
            let answer = calls::commit(&transport, coordinator, committer, &offsets).await;
            Done::Committed(answer.inspect_err(|error| tracing::debug!(%error, "commit not answered")).ok())
        });
    }

    pub(super) fn handle_committed(&mut self, answer: Option<BTreeMap<TopicPartition, ErrorCode>>) {
        let now = Instant::now().into_std();
        let of_member = lock(&self.commits).commits.handle_answer(now, answer.as_ref());
        if let Some(code) = of_member {
            self.membership.handle_group_error(now, code);
        }
    }

    /// Goes on with what waited for commits that are done. Whether there was any.
    pub(super) fn settle_commits(&mut self) -> bool {
        let mut settled = false;
        loop {
            let mut book = lock(&self.commits);
            let Some((ticket, result)) = book.commits.poll_done() else { return settled };
            settled = true;
            if let Some(reply) = book.callers.remove(&ticket) {
                let _nobody_waits = reply.send(result);
            }
            drop(book);
            match self.waits.remove(&ticket) {
                Some(Waits::Start(round, mut assigned)) => {
                    assigned.retain(|assigned| self.arriving.get(&assigned.partition) == Some(&round));
                    for AssignedPartition { partition, .. } in &assigned {
                        self.arriving.remove(partition);
                        self.handed.insert(partition.clone());
                    }
                    self.hand_over(self.membership.generation(), assigned);
                }
                Some(Waits::Revocation) => {
                    let gone = std::mem::take(&mut self.revoking);
                    self.take_back(&gone);
                    self.membership.handle_revoked(Instant::now().into_std());
                }
                Some(Waits::Leaving) => self.membership.leave(self.leaving.unwrap_or_default()),
                None => {}
            }
        }
    }
}

impl CommitFailure {
    pub(crate) fn into_error(self, group_id: &str) -> Error {
        let (kind, partition) = match self {
            Self::NotOwned(partition) => (ErrorKind::NotOwned, Some(partition)),
            Self::Refused(partition, code) => (ErrorKind::Broker(code), Some(partition)),
            Self::Rewound(partition) => (ErrorKind::Rewound, Some(partition)),
            Self::TimedOut => (ErrorKind::Broker(ErrorCode::REQUEST_TIMED_OUT), None),
        };
        let error = Error::new(kind).with_group(group_id);
        match partition {
            Some(partition) => error.with_partition(&partition.topic, partition.partition),
            None => error,
        }
    }
}
