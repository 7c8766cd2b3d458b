//! krafka at work: its producer is not idempotent unless it says so, and batches by linger; its consumer joins a group.

use std::time::Duration;

use krafka::consumer::AutoOffsetReset;
use krafka::{Compression, Kafka, Record};
use peer_text::{Text, Work, print_read};

#[tokio::main]
async fn main() {
    let work = Work::from_arguments();
    let kafka = Kafka::builder(work.broker.as_str()).connect().await.expect("a broker");
    match work.operation.as_str() {
        "produce" => produce(&kafka, &work).await,
        _ => consume(&kafka, &work).await,
    }
    // Its tasks outlive it.
    std::process::exit(0);
}

async fn produce(kafka: &Kafka, work: &Work) {
    let text = Text::new(work.size);
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    let compression = if work.lz4 { Compression::Lz4 } else { Compression::None };
    let producer = kafka.producer().linger(Duration::from_millis(5)).batch_size(1_000_000).buffer_memory(256 << 20);
    let producer = producer.compression(compression).build().await.expect("a producer");
    for number in 0..work.count {
        let record = Record::new(work.topic.as_str(), bytes.slice(text.place(number)));
        drop(producer.enqueue(record).await.expect("room"));
    }
    producer.flush().await.expect("all written");
    producer.close().await.expect("closed");
}

async fn consume(kafka: &Kafka, work: &Work) {
    let consumer = kafka.consumer(&work.group()).auto_offset_reset(AutoOffsetReset::Earliest).max_poll_records(20_000);
    let consumer = consumer.build().await.expect("a consumer");
    consumer.subscribe([work.topic.as_str()]).await.expect("subscribed");
    let (mut messages, mut bytes) = (0, 0);
    while messages < work.count {
        for record in consumer.poll(Duration::from_millis(500)).await.expect("records") {
            messages += 1;
            bytes += record.value.as_ref().map_or(0, |value| value.len());
        }
    }
    print_read(messages, bytes);
}
