//! The handle that applications write with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use kafka_conn::{Message, Route, Transport};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::records::{BatchBuilder, BatchOptions};
use tokio::runtime::Handle;
use tokio::sync::{TryAcquireError, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::buffers::Buffers;
use crate::clock::{millis, recent_millis};
use crate::config::{TopicAutoCreation, WriterConfig};
use crate::delivery::{Delivery, Settling, Written};
use crate::error::{Error, ErrorKind, FlushErrors, Result, SendError, WriteErrors};
use crate::partition::{BatchLimits, Entry, Now, Partition, Timestamp, headers};
use crate::sender::{Command, Sender};
use crate::shared::Shared;
use crate::stats::WriterStats;
use crate::topics::{Topic, Topics};

/// Writes messages to the topics of a cluster.
///
/// A message without a timestamp gets the time of writing: exactly, where it is the first of its batch; else, on Linux,
/// that of the kernel's last tick, up to 10 ms ago, but never earlier than its batch was opened. Who searches by the
/// time before a call of `send` has to set timestamps.
///
/// It is a handle: clones share its queue, its buffer and its task. Messages of one caller reach each partition in the
/// order in which they were sent, whatever is retried. When the last handle is dropped, what is queued is still written
/// in the background; [`close`](Self::close) does the same and waits.
///
/// It is idempotent, where the cluster allows it ([`Idempotence`](crate::Idempotence)): however often a batch is sent
/// again, its messages are in the log once. What each error of a broker means stands in
/// [`produce_errors`](crate::produce_errors).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kafka_conn::{BrokerAddress, Message, Transport, TransportConfig};
/// use kafka_writer::{Writer, WriterConfig};
///
/// let bootstrap = BrokerAddress::parse_list("kafka-1,kafka-2")?;
/// let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
/// let writer = Writer::new(transport, WriterConfig { topic: Some("orders".into()), ..WriterConfig::default() })?;
///
/// let message = Message { key: Some("42".into()), value: Some("two apples".into()), ..Message::default() };
/// let delivery = writer.send(message).await?;
/// // Time for others: many messages share a request.
/// let written = delivery.await?;
/// println!("partition {}, offset {:?}", written.partition, written.offset);
/// writer.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Writer {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<WriterConfig>,
    limits: BatchLimits,
    transport: Transport,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    /// The topic of a writer that is bound to one.
    bound: OnceLock<Arc<Topic>>,
}

impl Writer {
    /// A writer over a transport, of which others may have clones. Connects to nothing yet.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig), also outside of a tokio runtime.
    pub fn new(transport: Transport, config: WriterConfig) -> Result<Self> {
        config.check()?;
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::InvalidConfig("a writer is to be made within a tokio runtime")));
        }
        let config = Arc::new(config);
        let topics = Topics::new(Arc::clone(&config.balancer));
        // As many as full batches may be queued: where brokers are slow, most of them come back at once, and a fresh one
        // costs more than all that is written to it.
        let idle = (config.buffer_bytes / config.batch_bytes).clamp(1, MAX_IDLE_BUFFERS);
        let buffers = Buffers::new(idle, config.compression);
        let shared = Arc::new(Shared::new(topics, buffers, config.buffer_bytes));
        let commands = Sender::spawn(Arc::clone(&shared), transport.clone(), Arc::clone(&config));
        let limits = BatchLimits { messages: config.batch_messages, bytes: config.batch_bytes };
        let bound = OnceLock::new();
        Ok(Self { inner: Arc::new(Inner { config, limits, transport, shared, commands, bound }) })
    }

    /// How it was configured.
    pub fn config(&self) -> &WriterConfig {
        &self.inner.config
    }

    /// Queues a message, and returns where it will have been written. Waits for room in the buffer, and for a new
    /// topic's metadata, at most [`max_block`](WriterConfig::max_block) in all.
    ///
    /// **Cancel safety:** dropping the future before it is done queues nothing. Once it is done, the message is written
    /// whether or not anybody awaits its [`Delivery`].
    ///
    /// # Errors
    /// [`NoTopic`](ErrorKind::NoTopic), [`TwoTopics`](ErrorKind::TwoTopics),
    /// [`MessageTooLarge`](ErrorKind::MessageTooLarge), [`UnknownPartition`](ErrorKind::UnknownPartition),
    /// [`Metadata`](ErrorKind::Metadata), [`NoRoom`](ErrorKind::NoRoom), [`Closed`](ErrorKind::Closed). The message
    /// comes back with the error.
    #[inline]
    pub fn send(&self, message: Message) -> impl Future<Output = Result<Delivery, SendError>> + Send {
        Sending { writer: self, message: Some(message), options: SendOptions::default, waiting: None }
    }

    /// [`send`](Self::send) to a named partition, or with a tag.
    ///
    /// **Cancel safety:** as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_with(
        &self,
        message: Message,
        options: SendOptions,
    ) -> impl Future<Output = Result<Delivery, SendError>> + Send {
        Sending { writer: self, message: Some(message), options: move || options, waiting: None }
    }

    async fn wait_and_send(
        &self,
        message: Message,
        options: SendOptions,
        obstacle: Box<Obstacle>,
    ) -> Result<Delivery, SendError> {
        let queued = self.inner.wait_and_enqueue(&message, options, obstacle, &mut None).await;
        queued.map_err(|error| SendError::new(message, error))
    }

    /// Queues a message if that is possible without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send), with [`Full`](ErrorKind::Full) where there is no room, and
    /// [`MetadataPending`](ErrorKind::MetadataPending) where the topic is not known yet, but now asked for, and
    /// [`Metadata`](ErrorKind::Metadata) where a broker has refused to describe it.
    pub fn try_send(&self, message: Message) -> Result<Delivery, SendError> {
        self.try_send_with(message, SendOptions::default())
    }

    /// [`try_send`](Self::try_send) to a named partition, or with a tag.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_with(&self, message: Message, options: SendOptions) -> Result<Delivery, SendError> {
        self.inner.enqueue_now(&message, options).map_err(|error| SendError::new(message, error))
    }

    /// Writes messages, and waits until each is written or has failed. The result has an entry for each message, in
    /// their order. Where none can be queued for [`max_block`](WriterConfig::max_block), those that would have to wait
    /// fail.
    ///
    /// **Cancel safety:** dropping the future keeps those messages from being queued that are not yet; the others are
    /// written.
    ///
    /// # Errors
    /// [`WriteErrors`] if at least one message failed, with the outcome of each one.
    pub async fn write_messages(&self, messages: &[Message]) -> Result<Vec<Written>, WriteErrors> {
        let mut queued = Vec::with_capacity(messages.len());
        let mut until = None;
        for message in messages {
            let delivery = match self.inner.try_enqueue(message, SendOptions::default()) {
                Err(obstacle) => {
                    self.inner.wait_and_enqueue(message, SendOptions::default(), obstacle, &mut until).await
                }
                Ok(delivery) => Ok(delivery),
            };
            if delivery.is_ok() {
                until = None;
            }
            queued.push(delivery);
        }
        let mut outcomes = Vec::with_capacity(queued.len());
        for delivery in queued {
            outcomes.push(match delivery {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            });
        }
        if outcomes.iter().any(Result::is_err) {
            return Err(WriteErrors::new(outcomes));
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Sends what is queued without lingering, and waits until it is written or has failed. Messages that are sent
    /// meanwhile are not waited for.
    ///
    /// It also tells of what has failed before, since the last flush: who drops [`Delivery`]s learns here whether all
    /// went well. A failure that a [`Delivery`] has told somebody is not told again.
    ///
    /// **Cancel safety:** dropping the future ends the waiting only.
    ///
    /// # Errors
    /// [`FlushErrors`]: the failures; and [`Closed`](ErrorKind::Closed) where the writer is closed.
    pub async fn flush(&self) -> Result<(), FlushErrors> {
        let closed = || FlushErrors::new(vec![(Error::new(ErrorKind::Closed), 0)], 0);
        let (reply, batches) = oneshot::channel();
        self.inner.commands.send(Command::Flush(reply)).await.map_err(|_| closed())?;
        for batch in batches.await.map_err(|_| closed())? {
            // What became of it is among the failures, if it failed.
            let _settled = Settling::new(batch).await;
        }
        let (errors, dropped) = self.inner.shared.take_failures();
        if errors.is_empty() && dropped == 0 {
            return Ok(());
        }
        Err(FlushErrors::new(errors, dropped))
    }

    /// What was done since the last call, by all handles, and how it is configured (kafka-go `Stats`).
    pub fn stats(&self) -> WriterStats {
        self.inner.shared.stats(&self.inner.config)
    }

    /// Ends at once, for all handles: what is queued fails with [`Aborted`](ErrorKind::Aborted), and so does what is
    /// under way, which may have been written.
    ///
    /// **Cancel safety:** dropping the future ends the waiting only, once the writer has been told.
    pub async fn abort(&self) {
        self.inner.shared.start_closing();
        if self.inner.commands.send(Command::Abort).await.is_ok() {
            self.inner.commands.closed().await;
        }
    }

    /// Takes no more messages, writes those that are queued, and ends; for all handles. Takes at most the delivery
    /// timeout ([`close_within`](Self::close_within)).
    ///
    /// # Errors
    /// As [`close_within`](Self::close_within).
    pub async fn close(&self) -> Result<()> {
        self.close_within(self.inner.config.delivery_timeout).await
    }

    /// [`close`](Self::close) with another limit to the time it takes. What is not written by then fails, with
    /// [`CloseTimedOut`](ErrorKind::CloseTimedOut). To close again does nothing but wait.
    ///
    /// **Cancel safety:** dropping the future ends the waiting only.
    ///
    /// # Errors
    /// [`CloseTimedOut`](ErrorKind::CloseTimedOut) if something was left. Failures of single messages are their
    /// [`Delivery`]s' to tell.
    pub async fn close_within(&self, timeout: Duration) -> Result<()> {
        let inner = &self.inner;
        let until = Instant::now() + timeout.min(MAX_TIMEOUT);
        // Both or neither, should this future be dropped while the sender has other commands to take.
        if let Ok(command) = inner.commands.reserve().await {
            inner.shared.start_closing();
            command.send(Command::Close(until));
            inner.commands.closed().await;
        }
        match inner.shared.aborted.load(Ordering::Acquire) {
            true => Err(Error::new(ErrorKind::CloseTimedOut)),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// How a message is sent, beside what it says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The partition that it goes to, whatever the balancer would choose. Default none.
    pub partition: Option<i32>,
    /// What the application calls it, for the [completion callback](WriterConfig::completion) (kafka-go `WriterData`).
    /// Default none.
    pub tag: Option<u64>,
}

/// A message that is being sent. In this shape the compiler moves a message once from where it is made to where it is
/// looked at. With the options as a field, or an `enum` of states, it does so twice or three times, and each takes a
/// tenth of a send.
struct Sending<'a, O> {
    writer: &'a Writer,
    /// `None` once it is queued, refused or waits.
    message: Option<Message>,
    /// A function, which takes no place where it is the default.
    options: O,
    /// It has the message.
    waiting: Option<Waiting<'a>>,
}

/// Boxed, so that a send that need not wait is no larger than that.
type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Delivery, SendError>> + Send + 'a>>;

impl<O: Fn() -> SendOptions + Unpin> Future for Sending<'_, O> {
    type Output = Result<Delivery, SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(message) = &this.message else { return this.wait(cx) };
        let options = (this.options)();
        match this.writer.inner.try_enqueue(message, options) {
            Ok(delivery) => {
                this.message = None;
                Poll::Ready(Ok(delivery))
            }
            Err(obstacle) => {
                let (writer, message) = (this.writer, this.message.take().unwrap_or_default());
                this.waiting = Some(waiting(writer, message, options, obstacle));
                this.wait(cx)
            }
        }
    }
}

impl<O> Sending<'_, O> {
    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, SendError>> {
        let Some(waiting) = &mut self.waiting else {
            debug_assert!(false, "polled after it was done");
            return Poll::Pending;
        };
        let result = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(result)
    }
}

/// Not a part of [`Sending::poll`], which is small without it.
#[cold]
fn waiting(writer: &Writer, message: Message, options: SendOptions, obstacle: Box<Obstacle>) -> Waiting<'_> {
    Box::pin(writer.wait_and_send(message, options, obstacle))
}

/// Why a message is not queued at once.
enum Obstacle {
    /// It never will be.
    Error(Error),
    /// Its topic is not known.
    Topic,
    /// It has a partition, and there is no room for so many bytes.
    Room(Arc<Partition>, u32),
}

/// One word, as an error is: what happens to nearly all messages pays nothing for it.
impl From<Error> for Box<Obstacle> {
    #[cold]
    fn from(error: Error) -> Self {
        Self::new(Obstacle::Error(error))
    }
}

impl Inner {
    /// Queues a message where nothing stands in the way: what happens to nearly all of them. No handle is cloned, and no
    /// lock held but to read what the topic looks like, and to append.
    #[inline(always)]
    fn try_enqueue(&self, message: &Message, options: SendOptions) -> Result<Delivery, Box<Obstacle>> {
        if self.shared.is_closing() {
            return Err(Error::new(ErrorKind::Closed).into());
        }
        match self.bound.get() {
            Some(topic) if message.topic.is_empty() => self.place(topic, message, options, self.charge(message)?),
            _ => self.try_enqueue_by_name(message, options),
        }
    }

    /// [`try_enqueue`](Self::try_enqueue) where the topic has to be found.
    #[inline(never)]
    fn try_enqueue_by_name(&self, message: &Message, options: SendOptions) -> Result<Delivery, Box<Obstacle>> {
        let (name, charge) = self.check(message)?;
        let place = |topic: &Topic| self.place(topic, message, options, charge);
        self.shared.topics.with(name, place).unwrap_or_else(|| Err(Box::new(Obstacle::Topic)))
    }

    /// Queues a message to a topic. Not a part of its caller, which has moved the message: with fewer variables at a
    /// time, more of them are in registers.
    #[inline(never)]
    fn place(
        &self,
        topic: &Topic,
        message: &Message,
        options: SendOptions,
        charge: u32,
    ) -> Result<Delivery, Box<Obstacle>> {
        topic.with_choice(message, options.partition, |partition| {
            match self.shared.room.try_acquire_many(charge) {
                Ok(room) => room.forget(),
                Err(TryAcquireError::Closed) => return Err(Error::new(ErrorKind::Closed).into()),
                Err(TryAcquireError::NoPermits) => return Err(no_room(partition, charge)),
            }
            self.append(partition, message, options.tag, charge).map_err(Into::into)
        })?
    }

    /// Waits for what stood in the way, until `until` at most, which is set by the first wait.
    async fn wait_and_enqueue(
        &self,
        message: &Message,
        options: SendOptions,
        mut obstacle: Box<Obstacle>,
        until: &mut Option<Instant>,
    ) -> Result<Delivery> {
        loop {
            match *obstacle {
                Obstacle::Error(error) => return Err(error),
                Obstacle::Topic => {
                    let (name, _) = self.check(message)?;
                    self.load(name, self.patience(until)).await?;
                }
                Obstacle::Room(partition, charge) => {
                    self.wait_for_room(charge, self.patience(until)).await?;
                    return self.append(&partition, message, options.tag, charge);
                }
            }
            match self.try_enqueue(message, options) {
                Ok(delivery) => return Ok(delivery),
                Err(next) => obstacle = next,
            }
        }
    }

    fn enqueue_now(&self, message: &Message, options: SendOptions) -> Result<Delivery> {
        let mut placed = self.try_enqueue(message, options);
        if placed.as_ref().is_err_and(|obstacle| matches!(**obstacle, Obstacle::Topic)) {
            self.load_now(self.check(message)?.0)?;
            placed = self.try_enqueue(message, options);
        }
        placed.map_err(|obstacle| match *obstacle {
            Obstacle::Error(error) => error,
            Obstacle::Topic => Error::new(ErrorKind::MetadataPending),
            Obstacle::Room(..) => Error::new(ErrorKind::Full),
        })
    }

    /// The message's topic, and its [`charge`](Self::charge).
    fn check<'a>(&'a self, message: &'a Message) -> Result<(&'a str, u32)> {
        let name = match (&self.config.topic, message.topic.as_str()) {
            (Some(topic), "") => topic.as_str(),
            (Some(_), _) => return Err(Error::new(ErrorKind::TwoTopics).with_topic(&message.topic)),
            (None, "") => return Err(Error::new(ErrorKind::NoTopic)),
            (None, topic) => topic,
        };
        Ok((name, self.charge(message)?))
    }

    /// The bytes that the message takes of the buffer, at most what it takes in a batch.
    #[inline(always)]
    fn charge(&self, message: &Message) -> Result<u32> {
        let longest = longest(message);
        if longest.saturating_add(MAX_BATCH_HEADER) > self.limits.bytes {
            return self.charge_large(message, longest);
        }
        // A batch is never longer than 1 GiB.
        Ok(longest as u32)
    }

    #[cold]
    fn charge_large(&self, message: &Message, longest: usize) -> Result<u32> {
        let (size, limit) = (size_alone(message), self.limits.bytes);
        if size > limit {
            let topic = self.config.topic.as_deref().unwrap_or(&message.topic);
            return Err(Error::new(ErrorKind::MessageTooLarge { size, limit }).with_topic(&topic.into()));
        }
        u32::try_from(longest.min(limit)).map_err(|_| Error::new(ErrorKind::Encode))
    }

    async fn load(&self, name: &str, until: Instant) -> Result<()> {
        let failed = || Error::new(ErrorKind::Metadata).with_topic(&name.into());
        let found = async {
            self.make(name).await?;
            self.transport.topic(name).await
        };
        match timeout_at(until, found).await {
            Ok(Ok(topic)) => {
                self.adopt(&topic);
                Ok(())
            }
            Ok(Err(error)) => Err(failed().with_source(error)),
            Err(_) => {
                let (step, after) = (kafka_conn::Step::Metadata, Some(self.config.max_block));
                let timeout = kafka_conn::Error::new(kafka_conn::ErrorKind::Timeout { step, after });
                Err(failed().with_source(timeout))
            }
        }
    }

    /// Asks a broker to make the topic, if that is wanted and the topic is not known. What comes of it, metadata tells.
    async fn make(&self, name: &str) -> kafka_conn::Result<()> {
        let is_known = self.transport.cluster().topic(name).is_some_and(|topic| topic.check().is_ok());
        if is_known || self.config.topic_auto_creation == TopicAutoCreation::Never {
            return Ok(());
        }
        let topic = MetadataRequestTopic { name: Some(name.into()), ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        self.transport.call(&request, Route::Any).await.map(drop)
    }

    fn load_now(&self, name: &str) -> Result<()> {
        let cluster = self.transport.cluster();
        let pending = Error::new(ErrorKind::MetadataPending);
        let error = match cluster.topic(name).map(|topic| topic.check().map(|()| topic)) {
            Some(Ok(topic)) => {
                self.adopt(topic);
                return Ok(());
            }
            Some(Err(error)) if !error.is_retriable() => Error::new(ErrorKind::Metadata).with_source(error),
            // A topic that does not exist may be about to.
            Some(Err(error)) => pending.with_source(error),
            None => pending,
        };
        self.transport.request_refresh(name);
        Err(error.with_topic(&name.into()))
    }

    fn adopt(&self, topic: &kafka_conn::Topic) {
        let topic = self.shared.topics.insert(topic);
        if self.config.topic.is_some() {
            self.bound.get_or_init(|| topic);
        }
    }

    async fn wait_for_room(&self, bytes: u32, until: Instant) -> Result<()> {
        let _waiting = self.shared.wait_for_room();
        match timeout_at(until, self.shared.room.acquire_many(bytes)).await {
            Ok(Ok(room)) => {
                room.forget();
                Ok(())
            }
            Ok(Err(_)) => Err(Error::new(ErrorKind::Closed)),
            Err(_) => Err(Error::new(ErrorKind::NoRoom { after: self.config.max_block })),
        }
    }

    /// Until when to wait, from the first wait on.
    fn patience(&self, until: &mut Option<Instant>) -> Instant {
        *until.get_or_insert_with(|| Instant::now() + self.config.max_block)
    }

    /// Encodes the message into its partition's batch. Its room is taken already.
    #[inline(always)]
    fn append(&self, partition: &Arc<Partition>, message: &Message, tag: Option<u64>, charge: u32) -> Result<Delivery> {
        let charge = charge as usize;
        let timestamp =
            message.timestamp.map_or_else(|| Timestamp::About(recent_millis()), |own| Timestamp::Own(millis(own)));
        let entry = Entry { message, timestamp, charge, tag };
        let now = || Now { instant: Instant::now().into_std(), millis: millis(SystemTime::now()) };
        let mut is_refused = false;
        let note = || is_refused = !self.shared.note(partition);
        match partition.append(entry, self.limits, &self.shared.buffers, now, note) {
            Ok(appended) => {
                if is_refused {
                    self.shared.refuse(partition);
                }
                Ok(Delivery::new(appended.result, appended.index))
            }
            Err(error) => {
                self.shared.room.add_permits(charge);
                Err(Error::new(ErrorKind::Encode).with_topic(&partition.topic).with_source(error))
            }
        }
    }
}

#[cold]
fn no_room(partition: &Arc<Partition>, charge: u32) -> Box<Obstacle> {
    Box::new(Obstacle::Room(Arc::clone(partition), charge))
}

/// The most bytes that the message can take in a batch.
#[inline]
fn longest(message: &Message) -> usize {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let content = len(message.key.as_deref()).saturating_add(len(message.value.as_deref()));
    headers(message).fold(content.saturating_add(MAX_RECORD_OVERHEAD), |sum, (key, value)| {
        sum.saturating_add(key.len()).saturating_add(len(value)).saturating_add(2 * MAX_VARINT)
    })
}

/// What a batch with this message alone takes.
fn size_alone(message: &Message) -> usize {
    let empty = BatchBuilder::new(BatchOptions::default());
    let (key, value) = (message.key.as_deref(), message.value.as_deref());
    // The first timestamp of a batch takes always as many bytes.
    empty.len().saturating_add(empty.appended_len(0, key, value, headers(message)))
}

const MAX_VARINT: usize = 5;
/// Length, attributes, timestamp (up to 10 bytes), offset, the lengths of key and value, the number of headers.
const MAX_RECORD_OVERHEAD: usize = 5 * MAX_VARINT + 10 + 1;
/// No batch's header is longer.
const MAX_BATCH_HEADER: usize = 61;
const MAX_IDLE_BUFFERS: usize = 64;
/// About 24 days, as in the configuration.
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
