//! What our clients write, they read: over TCP, and in memory on virtual time.

use std::error::Error;

use bytes::Bytes;
use kafka_conn::{BrokerAddress, Message};
use kafka_embedded::{Cluster, ClusterBuilder};
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Compression, Writer, WriterConfig};

type Outcome = Result<(), Box<dyn Error>>;

const MESSAGES: usize = 500;
const PARTITIONS: i32 = 3;

fn three_brokers() -> ClusterBuilder {
    Cluster::builder().brokers(3).topic("orders", PARTITIONS, 3)
}

async fn write_and_read(cluster: &Cluster, compression: Compression) -> Outcome {
    let transport = cluster.transport().await?;
    let config = WriterConfig { topic: Some("orders".into()), compression, ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let mut deliveries = Vec::new();
    for number in 0..MESSAGES {
        let value = Some(Bytes::from(number.to_string()));
        deliveries.push(writer.send(Message { key: value.clone(), value, ..Message::default() }).await?);
    }
    writer.flush().await?;
    for delivery in deliveries {
        assert!(delivery.await?.offset.is_some());
    }
    writer.close().await?;

    let config = ReaderConfig { topic: "orders".into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;
    let end = reader.end_offsets().await?;
    let mut seen = Vec::new();
    while let Some(message) = reader.fetch_until(&end).await? {
        seen.push(String::from_utf8(message.value.ok_or("a tombstone")?.to_vec())?.parse::<usize>()?);
    }
    reader.close().await;
    seen.sort_unstable();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn over_tcp() -> Outcome {
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        write_and_read(&three_brokers().start().await?, compression).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn in_memory() -> Outcome {
    write_and_read(&three_brokers().start_in_memory()?, Compression::None).await
}

#[tokio::test(start_paused = true)]
async fn like_every_release() -> Outcome {
    for version in kafka_embedded::KafkaVersion::ALL {
        write_and_read(&three_brokers().kafka_version(*version).start_in_memory()?, Compression::Lz4).await?;
    }
    Ok(())
}

#[tokio::test]
async fn clients_are_told_of_the_proxy_before_a_broker() -> Outcome {
    let proxy = BrokerAddress::new("proxy.example", 9_999)?;
    let cluster = Cluster::builder().advertise(1, proxy.clone()).start().await?;
    let connection = cluster.dialer().dial(&cluster.bootstrap()).await?;
    let broker = connection.call(&MetadataRequest::default()).await?.brokers.remove(0);
    assert_eq!((broker.host.as_str(), broker.port), ("proxy.example", 9_999));
    assert_ne!(cluster.addresses(), [proxy]);
    Ok(())
}
