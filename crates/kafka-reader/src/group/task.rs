//! The task of a member: carries out what [`Membership`] and [`Commits`](super::commits::Commits) say.
//!
//! ```text
//!  ConsumerGroup, Reader ── Command ──► Task ── requests ──► coordinator
//!       ▲                                │  ▲
//!       └─────────── GroupEvent ─────────┘  └── answers, one future each
//! ```

mod committing;
mod positions;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
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
use tokio::time::{Instant, sleep_until};

pub(super) use self::committing::Book;
pub(crate) use self::committing::{SharedCommits, lock};
use self::positions::Positions;
use super::activity::Activity;
use super::calls;
use super::commits::Ticket;
use super::config::GroupConfig;
use super::event::{AssignedPartition, GroupEvent, Revoked};
use super::membership::{Action, Answer, Change, Membership, NoAnswer};
use crate::assignor::GroupTopics;
use crate::config::LONGEST_WAIT;
use crate::error::{Error, ErrorKind, Result};
use crate::topic_partition::TopicPartition;

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
        lock(&self.commits).abandon();
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
}

/// How long a member that leaves waits for its last commit.
const LEAVE_COMMIT: Duration = Duration::from_secs(5);
