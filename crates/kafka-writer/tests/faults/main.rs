//! A writer and an embedded cluster, by seed, on virtual time: answers are lost, connections cut, leaders go in every way.
//! Nothing is lost, doubled, out of order or misdirected; and what is said not to be in the log is not there.

mod judge;
mod troubles;

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use kafka_conn::{Dialer, Transport, TransportConfig};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::ApiKey;
use kafka_writer::{Delivery, Error, Message, SendOptions, Writer, WriterConfig};
use tokio::time::sleep;

use judge::{Outcome, Verdict, judge, value};
use troubles::{cut_again_and_again, let_leaders_go};

const TOPIC: &str = "t";
const PARTITIONS: i32 = 3;
const BROKERS: i32 = 3;
/// For each of the tests here.
const SEEDS: u64 = 75;
const MESSAGES: usize = 250;

/// What became of the messages of all seeds.
#[derive(Debug, Default)]
struct Sum {
    verdict: Verdict,
    retries: u64,
}

/// What is wrong in one run.
struct Scene {
    config: WriterConfig,
    faults: Vec<Fault>,
    /// The longest pause between two messages.
    pause: Duration,
}

/// Runs each seed on a thread, a clock and streams of its own, with `trouble` beside the writer.
fn run(scene: impl Fn(&mut Rng) -> Scene, trouble: impl AsyncFn(&Cluster, Rng)) -> Sum {
    let mut sum = Sum::default();
    for seed in 0..SEEDS {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut rng = Rng::with_seed(seed);
        let scene = scene(&mut rng);
        runtime.block_on(async {
            let cluster = Cluster::builder().brokers(3).topic(TOPIC, PARTITIONS, 3).seed(seed);
            let cluster = cluster.start_in_memory().unwrap();
            let trouble = trouble(&cluster, rng.fork());
            let (outcomes, retries) = tokio::select! {
                written = write(&cluster, scene, &mut rng) => written,
                () = trouble => unreachable!("trouble never ends"),
            };
            let verdict = judge(&outcomes, &log(&cluster).await);
            sum.verdict.add(&verdict.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}")));
            sum.retries += retries;
        });
    }
    sum
}

/// Sends everything; what became of each message, and how many batches were sent again.
async fn write(cluster: &Cluster, scene: Scene, rng: &mut Rng) -> (Vec<Vec<Outcome>>, u64) {
    let dialer = Dialer { timeout: Duration::from_secs(2), call_timeout: Duration::from_secs(2), ..cluster.dialer() };
    let config = TransportConfig { bootstrap: cluster.addresses(), dialer, ..TransportConfig::default() };
    let transport = Transport::connect(config).await.unwrap();
    let config = WriterConfig { topic: Some(TOPIC.into()), ..scene.config };
    let writer = Writer::new(transport.clone(), config).unwrap();
    for fault in scene.faults {
        cluster.inject(fault);
    }

    let mut sent: Vec<Vec<Result<Delivery, Error>>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
    for _ in 0..MESSAGES {
        let partition = rng.usize(..sent.len());
        let value = Some(value(partition, sent[partition].len()));
        let options = SendOptions { partition: Some(partition as i32), ..SendOptions::default() };
        let queued = writer.send_with(Message { value, ..Message::default() }, options).await;
        sent[partition].push(queued.map_err(|error| error.error().clone()));
        if rng.u8(..4) == 0 {
            sleep(rng.u32(..1_000) * scene.pause / 1_000).await;
        }
    }
    let mut outcomes = Vec::new();
    for partition in sent {
        let mut of_partition = Vec::with_capacity(partition.len());
        for queued in partition {
            let written = match queued {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            };
            of_partition
                .push(written.map_or_else(|error| Outcome::Failed(error.fate()), |it| Outcome::Written(it.offset)));
        }
        outcomes.push(of_partition);
    }
    let retries = writer.stats().retries;
    writer.close().await.unwrap();
    (outcomes, retries)
}

/// The values of each partition, in the order of the log.
async fn log(cluster: &Cluster) -> Vec<Vec<Bytes>> {
    cluster.clear_faults();
    (1..=BROKERS).for_each(|broker| {
        cluster.start_broker(broker);
        cluster.thaw_broker(broker);
    });
    // What is still on its way to a broker gets there.
    sleep(Duration::from_secs(60)).await;
    let transport = cluster.transport().await.unwrap();
    let mut log = Vec::new();
    for partition in 0..PARTITIONS {
        let leader = transport.leader(TOPIC, partition).await.unwrap();
        let connection = transport.dedicated(leader).await.unwrap();
        let mut conn = kafka_conn::Conn::bind(connection, TOPIC, partition);
        let (first, end) = cluster.offsets(TOPIC, partition).unwrap();
        let mut values = Vec::new();
        for offset in first..end {
            let message = conn.read_message(1 << 20).await.unwrap();
            assert_eq!(message.offset, offset);
            values.push(message.value.unwrap());
        }
        log.push(values);
    }
    log
}

/// Small batches make many requests.
fn small_batches(rng: &mut Rng) -> WriterConfig {
    WriterConfig {
        batch_messages: rng.usize(1..8),
        linger: Duration::from_millis(rng.u64(0..6)),
        request_timeout: Duration::from_secs(2),
        ..WriterConfig::default()
    }
}

#[test]
fn lost_answers_double_nothing() {
    let scene = |rng: &mut Rng| Scene {
        config: small_batches(rng),
        faults: vec![
            Fault::drop_answer(ApiKey::PRODUCE).always().share(0.03),
            Fault::delay(ApiKey::PRODUCE, Duration::from_millis(5)).always().share(0.5),
        ],
        pause: Duration::from_millis(4),
    };
    let sum = run(scene, async |_, _| std::future::pending().await);
    assert_eq!(sum.verdict, Verdict { written: SEEDS as usize * MESSAGES, ..Verdict::default() });
    assert!(sum.retries > SEEDS, "{sum:?}");
}

#[test]
fn cut_connections_double_nothing() {
    let scene = |rng: &mut Rng| Scene {
        config: small_batches(rng),
        faults: vec![Fault::delay(None, Duration::from_millis(20)).always().share(0.5)],
        pause: Duration::from_millis(100),
    };
    let sum = run(scene, cut_again_and_again);
    assert_eq!(sum.verdict, Verdict { written: SEEDS as usize * MESSAGES, ..Verdict::default() });
    assert!(sum.retries > SEEDS, "{sum:?}");
}

#[test]
fn leaders_that_go_take_nothing_with_them() {
    let scene = |rng: &mut Rng| Scene {
        config: small_batches(rng),
        faults: vec![Fault::delay(None, Duration::from_millis(20)).always().share(0.5)],
        pause: Duration::from_millis(400),
    };
    let sum = run(scene, let_leaders_go);
    assert_eq!(sum.verdict, Verdict { written: SEEDS as usize * MESSAGES, ..Verdict::default() });
    assert!(sum.retries > SEEDS, "{sum:?}");
}

#[test]
fn what_is_said_not_to_be_in_the_log_is_not_there() {
    let scene = |rng: &mut Rng| Scene {
        config: WriterConfig {
            retries: [0, 1, u32::MAX][rng.usize(..3)],
            request_timeout: Duration::from_millis(500),
            delivery_timeout: Duration::from_millis(rng.u64(600..3_000)),
            ..small_batches(rng)
        },
        faults: vec![
            Fault::drop_answer(ApiKey::PRODUCE).always().share(0.05),
            Fault::cut(None).always().share(0.05),
            Fault::stall(ApiKey::PRODUCE).always().share(0.02),
            Fault::delay(None, Duration::from_millis(300)).always().share(0.1),
        ],
        pause: Duration::from_millis(400),
    };
    let sum = run(scene, let_leaders_go);
    let Verdict { written, not_persisted, possibly_persisted } = sum.verdict;
    let least = SEEDS as usize;
    assert!(written > least && not_persisted > least && possibly_persisted > least, "{sum:?}");
}
