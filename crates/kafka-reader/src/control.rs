//! The control task of a reader: places each partition with the fetcher of its leader, and takes care of it while it is
//! with none.
//!
//! ```text
//!            leader known                 leader moved, connection lost, …
//!  parked ──────────────────► at a fetcher ──────────────────────────────► parked (pause, fresh metadata)
//!                                   │ out of range                            ▲
//!                                   └────────────► checked with its leader ───┤ in range after all
//!                                                         └──► halted         │
//! ```

mod recovery;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::{BrokerId, Cluster, Pauses};
use kafka_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::recovery::needs_validation;
use crate::config::LONGEST_WAIT;
use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::{Fetcher, LONGEST_GOODBYE};
use crate::gauge::Gauge;
use crate::shared::{Assigned, Command, Event, Reason, Returned, Shared};

#[derive(Debug)]
pub(crate) struct Control {
    shared: Arc<Shared>,
    cluster: watch::Receiver<Arc<Cluster>>,
    fetchers: HashMap<BrokerId, mpsc::Sender<Command>>,
    returns: (mpsc::Sender<Returned>, mpsc::Receiver<Returned>),
    parked: Vec<Parked>,
    /// Where partitions are, by slot: the broker, and the leader's epoch that took them there.
    placed: BTreeMap<usize, Placed>,
    troubles: BTreeMap<usize, Trouble>,
    /// At most one of each broker.
    fetching: JoinSet<()>,
    /// Checks, at most one of each partition.
    tasks: JoinSet<Option<Returned>>,
}

#[derive(Debug)]
struct Placed {
    gauge: Arc<Gauge>,
    broker: BrokerId,
    leader_epoch: i32,
    topic_id: Uuid,
    /// Until when it stays with a follower, where it is with one.
    nearer_until: Option<Instant>,
}

#[derive(Debug)]
struct Parked {
    partitions: Vec<Assigned>,
    until: Instant,
}

/// What a partition has gone through since it was last fetched.
#[derive(Debug)]
struct Trouble {
    pauses: Pauses,
    /// Since when, or since when it was last told.
    since: Instant,
}

/// What the reader tells the control task.
#[derive(Debug)]
pub(crate) struct Signals {
    /// Ends when the reader is closed.
    pub(crate) closing: oneshot::Receiver<()>,
}

/// What the control task woke up for.
enum Wake {
    Returned(Returned),
    Mail,
    Cluster,
    Time,
    Task(Option<Returned>),
    Close,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            cluster: shared.transport.watch(),
            shared,
            fetchers: HashMap::new(),
            returns: mpsc::channel(MAX_RETURNS),
            parked: Vec::new(),
            placed: BTreeMap::new(),
            troubles: BTreeMap::new(),
            fetching: JoinSet::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Works until the reader is closed or gone; then nothing of it is left.
    pub(crate) async fn run(mut self, mut signals: Signals) {
        loop {
            self.place_due();
            match self.wake(&mut signals).await {
                Wake::Returned(returned) | Wake::Task(Some(returned)) => self.handle_returned(returned),
                Wake::Mail => self.handle_mail(),
                Wake::Cluster => self.handle_cluster(),
                Wake::Task(None) | Wake::Time => {}
                Wake::Close => break,
            }
        }
        self.tasks.shutdown().await;
        self.end_fetchers().await;
    }

    /// Lets fetchers end their sessions.
    async fn end_fetchers(&mut self) {
        self.fetchers.clear();
        self.returns.1.close();
        let ended = async { while self.fetching.join_next().await.is_some() {} };
        let _too_slow = timeout(LONGEST_GOODBYE, ended).await;
        self.fetching.shutdown().await;
    }

    async fn wake(&mut self, signals: &mut Signals) -> Wake {
        let shared = Arc::clone(&self.shared);
        let due = self.parked.iter().map(|parked| parked.until).min();
        let touch = Instant::now() + self.shared.transport.config().metadata_ttl.min(LONGEST_WAIT);
        let until = due.map_or(touch, |due| due.min(touch));
        tokio::select! {
            biased;
            _ = &mut signals.closing => Wake::Close,
            () = shared.mailbox.changed.notified() => Wake::Mail,
            Some(returned) = self.returns.1.recv() => Wake::Returned(returned),
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => match done {
                Ok(returned) => Wake::Task(returned),
                // It panicked, and its partitions are gone: the reader is told that it is closed, rather than nothing.
                Err(_) => Wake::Close,
            },
            // It ends only by a panic.
            Some(_) = self.fetching.join_next(), if !self.fetching.is_empty() => Wake::Close,
            Ok(()) = self.cluster.changed() => Wake::Cluster,
            () = sleep_until(until) => {
                if due.is_none_or(|due| due > touch) {
                    self.touch();
                }
                Wake::Time
            }
        }
    }

    /// Keeps the topics in the snapshot, so that moves of leaders show there.
    fn touch(&self) {
        let mut topics: Vec<_> = self.placed.values().map(|placed| &placed.gauge.topic).collect();
        topics.dedup();
        topics.into_iter().for_each(|topic| self.shared.transport.request_refresh(topic));
    }

    /// Places every partition whose pause is over.
    fn place_due(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.parked.extract_if(.., |parked| parked.until <= now).collect();
        let cluster = Arc::clone(&self.cluster.borrow());
        let mut by_broker: BTreeMap<BrokerId, Vec<Assigned>> = BTreeMap::new();
        for mut assigned in due.into_iter().flat_map(|parked| parked.partitions) {
            match home(&cluster, &assigned) {
                Ok(home) => {
                    assigned.leader_epoch = home.leader_epoch;
                    assigned.topic_id = home.topic_id;
                    if needs_validation(&assigned) {
                        self.validate(assigned);
                        continue;
                    }
                    by_broker.entry(home.broker).or_default().push(assigned);
                }
                Err(error) if error.is_halt() => self.report_halt(assigned, error),
                Err(error) => self.park(vec![assigned], &error),
            }
        }
        for (broker, partitions) in by_broker {
            self.place(broker, partitions);
        }
    }

    fn place(&mut self, broker: BrokerId, partitions: Vec<Assigned>) {
        for assigned in &partitions {
            let placed = Placed {
                gauge: Arc::clone(&assigned.gauge),
                broker,
                leader_epoch: assigned.leader_epoch,
                topic_id: assigned.topic_id,
                nearer_until: assigned.nearer.map(|(_, until)| until),
            };
            self.placed.insert(assigned.gauge.slot, placed);
        }
        let fetcher = self.fetcher(broker);
        let Err(refused) = fetcher.try_send(Command::Fetch(partitions)) else { return };
        // A fetcher ends only with the control task, so its queue is full: it will have room after a pause.
        if let Command::Fetch(partitions) = refused.into_inner() {
            let until = Instant::now() + self.shared.settings.patience.backoff.min;
            self.unplace(&partitions);
            self.parked.push(Parked { partitions, until });
        }
    }

    fn fetcher(&mut self, broker: BrokerId) -> &mpsc::Sender<Command> {
        let Self { shared, fetching, returns, .. } = self;
        self.fetchers.entry(broker).or_insert_with(|| {
            let (commands, queue) = mpsc::channel(MAX_COMMANDS);
            let fetcher = Fetcher::new(Arc::clone(shared), broker, queue, returns.0.clone());
            fetching.spawn(fetcher.run());
            commands
        })
    }

    fn handle_returned(&mut self, returned: Returned) {
        let Returned { mut partitions, reason } = returned;
        self.unplace(&partitions);
        partitions.retain(|assigned| !assigned.gauge.is_stopped());
        for assigned in &mut partitions {
            if std::mem::take(&mut assigned.fetched) {
                self.troubles.remove(&assigned.gauge.slot);
            }
        }
        let far: Vec<_> = match reason {
            // Whatever a follower says, the leader knows better; and now and then it is asked whether it still holds.
            Reason::Failed(_) | Reason::OutOfRange => {
                partitions.extract_if(.., |part| part.nearer.take().is_some()).collect()
            }
            _ => Vec::new(),
        };
        if !far.is_empty() {
            self.leave_to_leader(far);
        }
        let now = Instant::now();
        for assigned in &mut partitions {
            assigned.nearer.take_if(|(_, until)| *until <= now);
        }
        match reason {
            // It has come, or come back, since the snapshot.
            Reason::Nearer(broker) if self.shared.transport.cluster().broker(broker).is_none() => {
                self.leave_to_leader(partitions);
            }
            Reason::Nearer(broker) => {
                let until = now + self.shared.transport.config().metadata_ttl.min(LONGEST_WAIT);
                partitions.iter_mut().for_each(|assigned| assigned.nearer = Some((broker, until)));
                self.parked.push(Parked { partitions, until: now });
            }
            Reason::Released => self.parked.push(Parked { partitions, until: Instant::now() }),
            Reason::Failed(error) => self.park(partitions, &error),
            Reason::OutOfRange => partitions.into_iter().for_each(|assigned| self.check(assigned)),
            Reason::Vacant(end) => partitions.into_iter().for_each(|assigned| self.check_vacancy(assigned, end)),
            Reason::Halted(error) => {
                partitions.into_iter().for_each(|assigned| self.report_halt(assigned, error.clone()));
            }
        }
    }

    /// Has partitions served by their leaders for a while, since the follower that is nearer cannot, and looks for news of it.
    fn leave_to_leader(&mut self, mut partitions: Vec<Assigned>) {
        let now = Instant::now();
        for assigned in &mut partitions {
            assigned.leader_until = Some(now + LEADER_SERVES);
            self.shared.transport.request_refresh(&assigned.gauge.topic);
        }
        self.parked.push(Parked { partitions, until: now });
    }

    fn unplace(&mut self, partitions: &[Assigned]) {
        for assigned in partitions {
            self.placed.remove(&assigned.gauge.slot);
        }
    }

    /// Keeps partitions for a pause, all for the same one, so that they go back to their broker in one request. Those
    /// whose next leader is known go there at once.
    fn park(&mut self, partitions: Vec<Assigned>, error: &Error) {
        let (now, cluster) = (Instant::now(), self.shared.transport.cluster());
        let (gone, partitions): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|assigned| has_newer_leader(&cluster, assigned));
        if !gone.is_empty() {
            self.parked.push(Parked { partitions: gone, until: now });
        }
        let mut until = now;
        for assigned in &partitions {
            if error.needs_metadata_refresh() {
                self.shared.transport.request_refresh(&assigned.gauge.topic);
            }
            let settings = &self.shared.settings;
            let new = || Trouble { pauses: settings.patience.backoff.pauses(), since: now };
            let trouble = self.troubles.entry(assigned.gauge.slot).or_insert_with(new);
            until = until.max(now + trouble.pauses.next_pause());
            // A batch that cannot be read is tried again, and the partition is not halted yet; waiting grants no right.
            let refused = trouble.pauses.taken() == 1 && error.code() == Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
            let overdue = now.duration_since(trouble.since) >= settings.patience.retry_timeout;
            if refused || (overdue && !error.is_halt()) {
                trouble.since = now;
                if assigned.gauge.may_tell() {
                    let event = Event::Failing(Arc::clone(&assigned.gauge), assigned.error(error.clone()));
                    let _reader_is_gone = self.shared.events.send(event);
                }
            }
        }
        self.parked.push(Parked { partitions, until });
    }

    /// A new snapshot: leaders that have moved take their partitions over, and who waits for one looks at once.
    fn handle_cluster(&mut self) {
        let cluster = Arc::clone(&self.cluster.borrow_and_update());
        let now = Instant::now();
        for (slot, placed) in &mut self.placed {
            let known = cluster.topic(&placed.gauge.topic).and_then(|topic| topic.partition(placed.gauge.partition));
            let Some(partition) = known else { continue };
            let replaced =
                cluster.topic(&placed.gauge.topic).is_some_and(|topic| is_replaced(placed.topic_id, topic.id));
            let newer = partition.leader_epoch > placed.leader_epoch;
            let elsewhere = match placed.nearer_until {
                Some(until) => until <= now || cluster.broker(placed.broker).is_none(),
                None => partition.leader.is_some_and(|leader| leader != placed.broker),
            };
            let moved = elsewhere || (newer && partition.leader.is_some());
            if (moved || replaced)
                && let Some(fetcher) = self.fetchers.get(&placed.broker)
            {
                // So that it is asked for once.
                (placed.leader_epoch, placed.topic_id) = (partition.leader_epoch, Uuid::ZERO);
                let _it_will_find_out = fetcher.try_send(Command::Release(*slot));
            }
        }
        for parked in &mut self.parked {
            if parked.partitions.iter().any(|assigned| has_newer_leader(&cluster, assigned)) {
                parked.until = now;
            }
        }
    }

    /// Tells the reader, behind what was fetched before, that no more will come.
    fn report_halt(&mut self, assigned: Assigned, error: Error) {
        tracing::warn!(%error, "partition halted");
        assigned.gauge.stop();
        self.troubles.remove(&assigned.gauge.slot);
        let _reader_is_gone = self.shared.events.send(Event::Halted(assigned.gauge.hold(0, 0), error));
    }

    /// Takes what the reader added; what it stopped, whoever has it lets go of.
    fn handle_mail(&mut self) {
        let partitions = self.shared.mailbox.take();
        self.parked.push(Parked { partitions, until: Instant::now() });
        for parked in &mut self.parked {
            parked.partitions.retain(|assigned| !assigned.gauge.is_stopped());
        }
        self.parked.retain(|parked| !parked.partitions.is_empty());
        let stopped: Vec<_> = self.placed.extract_if(.., |_, placed| placed.gauge.is_stopped()).collect();
        for (slot, placed) in stopped {
            self.troubles.remove(&slot);
            if let Some(fetcher) = self.fetchers.get(&placed.broker) {
                // Where it has no room for that, it finds out by itself.
                let _full = fetcher.try_send(Command::Release(slot));
            }
        }
    }
}

/// Where a partition belongs.
struct Home {
    broker: BrokerId,
    leader_epoch: i32,
    topic_id: Uuid,
}

fn home(cluster: &Cluster, assigned: &Assigned) -> Result<Home> {
    let gauge = &assigned.gauge;
    let broker = cluster.leader(&gauge.topic, gauge.partition)?;
    let topic = cluster.topic(&gauge.topic);
    let topic_id = topic.map(|topic| topic.id).filter(|id| !id.is_zero()).unwrap_or(assigned.topic_id);
    if is_replaced(assigned.topic_id, topic_id) {
        let kind = ErrorKind::TopicReplaced { before: assigned.topic_id, now: topic_id };
        return Err(assigned.error(Error::new(kind)));
    }
    let partition = topic.and_then(|topic| topic.partition(gauge.partition));
    let leader_epoch = partition.map_or(-1, |partition| partition.leader_epoch);
    let nearer = assigned.nearer.map(|(broker, _)| broker).filter(|broker| cluster.broker(*broker).is_some());
    let broker = nearer.unwrap_or(broker);
    Ok(Home { broker, leader_epoch, topic_id })
}

/// Whether a leader is known that came after the one who was asked.
fn has_newer_leader(cluster: &Cluster, assigned: &Assigned) -> bool {
    home(cluster, assigned).is_ok_and(|home| home.leader_epoch > assigned.leader_epoch)
}

/// Whether a topic is another one by now. Brokers before Kafka 2.8 know no ids.
fn is_replaced(before: Uuid, now: Uuid) -> bool {
    !before.is_zero() && !now.is_zero() && before != now
}

/// How long a leader serves in place of a follower that failed. The controller, and with it the leader, knows of a broker
/// that is gone after its session, 9 s by default (`broker.session.timeout.ms`).
const LEADER_SERVES: Duration = Duration::from_secs(10);
/// Commands that a fetcher has not taken yet; those beyond are given again after a pause.
const MAX_COMMANDS: usize = 1024;
/// Answers of fetchers that wait to be taken; who has more waits.
const MAX_RETURNS: usize = 256;
