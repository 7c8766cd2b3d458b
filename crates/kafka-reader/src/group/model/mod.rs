//! Random schedules on virtual time: members against a coordinator that follows Kafka's rules, over a network that loses
//! requests and answers, with crashes, freezes and moves of the coordinator.
//!
//! Whatever happens: no partition is processed by two members of one generation; nobody commits for a partition that it
//! was not assigned; no commit goes back, or ahead of what was processed; and when it is over, everything is processed
//! and committed. Each rule is shown to be tested: with a bug planted that breaks it, the same schedules find it.

mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kafka_conn::Backoff;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::join_group::JoinGroupResponse;
use kafka_protocol::messages::sync_group::SyncGroupResponse;

use super::commits::{CommitOffset, Commits, Ticket};
use super::membership::{Action, Change, MemberConfig, Membership, NoAnswer};
use crate::assignor::{Assignor, CooperativeStickyAssignor, GroupTopics, RangeAssignor, StickyAssignor};
use crate::topic_partition::TopicPartition;
use broker::{Broker, Request};

const PARTITIONS: i32 = 4;
/// Messages in each partition.
const END: i64 = 12;
const SECOND: Duration = Duration::from_secs(1);

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    CommitBeforeProcessing,
    ProcessAfterRevoke,
    ProcessAfterLoss,
    StartAtTheEnd,
    StartWhereItOnceWas,
    CommitAfterLoss,
    GiveUpWithoutStopping,
    SkipWhenRefused,
    BelieveEveryCommit,
    CommitTwiceAsFar,
}

const BUGS: [Bug; 10] = [
    Bug::CommitBeforeProcessing,
    Bug::ProcessAfterRevoke,
    Bug::ProcessAfterLoss,
    Bug::StartAtTheEnd,
    Bug::StartWhereItOnceWas,
    Bug::CommitAfterLoss,
    Bug::GiveUpWithoutStopping,
    Bug::SkipWhenRefused,
    Bug::BelieveEveryCommit,
    Bug::CommitTwiceAsFar,
];

/// What comes back to a client.
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
enum Event {
    Request(Request),
    Reply(Reply),
    /// The client's application processes a message, where it has any.
    Process,
    /// Whatever is due.
    Wake,
    GaveUp,
}

struct Client {
    /// Another number after each crash.
    life: u64,
    membership: Membership,
    commits: Commits,
    /// What it processes, and the offset that is next.
    positions: BTreeMap<TopicPartition, i64>,
    remembered: BTreeMap<TopicPartition, i64>,
    arriving: BTreeMap<TopicPartition, u64>,
    round: u64,
    revoking: Vec<TopicPartition>,
    flushes: BTreeSet<Ticket>,
    frozen_until: Instant,
    /// Events that came while it was frozen.
    woken: Option<Instant>,
}

struct World {
    now: Instant,
    random: Rng,
    queue: BTreeMap<(Instant, u64), (usize, u64, Event)>,
    events: u64,
    lives: u64,
    broker: Broker,
    clients: Vec<Client>,
    assignor: Arc<dyn Assignor>,
    processed: BTreeSet<(TopicPartition, i64)>,
    bug: Option<Bug>,
    /// Whether anything still goes wrong.
    faults: bool,
    violation: Option<String>,
}

fn topics() -> GroupTopics {
    [("t", PARTITIONS as usize)].into_iter().collect()
}

impl World {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
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

    fn client(&mut self) -> Client {
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

    fn begin(&mut self, client: usize) {
        self.at(Duration::ZERO, client, Event::Wake);
        self.at(SECOND / 5, client, Event::Process);
    }

    fn at(&mut self, after: Duration, client: usize, event: Event) {
        self.events += 1;
        let life = self.clients[client].life;
        self.queue.insert((self.now + after, self.events), (client, life, event));
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(1..200))
    }

    /// Lives through a schedule: faults for a while, then quiet until everything must be done.
    fn run(mut self) -> Option<String> {
        let begun = self.now;
        while self.violation.is_none() {
            let Some(((now, _), (client, life, event))) = self.queue.pop_first() else { break };
            self.now = now;
            let elapsed = now.duration_since(begun);
            self.faults = elapsed < 40 * SECOND;
            if elapsed > 240 * SECOND {
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
        if self.random.u8(..) > 1 {
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
                self.broker.handle(self.now, number, life, request)
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
            Event::Reply(reply) => self.handle_reply(number, reply),
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
        self.queue.insert((self.now + after, self.events), (client, life, Event::Reply(reply)));
    }

    fn handle_reply(&mut self, number: usize, reply: Reply) {
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
                    self.at(SECOND / 2, number, Event::Request(Request::Offsets(round)));
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

    fn process(&mut self, number: usize) {
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
    fn poll(&mut self, number: usize) {
        let now = self.now;
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
            let (member, generation) = (client.membership.member_id().clone(), client.membership.generation());
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

    fn send(&mut self, client: usize, request: Request) {
        let after = self.latency();
        self.at(after, client, Event::Request(request));
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

fn at(offset: i64) -> CommitOffset {
    CommitOffset { offset, ..CommitOffset::default() }
}

/// As many as are asked for, or enough to find each planted bug.
fn schedules() -> u64 {
    std::env::var("KAFKA_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(250)
}

#[test]
fn whatever_happens_everything_is_processed_and_nothing_by_two() {
    for seed in 0..schedules() {
        if let Some(violation) = World::new(seed, None).run() {
            panic!("seed {seed}: {violation}");
        }
    }
}

#[test]
fn planted_bugs_are_found_by_the_same_schedules() {
    for bug in BUGS {
        let found =
            (0..schedules()).find_map(|seed| World::new(seed, Some(bug)).run().map(|violation| (seed, violation)));
        assert!(found.is_some(), "{bug:?} was not found");
    }
}
