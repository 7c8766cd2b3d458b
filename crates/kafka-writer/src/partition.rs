//! A partition as the callers see it: the batch that they append to, and those that became full.
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_conn::Message;
use kafka_protocol::EncodeError;
use kafka_protocol::records::BatchBuilder;
use smol_str::SmolStr;

use crate::accumulator::Sequence;
use crate::buffers::Buffers;
use crate::delivery::BatchResult;
use crate::lock::lock;

/// A partition of a topic that is written to. Callers append, the accumulator takes; the lock is held for one of these.
///
/// ```text
///             append ──► current ──── full, by bytes or count ──► full ──► look(Full | Due)
///                            └─────── old enough ────────────────────────► look(Due)
/// ```
///
/// The accumulator watches only partitions that have something; [`append`](Self::append) says when it must look.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Its number within the writer.
    pub(crate) id: u64,
    pub(crate) topic: SmolStr,
    pub(crate) index: i32,
    /// Batches that are open, full or on their way.
    queued: AtomicUsize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    current: Option<OpenBatch>,
    /// Batches that take no more messages, oldest first. Bounded, as all of them, by the bytes that the writer buffers.
    full: VecDeque<OpenBatch>,
    /// Whether the accumulator watches this partition.
    watched: bool,
    /// Whether a note about this partition is on its way to the accumulator: never two.
    noted: bool,
    /// How far the partition has counted, while the accumulator does not watch it.
    sequence: Sequence,
}

/// A batch that messages are encoded into.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    pub(crate) builder: BatchBuilder,
    pub(crate) result: Arc<BatchResult>,
    /// What the application calls its messages; empty as long as it has no names for them.
    pub(crate) tags: Vec<u64>,
    pub(crate) opened_at: Instant,
    /// The same in milliseconds since 1970.
    opened_millis: i64,
    /// What its messages have taken of the writer's buffer, in bytes.
    pub(crate) charged: usize,
}

/// A message that is to be appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) message: &'a Message,
    pub(crate) timestamp: Timestamp,
    /// What it takes of the writer's buffer, in bytes. Unless it is as large as a batch may be, it takes no more there.
    pub(crate) charge: usize,
    /// What the application calls it.
    pub(crate) tag: Option<u64>,
}

/// When a message was made, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timestamp {
    /// It says so itself.
    Own(i64),
    /// Now, or a little later: not before its batch was opened, of which the time is known exactly.
    About(i64),
}

/// The time at which a batch is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    /// Since 1970.
    pub(crate) millis: i64,
}

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Where a message went.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) result: Arc<BatchResult>,
    pub(crate) index: u32,
}

/// Which batch to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Nothing,
    /// One that is full.
    Full,
    /// One that is full, or has lingered this long.
    Due(Duration),
}

/// What there was.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) taken: Option<OpenBatch>,
    /// When the current batch was opened, if it is next.
    pub(crate) lingers_since: Option<Instant>,
    /// When the oldest batch that is left was opened.
    pub(crate) oldest: Option<Instant>,
}

impl Partition {
    pub(crate) fn new(id: u64, topic: SmolStr, index: i32) -> Self {
        Self { id, topic, index, queued: AtomicUsize::new(0), open: Mutex::new(Open::default()) }
    }

    /// Encodes a message into the current batch, or a new one. The time is asked for only where a batch is opened.
    ///
    /// `note` is called where the accumulator has to look. That is done under the lock: else a second caller, who need
    /// not call, could flush or close before the first one has called, and its message would be left out.
    ///
    /// # Errors
    /// [`EncodeError`] where the message is too long for any batch.
    // Once for each message: a call of its own, with so much to hand over, takes 5 % of a send.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        entry: Entry<'_>,
        limits: BatchLimits,
        buffers: &Buffers,
        now: impl FnOnce() -> Now,
        note: impl FnOnce(),
    ) -> Result<Appended, EncodeError> {
        let mut open = lock(&self.open);
        let closed = open.close_unless_fits(entry, limits);
        let opened = open.current.is_none();
        let batch = open.current.get_or_insert_with(|| self.open_batch(buffers, now()));
        let index = match batch.append(entry) {
            Ok(index) => index,
            Err(error) => {
                if open.current.take_if(|batch| batch.builder.is_empty()).is_some() {
                    self.settled();
                }
                return Err(error);
            }
        };
        let result = Arc::clone(&batch.result);
        let filled = batch.builder.count() >= limits.messages || batch.builder.len() >= limits.bytes;
        if filled {
            let batch = open.current.take();
            open.full.extend(batch);
        }
        if open.call_attention(opened || closed || filled) {
            note();
        }
        Ok(Appended { result, index })
    }

    /// The accumulator begins to watch, and to count; or goes on, and then what is returned says nothing.
    pub(crate) fn watch(&self) -> Sequence {
        let mut open = lock(&self.open);
        open.noted = false;
        open.watched = true;
        open.sequence
    }

    /// The accumulator stops to watch, if there is nothing, and leaves its count here.
    pub(crate) fn release(&self, sequence: Sequence) -> bool {
        let mut open = lock(&self.open);
        open.watched = open.current.is_some() || !open.full.is_empty();
        open.sequence = sequence;
        !open.watched
    }

    /// How many batches are open, full, or were taken and are not settled.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// A batch was split: there is one more.
    pub(crate) fn split(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch is gone.
    pub(crate) fn settled(&self) {
        let _count = self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |queued| queued.checked_sub(1));
    }

    /// Whether it has ever counted.
    pub(crate) fn has_counted(&self) -> bool {
        lock(&self.open).sequence.identity().is_some()
    }

    /// Takes a batch, and looks what is left.
    pub(crate) fn look(&self, now: Instant, want: Want) -> Look {
        let mut open = lock(&self.open);
        let taken = match want {
            Want::Nothing => None,
            Want::Full => open.full.pop_front(),
            Want::Due(linger) => {
                let due = |batch: &mut OpenBatch| batch.opened_at + linger <= now;
                open.full.pop_front().or_else(|| open.current.take_if(due))
            }
        };
        let current = open.current.as_ref().map(|batch| batch.opened_at);
        let full = open.full.front().map(|batch| batch.opened_at);
        Look { taken, lingers_since: current.filter(|_| full.is_none()), oldest: full.or(current) }
    }

    /// Takes the batches that have reached an age.
    pub(crate) fn take_older(&self, now: Instant, age: Duration) -> Vec<OpenBatch> {
        let old = |batch: &mut OpenBatch| batch.opened_at + age <= now;
        let mut open = lock(&self.open);
        let mut taken = Vec::new();
        while let Some(batch) = open.full.pop_front_if(old) {
            taken.push(batch);
        }
        taken.extend(open.current.take_if(old));
        taken
    }

    /// Takes everything.
    pub(crate) fn take_all(&self) -> Vec<OpenBatch> {
        let mut open = lock(&self.open);
        open.noted = false;
        open.watched = false;
        let current = open.current.take();
        open.full.drain(..).chain(current).collect()
    }

    /// Closes the current batch to further messages, and adds the results of all batches to `results`.
    pub(crate) fn flush(&self, results: &mut Vec<Arc<BatchResult>>) {
        let mut open = lock(&self.open);
        let current = open.current.take();
        open.full.extend(current);
        results.extend(open.full.iter().map(|batch| Arc::clone(&batch.result)));
    }

    fn open_batch(&self, buffers: &Buffers, now: Now) -> OpenBatch {
        let result = Arc::new(BatchResult::new(self.topic.clone(), self.index));
        self.queued.fetch_add(1, Ordering::Relaxed);
        let Now { instant: opened_at, millis: opened_millis } = now;
        OpenBatch { builder: buffers.take(), result, tags: Vec::new(), opened_at, opened_millis, charged: 0 }
    }
}

impl OpenBatch {
    /// Encodes a message, and returns its place.
    #[inline]
    fn append(&mut self, entry: Entry<'_>) -> Result<u32, EncodeError> {
        let Entry { message, timestamp, charge, tag } = entry;
        let at = self.builder.count();
        let (key, value) = (message.key.as_deref(), message.value.as_deref());
        self.builder.append(self.timestamp(timestamp), key, value, headers(message))?;
        self.charged += charge;
        if tag.is_some() || !self.tags.is_empty() {
            // Those before the first one that has a name have none.
            self.tags.resize(at, 0);
            self.tags.push(tag.unwrap_or_default());
        }
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn timestamp(&self, timestamp: Timestamp) -> i64 {
        match timestamp {
            Timestamp::Own(millis) => millis,
            Timestamp::About(millis) => millis.max(self.opened_millis),
        }
    }
}

impl Open {
    /// Closes the current batch if the message would make it too large.
    fn close_unless_fits(&mut self, entry: Entry<'_>, limits: BatchLimits) -> bool {
        let Entry { message, timestamp, charge, .. } = entry;
        let fits = |batch: &OpenBatch| {
            let len = batch.builder.len();
            // The bound is nearly always enough to know.
            len + charge <= limits.bytes || {
                let (key, value) = (message.key.as_deref(), message.value.as_deref());
                let timestamp = batch.timestamp(timestamp);
                len + batch.builder.appended_len(timestamp, key, value, headers(message)) <= limits.bytes
            }
        };
        // A batch is large: it is moved only where it has to be.
        if self.current.as_ref().is_none_or(fits) {
            return false;
        }
        self.full.extend(self.current.take());
        true
    }

    /// Whether to call: unless a note is on its way, where there is something new to take, or to linger.
    fn call_attention(&mut self, is_new: bool) -> bool {
        let attention = !self.noted && (is_new || !self.watched);
        self.noted |= attention;
        attention
    }
}

/// The headers, as the encoder takes them.
pub(crate) fn headers(message: &Message) -> impl ExactSizeIterator<Item = (&'_ str, Option<&'_ [u8]>)> + Clone {
    message.headers.iter().map(|header| (header.key.as_str(), header.value.as_deref()))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::Compression;

    use super::*;

    fn message(len: usize) -> Message {
        Message { value: Some(vec![b'x'; len].into()), ..Message::default() }
    }

    struct Bench {
        partition: Partition,
        buffers: Buffers,
        limits: BatchLimits,
        start: Instant,
    }

    impl Bench {
        fn new(messages: usize, bytes: usize) -> Self {
            Self {
                partition: Partition::new(0, "t".into(), 0),
                buffers: Buffers::new(2, Compression::None),
                limits: BatchLimits { messages, bytes },
                start: Instant::now(),
            }
        }

        /// Where it went, and whether attention was called.
        fn append(&self, len: usize) -> (u32, bool) {
            self.append_at(Timestamp::Own(0), len)
        }

        fn append_at(&self, timestamp: Timestamp, len: usize) -> (u32, bool) {
            let (now, mut noted) = (|| Now { instant: self.start, millis: 1000 }, false);
            let note = || {
                assert!(self.partition.open.try_lock().is_err(), "another caller could come between");
                noted = true;
            };
            let message = message(len);
            let entry = Entry { message: &message, timestamp, charge: len + 40, tag: None };
            let appended = self.partition.append(entry, self.limits, &self.buffers, now, note);
            (appended.unwrap().index, noted)
        }
    }

    #[test]
    fn a_batch_is_full_by_count() {
        let bench = Bench::new(2, 1000);
        let indexes: Vec<_> = (0..3).map(|_| bench.append(10).0).collect();
        assert_eq!(indexes, [0, 1, 0]);
        assert_eq!(bench.partition.look(bench.start, Want::Full).taken.unwrap().builder.count(), 2);
        assert!(bench.partition.look(bench.start, Want::Full).taken.is_none());
        assert_eq!(bench.partition.look(bench.start, Want::Due(Duration::ZERO)).taken.unwrap().builder.count(), 1);
        assert!(bench.partition.release(Sequence::default()));
    }

    #[test]
    fn no_message_is_older_than_its_batch_unless_it_says_so() {
        let bench = Bench::new(10, 1000);
        bench.append_at(Timestamp::About(990), 1);
        let mut open = lock(&bench.partition.open);
        let batch = open.current.as_mut().unwrap();
        assert_eq!(batch.builder.max_timestamp(), 1000, "the first one's is exact");
        let timestamps = [Timestamp::About(990), Timestamp::About(1004), Timestamp::Own(7)];
        assert_eq!(timestamps.map(|timestamp| batch.timestamp(timestamp)), [1000, 1004, 7]);
    }

    #[test]
    fn a_batch_never_exceeds_its_bytes() {
        let bench = Bench::new(1000, 300);
        (0..100).for_each(|len| _ = bench.append(len));
        let batches = bench.partition.take_all();
        assert!(batches.iter().all(|batch| batch.builder.len() <= 300));
        assert_eq!(batches.iter().map(|batch| batch.builder.count()).sum::<usize>(), 100);
        // Each could not have taken the first message of the next one.
        assert!(batches.iter().rev().skip(1).all(|batch| batch.builder.len() > 300 - 110));
    }

    #[test]
    fn attention_is_called_once_for_each_cause() {
        let bench = Bench::new(2, 1000);
        assert!(bench.append(1).1, "nobody watches");
        assert!(!bench.append(1).1, "the note is on its way");
        bench.partition.watch();
        assert!(bench.append(1).1, "another batch is open, and lingers");
        bench.partition.watch();
        assert!(bench.append(1).1, "it is full");
        assert!(!bench.append(1).1 && !bench.append(1).1, "the note is on its way");
    }

    #[test]
    fn a_batch_lingers_until_it_is_old_enough() {
        let bench = Bench::new(10, 1000);
        let linger = Duration::from_millis(5);
        bench.append(1);
        let look = bench.partition.look(bench.start, Want::Due(linger));
        assert!(look.taken.is_none() && look.lingers_since == Some(bench.start));
        let look = bench.partition.look(bench.start + linger, Want::Due(linger));
        assert!(look.taken.is_some() && look.oldest.is_none());
    }
}
