//! The reader: what it reads, how far it got, and the ways to get at it.

mod group;
mod offsets_of;
mod progress;
mod starts;
mod steps;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use kafka_conn::{Message, Transport};
use kafka_protocol::records::BatchDecoder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use self::progress::Progress;
use self::starts::Start;
use self::steps::Step;

use crate::batch::FetchedBatch;
use crate::chunk::Chunk;
use crate::config::{ReaderConfig, Selection, Settings};
use crate::control::{Control, Signals};
use crate::discovery;
use crate::error::{Error, ErrorKind, Result};
use crate::gauge::{Gauge, Total};
use crate::group::{Activity, CommitOffset, ConsumerGroup, Waiting};
use crate::offsets::EndOffsets;
use crate::position::Position;
use crate::shared::{Assigned, Event, Mailbox, Shared};
use crate::stats::{Counters, ReaderStats};
use crate::stream::Messages;
use crate::topic_partition::{PartitionRef, TopicPartition};

/// Reads partitions of one topic or several, or what a group assigns: messages of each partition in order, those of
/// different ones as they come.
///
/// It fetches ahead in the background, within the bounds of its [`ReaderConfig`]. When a leader moves or a broker
/// restarts, it goes on from where it was. Without a group it commits nothing: the caller keeps the
/// [offset](Self::offset).
///
/// **Errors** come in two sorts. Where a partition has been out of reach for
/// [`retry_timeout`](ReaderConfig::retry_timeout), an error says so, and reading goes on as soon as that is possible: call
/// again. Where going on would skip something ([`Error::is_halt`]), the partition is read no further; the other ones are.
/// Only the caller knows where to go on: [`set_offset`](Self::set_offset) has it read again from there, in a group too, as
/// long as the partition is this member's. Until then [`halted`](Self::halted) says what is wrong. Once all are halted,
/// each call returns the error of one of them; in a group it waits for others.
///
/// **Cancel safety:** all methods that wait may be dropped at any time, as in `select!` or `timeout`: what was not
/// returned is returned by the next call.
///
/// Dropping a reader ends its tasks in the background, [`close`](Self::close) waits until they are gone, half a second at
/// most, in which brokers are told to forget what they remember of it. Neither waits for messages.
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_reader::Result<()> {
/// use kafka_reader::{Reader, ReaderConfig, StartOffset};
///
/// let config = ReaderConfig {
///     topic: "orders".into(),
///     start_offset: StartOffset::First,
///     ..ReaderConfig::default()
/// };
/// let mut reader = Reader::new(transport, config).await?;
/// let end = reader.end_offsets().await?;
/// while let Some(message) = reader.fetch_until(&end).await? {
///     println!("{} {:?}", message.offset, message.value);
/// }
/// reader.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Reader {
    config: ReaderConfig,
    shared: Arc<Shared>,
    events: mpsc::UnboundedReceiver<Event>,
    /// In the order of topics and partitions.
    progress: Vec<Progress>,
    next_slot: usize,
    current: Option<Current>,
    /// A partition that had not reached its end when that was looked at last.
    last_behind: usize,
    /// What came of partitions while they were paused.
    aside: VecDeque<Box<Chunk>>,
    group: Option<Box<Membership>>,
    decoder: BatchDecoder,
    control: ControlHandle,
    /// What looks for partitions that are added, where all are read. It ends when this is dropped.
    finder: JoinSet<()>,
}

/// What is being returned.
struct Current {
    chunk: Box<Chunk>,
    /// Where its partition is in the list.
    at: usize,
}

/// The group that the reader is a member of.
struct Membership {
    group: ConsumerGroup,
    /// What `read_message` returned last: it counts as processed when the next one is asked for.
    processing: Option<(TopicPartition, CommitOffset)>,
}

/// The control task; it ends when this is dropped.
struct ControlHandle {
    closing: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    abort: AbortHandle,
}

impl Drop for ControlHandle {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Reader {
    /// Starts to read. Waits until the start offsets of all partitions are known, so that "last" is what was last before
    /// this returns. With a [group](ReaderConfig::group) it waits for nothing: partitions come when they are assigned.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig); [`UnknownPartition`](ErrorKind::UnknownPartition);
    /// [`Connection`](ErrorKind::Connection) where the topic does not exist or the brokers cannot be reached;
    /// [`Broker`](ErrorKind::Broker) where they refuse.
    pub async fn new(transport: Transport, config: ReaderConfig) -> Result<Self> {
        let settings = Settings::parse(&config)?;
        if let Some(group) = &config.group {
            let group = ConsumerGroup::new(transport.clone(), group.clone())?;
            return Ok(Self::start(transport, config, settings, Some(group)));
        }
        let selection = config.selection().map_err(|what| Error::new(ErrorKind::InvalidConfig(what)))?;
        let chosen = discovery::choose(&transport, &selection).await?;
        let known = chosen.keys().cloned().collect();
        let starts = starts::starts(&transport, &settings, &config, chosen).await?;
        let mut reader = Self::start(transport, config, settings, None);
        reader.add(starts);
        if let Selection::Topics(names) = selection {
            let (shared, every) = (Arc::clone(&reader.shared), reader.config.topics_interval);
            reader.finder.spawn(discovery::run(shared, names, known, every));
        }
        Ok(reader)
    }

    fn start(transport: Transport, config: ReaderConfig, settings: Settings, group: Option<ConsumerGroup>) -> Self {
        let (events, received) = mpsc::unbounded_channel();
        let decoder = BatchDecoder::new(settings.limits.clone());
        let (total, mailbox) = (Arc::new(Total::default()), Mailbox::default());
        let shared = Arc::new(Shared { transport, settings, total, events, mailbox, counters: Counters::default() });
        let control = ControlHandle::start(Control::new(Arc::clone(&shared)));
        let group = group.map(|group| Box::new(Membership { group, processing: None }));
        Self {
            config,
            shared,
            events: received,
            progress: Vec::new(),
            next_slot: 0,
            current: None,
            last_behind: 0,
            aside: VecDeque::new(),
            group,
            decoder,
            control,
            finder: JoinSet::new(),
        }
    }

    /// Reads these partitions from now on.
    fn add(&mut self, starts: impl IntoIterator<Item = Start>) {
        let mut added = Vec::new();
        for Start { partition: TopicPartition { topic, partition }, topic_id, offset, leader_epoch, otherwise } in
            starts
        {
            let gauge = Arc::new(Gauge::new(topic, partition, self.next_slot, Arc::clone(&self.shared.total)));
            self.next_slot += 1;
            added.push(Assigned {
                gauge: Arc::clone(&gauge),
                position: Position::new(offset, leader_epoch),
                topic_id,
                leader_epoch: -1,
                validated: -1,
                fetched: false,
                nearer: None,
                leader_until: None,
                otherwise,
            });
            let progress = Progress { gauge, offset, leader_epoch, paused: false, halted: None };
            self.progress.push(progress);
        }
        self.progress.sort_by(|one, other| one.key().cmp(&other.key()));
        self.settle_current();
        self.shared.total.set_partitions(self.progress.len());
        self.shared.mailbox.add(added);
    }

    /// Reads these partitions no further: nothing of them is returned any more.
    fn remove(&mut self, unwanted: impl Fn(&Gauge) -> bool) {
        for progress in self.progress.extract_if(.., |progress| unwanted(&progress.gauge)) {
            progress.gauge.stop();
        }
        self.aside.retain(|chunk| !chunk.gauge().is_stopped());
        self.settle_current();
        self.shared.total.set_partitions(self.progress.len());
        self.shared.mailbox.add([]);
    }

    /// Finds the partition that is being returned, whose place may have changed.
    fn settle_current(&mut self) {
        let Some(Current { chunk, .. }) = self.current.take() else { return };
        self.current = self.place_of(chunk.gauge().slot).map(|at| Current { chunk, at });
    }

    fn place_of(&self, slot: usize) -> Option<usize> {
        self.progress.iter().position(|progress| progress.gauge.slot == slot)
    }

    /// The next message of whichever partition has one; waits for it as long as it takes.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// See the [type](Self).
    pub async fn fetch_message(&mut self) -> Result<Message> {
        let _waiting = self.enter();
        poll_fn(|context| self.poll_message(context)).await
    }

    /// The next batch of records of whichever partition has one, as the broker stores them; what is left of it where
    /// messages of it were returned already. Its records count as returned.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// See the [type](Self).
    pub async fn fetch_batch(&mut self) -> Result<FetchedBatch> {
        let _waiting = self.enter();
        poll_fn(|context| {
            loop {
                if let Step::Item(batch) = ready!(self.poll_step(context, Chunk::next_batch))? {
                    return Poll::Ready(Ok(batch));
                }
            }
        })
        .await
    }

    /// The next message, or `None` as soon as every partition has [reached](Self::has_reached) its end offset. Messages
    /// behind the end of their partition are returned too while others have not got there.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// See the [type](Self). A halted partition does not reach its end: where one is among the partitions that have not,
    /// its error is returned each time instead of a wait that would not end.
    pub async fn fetch_until(&mut self, end: &EndOffsets) -> Result<Option<Message>> {
        poll_fn(|context| {
            let mut message = None;
            ready!(self.poll_until(context, end, |chunk, decoder| chunk.next_message(decoder, &mut message)))?;
            Poll::Ready(Ok(message))
        })
        .await
    }

    /// The next batch, as [`fetch_batch`](Self::fetch_batch), or `None` as soon as every partition has
    /// [reached](Self::has_reached) its end offset. The last one of a partition may go on behind its end: that is how
    /// brokers store it. From [`set_offset_at`](Self::set_offset_at) one time to
    /// [`end_offsets_at`](Self::end_offsets_at) another, this reads a range of time.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`fetch_until`](Self::fetch_until).
    pub async fn fetch_batch_until(&mut self, end: &EndOffsets) -> Result<Option<FetchedBatch>> {
        poll_fn(|context| self.poll_until(context, end, Chunk::next_batch)).await
    }

    fn poll_until<T>(
        &mut self,
        context: &mut Context<'_>,
        end: &EndOffsets,
        mut next: impl FnMut(&mut Chunk, &mut BatchDecoder) -> Result<Option<T>>,
    ) -> Poll<Result<Option<T>>> {
        loop {
            if !self.is_behind(end) {
                return Poll::Ready(self.only_halted_left(end).map_or(Ok(None), Err));
            }
            if let Step::Item(item) = ready!(self.poll_step(context, &mut next))? {
                return Poll::Ready(Ok(Some(item)));
            }
        }
    }

    /// The messages as a [`Stream`](futures_util::Stream).
    ///
    /// ```no_run
    /// # async fn example(mut reader: kafka_reader::Reader) -> kafka_reader::Result<()> {
    /// use futures_util::{StreamExt, TryStreamExt};
    ///
    /// let first_hundred: Vec<_> = reader.messages().take(100).try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn messages(&mut self) -> Messages<'_> {
        Messages::new(self)
    }

    /// The partitions that are read, halted ones included, in their order.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = TopicPartition> {
        self.progress.iter().map(Progress::name)
    }

    /// Why a partition is no longer read; `None` while it is. [`set_offset`](Self::set_offset) has it read again.
    pub fn halted<'a>(&self, partition: impl Into<PartitionRef<'a>>) -> Option<&Error> {
        self.find(partition.into())?.halted.as_ref()
    }

    /// What it has done since this was called last, and where it stands. It asks no broker.
    pub fn stats(&self) -> ReaderStats {
        let Shared { transport, total, counters, .. } = &*self.shared;
        ReaderStats {
            skipped: self.progress.iter().map(|progress| progress.gauge.skipped().unsigned_abs()).sum(),
            partitions: self.progress.iter().map(Progress::stats).collect(),
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            max_wait: self.config.max_wait,
            queue_bytes: total.buffered().bytes,
            queue_messages: total.buffered().messages,
            queue_capacity_messages: self.config.prefetch_messages,
            queue_capacity_bytes: self.config.prefetch_bytes,
            client_id: transport.config().dialer.client_id.clone(),
            ..counters.take()
        }
    }

    /// How it was configured.
    pub fn config(&self) -> &ReaderConfig {
        &self.config
    }

    /// Whether everything before these offsets was returned. Partitions that this reader does not read do not count.
    pub fn has_reached(&self, end: &EndOffsets) -> bool {
        self.progress.iter().all(|progress| progress.has_reached(end))
    }

    /// Ends reading: everything that was fetched ahead is dropped, and the tasks are gone when this returns. It does not
    /// wait for the answers to requests that are under way; brokers are asked to end the fetch sessions (KIP-227), which
    /// takes half a second at most where one does not answer. As the member of a group it commits what is to be committed,
    /// and leaves; a static member keeps its place. What [`read_message`](Self::read_message) returned last does not count
    /// as processed: nobody asked for the next one.
    pub async fn close(self) {
        self.end(false).await;
    }

    /// As [`close`](Self::close), but as a static member of a group it gives up its place, too.
    pub async fn close_and_leave(self) {
        self.end(true).await;
    }

    async fn end(mut self, goodbye: bool) {
        self.events.close();
        self.finder.shutdown().await;
        drop(self.control.closing.take());
        if let Some(membership) = self.group.take() {
            match goodbye {
                true => membership.group.close_and_leave().await,
                false => membership.group.close().await,
            }
        }
        if let Some(task) = self.control.task.take() {
            let _ended = task.await;
        }
    }

    /// A call that waits for messages, for as long as the result lives.
    pub(crate) fn enter(&self) -> Option<Waiting> {
        Some(self.group.as_ref()?.group.enter())
    }

    pub(crate) fn activity(&self) -> Option<&Arc<Activity>> {
        Some(self.group.as_ref()?.group.activity())
    }

    fn find(&self, partition: PartitionRef<'_>) -> Option<&Progress> {
        match partition {
            PartitionRef::Index(index) => self.find_in(&self.config.topic, index),
            PartitionRef::Named(TopicPartition { topic, partition }) => self.find_in(topic, *partition),
        }
    }

    fn find_in(&self, topic: &str, partition: i32) -> Option<&Progress> {
        let at = self.progress.binary_search_by(|progress| progress.key().cmp(&(topic, partition))).ok()?;
        self.progress.get(at)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offsets = self.progress.iter().map(|progress| (progress.key(), progress.offset));
        f.debug_struct("Reader")
            .field("offsets", &offsets.collect::<BTreeMap<_, _>>())
            .field("group", &self.config.group.as_ref().map(|group| &group.group_id))
            .finish_non_exhaustive()
    }
}

impl ControlHandle {
    fn start(control: Control) -> Self {
        let (closing, closed) = oneshot::channel();
        let task = tokio::spawn(control.run(Signals { closing: closed }));
        let abort = task.abort_handle();
        Self { closing: Some(closing), task: Some(task), abort }
    }
}
