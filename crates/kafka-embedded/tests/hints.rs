//! A leader moves, and the answer of the broker that led says where to (KIP-951): nobody asks for metadata.

use std::error::Error;
use std::time::Duration;

use kafka_conn::{Client, Message};
use kafka_embedded::{Cluster, KafkaVersion};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};
use tokio::time::sleep;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn cluster(version: KafkaVersion) -> Outcome<Cluster> {
    Ok(Cluster::builder().brokers(3).kafka_version(version).topic("t", 1, 3).start_in_memory()?)
}

/// The brokers of before KIP-951, which say nothing, and those of today.
const SILENT: KafkaVersion = KafkaVersion::V2_1;
const HINTING: KafkaVersion = KafkaVersion::NEWEST;

/// Has the partition led by another broker than the one that leads it now.
fn move_leader(cluster: &Cluster) -> Outcome<i32> {
    let (leader, _) = cluster.leader("t", 0).ok_or("no such partition")?;
    let next = leader % 3 + 1;
    cluster.move_leader("t", 0, next)?;
    Ok(next)
}

/// How many requests for metadata there have been, those included that wait for a pause to be over.
async fn asked(cluster: &Cluster) -> u64 {
    sleep(Duration::from_secs(5)).await;
    cluster.count(ApiKey::METADATA)
}

fn message(number: i32) -> Message {
    Message { value: Some(number.to_string().into()), ..Message::default() }
}

#[tokio::test(start_paused = true)]
async fn a_writer_goes_to_the_leader_that_an_answer_names() -> Outcome {
    for (version, is_told) in [(HINTING, true), (SILENT, false)] {
        let cluster = cluster(version)?;
        let config = WriterConfig { topic: Some("t".into()), ..WriterConfig::default() };
        let writer = Writer::new(cluster.transport().await?, config)?;
        writer.send(message(0)).await?.await?;
        let before = asked(&cluster).await;
        for number in 1..4 {
            let leader = move_leader(&cluster)?;
            let written = writer.send(message(number)).await?.await?;
            assert_eq!(written.offset, Some(number.into()));
            assert!(cluster.count_at(leader, ApiKey::PRODUCE) > 0);
        }
        assert_eq!(asked(&cluster).await == before, is_told, "{version:?}");
        writer.close().await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_to_the_leader_that_an_answer_names() -> Outcome {
    for (version, is_told) in [(HINTING, true), (SILENT, false)] {
        let cluster = cluster(version)?;
        let config = WriterConfig { topic: Some("t".into()), ..WriterConfig::default() };
        // With a transport of its own, from which the reader's learns nothing.
        let writer = Writer::new(cluster.transport().await?, config)?;
        // That new partitions are looked for now and then is another matter.
        let topics_interval = Duration::from_secs(3600);
        let config = ReaderConfig { topic: "t".into(), topics_interval, ..ReaderConfig::default() };
        let mut reader = Reader::new(cluster.transport().await?, config).await?;
        writer.send(message(0)).await?.await?;
        assert_eq!(reader.fetch_message().await?.offset, 0);
        for number in 1..4 {
            let before = asked(&cluster).await;
            move_leader(&cluster)?;
            assert_eq!(asked(&cluster).await == before, is_told, "{version:?}");
            writer.send(message(number)).await?.await?;
            assert_eq!(reader.fetch_message().await?.offset, i64::from(number));
        }
        reader.close().await;
        writer.close().await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_to_the_leader_that_an_answer_names() -> Outcome {
    for (version, is_told) in [(HINTING, true), (SILENT, false)] {
        let cluster = cluster(version)?;
        let transport = cluster.transport().await?;
        transport.leader("t", 0).await?;
        let before = asked(&cluster).await;
        let leader = move_leader(&cluster)?;
        let answer = Client::new(transport.clone()).call(&produce()?).await?;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        assert_eq!(cluster.count_at(leader, ApiKey::PRODUCE), 1);
        assert_eq!(asked(&cluster).await == before, is_told, "{version:?}");
    }
    Ok(())
}

fn produce() -> Outcome<ProduceRequest> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(1, None, Some(b"value"), [])?;
    let records = Some(builder.seal(&mut Compressor::default())?);
    let partition_data = vec![PartitionProduceData { records, ..Default::default() }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    Ok(ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data, ..Default::default() })
}
