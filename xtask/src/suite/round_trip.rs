//! What we write, we read: byte for byte, and in order in each partition; and so does Java.

use kafka_conn::{Message, Transport};
use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{RequiredAcks, Writer, WriterConfig};

use super::java;
use super::{Failure, Scenario, Target, Text, check, scenario};

const LINES: usize = 100_000;
const PARTITIONS: i32 = 4;

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let codecs = Compression::ALL.into_iter().map(|compression| {
        scenario(format!("round_trip::hundred_thousand_lines_{compression}"), move |target| async move {
            let config = WriterConfig { compression, ..WriterConfig::default() };
            let (transport, topic, sent) = write(&target, config, LINES).await?;
            read_back(&transport, &topic, &sent).await?;
            java::reads(&target, &topic, &sent).await
        })
    });
    let acks = [("one", RequiredAcks::One), ("none", RequiredAcks::None)].into_iter().map(|(name, required_acks)| {
        scenario(format!("round_trip::acks_{name}"), move |target| async move {
            let config = WriterConfig { required_acks, ..WriterConfig::default() };
            let (transport, topic, sent) = write(&target, config, LINES / 10).await?;
            read_back(&transport, &topic, &sent).await
        })
    });
    codecs.chain(acks).collect()
}

/// What went to each partition, in the order of sending.
pub(super) type Sent = Vec<Vec<Message>>;

/// Writes lines to a new topic, one by one, and awaits every one of them.
async fn write(target: &Target, config: WriterConfig, lines: usize) -> Result<(Transport, String, Sent), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "round-trip", PARTITIONS).await?;
    let acks = config.required_acks;
    let writer = Writer::new(transport.clone(), WriterConfig { topic: Some(topic.as_str().into()), ..config })?;
    let text = Text::read()?;
    let mut deliveries = Vec::with_capacity(lines);
    for number in 0..lines {
        deliveries.push(writer.send(text.message(number)).await?);
    }
    writer.flush().await?;
    let mut sent: Sent = vec![Vec::new(); PARTITIONS as usize];
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let written = delivery.await?;
        let partition = &mut sent[written.partition as usize];
        let expected = (acks != RequiredAcks::None).then_some(partition.len() as i64);
        check(written.offset == expected, || format!("line {number}: offset {:?}, not {expected:?}", written.offset))?;
        partition.push(text.message(number));
    }
    writer.close().await?;
    check(sent.iter().all(|partition| partition.len() > lines / 10), || "the spread is uneven".to_owned())?;
    Ok((transport, topic, sent))
}

/// Reads the topic from its beginning to its present end, and compares everything.
pub(super) async fn read_back(transport: &Transport, topic: &str, sent: &Sent) -> Result<(), Failure> {
    let config = ReaderConfig { topic: topic.into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport.clone(), config).await?;
    let end = reader.end_offsets().await?;
    let mut next = vec![0; sent.len()];
    while let Some(message) = reader.fetch_until(&end).await? {
        let partition = message.partition as usize;
        let position = next[partition];
        let place = || format!("partition {partition}, offset {position}");
        check(message.offset == position as i64, || format!("{}: got offset {}", place(), message.offset))?;
        let Some(expected) = sent[partition].get(position) else {
            return Err(format!("{}: nobody wrote {message:?}", place()).into());
        };
        let same = (&message.key, &message.value, &message.headers, message.timestamp)
            == (&expected.key, &expected.value, &expected.headers, expected.timestamp);
        check(same, || format!("{}: sent {expected:?}, read {message:?}", place()))?;
        check(message.high_watermark > message.offset, || {
            format!("{}: high watermark {}", place(), message.high_watermark)
        })?;
        next[partition] += 1;
    }
    reader.close().await;
    let expected: Vec<usize> = sent.iter().map(Vec::len).collect();
    check(next == expected, || format!("read {next:?} messages by partition, sent {expected:?}"))
}
