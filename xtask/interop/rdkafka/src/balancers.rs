//! librdkafka's partitioners, asked one key at a time: the functions themselves, which its own crate does not wrap.
#![allow(unsafe_code, reason = "C functions are called")]

use std::ffi::c_void;
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::bindings::{
    rd_kafka_msg_partitioner_consistent, rd_kafka_msg_partitioner_consistent_random, rd_kafka_msg_partitioner_fnv1a,
    rd_kafka_msg_partitioner_fnv1a_random, rd_kafka_msg_partitioner_murmur2, rd_kafka_msg_partitioner_murmur2_random,
    rd_kafka_topic_destroy, rd_kafka_topic_new, rd_kafka_topic_t,
};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::Result;

type Partitioner =
    unsafe extern "C" fn(*const rd_kafka_topic_t, *const c_void, usize, i32, *mut c_void, *mut c_void) -> i32;

/// The values of librdkafka's property `partitioner`.
const PARTITIONERS: [(&str, Partitioner); 6] = [
    ("consistent", rd_kafka_msg_partitioner_consistent),
    ("consistent_random", rd_kafka_msg_partitioner_consistent_random),
    ("murmur2", rd_kafka_msg_partitioner_murmur2),
    ("murmur2_random", rd_kafka_msg_partitioner_murmur2_random),
    ("fnv1a", rd_kafka_msg_partitioner_fnv1a),
    ("fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random),
];

/// Prints a line for each partitioner and number of partitions: its name, the number, where each key goes.
pub(crate) fn choose(counts: &str) -> Result<()> {
    let (keys, topic) = (read_keys()?, Topic::new()?);
    let mut out = BufWriter::new(io::stdout().lock());
    for (name, partitioner) in PARTITIONERS {
        for count in counts.split(',') {
            let count = count.parse()?;
            write!(out, "{name} {count}")?;
            for key in &keys {
                write!(out, " {}", topic.partition(partitioner, key.as_deref(), count))?;
            }
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}

/// Prints a line for each partitioner: its name, and the nanoseconds that a choice takes.
pub(crate) fn time_picks(count: i32) -> Result<()> {
    let (keys, topic) = (read_keys()?, Topic::new()?);
    if keys.is_empty() {
        return Err("no keys".into());
    }
    for (name, partitioner) in PARTITIONERS {
        let round = |_| {
            let begin = Instant::now();
            for key in &keys {
                black_box(topic.partition(partitioner, black_box(key.as_deref()), count));
            }
            begin.elapsed()
        };
        let fastest = (0..ROUNDS).map(round).min().unwrap_or_default();
        let nanos = fastest.as_nanos() as f64 / keys.len() as f64;
        println!("{name} {nanos:.3}");
    }
    Ok(())
}

/// A key from each line of standard input: in hex, or - for an absent one.
fn read_keys() -> Result<Vec<Option<Vec<u8>>>> {
    io::stdin().lines().map(|line| parse_key(&line?)).collect()
}

fn parse_key(line: &str) -> Result<Option<Vec<u8>>> {
    if line == "-" {
        return Ok(None);
    }
    let digits = line.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?));
    digits.collect::<Result<_>>().map(Some)
}

/// A topic that is never looked up: without one, librdkafka cannot ask whether a partition has a leader.
struct Topic {
    topic: *mut rd_kafka_topic_t,
    _producer: BaseProducer,
}

impl Topic {
    fn new() -> Result<Self> {
        let producer: BaseProducer = ClientConfig::new().create()?;
        // SAFETY: the producer is alive, the name ends with a zero and is copied, and a configuration may be null.
        let topic =
            unsafe { rd_kafka_topic_new(producer.client().native_ptr(), c"topic".as_ptr(), std::ptr::null_mut()) };
        if topic.is_null() { Err("no topic".into()) } else { Ok(Self { topic, _producer: producer }) }
    }

    fn partition(&self, partitioner: Partitioner, key: Option<&[u8]>, count: i32) -> i32 {
        let (start, len) = key.map_or((std::ptr::null(), 0), |key| (key.as_ptr(), key.len()));
        // SAFETY: the topic is alive, the key is `len` bytes that outlive the call, and none of the functions uses the
        // last two.
        unsafe { partitioner(self.topic, start.cast(), len, count, std::ptr::null_mut(), std::ptr::null_mut()) }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: it was made by `rd_kafka_topic_new`, and its producer is dropped after it.
        unsafe { rd_kafka_topic_destroy(self.topic) }
    }
}

/// How often all keys are given to a partitioner; the fastest round counts, in which nobody else was in the way.
const ROUNDS: usize = 500;
