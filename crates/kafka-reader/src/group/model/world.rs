//! The world of a schedule: the network, what goes wrong, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::join_group::JoinGroupResponse;
use kafka_protocol::messages::sync_group::SyncGroupResponse;

use super::broker::{Broker, Request};
use super::client::Client;
use super::{Bug, END, PARTITIONS, SECOND};
use crate::assignor::{Assignor, CooperativeStickyAssignor, RangeAssignor, StickyAssignor};
use crate::group::membership::NoAnswer;
use crate::topic_partition::TopicPartition;

#[derive(Debug)]
pub(super) enum Reply {
    Coordinator(Result<ErrorCode, NoAnswer>),
    Join(Result<JoinGroupResponse, NoAnswer>),
    Sync(Result<SyncGroupResponse, NoAnswer>),
    Heartbeat(Result<ErrorCode, NoAnswer>),
    Leave,
    Commit(Option<BTreeMap<TopicPartition, ErrorCode>>),
    Offsets(u64, Option<BTreeMap<TopicPartition, i64>>),
}

#[derive(Debug)]
pub(super) enum Event {
    Request(Box<Request>),
    Reply(Box<Reply>),
    /// The client's application processes a message, where it has any.
    Process,
    /// Whatever is due.
    Wake,
    GaveUp,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) random: Rng,
    pub(super) queue: BTreeMap<(Instant, u64), (usize, u64, Event)>,
    pub(super) events: u64,
    pub(super) lives: u64,
    pub(super) broker: Broker,
    pub(super) clients: Vec<Client>,
    pub(super) assignor: Arc<dyn Assignor>,
    pub(super) processed: BTreeSet<(TopicPartition, i64)>,
    pub(super) bug: Option<Bug>,
    /// Whether anything still goes wrong.
    pub(super) faults: bool,
    pub(super) violation: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Rng::with_seed(seed);
        let assignor: Arc<dyn Assignor> = match random.u8(..3) {
            0 => Arc::new(RangeAssignor),
            1 => Arc::new(StickyAssignor),
            _ => Arc::new(CooperativeStickyAssignor),
        };
        let now = Instant::now();
        let mut world = Self {
            now,
            queue: BTreeMap::new(),
            events: 0,
            lives: 0,
            broker: Broker::new(now),
            clients: Vec::new(),
            assignor,
            processed: BTreeSet::new(),
            bug,
            faults: true,
            violation: None,
            random,
        };
        for _ in 0..world.random.usize(1..4) {
            let client = world.client();
            world.clients.push(client);
            let number = world.clients.len() - 1;
            world.begin(number);
        }
        world
    }

    pub(super) fn at(&mut self, after: Duration, client: usize, event: Event) {
        self.events += 1;
        let life = self.clients[client].life;
        self.queue.insert((self.now + after, self.events), (client, life, event));
    }

    pub(super) fn latency(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(1..200))
    }

    /// Lives through a schedule: faults for a while, then quiet until everything must be done.
    pub(super) fn run(mut self) -> Option<String> {
        let begun = self.now;
        while self.violation.is_none() {
            let Some(((now, _), (client, life, event))) = self.queue.pop_first() else { break };
            self.now = now;
            let elapsed = now.duration_since(begun);
            self.faults = elapsed < FAULTY;
            if elapsed > LIMIT {
                break;
            }
            if self.faults {
                self.mishap();
            }
            for (client, life, reply) in self.broker.expire(now) {
                self.reply(client, life, reply);
            }
            if self.clients[client].life == life || matches!(event, Event::Request(_)) {
                self.handle(client, life, event);
            }
            self.check();
            if !self.faults && self.is_done() {
                return None;
            }
        }
        self.violation.take().or_else(|| Some(self.unfinished()))
    }

    fn unfinished(&self) -> String {
        let clients = self.clients.iter().map(|client| {
            let Client { membership, commits, positions, arriving, revoking, .. } = client;
            format!("{membership:?} {commits:?} has {positions:?}, awaits {arriving:?}, gives up {revoking:?}")
        });
        let clients: Vec<_> = clients.collect();
        format!("not everything was processed and committed in the end: {}", clients.join("\n"))
    }

    fn is_done(&self) -> bool {
        (0..PARTITIONS).all(|index| self.broker.committed(&TopicPartition::new("t", index)) == END)
    }

    fn mishap(&mut self) {
        if self.random.u8(..) > 4 {
            return;
        }
        let client = self.random.usize(..self.clients.len());
        match self.random.u8(..6) {
            0 | 1 => {
                self.clients[client] = self.client();
                self.begin(client);
            }
            2 if self.clients.len() < 5 => {
                let new = self.client();
                self.clients.push(new);
                self.begin(self.clients.len() - 1);
            }
            3 => {
                let frozen = Duration::from_secs(self.random.u64(1..15));
                self.clients[client].frozen_until = self.now + frozen;
            }
            4 => self.broker.move_away(self.now + Duration::from_millis(self.random.u64(100..3000))),
            _ => self.clients[client].membership.rejoin(),
        }
    }

    fn handle(&mut self, number: usize, life: u64, event: Event) {
        if let Event::Request(request) = event {
            let lost = self.faults && self.random.u8(..30) == 0;
            let replies = if lost {
                vec![(number, life, request.unanswered())]
            } else {
                self.broker.handle(self.now, number, life, *request)
            };
            if let Some(violation) = self.broker.violation(&self.processed) {
                self.violation.get_or_insert(violation);
            }
            replies.into_iter().for_each(|(client, life, reply)| self.reply(client, life, reply));
            return;
        }
        let frozen_until = self.clients[number].frozen_until;
        if frozen_until > self.now {
            let after = frozen_until - self.now;
            self.at(after, number, event);
            return;
        }
        let (now, client) = (self.now, &mut self.clients[number]);
        match event {
            Event::Reply(reply) => self.handle_reply(number, *reply),
            Event::Process => self.process(number),
            Event::GaveUp => {
                let revoking = client.revoking.clone();
                let ticket = client.commits.flush(now, now + 2 * SECOND, |partition| revoking.contains(partition));
                client.flushes.insert(ticket);
            }
            Event::Wake => client.woken = None,
            Event::Request(_) => {}
        }
        self.poll(number);
    }

    fn reply(&mut self, client: usize, life: u64, reply: Reply) {
        let lost = self.faults && self.random.u8(..30) == 0;
        let reply = if lost { reply.unanswered() } else { reply };
        let after = self.latency();
        self.events += 1;
        self.queue.insert((self.now + after, self.events), (client, life, Event::Reply(Box::new(reply))));
    }

    /// Nobody processes what another member of the same generation does, once the group is at rest.
    fn check(&mut self) {
        let Some(generation) = self.broker.stable() else { return };
        let mut owners: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
        for (number, client) in self.clients.iter().enumerate() {
            let here = client.membership.is_stable() && client.membership.generation() == generation;
            for partition in client.positions.keys().filter(|_| here) {
                if let Some(other) = owners.insert(partition, number) {
                    self.violation.get_or_insert_with(|| format!("{partition} is processed by {other} and {number}"));
                }
            }
        }
    }
}

/// How long things go wrong: longer than two sessions, and than a rebalance that nobody ends.
const FAULTY: Duration = Duration::from_secs(14);
/// Until when everything must be done.
const LIMIT: Duration = Duration::from_secs(200);
