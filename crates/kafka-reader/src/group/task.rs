//! The task of a member: carries out what [`Membership`] and [`Commits`] say.
//!
//! ```text
//!  ConsumerGroup, Reader ── Command ──► Task ── requests ──► coordinator
//!       ▲                                │  ▲
//!       └─────────── GroupEvent ─────────┘  └── answers, one future each
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_conn::{BrokerId, CallOptions, Connection, Transport};
use kafka_protocol::messages::heartbeat::HeartbeatResponse;
use kafka_protocol::messages::join_group::JoinGroupResponse;
use kafka_protocol::messages::leave_group::LeaveGroupRequest;
use kafka_protocol::messages::sync_group::SyncGroupResponse;
use kafka_protocol::{ErrorCode, Request};
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::activity::Activity;
use super::calls::{self, Committer};
use super::commits::{CommitFailure, CommitOffset, Commits, Ticket};
use super::config::GroupConfig;
use super::event::{AssignedPartition, GroupEvent, Revoked};
use super::membership::{Action, Answer, Change, Membership, NoAnswer};
use crate::assignor::GroupTopics;
use crate::config::{IsolationLevel, LONGEST_WAIT, StartOffset};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{self, FIRST, LAST, Listed, Patience};
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
}

pub(crate) type SharedCommits = Arc<Mutex<Book>>;

pub(crate) fn lock(commits: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    // Whoever panicked while it had the lock has left numbers in it that each are what they were.
    commits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the application tells the task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Have the group divide its partitions anew.
    Rejoin,
    /// Commit what is marked, and leave; with `true` also as a static member.
    Leave(bool),
}

/// What came of a call.
enum Done {
    Coordinator(Result<(BrokerId, Connection)>),
    Joined(Answer<JoinGroupResponse>),
    Topics(Option<GroupTopics>),
    Synced(Answer<SyncGroupResponse>),
    Beaten(Answer<ErrorCode>),
    Left,
    Committed(Option<BTreeMap<TopicPartition, ErrorCode>>),
    Positions(u64, Result<Positions>),
    Names(Result<BTreeSet<SmolStr>>),
    /// The application has given up what it was to.
    Revoked,
}

/// Where partitions start, and whether that is what the group has committed.
type Positions = BTreeMap<TopicPartition, (Listed, bool)>;

/// Who waits for a commit.
enum Waits {
    /// The start of these partitions.
    Start(u64, Vec<AssignedPartition>),
    Revocation,
    Leaving,
}

pub(super) struct Task {
    transport: Transport,
    config: GroupConfig,
    membership: Membership,
    commits: SharedCommits,
    activity: Arc<Activity>,
    calls_seen: u64,
    coordinator: Option<(BrokerId, Connection)>,
    /// What the application has.
    handed: BTreeSet<TopicPartition>,
    /// What is the member's, but not the application's yet: where it starts is looked up. By the number of the look-up.
    arriving: BTreeMap<TopicPartition, u64>,
    rounds: u64,
    /// What the application was told to give up.
    revoking: Vec<TopicPartition>,
    waits: HashMap<Ticket, Waits>,
    outbox: VecDeque<Result<GroupEvent>>,
    calls: JoinSet<Done>,
    next_look: Instant,
    looking: bool,
    leaving: Option<bool>,
}

/// The ends of the channels that the application holds the other ends of.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Result<GroupEvent>>,
}

impl Task {
    pub(super) fn new(
        transport: Transport,
        config: GroupConfig,
        membership: Membership,
        commits: SharedCommits,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            transport,
            config,
            membership,
            commits,
            activity,
            calls_seen: 0,
            coordinator: None,
            handed: BTreeSet::new(),
            arriving: BTreeMap::new(),
            rounds: 0,
            revoking: Vec::new(),
            waits: HashMap::new(),
            outbox: VecDeque::new(),
            calls: JoinSet::new(),
            next_look: Instant::now(),
            looking: false,
            leaving: None,
        }
    }

    /// Works until the member has left.
    pub(super) async fn run(mut self, mut ends: Ends) {
        let mut cluster = self.transport.watch();
        let mut closed = false;
        loop {
            self.carry_out();
            if self.membership.is_over() && self.outbox.is_empty() {
                break;
            }
            let until = self.next_time();
            tokio::select! {
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => {
                    if let Ok(done) = done {
                        self.handle_done(done);
                    }
                }
                command = ends.commands.recv(), if !closed => match command {
                    Some(command) => self.handle_command(command),
                    // The handle was dropped: nobody waits for anything, but the group should know.
                    None => {
                        closed = true;
                        self.outbox.clear();
                        self.begin_leaving(false);
                    }
                },
                permit = ends.events.reserve(), if !self.outbox.is_empty() => match (permit, self.outbox.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    _ => self.outbox.clear(),
                },
                Ok(()) = cluster.changed() => self.heed_cluster(),
                () = self.activity.wake.notified() => {}
                () = sleep_until(until) => {}
            }
        }
        // A call that waits is told rather than left.
        lock(&self.commits).callers.clear();
        self.calls.shutdown().await;
    }

    /// Does everything that is due.
    fn carry_out(&mut self) {
        self.heed_activity();
        self.look_for_topics();
        let now = Instant::now().into_std();
        loop {
            while let Some(action) = self.membership.poll(now) {
                self.perform(action);
            }
            // What waited for a commit may go on at once: the member that leaves has nothing else to wake it.
            if !self.settle_commits() {
                break;
            }
        }
        self.send_commits();
    }

    fn next_time(&self) -> Instant {
        let commits = lock(&self.commits).commits.poll_timeout().filter(|_| self.coordinator.is_some());
        let times = [self.membership.poll_timeout(), commits];
        let next = times.into_iter().flatten().map(Instant::from_std).min();
        let look = if self.looking { Instant::now() + LONGEST_WAIT } else { self.next_look };
        next.map_or(look, |next| next.min(look))
    }

    fn heed_activity(&mut self) {
        let now = Instant::now().into_std();
        let (calls, waiting) = self.activity.read();
        if waiting {
            self.membership.handle_waiting(now, true);
        } else if calls != self.calls_seen {
            self.membership.handle_waiting(now, false);
        }
        self.calls_seen = calls;
    }

    fn heed_cluster(&mut self) {
        let cluster = self.transport.cluster();
        self.membership.handle_partitions(|topic| Some(cluster.topic(topic)?.partitions.len()));
    }

    fn look_for_topics(&mut self) {
        let now = Instant::now();
        if self.looking || now < self.next_look || self.leaving.is_some() {
            return;
        }
        self.looking = true;
        self.next_look = now + self.config.topics_interval.max(Duration::from_millis(1)).min(LONGEST_WAIT);
        let (transport, topics) = (self.transport.clone(), self.config.topics.clone());
        self.calls.spawn(async move {
            let names = topics.current(&transport).await;
            if let Ok(names) = &names {
                let all: Vec<_> = names.iter().map(SmolStr::as_str).collect();
                let _told_by_the_snapshot = transport.refresh(&all).await;
            }
            Done::Names(names)
        });
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::FindCoordinator => {
                self.coordinator = None;
                let (transport, group_id) = (self.transport.clone(), self.config.group_id.clone());
                self.calls
                    .spawn(async move { Done::Coordinator(calls::find_coordinator(&transport, &group_id).await) });
            }
            Action::Join(request) => self.call(request, self.config.rebalance_timeout, Done::Joined),
            Action::Sync(request) => self.call(request, self.config.rebalance_timeout, Done::Synced),
            Action::Heartbeat(request) => self.call(request, Duration::ZERO, |answer: Answer<HeartbeatResponse>| {
                Done::Beaten(answer.map(|response| ErrorCode(response.error_code)))
            }),
            Action::Leave(request) => {
                let request = self.leaving(request);
                self.call(request, Duration::ZERO, |_| Done::Left);
            }
            Action::LookUp(topics) => {
                let transport = self.transport.clone();
                self.calls.spawn(async move { Done::Topics(calls::partitions(&transport, &topics).await.ok()) });
            }
            Action::Tell(change) => self.tell(change),
        }
    }

    /// One member, or a list of them: each version has a field of its own for it.
    fn leaving(&self, mut request: LeaveGroupRequest) -> LeaveGroupRequest {
        let version = |(_, connection): &(BrokerId, Connection)| connection.version_for::<LeaveGroupRequest>(None).ok();
        match self.coordinator.as_ref().and_then(version) {
            Some(..3) => request.members.clear(),
            _ => request.member_id = SmolStr::default(),
        }
        request
    }

    /// Sends a request to the coordinator, which may take `wait` for its answer.
    fn call<R: Request + 'static>(
        &mut self,
        request: R,
        wait: Duration,
        done: impl FnOnce(Answer<R::Response>) -> Done + Send + 'static,
    ) {
        let connection = self.coordinator.as_ref().map(|(_, connection)| connection.clone());
        let timeout = self.transport.config().dialer.call_timeout.saturating_add(wait);
        let options = CallOptions { timeout: Some(timeout), ..CallOptions::default() };
        self.calls.spawn(async move {
            let Some(connection) = connection else { return done(Err(NoAnswer)) };
            let answer = connection.call_with(&request, options).await;
            done(answer.map_err(|error| {
                tracing::debug!(%error, "the coordinator did not answer");
                NoAnswer
            }))
        });
    }

    fn handle_done(&mut self, done: Done) {
        let now = Instant::now().into_std();
        match done {
            Done::Coordinator(Ok(found)) => {
                self.coordinator = Some(found);
                self.membership.handle_coordinator(now, Ok(ErrorCode::NONE));
            }
            Done::Coordinator(Err(error)) => {
                tracing::debug!(%error, group = %self.config.group_id, "no coordinator");
                let code = error.code().filter(|code| !code.is_retriable() && error.connection_error().is_none());
                self.membership.handle_coordinator(now, code.ok_or(NoAnswer));
            }
            Done::Joined(answer) => self.membership.handle_join(now, answer),
            Done::Topics(topics) => self.membership.handle_topics(now, topics.as_ref()),
            Done::Synced(answer) => self.membership.handle_sync(now, answer),
            Done::Beaten(answer) => self.membership.handle_heartbeat(now, answer),
            Done::Left => self.membership.handle_leave(),
            Done::Committed(answer) => self.handle_committed(answer),
            Done::Positions(round, result) => self.handle_positions(round, result),
            Done::Names(names) => {
                self.looking = false;
                match names {
                    Ok(names) => self.membership.handle_topics_wanted(names),
                    Err(error) => {
                        tracing::debug!(%error, group = %self.config.group_id, "topics not found");
                        self.next_look = Instant::now() + self.config.backoff.max;
                    }
                }
            }
            Done::Revoked => self.flush_revoked(),
        }
    }

    fn tell(&mut self, change: Change) {
        tracing::debug!(group = %self.config.group_id, ?change, "group");
        match change {
            Change::Assign { generation, partitions } => self.assign(generation, partitions),
            Change::Revoke(partitions) => self.revoke(partitions),
            Change::Lost(partitions, reason) => {
                let had = self.take_back(&partitions);
                self.revoking.clear();
                if !had.is_empty() {
                    self.outbox.push_back(Ok(GroupEvent::Lost { partitions: had, reason }));
                }
            }
            Change::Failed(code) => {
                self.outbox.push_back(Err(Error::new(ErrorKind::Group(code)).with_group(&self.config.group_id)));
            }
        }
    }

    /// Takes partitions out of everything; returns those that the application has.
    fn take_back(&mut self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let mut commits = lock(&self.commits);
        partitions.iter().for_each(|partition| commits.commits.disown(partition));
        drop(commits);
        self.arriving.retain(|partition, _| !partitions.contains(partition));
        partitions.iter().filter_map(|partition| self.handed.take(partition)).collect()
    }

    fn assign(&mut self, generation: i32, partitions: Vec<TopicPartition>) {
        self.rounds += 1;
        if partitions.is_empty() {
            self.hand_over(generation, Vec::new());
            return;
        }
        self.arriving.extend(partitions.iter().map(|partition| (partition.clone(), self.rounds)));
        self.look_up_positions(self.rounds, partitions, Duration::ZERO);
    }

    fn hand_over(&mut self, generation: i32, partitions: Vec<AssignedPartition>) {
        let member_id = self.membership.member_id().clone();
        self.outbox.push_back(Ok(GroupEvent::Assigned { generation, member_id, partitions }));
    }

    fn look_up_positions(&mut self, round: u64, partitions: Vec<TopicPartition>, pause: Duration) {
        let coordinator = self.coordinator.as_ref().map(|(id, _)| *id);
        let (transport, config) = (self.transport.clone(), self.config.clone());
        self.calls.spawn(async move {
            sleep(pause).await;
            let Some(coordinator) = coordinator else {
                let kind = ErrorKind::Broker(ErrorCode::COORDINATOR_NOT_AVAILABLE);
                return Done::Positions(round, Err(Error::new(kind)));
            };
            Done::Positions(round, positions(&transport, coordinator, &config, &partitions).await)
        });
    }

    /// Starts of partitions are known. Those that the group had none for are committed first, so that whoever takes over
    /// starts there as well.
    fn handle_positions(&mut self, round: u64, result: Result<Positions>) {
        let wanted = self.arriving.iter().filter(|(_, of)| **of == round).map(|(partition, _)| partition.clone());
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        let positions = match result {
            Ok(positions) => positions,
            Err(error) => {
                if !error.is_retriable() {
                    self.outbox.push_back(Err(error));
                }
                return self.look_up_positions(round, wanted, self.config.backoff.max);
            }
        };
        let now = Instant::now();
        let (mut assigned, mut starts) = (Vec::new(), BTreeMap::new());
        let mut commits = lock(&self.commits);
        for partition in wanted {
            let Some((Listed { offset, leader_epoch }, is_committed)) = positions.get(&partition).copied() else {
                continue;
            };
            let leader_epoch = Some(leader_epoch).filter(|epoch| *epoch >= 0);
            commits.commits.own(partition.clone(), if is_committed { offset } else { -1 });
            if !is_committed {
                let start = CommitOffset { offset, leader_epoch, ..CommitOffset::default() };
                starts.insert(partition.clone(), start);
            }
            assigned.push(AssignedPartition { partition, offset, leader_epoch });
        }
        let until = now + self.config.commit_timeout.min(LONGEST_WAIT);
        let ticket = commits.commits.commit(now.into_std(), starts, until.into_std());
        drop(commits);
        self.waits.insert(ticket, Waits::Start(round, assigned));
    }

    fn revoke(&mut self, partitions: Vec<TopicPartition>) {
        let (has, not_yet): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| self.handed.contains(partition));
        self.take_back(&not_yet);
        if has.is_empty() {
            self.membership.handle_revoked(Instant::now().into_std());
            return;
        }
        let (done, given_up) = oneshot::channel();
        self.revoking.clone_from(&has);
        self.outbox.push_back(Ok(GroupEvent::Revoked(Revoked::new(has, done))));
        self.calls.spawn(async move {
            // Dropped is done as well.
            let _dropped = given_up.await;
            Done::Revoked
        });
    }

    /// Commits what was processed of the partitions that the application has given up.
    fn flush_revoked(&mut self) {
        if self.revoking.is_empty() {
            return;
        }
        let now = Instant::now();
        let until = now + self.config.commit_timeout.min(self.config.session_timeout);
        let ticket =
            lock(&self.commits).commits.flush(now.into_std(), until.into_std(), |part| self.revoking.contains(part));
        self.waits.insert(ticket, Waits::Revocation);
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Rejoin => self.membership.rejoin(),
            Command::Leave(goodbye) => self.begin_leaving(goodbye),
        }
    }

    /// Commits what is marked, then leaves.
    fn begin_leaving(&mut self, goodbye: bool) {
        let now = Instant::now();
        self.leaving = Some(goodbye);
        if self.coordinator.is_none() {
            self.membership.leave(goodbye);
            return;
        }
        let ticket = lock(&self.commits).commits.flush(now.into_std(), (now + LEAVE_COMMIT).into_std(), |_| true);
        self.waits.insert(ticket, Waits::Leaving);
    }

    fn send_commits(&mut self) {
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

    fn handle_committed(&mut self, answer: Option<BTreeMap<TopicPartition, ErrorCode>>) {
        let now = Instant::now().into_std();
        let of_member = lock(&self.commits).commits.handle_answer(now, answer.as_ref());
        if let Some(code) = of_member {
            self.membership.handle_group_error(now, code);
        }
    }

    /// Goes on with what waited for commits that are done. Whether there was any.
    fn settle_commits(&mut self) -> bool {
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

/// What the group has committed, or else where it starts.
async fn positions(
    transport: &Transport,
    coordinator: BrokerId,
    config: &GroupConfig,
    partitions: &[TopicPartition],
) -> Result<Positions> {
    let committed = calls::committed(transport, coordinator, &config.group_id, partitions).await?;
    let mut positions = Positions::new();
    let mut open = BTreeMap::new();
    let timestamp = if config.start_offset == StartOffset::Last { LAST } else { FIRST };
    for (partition, listed) in committed {
        if listed.offset >= 0 {
            positions.insert(partition, (listed, true));
        } else {
            open.insert(partition, timestamp);
        }
    }
    let patience = Patience { retry_timeout: config.commit_timeout, backoff: config.backoff.clone() };
    let listed = offsets::list(transport, &patience, &open, IsolationLevel::ReadUncommitted).await?;
    positions.extend(listed.into_iter().map(|(partition, listed)| (partition, (listed, false))));
    Ok(positions)
}

/// How long a member that leaves waits for its last commit.
const LEAVE_COMMIT: Duration = Duration::from_secs(5);
