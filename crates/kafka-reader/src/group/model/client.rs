//! A client as the task of a member is: it carries out what the machines say, and its application processes messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_conn::Backoff;
use kafka_protocol::ErrorCode;

use super::broker::{self, Request};
use super::world::{Event, Reply, World};
use super::{Bug, END, PARTITIONS, SECOND};
use crate::assignor::GroupTopics;
use crate::group::commits::{CommitOffset, Commits, Ticket};
use crate::group::membership::{Action, Change, MemberConfig, Membership, NO_GENERATION};
use crate::topic_partition::TopicPartition;

pub(super) struct Client {
    /// Another number after each crash.
    pub(super) life: u64,
    pub(super) membership: Membership,
    pub(super) commits: Commits,
    /// What it processes, and the offset that is next.
    pub(super) positions: BTreeMap<TopicPartition, i64>,
    pub(super) remembered: BTreeMap<TopicPartition, i64>,
    pub(super) arriving: BTreeMap<TopicPartition, u64>,
    pub(super) round: u64,
    pub(super) revoking: Vec<TopicPartition>,
    pub(super) flushes: BTreeSet<Ticket>,
    pub(super) frozen_until: Instant,
    /// Events that came while it was frozen.
    pub(super) woken: Option<Instant>,
}

impl World {
    pub(super) fn client(&mut self) -> Client {
        self.lives += 1;
        let backoff = Backoff { min: SECOND / 10, max: SECOND };
        let config = MemberConfig {
            group_id: "g".into(),
            instance_id: None,
            rack: None,
            assignors: vec![Arc::clone(&self.assignor)],
            session_timeout: broker::SESSION,
            rebalance_timeout: broker::REBALANCE,
            heartbeat_interval: SECOND,
            max_poll_interval: 20 * SECOND,
            backoff: backoff.clone(),
        };
        let mut membership = Membership::new(config, self.now, self.random.u64(..));
        membership.handle_topics_wanted(["t".into()].into());
        Client {
            life: self.lives,
            membership,
            commits: Commits::new(SECOND, backoff, self.random.u64(..)),
            positions: BTreeMap::new(),
            remembered: BTreeMap::new(),
            arriving: BTreeMap::new(),
            round: 0,
            revoking: Vec::new(),
            flushes: BTreeSet::new(),
            frozen_until: self.now,
            woken: None,
        }
    }

    pub(super) fn begin(&mut self, client: usize) {
        self.at(Duration::ZERO, client, Event::Wake);
        self.at(SECOND / 5, client, Event::Process);
    }

    pub(super) fn handle_reply(&mut self, number: usize, reply: Reply) {
        let (now, bug) = (self.now, self.bug);
        let client = &mut self.clients[number];
        match reply {
            Reply::Coordinator(answer) => client.membership.handle_coordinator(now, answer),
            Reply::Join(answer) => client.membership.handle_join(now, answer),
            Reply::Sync(answer) => client.membership.handle_sync(now, answer),
            Reply::Heartbeat(answer) => client.membership.handle_heartbeat(now, answer),
            Reply::Leave => client.membership.handle_leave(),
            Reply::Commit(mut answer) => {
                if bug == Some(Bug::BelieveEveryCommit) {
                    answer = answer.map(|codes| codes.into_keys().map(|part| (part, ErrorCode::NONE)).collect());
                }
                if let Some(code) = client.commits.handle_answer(now, answer.as_ref()) {
                    if bug == Some(Bug::SkipWhenRefused) {
                        client.positions.values_mut().for_each(|position| *position = (*position + 1).min(END));
                    }
                    client.membership.handle_group_error(now, code);
                }
            }
            Reply::Offsets(round, Some(offsets)) => self.arrive(number, round, &offsets),
            Reply::Offsets(round, None) => {
                if client.arriving.values().any(|of| *of == round) {
                    self.at(SECOND / 2, number, Event::Request(Box::new(Request::Offsets(round))));
                }
            }
        }
    }

    fn arrive(&mut self, number: usize, round: u64, offsets: &BTreeMap<TopicPartition, i64>) {
        let (client, bug) = (&mut self.clients[number], self.bug);
        for (partition, _) in client.arriving.extract_if(.., |_, of| *of == round) {
            let committed = offsets.get(&partition).copied().unwrap_or(0);
            let before = client.remembered.get(&partition).copied();
            let start = match bug {
                Some(Bug::StartAtTheEnd) => END,
                Some(Bug::StartWhereItOnceWas) => before.unwrap_or(committed),
                _ => committed,
            };
            let floor = if bug == Some(Bug::StartWhereItOnceWas) { -1 } else { committed };
            client.commits.own(partition.clone(), floor);
            if matches!(bug, Some(Bug::StartAtTheEnd | Bug::StartWhereItOnceWas)) {
                client.commits.mark(self.now, &partition, at(start));
            }
            client.positions.insert(partition, start);
        }
    }

    pub(super) fn process(&mut self, number: usize) {
        let pace = Duration::from_millis(self.random.u64(100..900));
        let (now, bug) = (self.now, self.bug);
        let client = &mut self.clients[number];
        client.membership.handle_waiting(now, false);
        client.membership.handle_waiting(now, true);
        let open: Vec<_> = client.positions.iter().filter(|(_, offset)| **offset < END).collect();
        if !open.is_empty() {
            let (partition, offset) = open[self.random.usize(..open.len())];
            let (partition, offset) = (partition.clone(), *offset);
            let client = &mut self.clients[number];
            if bug == Some(Bug::CommitBeforeProcessing) {
                // It is processed when the next one is.
                client.commits.mark(now, &partition, at((offset + 2).min(END)));
            }
            self.processed.insert((partition.clone(), offset));
            let next = if bug == Some(Bug::CommitTwiceAsFar) { (offset * 2 + 1).min(END) } else { offset + 1 };
            client.commits.mark(now, &partition, at(next));
            client.remembered.insert(partition.clone(), offset);
            client.positions.insert(partition, offset + 1);
        }
        self.at(pace, number, Event::Process);
    }

    /// Carries out what the machines of a client say.
    pub(super) fn poll(&mut self, number: usize) {
        let (now, bug) = (self.now, self.bug);
        while let Some(action) = self.clients[number].membership.poll(now) {
            self.perform(number, action);
        }
        while let Some((ticket, _)) = self.clients[number].commits.poll_done() {
            let client = &mut self.clients[number];
            if client.flushes.remove(&ticket) {
                for partition in std::mem::take(&mut client.revoking) {
                    client.commits.disown(&partition);
                }
                client.membership.handle_revoked(now);
            }
        }
        while let Some(action) = self.clients[number].membership.poll(now) {
            self.perform(number, action);
        }
        let client = &mut self.clients[number];
        if let Some(offsets) = client.commits.poll(now) {
            let (member, mut generation) = (client.membership.member_id().clone(), client.membership.generation());
            if bug == Some(Bug::CommitWithoutGeneration) {
                generation = NO_GENERATION;
            }
            self.send(number, Request::Commit { member, generation, offsets });
        }
        let client = &mut self.clients[number];
        let times = [client.membership.poll_timeout(), client.commits.poll_timeout()];
        if let Some(next) = times.into_iter().flatten().min()
            && client.woken.is_none_or(|woken| next < woken || woken <= now)
        {
            client.woken = Some(next);
            self.at(next.saturating_duration_since(now).max(Duration::from_millis(1)), number, Event::Wake);
        }
    }

    pub(super) fn send(&mut self, client: usize, request: Request) {
        let after = self.latency();
        self.at(after, client, Event::Request(Box::new(request)));
    }

    fn perform(&mut self, number: usize, action: Action) {
        match action {
            Action::FindCoordinator => self.send(number, Request::FindCoordinator),
            Action::Join(request) => self.send(number, Request::Join(request)),
            Action::Sync(request) => self.send(number, Request::Sync(request)),
            Action::Heartbeat(request) => self.send(number, Request::Heartbeat(request)),
            Action::Leave(request) => self.send(number, Request::Leave(request)),
            Action::LookUp(_) => self.clients[number].membership.handle_topics(self.now, Some(&topics())),
            Action::Tell(change) => self.tell(number, change),
        }
    }

    fn tell(&mut self, number: usize, change: Change) {
        let bug = self.bug;
        let client = &mut self.clients[number];
        match change {
            Change::Assign { partitions, .. } => {
                client.round += 1;
                let round = client.round;
                client.arriving.extend(partitions.into_iter().map(|partition| (partition, round)));
                self.send(number, Request::Offsets(round));
            }
            Change::Revoke(partitions) => {
                for partition in &partitions {
                    client.arriving.remove(partition);
                    if bug != Some(Bug::ProcessAfterRevoke) && bug != Some(Bug::GiveUpWithoutStopping) {
                        client.positions.remove(partition);
                    }
                }
                client.revoking = partitions;
                let mut after = self.latency() * 10;
                if bug == Some(Bug::GiveUpWithoutStopping) {
                    after = Duration::ZERO;
                }
                self.at(after, number, Event::GaveUp);
            }
            Change::Lost(partitions, _) => {
                client.revoking.clear();
                for partition in &partitions {
                    client.arriving.remove(partition);
                    if bug != Some(Bug::ProcessAfterLoss) {
                        client.positions.remove(partition);
                    }
                    if bug != Some(Bug::CommitAfterLoss) {
                        client.commits.disown(partition);
                    }
                }
            }
            Change::Failed(code) => {
                self.violation.get_or_insert_with(|| format!("client {number} was refused: {code}"));
            }
        }
    }
}

fn topics() -> GroupTopics {
    [("t", PARTITIONS as usize)].into_iter().collect()
}

fn at(offset: i64) -> CommitOffset {
    CommitOffset { offset, ..CommitOffset::default() }
}
