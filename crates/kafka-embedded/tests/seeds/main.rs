//! A seed replays a run of a whole client and a whole cluster, byte for byte.
//!
//! One thread, a paused clock, streams in memory: nothing is left that could differ. The history is every byte that
//! crossed a stream, in both directions, with the virtual time at which it did.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use kafka_conn::{
    BrokerAddress, ConnectOptions, Connector, Dialer, Lane, Result, Route, Stream, Transport, TransportConfig,
};
use kafka_embedded::{Cluster, Fault, MemoryConnector};
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor};
use kafka_protocol::{ApiKey, ErrorCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

const SEEDS: u64 = 2_000;
const STEPS: usize = 6;
const PARTITIONS: i32 = 2;

#[test]
fn a_seed_replays_a_run_byte_for_byte() {
    let mut lengths = std::collections::BTreeSet::new();
    let mut asked = Asked::default();
    for seed in 0..SEEDS {
        let (first, second) = (run(seed, &mut asked), run(seed, &mut asked));
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

/// What happened, in order.
type History = Vec<u8>;

fn difference(first: &History, second: &History) -> String {
    let at = first.iter().zip(second).position(|(a, b)| a != b).unwrap_or_else(|| first.len().min(second.len()));
    format!("the histories have {} and {} bytes, and part at {at}", first.len(), second.len())
}

fn run(seed: u64, asked: &mut Asked) -> History {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let history = Arc::new(Mutex::new(History::new()));
    runtime.block_on(play(seed, asked, Arc::clone(&history)));
    drop(runtime);
    Arc::into_inner(history).unwrap().into_inner().unwrap()
}

async fn play(seed: u64, asked: &mut Asked, history: Arc<Mutex<History>>) {
    let cluster = Cluster::builder().brokers(3).topic("t", PARTITIONS, 3).seed(seed).start_in_memory().unwrap();
    cluster.inject(Fault::drop_answer(None).always().share(0.05));
    cluster.inject(Fault::cut(None).always().share(0.03));
    cluster.inject(Fault::stall(ApiKey::FETCH).always().share(0.02));
    cluster.inject(Fault::delay(None, Duration::from_millis(40)).always().share(0.2));
    cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_LEADER_OR_FOLLOWER).always().share(0.1));
    let (begin, inner) = (Instant::now(), cluster.connector().unwrap());
    let connector = Arc::new(Recorder { inner, begin, history: Arc::clone(&history) });
    let dialer = Dialer { connector, call_timeout: Duration::from_secs(2), ..Dialer::default() };
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

/// Writes down all that crosses the streams of another connector.
#[derive(Debug)]
struct Recorder {
    inner: MemoryConnector,
    begin: Instant,
    history: Arc<Mutex<History>>,
}

#[async_trait]
impl Connector for Recorder {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let stream = self.inner.connect(address, options).await;
        let found = if stream.is_ok() { "connected" } else { "refused" };
        self.history.lock().unwrap().extend(format!("{:?} {address} {found}", self.begin.elapsed()).as_bytes());
        Ok(Box::new(Recorded { inner: stream?, begin: self.begin, history: Arc::clone(&self.history) }))
    }
}

struct Recorded {
    inner: Box<dyn Stream>,
    begin: Instant,
    history: Arc<Mutex<History>>,
}

impl Recorded {
    fn record(&self, direction: u8, bytes: &[u8]) {
        let mut history = self.history.lock().unwrap();
        history.extend(self.begin.elapsed().as_nanos().to_be_bytes());
        history.push(direction);
        history.extend(bytes);
    }
}

impl AsyncRead for Recorded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.record(b'<', &buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.record(b'>', &bytes[..count]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
