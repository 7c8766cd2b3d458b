//! `cargo xtask demo`: the main job from end to end, on real Apache Kafka.

use std::time::Instant;

use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};

use crate::kafka::{self, IoContext as _, Version};
use crate::suite::{Failure, Target, Text};

/// Start a broker, create a topic, write real text, read it back, show what happened, stop the broker
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The Kafka release
    #[arg(long, env = "KAFKA_VERSION", default_value_t = Version::NEWEST)]
    kafka: Version,
}

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("{0}")]
    Failed(Failure),
}

const LINES: usize = 20_000;
const PARTITIONS: i32 = 4;
/// How many of the lines that were read are shown.
const SHOWN: usize = 5;

impl Arguments {
    /// Runs it.
    pub(crate) fn run(&self) -> Result<(), Error> {
        println!("starting Apache Kafka {} (its jars are fetched the first time) …", self.kafka);
        let target = Target::start(self.kafka)?;
        println!("it serves at {}", target.bootstrap());
        let runtime = tokio::runtime::Runtime::new().context(|| "start tokio".to_owned())?;
        runtime.block_on(show(&target)).map_err(Error::Failed)?;
        drop(target);
        println!("the broker is stopped");
        Ok(())
    }
}

async fn show(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "demo", PARTITIONS).await?;
    println!("created the topic {topic} with {PARTITIONS} partitions");

    let text = Text::read()?;
    let config =
        WriterConfig { topic: Some(topic.as_str().into()), compression: Compression::Zstd, ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let begin = Instant::now();
    let mut deliveries = Vec::with_capacity(LINES);
    for number in 0..LINES {
        deliveries.push(writer.send(text.message(number)).await?);
    }
    writer.flush().await?;
    let mut sent = vec![0; PARTITIONS as usize];
    for delivery in deliveries {
        sent[delivery.await?.partition as usize] += 1;
    }
    writer.close().await?;
    println!("wrote {LINES} lines of real text in {:.2?}, by partition {sent:?}", begin.elapsed());

    let begin = Instant::now();
    let mut reader = Reader::new(transport, ReaderConfig { topic: topic.into(), ..ReaderConfig::default() }).await?;
    let end = reader.end_offsets().await?;
    let mut read = vec![0; PARTITIONS as usize];
    while let Some(message) = reader.fetch_until(&end).await? {
        let value = message.value.unwrap_or_default();
        let number: usize = String::from_utf8_lossy(&value).split(' ').next().unwrap_or_default().parse()?;
        if value != text.line(number) {
            return Err(format!("line {number} came back as {value:?}").into());
        }
        if read.iter().sum::<usize>() < SHOWN {
            println!("  {}/{} {}", message.partition, message.offset, String::from_utf8_lossy(&value));
        }
        read[message.partition as usize] += 1;
    }
    reader.close().await;
    println!("read them back in {:.2?}, by partition {read:?}, every one as it was written", begin.elapsed());
    if read == sent { Ok(()) } else { Err(format!("read {read:?}, wrote {sent:?}").into()) }
}
