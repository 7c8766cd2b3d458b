//! rskafka at work: it has neither queue nor idempotence. So the program makes the batches, one after the other for each
//! partition, and each partition has a task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use peer_text::{Text, Work, print_latencies, print_read};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

#[tokio::main]
async fn main() {
    let work = Arc::new(Work::from_arguments());
    let client = ClientBuilder::new(vec![work.broker.clone()]).build().await.expect("a broker");
    if work.operation == "latency" {
        // On a worker, as services send: from outside, each message would wait for another thread to wake up.
        return tokio::spawn(async move { latency(&client, &work).await }).await.expect("a task that ends");
    }
    let topics = client.list_topics().await.expect("topics");
    let topic = topics.into_iter().find(|topic| topic.name == work.topic).expect("the topic");
    let partitions = topic.partitions.len();
    let text = Arc::new(Text::new(work.size));
    let mut tasks = Vec::new();
    for partition in 0..partitions {
        let client = connect(&client, &work, partition).await;
        // Everyone has the same share, the last one also what is left.
        let share = work.count / partitions + if partition + 1 == partitions { work.count % partitions } else { 0 };
        let (work, text) = (Arc::clone(&work), Arc::clone(&text));
        tasks.push(tokio::spawn(async move {
            match work.operation.as_str() {
                "produce" => produce(&client, &work, &text, share).await,
                _ => consume(&client).await,
            }
        }));
    }
    let (mut messages, mut bytes) = (0, 0);
    for task in tasks {
        let done = task.await.expect("a task that ends");
        (messages, bytes) = (messages + done.0, bytes + done.1);
    }
    print_read(messages, bytes);
}

async fn connect(client: &Client, work: &Work, partition: usize) -> PartitionClient {
    let connected = client.partition_client(work.topic.clone(), partition as i32, UnknownTopicHandling::Retry);
    connected.await.expect("the partition's leader")
}

fn record(text: &Text, number: usize) -> Record {
    let value = Some(text.message(number).to_vec());
    Record { key: None, value, headers: BTreeMap::new(), timestamp: chrono::Utc::now() }
}

async fn produce(client: &PartitionClient, work: &Work, text: &Text, share: usize) -> (usize, usize) {
    let compression = if work.lz4 { Compression::Lz4 } else { Compression::NoCompression };
    let most = (900_000 / (work.size + 20)).max(1);
    let mut left = share;
    while left > 0 {
        let count = most.min(left);
        let records = (0..count).map(|number| record(text, left + number)).collect();
        client.produce(records, compression).await.expect("written");
        left -= count;
    }
    (share, share * work.size)
}

/// Reads to the end that the partition has now.
async fn consume(client: &PartitionClient) -> (usize, usize) {
    let mut offset = client.get_offset(OffsetAt::Earliest).await.expect("the first offset");
    let end = client.get_offset(OffsetAt::Latest).await.expect("the last offset");
    let (mut messages, mut bytes) = (0, 0);
    while offset < end {
        let (records, _) = client.fetch_records(offset, 1..1_000_000, 500).await.expect("records");
        messages += records.len();
        bytes += records.iter().map(|record| record.record.value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        if let Some(last) = records.last() {
            offset = last.offset + 1;
        }
    }
    (messages, bytes)
}

async fn latency(client: &Client, work: &Work) {
    let (client, text) = (connect(client, work, 0).await, Text::new(work.size));
    let mut latencies = Vec::with_capacity(work.count);
    for number in 0..work.count {
        let record = record(&text, number);
        let called = Instant::now();
        client.produce(vec![record], Compression::NoCompression).await.expect("written");
        latencies.push(called.elapsed());
    }
    print_latencies(latencies);
}
