//! Replicas of an embedded cluster, by seed, on virtual time: elections that lose records, and followers that are nearer.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use kafka_conn::Message;
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::ApiKey;
use kafka_reader::{ErrorKind, Reader, ReaderConfig};
use kafka_writer::{Manual, Writer, WriterConfig};
use tokio::time::{Instant, sleep, timeout};

const TOPIC: &str = "t";
const SEEDS: u64 = 200;
/// Of virtual time: more than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs something on one thread and a paused clock: what happens follows from the seed.
fn on_virtual_time(seed: u64, run: impl Future<Output = ()>) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run);
}

async fn writer(cluster: &Cluster) -> Writer {
    let config = WriterConfig {
        topic: Some(TOPIC.into()),
        balancer: Arc::new(Manual),
        linger: Duration::ZERO,
        ..WriterConfig::default()
    };
    Writer::new(cluster.transport().await.unwrap(), config).unwrap()
}

/// Writes records with these numbers, a few at a time, and returns once they are written.
async fn write(writer: &Writer, about: &str, count: i64, rng: &mut Rng) {
    let mut numbers = 0..count;
    loop {
        let value = |number| Message { value: Some(format!("{about} {number}").into()), ..Message::default() };
        let some: Vec<_> = numbers.by_ref().take(rng.usize(1..40)).map(value).collect();
        if some.is_empty() {
            return;
        }
        writer.write_messages(&some).await.unwrap();
    }
}

async fn next(reader: &mut Reader, seed: u64) -> kafka_reader::Result<Message> {
    timeout(LIMIT, reader.fetch_message()).await.unwrap_or_else(|_| panic!("seed {seed}: nothing more comes"))
}

/// Reads exactly these.
async fn read(reader: &mut Reader, seed: u64, about: &str, from: i64, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let message = next(reader, seed).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let expected = (from + number, format!("{about} {number}").into_bytes());
        assert_eq!((message.offset, message.value.unwrap().to_vec()), expected, "seed {seed}");
    }
}

#[test]
fn an_election_that_loses_records_is_told_and_every_new_record_is_read() {
    let mut told = 0;
    for seed in 0..SEEDS {
        on_virtual_time(seed, async { told += truncate(seed, &mut Rng::with_seed(seed)).await });
    }
    // Some have less than everybody has when it happens, and lose nothing.
    assert!((SEEDS..2 * SEEDS).contains(&told), "{told} losses were told");
}

/// Two elections, each of which loses what only the leader before had. Returns how many the reader told of.
async fn truncate(seed: u64, rng: &mut Rng) -> u64 {
    let cluster = Cluster::builder().brokers(2).topic(TOPIC, 1, 2).seed(seed).start_in_memory().unwrap();
    let config = ReaderConfig {
        topic: TOPIC.into(),
        // The less is fetched ahead, the more of what is lost was never seen.
        prefetch_messages: [1, 50, usize::MAX][rng.usize(..3)],
        partition_max_bytes: 1 << rng.u32(10..20),
        ..ReaderConfig::default()
    };
    let mut reader = Reader::new(cluster.transport().await.unwrap(), config).await.unwrap();
    let (mut begin, mut told) = (0, 0);
    for round in 0..2 {
        let (leader, _) = cluster.leader(TOPIC, 0).unwrap();
        let follower = 3 - leader;
        let [common, lost, new] = [20, 50, 70].map(|most| rng.i64(1..most));
        let writer = writer(&cluster).await;
        write(&writer, &format!("common {round}"), common, rng).await;
        cluster.stop_broker(follower);
        write(&writer, &format!("lost {round}"), lost, rng).await;
        let before = if rng.bool() { common + lost } else { rng.i64(0..common + lost) };
        read(&mut reader, seed, &format!("common {round}"), begin, 0..before.min(common)).await;
        read(&mut reader, seed, &format!("lost {round}"), begin + common, 0..before - common.min(before)).await;
        cluster.stop_broker(leader);
        cluster.start_broker(follower);
        cluster.move_leader(TOPIC, 0, follower).unwrap();
        // Now and then the old leader is back before anything new is there.
        if rng.bool() {
            cluster.start_broker(leader);
        }
        // A writer of its own: one that got no answer from the old leader may not write again.
        let writer = self::writer(&cluster).await;
        write(&writer, &format!("new {round}"), new, rng).await;
        cluster.start_broker(leader);
        let (loss, first) = follow(&mut reader, seed, round, begin, before, common).await;
        read(&mut reader, seed, &format!("new {round}"), begin + common, first..new).await;
        told += loss;
        begin += common + new;
    }
    reader.close().await;
    told
}

/// Reads on, from a record of those that were common or lost, until the reader tells of the loss, or comes to a new one
/// without having seen any that was lost. Returns how many losses it told of, and how many new records are read.
async fn follow(reader: &mut Reader, seed: u64, round: i32, begin: i64, from: i64, common: i64) -> (u64, i64) {
    for number in from.. {
        let old = if number < common {
            format!("common {round} {number}")
        } else {
            format!("lost {round} {}", number - common)
        };
        match next(reader, seed).await {
            Ok(message) if message.value.as_deref() == Some(old.as_bytes()) => {
                assert_eq!(message.offset, begin + number, "seed {seed}");
            }
            Ok(message) => {
                let first_new = (begin + common, format!("new {round} 0").into_bytes());
                assert_eq!((message.offset, message.value.unwrap().to_vec()), first_new, "seed {seed}");
                assert_eq!(number, common, "seed {seed}: new records in place of lost ones, and not a word");
                return (0, 1);
            }
            Err(error) => {
                let expected = ErrorKind::DataLoss { from: begin + number, to: begin + common };
                assert_eq!(*error.kind(), expected, "seed {seed}");
                assert!(number > common, "seed {seed}: nothing was lost, and {error}");
                return (1, 0);
            }
        }
    }
    unreachable!("a round has an end")
}

/// A leader in rack `a`, a follower in rack `b`, and a reader there.
async fn two_racks(seed: u64) -> (Cluster, Writer, Reader) {
    let cluster = Cluster::builder().brokers(2).rack(1, "a").rack(2, "b").topic(TOPIC, 1, 2).seed(seed);
    let cluster = cluster.start_in_memory().unwrap();
    cluster.move_leader(TOPIC, 0, 1).unwrap();
    // Asking again and again takes time, so that whoever does nothing else comes to the limit.
    cluster.inject(Fault::delay(None, Duration::from_millis(1)).always());
    let writer = writer(&cluster).await;
    let config = ReaderConfig { topic: TOPIC.into(), rack: Some("b".into()), ..ReaderConfig::default() };
    let reader = Reader::new(cluster.transport().await.unwrap(), config).await.unwrap();
    (cluster, writer, reader)
}

#[test]
fn a_leader_serves_in_place_of_a_follower_that_fails_although_it_names_it_as_nearer() {
    for seed in 0..SEEDS / 10 {
        on_virtual_time(seed, async {
            let (cluster, writer, mut reader) = two_racks(seed).await;
            let mut rng = Rng::with_seed(seed);
            write(&writer, "first", 100, &mut rng).await;
            read(&mut reader, seed, "first", 0, 0..100).await;
            assert!(cluster.count_at(2, ApiKey::FETCH) > 0, "seed {seed}: the follower serves");
            // For the controller it is alive: its session is not over, or only the way to it is cut.
            let cut = cluster.inject(Fault::cut(ApiKey::FETCH).broker(2).always());
            cluster.cut_connections(2);
            let (asked, begin) = (cluster.count(ApiKey::FETCH), Instant::now());
            write(&writer, "second", 100, &mut rng).await;
            read(&mut reader, seed, "second", 100, 0..100).await;
            assert!(begin.elapsed() < Duration::from_secs(2), "seed {seed}: after {:?}", begin.elapsed());
            sleep(Duration::from_secs(60)).await;
            // A long poll takes half a second.
            let asked = cluster.count(ApiKey::FETCH) - asked;
            assert!(asked < 200, "seed {seed}: {asked} requests in a minute");

            cluster.remove_fault(cut);
            sleep(Duration::from_secs(20)).await;
            cluster.clear_requests();
            write(&writer, "third", 100, &mut rng).await;
            read(&mut reader, seed, "third", 200, 0..100).await;
            let [led, followed] = [1, 2].map(|broker| cluster.count_at(broker, ApiKey::FETCH));
            assert!(followed > 0 && led == 0, "seed {seed}: {led} fetches to the leader, {followed} to the follower");
            assert_eq!(reader.stats().skipped, 0);
        });
    }
}

#[test]
fn a_follower_that_is_gone_is_not_asked_and_nothing_is_skipped() {
    for seed in 0..SEEDS / 10 {
        on_virtual_time(seed, async {
            let (cluster, writer, mut reader) = two_racks(seed).await;
            let mut rng = Rng::with_seed(seed);
            for round in 0..10 {
                let count = rng.i64(1..100);
                let begin = cluster.offsets(TOPIC, 0).unwrap().1;
                write(&writer, "some", count, &mut rng).await;
                let early = rng.i64(0..=count);
                read(&mut reader, seed, "some", begin, 0..early).await;
                match round % 2 {
                    0 => cluster.stop_broker(2),
                    _ => cluster.start_broker(2),
                }
                let stopped = Instant::now();
                read(&mut reader, seed, "some", begin, early..count).await;
                assert!(stopped.elapsed() < Duration::from_secs(2), "seed {seed}: after {:?}", stopped.elapsed());
                sleep(Duration::from_millis(rng.u64(..15_000))).await;
            }
            assert_eq!(reader.stats().skipped, 0);
        });
    }
}
