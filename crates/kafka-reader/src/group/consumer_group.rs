//! A member of a consumer group, as applications see it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use kafka_conn::{Message, Transport};
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::activity::Activity;
use super::commits::CommitFailure;
use super::commits::{CommitOffset, Commits};
use super::config::GroupConfig;
use super::event::GroupEvent;
use super::membership::Membership;
use super::task::{Book, Command, Ends, SharedCommits, Task, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::topic_partition::TopicPartition;

/// A member of a consumer group: it is told which partitions it has, and commits offsets for them. It reads nothing; a
/// [`Reader`](crate::Reader) with a [group](crate::ReaderConfig::group) does both.
///
/// It joins in the background, sends heartbeats, and takes part in rebalances, which take place while
/// [`next`](Self::next) is called: do so at least every [`max_poll_interval`](GroupConfig::max_poll_interval).
///
/// Dropping it leaves the group in the background, [`close`](Self::close) waits for that. A static member keeps its place
/// either way, unless it is told to [`close_and_leave`](Self::close_and_leave).
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_reader::Result<()> {
/// use kafka_reader::{ConsumerGroup, GroupConfig, GroupEvent};
///
/// let config = GroupConfig { group_id: "billing".into(), topics: ["orders"].into(), ..GroupConfig::default() };
/// let mut group = ConsumerGroup::new(transport, config)?;
/// loop {
///     match group.next().await? {
///         GroupEvent::Assigned { partitions, .. } => println!("begin to work on {partitions:?}"),
///         GroupEvent::Revoked(revoked) => {
///             println!("finish work on {:?}", revoked.partitions());
///             revoked.done();
///         }
///         GroupEvent::Lost { partitions, reason } => println!("drop work on {partitions:?}: {reason:?}"),
///         _ => {}
///     }
/// }
/// # }
/// ```
pub struct ConsumerGroup {
    config: GroupConfig,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Result<GroupEvent>>,
    commits: SharedCommits,
    activity: Arc<Activity>,
    task: JoinHandle<()>,
}

impl ConsumerGroup {
    /// Begins to join. Whether that goes well [`next`](Self::next) tells.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig).
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(transport: Transport, config: GroupConfig) -> Result<Self> {
        let member = config.parse()?;
        let now = Instant::now().into_std();
        let membership = Membership::new(member, now, seed(&transport));
        let commits = Commits::new(config.commit_interval, config.backoff.clone(), seed(&transport));
        let commits = Arc::new(Mutex::new(Book::new(commits)));
        let activity = Arc::new(Activity::default());
        let (commands, received) = mpsc::channel(MAX_COMMANDS);
        let (sender, events) = mpsc::channel(1);
        let task = Task::new(transport, config.clone(), membership, Arc::clone(&commits), Arc::clone(&activity));
        let task = tokio::spawn(task.run(Ends { commands: received, events: sender }));
        Ok(Self { config, commands, events, commits, activity, task })
    }

    /// The next thing that happens to this member's partitions; waits for it.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Group`](ErrorKind::Group) where the group will never let this member in, for instance because another one has
    /// the same instance id, and [`Closed`](ErrorKind::Closed) after that; others are news, and the member tries on.
    pub async fn next(&mut self) -> Result<GroupEvent> {
        let _waiting = self.enter();
        poll_fn(|context| self.poll_next(context)).await
    }

    pub(crate) fn enter(&self) -> super::activity::Waiting {
        let waiting = self.activity.enter();
        self.activity.wake.notify_one();
        waiting
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Whether [`poll_next`](Self::poll_next) has something.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<GroupEvent>> {
        let closed = || Err(Error::new(ErrorKind::Closed).with_group(&self.config.group_id));
        self.events.poll_recv(context).map(|event| event.unwrap_or_else(closed))
    }

    /// Commits offsets, and waits until that, or something higher, is done.
    ///
    /// # Errors
    /// [`NotOwned`](ErrorKind::NotOwned) where a partition is not this member's, or no longer: nothing was committed for
    /// it. [`Broker`](ErrorKind::Broker) where the coordinator refuses, or did not answer within
    /// [`commit_timeout`](GroupConfig::commit_timeout).
    ///
    /// **Cancel safety:** the offsets are committed all the same.
    pub async fn commit(&self, offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>) -> Result<()> {
        self.commit_async(offsets).await
    }

    /// Begins to commit offsets; the handle tells when that is done, and need not be awaited.
    pub fn commit_async(&self, offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>) -> CommitHandle {
        self.committing().commit(offsets)
    }

    /// What commits for this member, to be cloned into its work.
    pub fn committing(&self) -> Committing {
        Committing {
            commits: Arc::clone(&self.commits),
            activity: Arc::clone(&self.activity),
            group_id: self.config.group_id.clone(),
            timeout: self.config.commit_timeout,
        }
    }

    /// Commits the offsets behind these messages, the highest of each partition, and waits for it.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_messages<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) -> Result<()> {
        self.commit(highest(messages)).await
    }

    /// Has offsets committed in the background, within [`commit_interval`](GroupConfig::commit_interval). The highest of
    /// each partition counts.
    ///
    /// # Errors
    /// [`NotOwned`](ErrorKind::NotOwned) where a partition is not this member's, or no longer; others are marked.
    pub fn mark(&self, offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>) -> Result<()> {
        let now = Instant::now().into_std();
        let mut commits = lock(&self.commits);
        let mut refused = None;
        let before = commits.commits.poll_timeout();
        for (partition, offset) in offsets {
            if !commits.commits.mark(now, &partition, offset) {
                refused = Some(partition);
            }
        }
        let changed = commits.commits.poll_timeout() != before;
        drop(commits);
        if changed {
            self.activity.wake.notify_one();
        }
        refused.map_or(Ok(()), |partition| {
            let error = Error::new(ErrorKind::NotOwned).with_group(&self.config.group_id);
            Err(error.with_partition(&partition.topic, partition.partition))
        })
    }

    /// Has the group divide its partitions anew, for instance because something outside of Kafka changed that the
    /// assignor goes by (Java `enforceRebalance`).
    pub fn rejoin(&self) {
        let _others_are_on_their_way = self.commands.try_send(Command::Rejoin);
    }

    /// How it was configured.
    pub fn config(&self) -> &GroupConfig {
        &self.config
    }

    /// Commits what is marked, leaves the group, and waits for that, each within a few seconds. A static member keeps its
    /// place, and its partitions, until its session ends.
    pub async fn close(self) {
        self.end(false).await;
    }

    /// As [`close`](Self::close), but a static member gives up its place, too.
    pub async fn close_and_leave(self) {
        self.end(true).await;
    }

    async fn end(self, goodbye: bool) {
        let Self { commands, mut events, task, config, .. } = self;
        let ended = async {
            let _it_is_gone = commands.send(Command::Leave(goodbye)).await;
            // Nobody gives anything up any more.
            while events.recv().await.is_some() {}
            let _ended = task.await;
        };
        if tokio::time::timeout(CLOSE, ended).await.is_err() {
            tracing::warn!(group = %config.group_id, "closed without an answer of the coordinator");
        }
    }
}

/// The offset behind each message, the highest for each partition.
pub(crate) fn highest<'a>(messages: impl IntoIterator<Item = &'a Message>) -> BTreeMap<TopicPartition, CommitOffset> {
    let mut offsets: BTreeMap<TopicPartition, CommitOffset> = BTreeMap::new();
    for message in messages {
        let offset = message.offset.saturating_add(1);
        let entry = offsets.entry(TopicPartition::new(message.topic.clone(), message.partition)).or_default();
        if offset > entry.offset {
            *entry = CommitOffset { offset, ..CommitOffset::default() };
        }
    }
    offsets
}

/// Commits for a member of a group, from [`ConsumerGroup::committing`]. Clones do so for the same one.
#[derive(Clone)]
pub struct Committing {
    commits: SharedCommits,
    activity: Arc<Activity>,
    group_id: SmolStr,
    timeout: Duration,
}

impl Committing {
    /// Begins to commit offsets; the handle tells when that is done, and need not be awaited. For partitions that are not
    /// the member's, or no longer, nothing is committed.
    pub fn commit(&self, offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>) -> CommitHandle {
        let answer = lock(&self.commits).commit(offsets.into_iter().collect(), self.timeout);
        self.activity.wake.notify_one();
        CommitHandle { answer, group_id: self.group_id.clone() }
    }

    /// Lets commits go back: says that these partitions are read from elsewhere from now on, because the application went
    /// back, or because records were lost. What was to be committed of them and was not yet is dropped; from the next
    /// offset on the highest counts again. A [`Reader`](crate::Reader) says it by itself.
    pub fn rewind<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut book = lock(&self.commits);
        partitions.into_iter().for_each(|partition| book.commits.rewind(partition));
        drop(book);
        self.activity.wake.notify_one();
    }
}

impl fmt::Debug for Committing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committing").field("group_id", &self.group_id).finish_non_exhaustive()
    }
}

/// A commit that is on its way, from [`ConsumerGroup::commit_async`] or [`Reader::commit_async`](crate::Reader::commit_async).
///
/// It is a future; dropping it changes nothing: the offsets are committed all the same.
#[derive(Debug)]
#[must_use = "a commit is made all the same, but only awaiting it tells whether that went well"]
pub struct CommitHandle {
    answer: oneshot::Receiver<Result<(), CommitFailure>>,
    group_id: SmolStr,
}

impl Future for CommitHandle {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(context));
        Poll::Ready(match answer {
            Ok(result) => result.map_err(|failure| failure.into_error(&self.group_id)),
            Err(_) => Err(Error::new(ErrorKind::Closed).with_group(&self.group_id)),
        })
    }
}

impl fmt::Debug for ConsumerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerGroup").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What differs from one member to the next.
fn seed(transport: &Transport) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(transport.cluster().generation())
}

/// Commands that the task has not taken yet.
const MAX_COMMANDS: usize = 8;
/// Longer than a last commit and a goodbye take.
const CLOSE: Duration = Duration::from_secs(15);
