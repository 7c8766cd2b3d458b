//! `kafka consume`: each message becomes a line of standard output.
//!
//! ```text
//!  Reader::fetch_batch ──► records, borrowed ──► lines, in one buffer ──► Output
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use clap::Args;
use futures_util::FutureExt;
use kafka_reader::{
    BatchDecoder, CommitOffset, EndOffsets, FetchedBatch, GroupConfig, Partitions, Reader, ReaderConfig, Record,
    StartOffset, TopicPartition,
};
use tokio::time::timeout;

use crate::connect::ConnectArguments;
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::key_separator::KeySeparator;
use crate::output::{Output, reader_gone};
use crate::parse::start::parse_start;
use crate::report;
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    /// The topic to read
    pub(crate) topic: String,
    /// Prints keys too, each followed by this text, as in -K : or -K '\t'; messages without key have neither
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = KeySeparator::parse)]
    pub(crate) key_separator: Option<KeySeparator>,
    /// Where to begin in each partition: start, end (only what is new), or an offset
    #[arg(short = 'o', long, value_name = "PLACE", default_value = "start", allow_negative_numbers = true, value_parser = parse_start)]
    pub(crate) from: StartOffset,
    /// Ends after so many messages
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Ends at what is the end of the partitions now, instead of waiting for more
    #[arg(short, long)]
    pub(crate) exit_at_end: bool,
    /// Reads these partitions only; may be repeated, or a list
    #[arg(
        short,
        long = "partition",
        value_name = "P",
        value_delimiter = ',',
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    pub(crate) partitions: Vec<i32>,
    /// Reads as a member of this group, which shares the topic's partitions; what was printed is committed, and reading
    /// goes on there the next time
    #[arg(short, long, conflicts_with_all = ["exit_at_end", "partitions"])]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Copies messages until there is a reason to end; a signal, or nobody who reads them, is one at any time.
pub(crate) async fn run(arguments: ConsumeArguments, mut signals: Signals) -> Result<Outcome> {
    let mut output = Output::open()?;
    let mut copy = None;
    let result = tokio::select! {
        biased;
        signal = signals.next() => Err(signal),
        gone = reader_gone() => return Err(gone),
        result = consume(&arguments, &mut output, &mut copy) => Ok(result),
    };
    if let Some(copy) = copy {
        copy.leave().await;
    }
    match result {
        Ok(result) => {
            let closed = output.close().await;
            result.and_then(|outcome| closed.map(|()| outcome))
        }
        Err(signal) => {
            // Half a line is worse than none: what is being written may end, if somebody reads it.
            let _in_vain = timeout(GRACE, output.close()).await;
            Ok(Outcome::Interrupted(signal))
        }
    }
}

async fn consume<'a>(
    arguments: &'a ConsumeArguments,
    output: &'a mut Output,
    copy: &mut Option<Copy<'a>>,
) -> Result<Outcome> {
    copy.insert(Copy::start(arguments, output).await?).run().await
}

/// The way of messages from a reader to the output.
struct Copy<'a> {
    reader: Reader,
    /// Where each partition ends, if that is where to end.
    end: Option<EndOffsets>,
    /// Partitions that end before they begin. That was reported.
    beyond: Vec<i32>,
    /// Partitions that are read no further.
    halted: BTreeSet<i32>,
    /// How many messages are still wanted, if that is limited.
    left: Option<u64>,
    separator: Option<&'a KeySeparator>,
    output: &'a mut Output,
    lines: Vec<u8>,
    /// Behind what is in `lines`, for a group to commit once it is handed over.
    printed: BTreeMap<TopicPartition, CommitOffset>,
    outcome: Outcome,
}

impl<'a> Copy<'a> {
    async fn start(arguments: &'a ConsumeArguments, output: &'a mut Output) -> Result<Self> {
        let transport = arguments.connect.connect().await?;
        let config = match &arguments.group {
            Some(group) => ReaderConfig { group: Some(member(arguments, group)), ..ReaderConfig::default() },
            None => ReaderConfig {
                topic: arguments.topic.as_str().into(),
                partitions: partitions(&arguments.partitions),
                start_offset: arguments.from,
                ..ReaderConfig::default()
            },
        };
        let reader = Reader::new(transport, config).await?;
        let end = if arguments.exit_at_end { Some(reader.end_offsets().await?) } else { None };
        let beyond = end.as_ref().map_or_else(Vec::new, |end| report_beyond(&reader, end));
        Ok(Self {
            outcome: if beyond.is_empty() { Outcome::Complete } else { Outcome::Incomplete },
            reader,
            end,
            beyond,
            halted: BTreeSet::new(),
            left: arguments.count,
            separator: arguments.key_separator.as_ref(),
            output,
            lines: Vec::new(),
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
        if let Some(ready) = next_batch(&mut self.reader, self.end.as_ref()).now_or_never() {
            return Ok(ready?);
        }
        if !self.lines.is_empty() {
            self.output.write(mem::take(&mut self.lines)).await?;
        }
        self.commit();
        Ok(next_batch(&mut self.reader, self.end.as_ref()).await?)
    }

    fn is_repeated(&mut self, error: &Error) -> bool {
        let Error::Reader(halt) = error else { return false };
        let final_here = halt.is_halt() && self.reader.config().group.is_none();
        final_here && halt.context().partition.is_some_and(|partition| !self.halted.insert(partition))
    }

    /// A partition that can be read no further does not keep others from being read. Who follows a topic waits for
    /// brokers to come back; who wants to see an end does not.
    fn go_on_after(&mut self, error: Error) -> Result<()> {
        let follows = self.end.is_none() && self.left.is_none();
        match &error {
            Error::Reader(halt) if halt.is_halt() => {
                self.outcome = Outcome::Incomplete;
                if !halt.context().partition.is_some_and(|partition| self.beyond.contains(&partition)) {
                    report::error(&error);
                }
            }
            Error::Reader(news) if news.is_retriable() && follows => report::trying_on(&error),
            _ => return Err(error),
        }
        Ok(())
    }

    async fn print(&mut self, batch: &FetchedBatch, decoder: &mut BatchDecoder) -> Result<()> {
        let end = self.end.as_ref().and_then(|end| end.offset(batch.partition()));
        let mut next = batch.first_offset();
        for record in batch.records(decoder)? {
            let record = record?;
            if self.left == Some(0) || end.is_some_and(|end| record.offset >= end) {
                break;
            }
            append_line(&mut self.lines, self.separator, &record);
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
        self.output.write(mem::replace(&mut self.lines, next)).await?;
        self.commit();
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
fn report_beyond(reader: &Reader, end: &EndOffsets) -> Vec<i32> {
    let offsets =
        end.iter().filter_map(|(partition, end)| Some((partition.partition, reader.offset(&partition)?, end)));
    let beyond = offsets.filter(|(_, offset, end)| offset > end);
    let report = |(partition, offset, end)| {
        report::error(&Error::BeyondEnd { topic: reader.config().topic.to_string(), partition, offset, end });
        partition
    };
    beyond.map(report).collect()
}

/// The key and the separator, if they are wanted, the value, a line feed. No value at all is an empty line too.
fn append_line(lines: &mut Vec<u8>, separator: Option<&KeySeparator>, record: &Record<'_>) {
    if let Some(separator) = separator {
        separator.append(record.key, lines);
    }
    lines.extend_from_slice(record.value.unwrap_or_default());
    lines.push(b'\n');
}

fn member(arguments: &ConsumeArguments, group: &str) -> GroupConfig {
    GroupConfig {
        group_id: group.into(),
        topics: [arguments.topic.as_str()].into(),
        start_offset: arguments.from,
        ..GroupConfig::default()
    }
}

fn partitions(wanted: &[i32]) -> Partitions {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() { Partitions::All } else { Partitions::Several(wanted) }
}

/// How long leaving a group may take.
const LEAVE: Duration = Duration::from_secs(5);
/// A block for the output: what a pipe holds, several times over.
const BLOCK_BYTES: usize = 256 << 10;
/// How long a reader of the output may take for the line that it is in the middle of.
const GRACE: Duration = Duration::from_millis(500);
