//! The work of `kafka consume`: messages into lines, and an orderly end.
//!
//! ```text
//!  Reader::fetch_batch ──► records, borrowed ──► lines (form), in one buffer ──► Output
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use kafka_reader::{
    BatchDecoder, CommitOffset, EndOffsets, FetchedBatch, GroupConfig, Reader, ReaderConfig, TopicPartition,
};
use tokio::time::timeout;

use super::form::{Form, origin};
use super::{ConsumeArguments, bounds};
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::output::{Output, reader_gone};
use crate::progress::{Counts, Progress};
use crate::report;
use crate::signals::Signals;

/// Copies messages until there is a reason to end; a signal, or nobody who reads them, is one at any time.
pub(crate) async fn run(arguments: ConsumeArguments, mut signals: Signals) -> Result<Outcome> {
    let mut output = Output::open()?;
    let mut copy = None;
    let counts = Arc::<Counts>::default();
    let mut progress = Progress::of_reading(Arc::clone(&counts));
    let result = tokio::select! {
        biased;
        signal = signals.next() => Err(signal),
        gone = reader_gone() => return Err(gone),
        result = progress.beside(consume(&arguments, &mut output, &counts, &mut copy)) => Ok(result),
    };
    if let Some(copy) = copy {
        copy.leave().await;
    }
    let result = match result {
        Ok(result) => {
            let closed = output.close().await;
            result.and_then(|outcome| closed.map(|()| outcome))
        }
        Err(signal) => {
            // Half a line is worse than none: what is being written may end, if somebody reads it.
            let _in_vain = timeout(GRACE, output.close()).await;
            Ok(Outcome::Interrupted(signal))
        }
    };
    progress.conclude();
    result
}

async fn consume<'a>(
    arguments: &'a ConsumeArguments,
    output: &'a mut Output,
    counts: &'a Counts,
    copy: &mut Option<Copy<'a>>,
) -> Result<Outcome> {
    copy.insert(Copy::start(arguments, output, counts).await?).run().await
}

/// The way of messages from a reader to the output.
struct Copy<'a> {
    reader: Reader,
    /// Where to end in each partition, if anywhere.
    until: Option<EndOffsets>,
    /// Partitions that end before they begin. That was reported.
    beyond: Vec<TopicPartition>,
    /// Partitions that are read no further.
    halted: BTreeSet<TopicPartition>,
    /// How many messages are still wanted, if that is limited.
    left: Option<u64>,
    form: Form<'a>,
    output: &'a mut Output,
    /// For who watches.
    counts: &'a Counts,
    lines: Vec<u8>,
    /// How many messages are in `lines`.
    unwritten: u64,
    /// Behind what is in `lines`, for a group to commit once it is handed over.
    printed: BTreeMap<TopicPartition, CommitOffset>,
    outcome: Outcome,
}

impl<'a> Copy<'a> {
    async fn start(arguments: &'a ConsumeArguments, output: &'a mut Output, counts: &'a Counts) -> Result<Self> {
        let form = Form::of(arguments)?;
        let transport = arguments.connect.connect().await?;
        let config = match &arguments.group {
            Some(group) => ReaderConfig { group: Some(member(arguments, group)?), ..ReaderConfig::default() },
            None => bounds::config(&transport, arguments).await?,
        };
        let reader = Reader::new(transport.clone(), config).await?;
        let bounds = bounds::find(&transport, &reader, arguments).await?;
        let beyond = bounds.as_ref().map_or_else(Vec::new, |bounds| report_beyond(&reader, &bounds.end));
        Ok(Self {
            outcome: if beyond.is_empty() { Outcome::Complete } else { Outcome::Incomplete },
            reader,
            until: bounds.map(|bounds| bounds.until),
            beyond,
            halted: BTreeSet::new(),
            left: arguments.count,
            form,
            output,
            counts,
            lines: Vec::new(),
            unwritten: 0,
            printed: BTreeMap::new(),
        })
    }

    /// Copies to the end; what came before an error is handed over first.
    async fn run(&mut self) -> Result<Outcome> {
        let result = self.copy().await;
        self.flush().await?;
        result.map(|()| self.outcome)
    }

    /// Leaves the group, if there is one, so that others go on at once.
    async fn leave(self) {
        if self.reader.config().group.is_some() {
            let _too_late = timeout(LEAVE, self.reader.close()).await;
        }
    }

    /// Says that everything up to here is printed, as soon as it is.
    fn note(&mut self, batch: &FetchedBatch, offset: i64) {
        if self.reader.config().group.is_some() {
            let partition = TopicPartition::new(batch.topic(), batch.partition());
            self.printed.insert(partition, CommitOffset { offset, ..CommitOffset::default() });
        }
    }

    /// What was printed is handed over, and so processed.
    fn commit(&mut self) {
        let printed = mem::take(&mut self.printed);
        if !printed.is_empty()
            && let Ok(on_its_way) = self.reader.commit_offsets(printed)
        {
            // Whether it went well shows when somebody reads the rest.
            drop(on_its_way);
        }
    }

    async fn copy(&mut self) -> Result<()> {
        let mut decoder = BatchDecoder::default();
        while self.left != Some(0) {
            match self.next_batch().await {
                Ok(Some(batch)) => self.print(&batch, &mut decoder).await?,
                Ok(None) => break,
                // Told again: no other partition is left.
                Err(error) if self.is_repeated(&error) => break,
                Err(error) => self.go_on_after(error)?,
            }
        }
        Ok(())
    }

    /// The next batch, or `None` where nothing is left to read. Where it has to be waited for, the output is flushed.
    async fn next_batch(&mut self) -> Result<Option<FetchedBatch>> {
        if let Some(ready) = next_batch(&mut self.reader, self.until.as_ref()).now_or_never() {
            return Ok(ready?);
        }
        if !self.lines.is_empty() {
            let lines = mem::take(&mut self.lines);
            self.hand_over(lines).await?;
        }
        self.commit();
        Ok(next_batch(&mut self.reader, self.until.as_ref()).await?)
    }

    fn is_repeated(&mut self, error: &Error) -> bool {
        let Error::Reader(halt) = error else { return false };
        let final_here = halt.is_halt() && self.reader.config().group.is_none();
        final_here && partition(halt).is_some_and(|partition| !self.halted.insert(partition))
    }

    /// A partition that can be read no further does not keep others from being read. Who follows a topic waits for
    /// brokers to come back; who wants to see an end does not.
    fn go_on_after(&mut self, error: Error) -> Result<()> {
        let follows = self.until.is_none() && self.left.is_none();
        match &error {
            Error::Reader(halt) if halt.is_halt() => {
                self.outcome = Outcome::Incomplete;
                if !partition(halt).is_some_and(|partition| self.beyond.contains(&partition)) {
                    report::error(&error);
                }
            }
            Error::Reader(news) if news.is_retriable() && follows => report::trying_on(&error),
            _ => return Err(error),
        }
        Ok(())
    }

    async fn print(&mut self, batch: &FetchedBatch, decoder: &mut BatchDecoder) -> Result<()> {
        let partition = TopicPartition::new(batch.topic(), batch.partition());
        let end = self.until.as_ref().and_then(|end| end.offset(&partition));
        let (mut next, origin) = (batch.first_offset(), origin(batch));
        for record in batch.records(decoder)? {
            let record = record?;
            if self.left == Some(0) || end.is_some_and(|end| record.offset >= end) {
                break;
            }
            self.form.append(&mut self.lines, origin, &record);
            self.unwritten += 1;
            self.left = self.left.map(|left| left - 1);
            next = record.offset + 1;
            if self.lines.len() >= BLOCK_BYTES {
                self.note(batch, next);
                self.flush().await?;
            }
        }
        self.note(batch, next);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4);
        let lines = mem::replace(&mut self.lines, next);
        self.hand_over(lines).await?;
        self.commit();
        Ok(())
    }

    async fn hand_over(&mut self, lines: Vec<u8>) -> Result<()> {
        let (messages, bytes) = (mem::take(&mut self.unwritten), lines.len());
        self.output.write(lines).await?;
        self.counts.messages.fetch_add(messages, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The next batch, or `None` where all partitions have reached the end, if there is one.
async fn next_batch(reader: &mut Reader, end: Option<&EndOffsets>) -> kafka_reader::Result<Option<FetchedBatch>> {
    match end {
        Some(end) => reader.fetch_batch_until(end).await,
        None => reader.fetch_batch().await.map(Some),
    }
}

/// Reports the partitions that end before the place where to begin. They need not be read to know that, and as they have
/// reached their end, perhaps are not.
fn report_beyond(reader: &Reader, end: &EndOffsets) -> Vec<TopicPartition> {
    let offsets = end.iter().filter_map(|(partition, end)| Some((reader.offset(&partition)?, partition, end)));
    let beyond = offsets.filter(|(offset, _, end)| offset > end);
    let report = |(offset, partition, end): (i64, TopicPartition, i64)| {
        let TopicPartition { topic, partition: index } = partition.clone();
        report::error(&Error::BeyondEnd { topic: topic.into(), partition: index, offset, end });
        partition
    };
    beyond.map(report).collect()
}

/// The partition that an error is about.
fn partition(error: &kafka_reader::Error) -> Option<TopicPartition> {
    let context = error.context();
    Some(TopicPartition::new(context.topic.clone()?, context.partition?))
}

fn member(arguments: &ConsumeArguments, group: &str) -> Result<GroupConfig> {
    Ok(GroupConfig {
        group_id: group.into(),
        topics: arguments.topic_names(),
        start_offset: bounds::group_start(arguments)?,
        ..GroupConfig::default()
    })
}

/// How long leaving a group may take.
const LEAVE: Duration = Duration::from_secs(5);
/// A block for the output: what a pipe holds, several times over.
const BLOCK_BYTES: usize = 256 << 10;
/// How long a reader of the output may take for the line that it is in the middle of.
const GRACE: Duration = Duration::from_millis(500);
