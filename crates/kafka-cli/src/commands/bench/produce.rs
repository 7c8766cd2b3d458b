//! `kafka bench produce`: sends messages one by one, checks every delivery, and says how long it took.
//!
//! ```text
//!  Text ──► Writer::send ──► Delivery ──► a task that awaits all, in blocks
//!                               └── of some: a task each, that takes the time
//! ```

use std::fmt::Write;
use std::time::{Duration, Instant};

use kafka_conn::Message;
use kafka_writer::{Delivery, Writer, WriterConfig, WriterStats};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::BenchProduceArguments;
use super::text::Text;
use crate::error::Result;
use crate::exit::Outcome;
use crate::output::Output;
use crate::report;

pub(super) async fn run(arguments: &BenchProduceArguments) -> Result<Outcome> {
    let transport = arguments.connect.connect().await?;
    transport.topic(&arguments.topic).await?;
    let config = WriterConfig {
        topic: Some(arguments.topic.as_str().into()),
        required_acks: arguments.acks,
        compression: arguments.codec,
        ..WriterConfig::default()
    };
    let writer = Writer::new(transport, config)?;
    let text = Text::new(arguments.size as usize);
    let start = Instant::now();
    let mut sent = send(&writer, &text, arguments.count).await;
    let _each_delivery_says_for_itself = writer.close().await;
    sent.latencies.sort_unstable();
    if let Some(error) = &sent.first_error {
        report::line(format_args!("error: {} of {} messages not written: {error}", sent.failed, arguments.count));
    }
    let summary = summary(arguments, &sent, &writer.stats(), start.elapsed());
    let mut output = Output::open()?;
    output.write(summary.into_bytes()).await?;
    output.close().await?;
    Ok(if sent.failed == 0 { Outcome::Complete } else { Outcome::Incomplete })
}

/// What became of the messages.
#[derive(Debug, Default)]
struct Sent {
    written: u64,
    failed: u64,
    first_error: Option<String>,
    /// Of some messages, from the call to the acknowledgement.
    latencies: Vec<Duration>,
}

impl Sent {
    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.failed += 1;
        self.first_error.get_or_insert_with(|| report::chain(error));
    }

    fn settled(&mut self, result: kafka_writer::Result<kafka_writer::Written>) {
        match result {
            Ok(_) => self.written += 1,
            Err(error) => self.failed(&error),
        }
    }
}

async fn send(writer: &Writer, text: &Text, count: u64) -> Sent {
    let (blocks, checked) = mpsc::channel(BLOCKS_AHEAD);
    let check = tokio::spawn(check(checked));
    let (mut timed, mut block) = (JoinSet::new(), Vec::with_capacity(BLOCK));
    let mut refused = Sent::default();
    let sample = (count / SAMPLES).max(1);
    for number in 0..count {
        let message = Message { value: Some(text.message(number)), ..Message::default() };
        let called = (number % sample == 0).then(Instant::now);
        match (writer.send(message).await, called) {
            (Ok(delivery), None) => block.push(delivery),
            (Ok(delivery), Some(called)) => drop(timed.spawn(async move { (delivery.await, called.elapsed()) })),
            (Err(error), _) => {
                refused.failed(error.error());
                if error.error().is_writer() || !error.error().is_message() {
                    break;
                }
            }
        }
        if block.len() == BLOCK {
            let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK));
            let _checked_until_the_end = blocks.send(full).await;
        }
    }
    let _checked_until_the_end = blocks.send(block).await;
    drop(blocks);
    let mut sent = check.await.unwrap_or_default();
    while let Some(settled) = timed.join_next().await {
        let Ok((result, latency)) = settled else { continue };
        sent.latencies.push(latency);
        sent.settled(result);
    }
    sent.failed += refused.failed;
    sent.first_error = refused.first_error.or(sent.first_error);
    sent
}

async fn check(mut blocks: mpsc::Receiver<Vec<Delivery>>) -> Sent {
    let mut sent = Sent::default();
    while let Some(block) = blocks.recv().await {
        for delivery in block {
            sent.settled(delivery.await);
        }
    }
    sent
}

fn summary(arguments: &BenchProduceArguments, sent: &Sent, stats: &WriterStats, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let written = sent.written as f64;
    let mut text = String::new();
    let megabytes = written * f64::from(arguments.size) / 1e6;
    // Writing to a string does not fail.
    let _ = writeln!(text, "messages     {} written, {} failed", sent.written, sent.failed);
    let _ = writeln!(text, "time         {seconds:.3} s");
    let _ = writeln!(text, "rate         {:.0} messages/s", written / seconds);
    let _ = writeln!(text, "throughput   {:.1} MB/s", megabytes / seconds);
    let (size, bytes) = (stats.batch_size.avg(), stats.batch_bytes.avg());
    let _ = writeln!(text, "batch        {size} messages, {bytes} bytes on average; {} sent", stats.writes);
    let percentile = |part: f64| {
        let at = (sent.latencies.len() as f64 * part) as usize;
        let latency = sent.latencies.get(at.min(sent.latencies.len().saturating_sub(1)));
        latency.copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    let [median, most, nearly_all, max] = [0.5, 0.95, 0.99, 1.0].map(percentile);
    let _ =
        writeln!(text, "latency      p50 {median:.2} ms, p95 {most:.2} ms, p99 {nearly_all:.2} ms, max {max:.2} ms");
    text
}

/// Deliveries that are handed over at a time.
const BLOCK: usize = 4096;
/// Together some hundred thousand: more small messages than a writer's buffer has room for.
const BLOCKS_AHEAD: usize = 64;
/// Messages whose latency is taken: to take the time of each one would cost more than sending it.
const SAMPLES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_told() {
        let line = "kafka bench produce --brokers one --topic t --size 100 --count 2000";
        let arguments = <crate::args::Arguments as clap::Parser>::try_parse_from(line.split(' ')).unwrap();
        let crate::args::Command::Bench(crate::commands::bench::BenchCommand::Produce(arguments)) = arguments.command
        else {
            panic!("another command")
        };
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let sent = Sent { written: 2000, latencies, ..Sent::default() };
        let text = summary(&arguments, &sent, &WriterStats::default(), Duration::from_millis(500));
        for expected in ["rate         4000 messages/s", "0.4 MB/s", "p50 51.00 ms", "p99 100.00 ms"] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
