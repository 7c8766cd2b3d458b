//! librdkafka as a console producer and consumer, in the text format of Java's own (see `xtask/src/interop/lines.rs`), and
//! its partitioners.
//!
//! ```text
//! interop-rdkafka write BROKERS TOPIC CODEC < lines     headers, key, value
//! interop-rdkafka read  BROKERS TOPIC COUNT > lines     partition, offset, headers, key, value
//! interop-rdkafka partitions COUNT,… < keys             where they go among so many partitions
//! interop-rdkafka picks COUNT        < keys             how long each choice takes
//! ```

mod balancers;

use std::error::Error;
use std::io::{self, BufRead as _, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", brokers, topic, codec] => write(brokers, topic, codec),
        ["read", brokers, topic, count] => read(brokers, topic, count.parse()?),
        ["partitions", counts] => balancers::choose(counts),
        ["picks", count] => balancers::time_picks(count.parse()?),
        _ => Err("write BROKERS TOPIC CODEC, read BROKERS TOPIC COUNT, partitions COUNT,…, or picks COUNT".into()),
    }
}

fn write(brokers: &str, topic: &str, codec: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("compression.type", codec);
    config.set("enable.idempotence", "true").set("linger.ms", "5");
    let delivered = Arc::new(AtomicUsize::new(0));
    let producer: BaseProducer<Deliveries> =
        BaseProducer::from_config_and_context(&config, Deliveries(Arc::clone(&delivered)))?;
    let mut lines = 0;
    for line in io::stdin().lock().lines() {
        send(&producer, topic, &line?)?;
        lines += 1;
    }
    producer.flush(LIMIT)?;
    match delivered.load(Ordering::Relaxed) {
        count if count == lines => Ok(()),
        count => Err(format!("{count} of {lines} messages were delivered").into()),
    }
}

/// Queues a line, and waits for room where the queue is full.
fn send(producer: &BaseProducer<Deliveries>, topic: &str, line: &str) -> Result<()> {
    let mut parts = line.splitn(3, '\t');
    let mut part = || parts.next().ok_or("a line is headers, key and value");
    let (headers, key, value) = (parse_headers(part()?)?, part()?, part()?);
    let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic).headers(headers);
    record.key = (key != NULL).then_some(key);
    record.payload = (value != NULL).then_some(value);
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(POLL);
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    producer.poll(Duration::ZERO);
    Ok(())
}

fn parse_headers(text: &str) -> Result<OwnedHeaders> {
    let mut headers = OwnedHeaders::new();
    for pair in text.split(',') {
        let (key, value) = pair.split_once(':').ok_or("a header is key:value")?;
        headers = headers.insert(Header { key, value: Some(value) });
    }
    Ok(headers)
}

/// Counts what was delivered, and says what was not.
struct Deliveries(Arc<AtomicUsize>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        match result {
            Ok(_) => {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => eprintln!("not delivered: {error}"),
        }
    }
}

fn read(brokers: &str, topic: &str, count: usize) -> Result<()> {
    let mut config = ClientConfig::new();
    // A group is named, as librdkafka demands, and never joined: the partitions are assigned by hand.
    config.set("bootstrap.servers", brokers).set("group.id", "interop").set("enable.auto.commit", "false");
    config.set("check.crcs", "true");
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut read = 0;
    while read < count {
        if let Some(message) = consumer.poll(POLL) {
            print(&mut out, &message?)?;
            read += 1;
        }
    }
    Ok(out.flush()?)
}

fn print(out: &mut impl Write, message: &BorrowedMessage<'_>) -> Result<()> {
    write!(out, "Partition:{}\tOffset:{}\t", message.partition(), message.offset())?;
    let headers = message.headers().ok_or("a message without headers")?;
    for (index, header) in headers.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write!(out, "{}:", header.key)?;
        out.write_all(header.value.unwrap_or(NULL.as_bytes()))?;
    }
    for part in [message.key(), message.payload()] {
        out.write_all(b"\t")?;
        out.write_all(part.unwrap_or(NULL.as_bytes()))?;
    }
    Ok(out.write_all(b"\n")?)
}

/// How Java's tools print what is absent.
const NULL: &str = "null";
