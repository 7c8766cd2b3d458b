//! `cargo xtask demo`: the main job from end to end, on a cluster in memory, or on real Apache Kafka.

use std::time::Instant;

use kafka_admin::Admin;
use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_embedded::Cluster;
use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};

use crate::kafka::{self, IoContext as _, Version};
use crate::suite::{self, Failure, Target, Text};

/// Start a broker, create a topic, write real text, read it back, show what happened, stop the broker
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Real Apache Kafka of this release, in place of a broker in memory (needs a JDK and Maven)
    #[arg(long, env = "KAFKA_VERSION", value_name = "VERSION")]
    kafka: Option<Version>,
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
        let runtime = tokio::runtime::Runtime::new().context(|| "start tokio".to_owned())?;
        match self.kafka {
            Some(version) => {
                println!("starting Apache Kafka {version} (its jars are fetched the first time) …");
                let target = Target::start(version)?;
                runtime.block_on(show(target.bootstrap()))
            }
            None => runtime.block_on(async {
                println!("starting a broker in memory …");
                let cluster = Cluster::builder().start().await?;
                show(&cluster.bootstrap()).await
            }),
        }
        .map_err(Error::Failed)?;
        println!("the broker is stopped");
        Ok(())
    }
}

async fn show(bootstrap: &str) -> Result<(), Failure> {
    println!("it serves at {bootstrap}");
    let bootstrap = BrokerAddress::parse_list(bootstrap)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let topic = "demo";
    suite::create(&Admin::new(transport.clone()), topic, PARTITIONS).await?;
    println!("created the topic {topic} with {PARTITIONS} partitions");

    let text = Text::read()?;
    let config = WriterConfig { topic: Some(topic.into()), compression: Compression::Zstd, ..WriterConfig::default() };
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
