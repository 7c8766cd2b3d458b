//! Calls of a transport, each to where it belongs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use kafka_conn::{Dialer, Lane, Result, Route, Transport, TransportConfig};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
use kafka_protocol::{ApiKey, ErrorCode};

use super::recorder::{History, Recorder, difference};
use super::replay;

const SEEDS: u64 = 2_000;
const STEPS: usize = 6;
const PARTITIONS: i32 = 2;

#[test]
fn a_seed_replays_calls_byte_for_byte() {
    let mut lengths = std::collections::BTreeSet::new();
    let mut asked = Asked::default();
    for seed in 0..SEEDS {
        let first = replay(seed, async |history| play(seed, &mut asked, history).await);
        let second = replay(seed, async |history| play(seed, &mut asked, history).await);
        assert!(first == second, "seed {seed}: {}", difference(&first, &second));
        lengths.insert(first.len());
    }
    let [produced, fetched, listed] = asked.0;
    assert!(produced.min(fetched).min(listed) > SEEDS, "{produced} writes, {fetched} reads, {listed} questions");
    assert!(lengths.len() > SEEDS as usize / 4, "seeds make a difference: {} lengths", lengths.len());
}

/// How many requests of each sort the brokers have seen.
#[derive(Debug, Default)]
struct Asked([u64; 3]);

async fn play(seed: u64, asked: &mut Asked, history: Arc<Mutex<History>>) {
    let cluster = Cluster::builder().brokers(3).topic("t", PARTITIONS, 3).seed(seed).start_in_memory().unwrap();
    cluster.inject(Fault::drop_answer(None).always().share(0.05));
    cluster.inject(Fault::cut(None).always().share(0.03));
    cluster.inject(Fault::stall(ApiKey::FETCH).always().share(0.02));
    cluster.inject(Fault::delay(None, Duration::from_millis(40)).always().share(0.2));
    cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_LEADER_OR_FOLLOWER).always().share(0.1));
    let dialer = Dialer {
        connector: Recorder::new(&cluster, &history),
        call_timeout: Duration::from_secs(2),
        ..Dialer::default()
    };
    let config = TransportConfig { bootstrap: cluster.addresses(), dialer, ..TransportConfig::default() };
    let transport = loop {
        if let Ok(transport) = Transport::connect(config.clone()).await {
            break transport;
        }
    };
    let mut rng = Rng::with_seed(seed);
    for _ in 0..STEPS {
        let partition = rng.i32(0..PARTITIONS);
        let outcome = match rng.u8(..10) {
            0 => move_leader(&cluster, partition, &mut rng),
            1 => restart(&cluster, &mut rng).await,
            2 | 3 => offsets(&transport, partition).await,
            4..=6 => read(&transport, partition).await,
            _ => write(&transport, partition, &mut rng).await,
        };
        history.lock().unwrap().extend(outcome.as_bytes());
    }
    transport.close().await;
    for (count, api) in asked.0.iter_mut().zip([ApiKey::PRODUCE, ApiKey::FETCH, ApiKey::LIST_OFFSETS]) {
        *count += cluster.count(api);
    }
}

fn move_leader(cluster: &Cluster, partition: i32, rng: &mut Rng) -> String {
    format!("{:?}", cluster.move_leader("t", partition, rng.i32(1..=3)))
}

async fn restart(cluster: &Cluster, rng: &mut Rng) -> String {
    let broker = rng.i32(1..=3);
    cluster.stop_broker(broker);
    tokio::time::sleep(Duration::from_millis(rng.u64(..300))).await;
    cluster.start_broker(broker);
    format!("restarted {broker}")
}

async fn write(transport: &Transport, index: i32, rng: &mut Rng) -> String {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for number in 0..rng.i64(1..10) {
        builder.append(number, None, Some(b"value"), []).unwrap();
    }
    let records = Some(builder.seal(&mut Compressor::default()).unwrap());
    let partition_data = vec![PartitionProduceData { index, records, ..Default::default() }];
    let topic_id = transport.cluster().topic("t").map(|topic| topic.id).unwrap_or_default();
    let topic_data = vec![TopicProduceData { name: "t".into(), topic_id, partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data, ..Default::default() };
    let connection = transport.connection(Route::Leader("t", index), Lane::Produce).await;
    match connection {
        Ok(connection) => described(connection.call(&request).await),
        Err(error) => error.to_string(),
    }
}

async fn read(transport: &Transport, partition: i32) -> String {
    let asked = FetchPartition { partition, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic_id = transport.cluster().topic("t").map(|topic| topic.id).unwrap_or_default();
    let topic = FetchTopic { topic: "t".into(), topic_id, partitions: vec![asked], ..Default::default() };
    let request = FetchRequest { max_wait_ms: 100, min_bytes: 1, topics: vec![topic], ..Default::default() };
    described(transport.call(&request, Route::Leader("t", partition)).await)
}

async fn offsets(transport: &Transport, partition_index: i32) -> String {
    let asked = ListOffsetsPartition { partition_index, timestamp: -1, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![asked], ..Default::default() };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    described(transport.call(&request, Route::Leader("t", partition_index)).await)
}

fn described<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => error.to_string(),
    }
}
