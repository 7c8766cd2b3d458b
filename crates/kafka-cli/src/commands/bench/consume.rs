//! `kafka bench consume`: reads messages one by one, looks at every byte of them, and says how long it took.
//!
//! ```text
//!  Reader::fetch_until ──► Message ──► key, value, headers: each byte added up
//! ```

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use kafka_conn::Message;
use kafka_reader::{Reader, ReaderConfig, ReaderStats};

use super::BenchConsumeArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::output::Output;
use crate::report;

pub(super) async fn run(arguments: &BenchConsumeArguments) -> Result<Outcome> {
    let transport = arguments.connect.connect().await?;
    let config = ReaderConfig { topic: arguments.topic.as_str().into(), ..ReaderConfig::default() };
    let start = Instant::now();
    let mut reader = Reader::new(transport, config).await?;
    let read = read(&mut reader, arguments.count).await?;
    let (elapsed, stats) = (start.elapsed(), reader.stats());
    reader.close().await;
    let mut output = Output::open()?;
    output.write(summary(&read, &stats, elapsed).into_bytes()).await?;
    output.close().await?;
    let wanted = arguments.count.unwrap_or(read.messages);
    if read.messages < wanted {
        report::line(format_args!("error: the topic ends after {} of {wanted} messages", read.messages));
        return Ok(Outcome::Incomplete);
    }
    Ok(Outcome::Complete)
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    messages: u64,
    /// Of keys, values and headers.
    bytes: u64,
    sum: u64,
}

impl Read {
    fn add(&mut self, message: &Message) {
        self.messages += 1;
        let parts = [message.key.as_deref(), message.value.as_deref()];
        parts.into_iter().flatten().for_each(|part| self.touch(part));
        for header in &message.headers {
            self.touch(header.key.as_bytes());
            self.touch(header.value.as_deref().unwrap_or_default());
        }
    }

    fn touch(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        self.sum = part.iter().fold(self.sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    }
}

/// Reads so many messages, or all up to the present end of the topic.
async fn read(reader: &mut Reader, count: Option<u64>) -> Result<Read> {
    let end = reader.end_offsets().await?;
    let mut read = Read::default();
    while count.is_none_or(|count| read.messages < count) {
        let Some(message) = reader.fetch_until(&end).await? else { break };
        read.add(&message);
    }
    // Else nobody would need the sum, and the bytes need not be looked at.
    black_box(read.sum);
    Ok(read)
}

fn summary(read: &Read, stats: &ReaderStats, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "messages     {} read", read.messages);
    let _ = writeln!(text, "time         {seconds:.3} s");
    let _ = writeln!(text, "rate         {:.0} messages/s", read.messages as f64 / seconds);
    let _ = writeln!(text, "throughput   {:.1} MB/s", read.bytes as f64 / 1e6 / seconds);
    let (messages, bytes) = (stats.fetch_size.avg, stats.fetch_bytes.avg);
    let _ = writeln!(text, "fetch        {messages} messages, {bytes} bytes on average; {} answers", stats.fetches);
    text
}

#[cfg(test)]
mod tests {
    use kafka_conn::Header;

    use super::*;

    #[test]
    fn every_byte_counts() {
        let (mut read, bare) = (Read::default(), Message::default());
        read.add(&bare);
        assert_eq!(read, Read { messages: 1, bytes: 0, sum: 0 });
        read.add(&Message {
            key: Some("a".into()),
            value: Some("bc".into()),
            headers: vec![Header::new("d", "e")],
            ..bare
        });
        assert_eq!(read, Read { messages: 2, bytes: 5, sum: u64::from(b'a' + b'b') + u64::from(b'c') + 100 + 101 });
    }

    #[test]
    fn what_was_measured_is_told() {
        let read = Read { messages: 2000, bytes: 200_000, sum: 1 };
        let text = summary(&read, &ReaderStats::default(), Duration::from_millis(500));
        for expected in ["2000 read", "rate         4000 messages/s", "0.4 MB/s"] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
