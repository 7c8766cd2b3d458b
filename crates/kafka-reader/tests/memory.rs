//! What a reader holds in memory while one partition is not read at all, and many others are: its prefetch bound, and a
//! constant. Every allocation of this process is counted, the brokers' included, which hold the records before it starts.

use std::alloc::System;

use kafka_conn::{BrokerAddress, Message, Transport, TransportConfig};
use kafka_embedded::Cluster;
use kafka_reader::{Reader, ReaderConfig, TopicPartition};
use kafka_writer::{Writer, WriterConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PARTITIONS: i32 = 24;
const MESSAGES: usize = 1000;
const SIZE: usize = 2000;
const PREFETCH: usize = 4 << 20;
const ANSWER: u32 = 1 << 20;
/// Answers on their way through the brokers, their connections and ours, some times over; what is allocated per partition.
const CONSTANT: usize = 6 << 20;

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Writes as much to each partition: twelve times what the reader may hold, in all.
async fn fill(transport: &Transport) {
    let writer = Writer::new(transport.clone(), WriterConfig::default()).unwrap();
    for number in 0..MESSAGES {
        let mut deliveries = Vec::new();
        for partition in 0..PARTITIONS {
            let value = vec![u8::try_from(number % 251).unwrap(); SIZE].into();
            let message = Message { topic: "t".into(), value: Some(value), ..Message::default() };
            let options = kafka_writer::SendOptions { partition: Some(partition), tag: None };
            deliveries.push(writer.send_with(message, options).await.unwrap());
        }
        if number % 100 == 99 {
            for delivery in deliveries {
                delivery.await.unwrap();
            }
        }
    }
    writer.close().await.unwrap();
}

/// Reads so many messages, and returns the most that was allocated meanwhile.
async fn read(reader: &mut Reader, count: usize, paused: Option<i32>) -> usize {
    let mut most = 0;
    for number in 0..count {
        let message = reader.fetch_message().await.unwrap();
        assert!(Some(message.partition) != paused && message.value.is_some_and(|value| value.len() == SIZE));
        if number % 50 == 0 {
            most = most.max(live_bytes());
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_partition_among_many_keeps_memory_within_the_bound() {
    let cluster = Cluster::builder().topic("t", PARTITIONS, 1).start().await.unwrap();
    let bootstrap = BrokerAddress::parse_list(&cluster.bootstrap()).unwrap();
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await.unwrap();
    fill(&transport).await;
    let before = live_bytes();

    let config = ReaderConfig {
        topic: "t".into(),
        prefetch_bytes: PREFETCH,
        max_bytes: ANSWER,
        partition_max_bytes: 256 << 10,
        ..ReaderConfig::default()
    };
    let mut reader = Reader::new(transport, config).await.unwrap();
    let slow = TopicPartition::new("t", 7);
    reader.pause([&slow]);
    let others = usize::try_from(PARTITIONS - 1).unwrap() * MESSAGES;
    let most = read(&mut reader, others, Some(7)).await;
    assert!(most <= before + PREFETCH + CONSTANT, "{} bytes held", most.saturating_sub(before));
    // It was fetched ahead, and is whole.
    assert!(reader.stats().queue_bytes > 0);
    reader.resume([&slow]);
    let most = read(&mut reader, MESSAGES, None).await;
    assert!(most <= before + PREFETCH + CONSTANT, "{} bytes held", most.saturating_sub(before));
    reader.close().await;
}
