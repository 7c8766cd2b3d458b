//! `kafka consume --output json | kafka produce --input json` copies a topic: every byte of every message, and its
//! partition.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fastrand::Rng;
use kafka_conn::{Header, Message, Transport};
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Manual, Writer, WriterConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;

use super::command::{LIMIT, start};
use super::{Failure, Scenario, Target, check, scenario};

const MESSAGES: usize = 100_000;
const PARTITIONS: i32 = 4;

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("command_json::a_copy_of_a_hundred_thousand_messages", |target| async move { copy(&target).await })]
}

async fn copy(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let from = target.new_topic(&transport, "json", PARTITIONS).await?;
    let to = target.new_topic(&transport, "json-copy", PARTITIONS).await?;
    let sent = write(&transport, &from).await?;
    let stored = read(&transport, &from).await?;
    check(stored == sent, || format!("sent {sent:?}, stored {stored:?}"))?;

    let mut consume = start(target, &["consume", &from, "--exit-at-end", "--output", "json"])?;
    let mut produce = start(target, &["produce", &to, "--input", "json", "--balancer", "manual"])?;
    drop(consume.stdin.take());
    let (mut lines, mut input) = (consume.stdout.take().ok_or("no stdout")?, produce.stdin.take().ok_or("no stdin")?);
    let pipe = async move { tokio::io::copy(&mut lines, &mut input).await };
    tokio::time::timeout(LIMIT, pipe).await??;
    for (name, child) in [("consume", &mut consume), ("produce", &mut produce)] {
        let errors = child.stderr.take().ok_or("no stderr")?;
        let status = tokio::time::timeout(LIMIT, child.wait()).await??;
        let errors = text(errors).await?;
        check(status.success() && errors.is_empty(), || format!("{name}: {status}: {errors}"))?;
    }

    let copied = read(&transport, &to).await?;
    check(copied == sent, || format!("sent {sent:?}, copied {copied:?}"))
}

async fn text(mut errors: ChildStderr) -> Result<String, Failure> {
    let mut text = String::new();
    errors.read_to_string(&mut text).await?;
    Ok(text)
}

/// How many messages a partition has, and the digest of all of them.
type Digests = BTreeMap<i32, (usize, String)>;

/// Writes messages of every sort; returns what must be in each partition.
async fn write(transport: &Transport, topic: &str) -> Result<Digests, Failure> {
    let config =
        WriterConfig { topic: Some(topic.into()), balancer: std::sync::Arc::new(Manual), ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let mut digests = Running::default();
    let mut random = Rng::with_seed(7);
    let begin = UNIX_EPOCH + Duration::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    for number in 0..MESSAGES {
        let message = Message {
            partition: random.i32(0..PARTITIONS),
            key: bytes(&mut random),
            value: bytes(&mut random),
            headers: (0..random.usize(0..4)).map(|_| header(&mut random)).collect(),
            timestamp: Some(begin - Duration::from_millis(number as u64)),
            ..Message::default()
        };
        digests.add(&message);
        // Its delivery is known when the writer is closed, or else what is read differs.
        drop(writer.send(message).await?);
    }
    writer.close().await?;
    let sent = digests.finish();
    check(sent.len() == PARTITIONS as usize, || "a partition got nothing".to_owned())?;
    Ok(sent)
}

async fn read(transport: &Transport, topic: &str) -> Result<Digests, Failure> {
    let config = ReaderConfig { topic: topic.into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport.clone(), config).await?;
    let end = reader.end_offsets().await?;
    let mut digests = Running::default();
    while let Some(message) = reader.fetch_until(&end).await? {
        digests.add(&message);
    }
    reader.close().await;
    Ok(digests.finish())
}

/// Nothing, nothing in it, text that JSON escapes, bytes of any sort.
fn bytes(random: &mut Rng) -> Option<Bytes> {
    match random.u8(0..6) {
        0 => None,
        1 => Some(Bytes::new()),
        2 => Some("line\nand\ttab \"quoted\\\" \u{0}\u{7f}\u{2028} → 𝄞".into()),
        3 => Some(format!("plain {}", random.u64(..)).into()),
        4 => Some(vec![0xff; random.usize(1..4)].into()),
        _ => Some((0..random.usize(0..60)).map(|_| random.u8(..)).collect::<Vec<_>>().into()),
    }
}

fn header(random: &mut Rng) -> Header {
    // Few names, so that one often stands there twice.
    let names = ["trace", "", "→", "a \"b\""];
    Header { key: names[random.usize(..names.len())].into(), value: bytes(random) }
}

/// Digests of partitions, in the order of their messages.
#[derive(Default)]
struct Running(BTreeMap<i32, (usize, Sha256)>);

impl Running {
    fn add(&mut self, message: &Message) {
        let (count, digest) = self.0.entry(message.partition).or_default();
        *count += 1;
        add_bytes(digest, message.key.as_deref());
        add_bytes(digest, message.value.as_deref());
        digest.update(message.headers.len().to_be_bytes());
        for header in &message.headers {
            add_bytes(digest, Some(header.key.as_bytes()));
            add_bytes(digest, header.value.as_deref());
        }
        let since = message.timestamp.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        digest.update(since.map_or(u128::MAX, |since| since.as_millis()).to_be_bytes());
    }

    fn finish(self) -> Digests {
        let hex = |digest: Sha256| digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.into_iter().map(|(partition, (count, digest))| (partition, (count, hex(digest)))).collect()
    }
}

/// The length and the bytes, so that what is absent, empty, or cut elsewhere gives another digest.
fn add_bytes(digest: &mut Sha256, bytes: Option<&[u8]>) {
    digest.update(bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
    digest.update(bytes.unwrap_or_default());
}
