//! The reader: what it reads, how far it got, and the ways to get at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use kafka_conn::{Message, Transport};
use kafka_protocol::records::BatchDecoder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::batch::FetchedBatch;
use crate::chunk::Chunk;
use crate::config::{Partitions, ReaderConfig, Settings, StartOffset};
use crate::control::{Control, Signals};
use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::{Assigned, Event, Shared};
use crate::gauge::{Gauge, Total};
use crate::offsets::{self, EndOffsets, FIRST, LAST, Listed};
use crate::position::Position;
use crate::prefetch::Prefetch;
use crate::stream::Messages;

/// Reads partitions of a topic: messages of each partition in order, those of different ones as they come.
///
/// It fetches ahead in the background, within the bounds of its [`ReaderConfig`]. When a leader moves or a broker
/// restarts, it goes on from where it was. It commits nothing: the caller keeps the [offset](Self::offset).
///
/// **Errors** come in two sorts. Where a partition has been out of reach for
/// [`retry_timeout`](ReaderConfig::retry_timeout), an error says so, and reading goes on as soon as that is possible: call
/// again. Where going on would skip something ([`Error::is_halt`]), the partition is read no further; the other ones are.
/// Once all are halted, each call returns the error of one of them.
///
/// **Cancel safety:** all methods that wait may be dropped at any time, as in `select!` or `timeout`: what was not
/// returned is returned by the next call.
///
/// Dropping a reader ends its tasks in the background, [`close`](Self::close) waits until they are gone. Neither waits
/// for a broker.
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
    setup: Setup,
    events: mpsc::Receiver<Event>,
    /// By slot, in the order of the partitions.
    progress: Vec<Progress>,
    halted: usize,
    current: Option<Box<Chunk>>,
    decoder: BatchDecoder,
    control: ControlHandle,
}

/// What is needed to ask for offsets.
struct Setup {
    transport: Transport,
    settings: Settings,
}

/// How far a partition was returned.
struct Progress {
    gauge: Arc<Gauge>,
    offset: i64,
    halted: Option<Error>,
}

/// The control task; it ends when this is dropped.
struct ControlHandle {
    halts: mpsc::Sender<usize>,
    closing: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    abort: AbortHandle,
}

impl Drop for ControlHandle {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// What became of one look at what was fetched.
enum Step<T> {
    Item(T),
    /// Positions moved without anything to return.
    Moved,
}

impl Reader {
    /// Starts to read. Waits until the start offsets of all partitions are known, so that "last" is what was last before
    /// this returns.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig); [`UnknownPartition`](ErrorKind::UnknownPartition);
    /// [`Connection`](ErrorKind::Connection) where the topic does not exist or the brokers cannot be reached;
    /// [`Broker`](ErrorKind::Broker) where they refuse.
    pub async fn new(transport: Transport, config: ReaderConfig) -> Result<Self> {
        let settings = Settings::parse(&config)?;
        let topic =
            transport.topic(&config.topic).await.map_err(|error| Error::from(error).with_topic(&config.topic))?;
        let partitions = choose(&config, topic.partitions.iter().map(|partition| partition.index).collect())?;
        let starts = start_offsets(&transport, &settings, &config, &partitions).await?;
        let total = Arc::new(Total::default());
        let progress: Vec<_> = (0..)
            .zip(&starts)
            .map(|(slot, (partition, start))| {
                let gauge = Arc::new(Gauge::new(config.topic.clone(), *partition, slot, Arc::clone(&total)));
                Progress { gauge, offset: start.offset, halted: None }
            })
            .collect();
        let assigned = progress.iter().zip(starts.values()).map(|(progress, start)| Assigned {
            gauge: Arc::clone(&progress.gauge),
            position: Position::new(start.offset, start.leader_epoch),
            topic_id: topic.id,
            leader_epoch: -1,
            fetched: false,
        });
        let (events, received) = mpsc::channel(MAX_EVENTS);
        let prefetch = Prefetch::new(settings.prefetch_bytes, progress.len());
        let setup = Setup { transport: transport.clone(), settings: settings.clone() };
        let decoder = BatchDecoder::new(settings.limits.clone());
        let shared = Shared { transport, settings, prefetch, total, events };
        let control = ControlHandle::start(Control::new(Arc::new(shared), assigned.collect()), progress.len());
        Ok(Self { config, setup, events: received, progress, halted: 0, current: None, decoder, control })
    }

    /// The next message of whichever partition has one; waits for it as long as it takes.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// See the [type](Self).
    pub async fn fetch_message(&mut self) -> Result<Message> {
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
            loop {
                if self.has_reached(end) {
                    return Poll::Ready(Ok(None));
                }
                if let Some(error) = self.only_halted_left(end) {
                    return Poll::Ready(Err(error));
                }
                if let Step::Item(message) = ready!(self.poll_step(context, Chunk::next_message))? {
                    return Poll::Ready(Ok(Some(message)));
                }
            }
        })
        .await
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

    /// The offset of the next message of a partition that will be returned; `None` where this reader does not read it.
    pub fn offset(&self, partition: i32) -> Option<i64> {
        Some(self.find(partition)?.offset)
    }

    /// How many offsets a partition is ahead of what was returned, as of its last answer; `None` before the first, and
    /// where this reader does not read it. With [`ReadCommitted`](crate::IsolationLevel::ReadCommitted) it counts up to
    /// the last stable offset. Some of the offsets may hold no message.
    pub fn lag(&self, partition: i32) -> Option<i64> {
        let progress = self.find(partition)?;
        Some(progress.gauge.end()?.saturating_sub(progress.offset).max(0))
    }

    /// The partitions that are read, halted ones included, in ascending order.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = i32> {
        self.progress.iter().map(|progress| progress.gauge.partition)
    }

    /// Why a partition is no longer read; `None` while it is.
    pub fn halted(&self, partition: i32) -> Option<&Error> {
        self.find(partition)?.halted.as_ref()
    }

    /// How it was configured.
    pub fn config(&self) -> &ReaderConfig {
        &self.config
    }

    /// Asks where the partitions end now: at the high watermark, or, with
    /// [`ReadCommitted`](crate::IsolationLevel::ReadCommitted), at the last stable offset.
    ///
    /// # Errors
    /// [`Connection`](ErrorKind::Connection) or [`Broker`](ErrorKind::Broker), after
    /// [`retry_timeout`](ReaderConfig::retry_timeout) where trying again might have helped.
    pub async fn end_offsets(&self) -> Result<EndOffsets> {
        let Setup { transport, settings } = &self.setup;
        let wanted = self.partitions().map(|partition| (partition, LAST)).collect();
        let listed = offsets::list(transport, settings, &self.config.topic, &wanted, settings.isolation_level).await?;
        let offsets = listed.into_iter().map(|(partition, listed)| (partition, listed.offset)).collect();
        Ok(EndOffsets::new(self.config.topic.clone(), offsets))
    }

    /// Whether everything before these offsets was returned. Partitions that this reader does not read do not count.
    pub fn has_reached(&self, end: &EndOffsets) -> bool {
        self.progress.iter().all(|progress| progress.has_reached(end))
    }

    /// Ends reading: everything that was fetched ahead is dropped, and the tasks are gone when this returns. It does not
    /// wait for the answers to requests that are under way.
    pub async fn close(mut self) {
        self.events.close();
        drop(self.control.closing.take());
        if let Some(task) = self.control.task.take() {
            let _ended = task.await;
        }
    }

    pub(crate) fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        loop {
            if let Step::Item(message) = ready!(self.poll_step(context, Chunk::next_message))? {
                return Poll::Ready(Ok(message));
            }
        }
    }

    /// Takes the next thing out of what was fetched, or waits for more. Nothing is taken before it can be returned.
    fn poll_step<T>(
        &mut self,
        context: &mut Context<'_>,
        next: impl Fn(&mut Chunk, &mut BatchDecoder) -> Result<Option<T>>,
    ) -> Poll<Result<Step<T>>> {
        let Some(chunk) = &mut self.current else { return self.poll_event(context).map_ok(|()| Step::Moved) };
        let result = next(chunk, &mut self.decoder);
        let (slot, offset) = (chunk.gauge().slot, chunk.offset());
        if let Some(progress) = self.progress.get_mut(slot) {
            progress.offset = offset;
        }
        match result {
            Ok(Some(item)) => return Poll::Ready(Ok(Step::Item(item))),
            Ok(None) => self.current = None,
            Err(error) => {
                self.halt(slot, &error);
                // It would be tried in vain; at most one for each partition is in the queue.
                let _full = self.control.halts.try_send(slot);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(Step::Moved))
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.halted == self.progress.len()
            && let Some(error) = self.progress.iter().find_map(|progress| progress.halted.clone())
        {
            return Poll::Ready(Err(error));
        }
        match ready!(self.events.poll_recv(context)) {
            Some(Event::Chunk(chunk)) => {
                let halted = self.progress.get(chunk.gauge().slot).is_none_or(|progress| progress.halted.is_some());
                self.current = Some(chunk).filter(|_| !halted);
                Poll::Ready(Ok(()))
            }
            Some(Event::Failing(error)) => Poll::Ready(Err(error)),
            Some(Event::Vacant(slot, end)) => {
                if let Some(progress) = self.progress.get_mut(slot).filter(|progress| progress.halted.is_none()) {
                    progress.offset = progress.offset.max(end);
                }
                Poll::Ready(Ok(()))
            }
            Some(Event::Halted(slot, error)) => {
                let first = self.halt(slot, &error);
                Poll::Ready(if first { Err(error) } else { Ok(()) })
            }
            None => Poll::Ready(Err(Error::new(ErrorKind::Closed).with_topic(&self.config.topic))),
        }
    }

    /// Reads a partition no further. Whether it was read until now.
    fn halt(&mut self, slot: usize, error: &Error) -> bool {
        self.current = self.current.take().filter(|chunk| chunk.gauge().slot != slot);
        let Some(progress) = self.progress.get_mut(slot).filter(|progress| progress.halted.is_none()) else {
            return false;
        };
        progress.halted = Some(error.clone());
        self.halted += 1;
        true
    }

    /// The error of a halted partition, if only such have not reached their end.
    fn only_halted_left(&self, end: &EndOffsets) -> Option<Error> {
        let mut left = self.progress.iter().filter(|progress| !progress.has_reached(end));
        let error = left.next()?.halted.clone();
        error.filter(|_| left.all(|progress| progress.halted.is_some()))
    }

    fn find(&self, partition: i32) -> Option<&Progress> {
        let at = self.progress.binary_search_by_key(&partition, |progress| progress.gauge.partition).ok()?;
        self.progress.get(at)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offsets = self.progress.iter().map(|progress| (progress.gauge.partition, progress.offset));
        f.debug_struct("Reader")
            .field("topic", &self.config.topic)
            .field("offsets", &offsets.collect::<BTreeMap<_, _>>())
            .field("halted", &self.halted)
            .finish_non_exhaustive()
    }
}

impl Progress {
    fn has_reached(&self, end: &EndOffsets) -> bool {
        end.offset(self.gauge.partition).is_none_or(|end| self.offset >= end)
    }
}

impl ControlHandle {
    fn start(control: Control, partitions: usize) -> Self {
        let (halts, halted) = mpsc::channel(partitions.max(1));
        let (closing, closed) = oneshot::channel();
        let task = tokio::spawn(control.run(Signals { halts: halted, closing: closed }));
        let abort = task.abort_handle();
        Self { halts, closing: Some(closing), task: Some(task), abort }
    }
}

/// The partitions to read, in ascending order.
fn choose(config: &ReaderConfig, existing: BTreeSet<i32>) -> Result<Vec<i32>> {
    let wanted = match &config.partitions {
        Partitions::All => return Ok(existing.into_iter().collect()),
        Partitions::One(partition) => BTreeSet::from([*partition]),
        Partitions::Several(partitions) => partitions.iter().copied().collect(),
    };
    match wanted.iter().find(|partition| !existing.contains(partition)) {
        Some(&unknown) => Err(Error::new(ErrorKind::UnknownPartition).with_partition(&config.topic, unknown)),
        None => Ok(wanted.into_iter().collect()),
    }
}

/// Where to start each partition; only first and last have to be asked for.
async fn start_offsets(
    transport: &Transport,
    settings: &Settings,
    config: &ReaderConfig,
    partitions: &[i32],
) -> Result<BTreeMap<i32, Listed>> {
    let (mut given, mut wanted) = (BTreeMap::new(), BTreeMap::new());
    for &partition in partitions {
        match config.start_offsets.get(&partition).copied().unwrap_or(config.start_offset) {
            StartOffset::First => drop(wanted.insert(partition, FIRST)),
            StartOffset::Last => drop(wanted.insert(partition, LAST)),
            StartOffset::At(offset) => drop(given.insert(partition, Listed { offset, leader_epoch: -1 })),
        }
    }
    let listed = offsets::list(transport, settings, &config.topic, &wanted, settings.isolation_level).await?;
    given.extend(listed);
    Ok(given)
}

/// Answers about a partition that wait to be read, at most. What bounds them in practice is their bytes; this bounds
/// very small ones.
const MAX_EVENTS: usize = 256;
