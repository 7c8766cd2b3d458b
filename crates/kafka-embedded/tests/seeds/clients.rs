//! A writer and two readers, while answers are lost, connections are cut, and leaders move: each message is in the log
//! once.
//!
//! Each has a transport of its own, and the readers have a partition each: whom of several who wait for the same thing
//! tokio wakes first, no seed of ours decides.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use kafka_conn::{Dialer, Message, Transport, TransportConfig};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::{ApiKey, ErrorCode};
use kafka_reader::{Partitions, Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::recorder::{History, Recorder, difference};
use super::replay;

const SEEDS: u64 = 200;
const MESSAGES: usize = 20;
const PARTITIONS: i32 = 2;

/// What the runs of all seeds went through.
#[derive(Debug, Default)]
struct Troubles {
    moves: u64,
    retries: u64,
}

#[test]
fn a_seed_replays_a_writer_and_readers_and_each_message_is_in_the_log_once() {
    let mut troubles = Troubles::default();
    for seed in 0..SEEDS {
        let first = replay(seed, async |history| play(seed, &mut troubles, history).await);
        let second = replay(seed, async |history| play(seed, &mut troubles, history).await);
        assert!(first == second, "seed {seed}: {}", difference(&first, &second));
    }
    let Troubles { moves, retries } = troubles;
    assert!(moves > SEEDS * 4 && retries > SEEDS * 4, "leaders moved {moves} times, and {retries} batches went again");
}

async fn play(seed: u64, troubles: &mut Troubles, history: Arc<Mutex<History>>) {
    let cluster = Cluster::builder().brokers(3).topic("t", PARTITIONS, 3).seed(seed).start_in_memory().unwrap();
    let transport = connect(&cluster, &history).await;
    let ((sender, mut receiver), mut reading) = (mpsc::unbounded_channel(), JoinSet::new());
    for partition in 0..PARTITIONS {
        let config =
            ReaderConfig { topic: "t".into(), partitions: Partitions::One(partition), ..ReaderConfig::default() };
        let reader = Reader::new(connect(&cluster, &history).await, config).await.unwrap();
        reading.spawn(read(reader, sender.clone(), Arc::clone(&history)));
    }
    cluster.inject(Fault::drop_answer(ApiKey::PRODUCE).always().share(0.1));
    cluster.inject(Fault::cut(None).always().share(0.04));
    cluster.inject(Fault::delay(None, Duration::from_millis(40)).always().share(0.2));
    cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_LEADER_OR_FOLLOWER).always().share(0.05));
    write(seed, &cluster, transport.clone(), troubles).await;
    let mut found = Vec::new();
    while found.len() < MESSAGES {
        let number =
            timeout(LIMIT, receiver.recv()).await.unwrap_or_else(|_| panic!("seed {seed}: {found:?} and no more"));
        found.push(number.unwrap());
    }
    found.sort_unstable();
    assert!(found.into_iter().eq(0..MESSAGES), "seed {seed}: a message was read twice");
    let ends = (0..PARTITIONS).map(|partition| cluster.offsets("t", partition).unwrap().1);
    assert_eq!(ends.sum::<i64>(), MESSAGES as i64, "seed {seed}: a message is in the log twice");
    transport.close().await;
}

async fn connect(cluster: &Cluster, history: &Arc<Mutex<History>>) -> Transport {
    let connector = Recorder::new(cluster, history);
    let dialer = Dialer { connector, call_timeout: Duration::from_secs(2), ..Dialer::default() };
    let config = TransportConfig { bootstrap: cluster.addresses(), dialer, ..TransportConfig::default() };
    Transport::connect(config).await.unwrap()
}

/// Sends all messages, and moves leaders meanwhile.
async fn write(seed: u64, cluster: &Cluster, transport: Transport, troubles: &mut Troubles) {
    let mut rng = Rng::with_seed(seed);
    let config =
        WriterConfig { topic: Some("t".into()), request_timeout: Duration::from_secs(2), ..WriterConfig::default() };
    let writer = Writer::new(transport, config).unwrap();
    let mut deliveries = Vec::new();
    for number in 0..MESSAGES {
        let (key, value) = (Some(vec![rng.u8(..)].into()), Some(number.to_string().into()));
        // The clock of the machine is none of the seed's.
        let timestamp = Some(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64));
        deliveries.push(writer.send(Message { key, value, timestamp, ..Message::default() }).await.unwrap());
        if rng.u8(..6) == 0 {
            let _stays_where_it_is = cluster.move_leader("t", rng.i32(0..PARTITIONS), rng.i32(1..=3));
            troubles.moves += 1;
        }
        sleep(Duration::from_millis(rng.u64(..60))).await;
    }
    for delivery in deliveries {
        delivery.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    troubles.retries += writer.stats().retries;
    writer.close().await.unwrap();
}

/// Reads a partition until nobody wants to hear of it any longer.
async fn read(mut reader: Reader, found: mpsc::UnboundedSender<usize>, history: Arc<Mutex<History>>) {
    loop {
        // An error is told, and what it is about tried again.
        let Ok(message) = reader.fetch_message().await else { continue };
        history.lock().unwrap().extend(format!("{} {}", message.partition, message.offset).as_bytes());
        found.send(std::str::from_utf8(&message.value.unwrap()).unwrap().parse().unwrap()).unwrap();
    }
}

/// Of virtual time: more than any run takes.
const LIMIT: Duration = Duration::from_secs(600);
