//! What we write, we read: byte for byte, and in order in each partition.

use std::time::{Duration, Instant};

use kafka_conn::{Message, Transport};
use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{RequiredAcks, Writer, WriterConfig};

use super::{Failure, Scenario, Target, Text, check, scenario};

pub(super) const LINES: usize = 100_000;
const PARTITIONS: i32 = 4;
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let codecs = Compression::ALL.into_iter().map(|compression| {
        scenario(format!("round_trip::hundred_thousand_lines_{compression}"), move |target| async move {
            let mut log = Log::new(&target).await?;
            log.write(WriterConfig { compression, ..WriterConfig::default() }, LINES).await?;
            log.read_back().await
        })
    });
    let acks = [
        scenario("round_trip::acks_one", |target| async move {
            let mut log = Log::new(&target).await?;
            log.write(WriterConfig { required_acks: RequiredAcks::One, ..WriterConfig::default() }, LINES / 10).await?;
            log.read_back().await
        }),
        scenario("round_trip::acks_none", |target| async move { acks_none(&target).await }),
    ];
    codecs.chain(acks).collect()
}

async fn acks_none(target: &Target) -> Result<(), Failure> {
    let mut log = Log::new(target).await?;
    // Without an answer nobody learns that a new leader does not lead yet: let it take some messages first.
    log.write(WriterConfig::default(), LINES / 100).await?;
    log.write(WriterConfig { required_acks: RequiredAcks::None, ..WriterConfig::default() }, LINES / 10).await?;
    // Written means handed to the socket here: the broker may still be at it.
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        match log.read_back().await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
            outcome => return outcome,
        }
    }
}

/// What went to each partition, in the order of sending.
type Sent = Vec<Vec<Message>>;

/// A topic, and what was written to it.
pub(super) struct Log {
    transport: Transport,
    pub(super) topic: String,
    pub(super) sent: Sent,
}

impl Log {
    pub(super) async fn new(target: &Target) -> Result<Self, Failure> {
        let transport = target.transport().await?;
        let topic = target.new_topic(&transport, "round-trip", PARTITIONS).await?;
        Ok(Self { transport, topic, sent: vec![Vec::new(); PARTITIONS as usize] })
    }

    /// Writes lines, one by one, and awaits every one of them.
    pub(super) async fn write(&mut self, config: WriterConfig, lines: usize) -> Result<(), Failure> {
        let tells_offsets = config.required_acks != RequiredAcks::None;
        let config = WriterConfig { topic: Some(self.topic.as_str().into()), ..config };
        let writer = Writer::new(self.transport.clone(), config)?;
        let text = Text::read()?;
        let mut deliveries = Vec::with_capacity(lines);
        for number in 0..lines {
            deliveries.push(writer.send(text.message(number)).await?);
        }
        writer.flush().await?;
        for (number, delivery) in deliveries.into_iter().enumerate() {
            let written = delivery.await?;
            let partition = &mut self.sent[written.partition as usize];
            let expected = tells_offsets.then_some(partition.len() as i64);
            check(written.offset == expected, || {
                format!("line {number}: offset {:?}, not {expected:?}", written.offset)
            })?;
            partition.push(text.message(number));
        }
        writer.close().await?;
        let even = self.sent.iter().all(|partition| partition.len() > lines / 10);
        check(even, || "the spread is uneven".to_owned())
    }

    /// Reads the topic from its beginning to its present end, and compares everything.
    async fn read_back(&self) -> Result<(), Failure> {
        let config = ReaderConfig { topic: self.topic.as_str().into(), ..ReaderConfig::default() };
        let mut reader = Reader::new(self.transport.clone(), config).await?;
        let end = reader.end_offsets().await?;
        let mut next = vec![0; self.sent.len()];
        while let Some(message) = reader.fetch_until(&end).await? {
            let position = &mut next[message.partition as usize];
            compare(&message, self.sent[message.partition as usize].get(*position), *position)?;
            *position += 1;
        }
        reader.close().await;
        let expected: Vec<usize> = self.sent.iter().map(Vec::len).collect();
        check(next == expected, || format!("read {next:?} messages by partition, sent {expected:?}"))
    }
}

/// Fails unless the message is the one that was sent to that place.
fn compare(read: &Message, sent: Option<&Message>, position: usize) -> Result<(), Failure> {
    let place = || format!("partition {}, offset {position}", read.partition);
    let Some(sent) = sent else {
        return Err(format!("{}: nobody wrote {read:?}", place()).into());
    };
    check(read.offset == position as i64, || format!("{}: got offset {}", place(), read.offset))?;
    let same = (&read.key, &read.value, &read.headers, read.timestamp)
        == (&sent.key, &sent.value, &sent.headers, sent.timestamp);
    check(same, || format!("{}: sent {sent:?}, read {read:?}", place()))?;
    check(read.high_watermark > read.offset, || format!("{}: high watermark {}", place(), read.high_watermark))
}
