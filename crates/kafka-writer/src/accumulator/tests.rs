//! Scripts on virtual time, and a model: under any schedule of answers, errors, silence, expiries and leader moves
//! nothing is lost, doubled or reordered.

mod idempotence;
mod log;
mod model;
mod script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{Backoff, BrokerId, Message};
use kafka_protocol::records::{Batch, BatchDecoder, Batches, Compression, Compressor};
use kafka_protocol::{ErrorCode, Uuid};

use super::*;
use crate::buffers::Buffers;
use crate::error::Fate;
use crate::partition::{BatchLimits, Entry, Now, Timestamp};
use crate::produce;
use crate::seal::split;

/// A writer without tasks: partitions, an accumulator, and what it has in other hands.
struct World {
    now: Instant,
    accumulator: Accumulator,
    partitions: Vec<Arc<Partition>>,
    leaders: Vec<Option<BrokerId>>,
    topic_id: Uuid,
    limits: BatchLimits,
    buffers: Buffers,
    jobs: Vec<Job>,
    wire: Vec<ProduceBatches>,
    stale: usize,
    charged: usize,
    released: usize,
}

/// What brokers give who asks for a producer id.
const IDENTITY: ProducerIdentity = ProducerIdentity { producer_id: 7, producer_epoch: 0 };

/// A message that was appended.
#[derive(Clone, Debug)]
struct Sent {
    number: u64,
    result: Arc<BatchResult>,
    index: u32,
}

impl World {
    /// Without idempotence.
    fn new(partitions: usize) -> Self {
        Self::with(partitions, Idempotence::Off)
    }

    fn with(partitions: usize, idempotence: Idempotence) -> Self {
        let config = AccumulatorConfig {
            linger: Duration::from_millis(5),
            delivery_timeout: Duration::from_secs(2),
            retries: u32::MAX,
            backoff: Backoff { min: Duration::from_millis(10), max: Duration::from_millis(100) },
            idempotence,
            unnumbered_in_flight: 1,
        };
        let partition = |index: usize| Arc::new(Partition::new(index as u64, "t".into(), index as i32));
        Self {
            now: Instant::now(),
            accumulator: Accumulator::new(config, 7),
            partitions: (0..partitions).map(partition).collect(),
            leaders: vec![Some(BrokerId(1)); partitions],
            topic_id: Uuid::ZERO,
            limits: BatchLimits { messages: 4, bytes: 1000 },
            buffers: Buffers::new(4, Compression::None),
            jobs: Vec::new(),
            wire: Vec::new(),
            stale: 0,
            charged: 0,
            released: 0,
        }
    }

    /// Appends without telling the accumulator, as a caller does that is slow to.
    fn append_quietly(&mut self, partition: usize, number: u64, len: usize) -> (Sent, bool) {
        let mut value = number.to_be_bytes().to_vec();
        value.resize(8 + len, 0);
        let message = Message { value: Some(value.into()), ..Message::default() };
        let (now, charge) = (self.now, len + 50);
        let target = &self.partitions[partition];
        let entry = Entry { message: &message, timestamp: Timestamp::Own(0), charge, tag: None };
        let mut attention = false;
        let note = || attention = true;
        let appended =
            target.append(entry, self.limits, &self.buffers, || Now { instant: now, millis: 0 }, note).unwrap();
        self.charged += charge;
        (Sent { number, result: appended.result, index: appended.index }, attention)
    }

    fn append(&mut self, partition: usize, number: u64) -> Sent {
        let (sent, attention) = self.append_quietly(partition, number, 0);
        if attention {
            self.accumulator.handle_note(self.now, Arc::clone(&self.partitions[partition]));
        }
        self.drain();
        sent
    }

    /// The cluster is described anew.
    fn describe(&mut self) {
        let leaders = &self.leaders;
        self.accumulator.handle_cluster(self.now, |_, partition| leaders[partition as usize]);
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.accumulator.handle_timeout(self.now);
        self.drain();
    }

    /// Drains all but what is to be sealed.
    fn drain_unsealed(&mut self) {
        while self.accumulator.poll_ask(self.now) {
            self.accumulator.handle_identity(self.now, Ok(IDENTITY));
        }
        while let Some(job) = self.accumulator.poll_work() {
            self.jobs.push(job);
        }
        let (leaders, topic_id) = (self.leaders.clone(), self.topic_id);
        let leader = move |topic: &str, partition: i32| {
            assert_eq!(topic, "t");
            let none = || kafka_conn::Error::new(kafka_conn::ErrorKind::NoLeader).with_unsent();
            leaders[partition as usize].map(|broker| Leader { broker, topic_id }).ok_or_else(none)
        };
        loop {
            let requests = self.accumulator.poll_requests(self.now, &leader);
            if requests.is_empty() {
                break;
            }
            self.wire.extend(requests);
        }
        self.released += self.accumulator.poll_released();
        while let Some(settled) = self.accumulator.poll_settled() {
            assert!(settled.result.outcome(settled.first).is_none(), "settled twice");
            settled.result.settle(settled.first, settled.outcome);
        }
        while self.accumulator.poll_stale().is_some() {
            self.stale += 1;
        }
        while let Some(spent) = self.accumulator.poll_spent() {
            self.buffers.recycle(spent);
        }
        self.check();
    }

    /// Drains everything, as a writer's task does: what can be sealed is, before anything is sent.
    fn drain(&mut self) {
        loop {
            self.jobs.extend(std::iter::from_fn(|| self.accumulator.poll_work()));
            if self.jobs.is_empty() {
                return self.drain_unsealed();
            }
            for job in std::mem::take(&mut self.jobs) {
                self.work(job);
            }
        }
    }

    fn work(&mut self, job: Job) {
        let Job { lane, batch, work } = job;
        let done = match work {
            Work::Seal(mut builder) => {
                let messages = builder.count() as u32;
                let sealed = builder.seal(&mut Compressor::default());
                self.buffers.put(builder);
                sealed.map(|bytes| vec![Part { bytes, messages }])
            }
            Work::Split(bytes) => split(bytes, &mut Compressor::default()),
        };
        self.accumulator.handle_worked(self.now, lane, batch, done);
    }

    /// What must hold at any time.
    fn check(&self) {
        for request in &self.wire {
            let mut partitions: Vec<_> = request.batches.iter().map(|batch| batch.partition).collect();
            partitions.sort_unstable();
            partitions.dedup();
            assert_eq!(partitions.len(), request.batches.len(), "two batches of a partition in one request");
        }
        for broker in 0..3 {
            let requests = self.wire.iter().filter(|request| request.broker == BrokerId(broker)).count();
            assert!(requests <= MAX_REQUESTS, "{requests} requests to broker {broker}");
        }
        assert!(self.released <= self.charged);
    }

    /// Answers a request, batch by batch.
    fn answer(&mut self, at: usize, outcome: impl FnMut(&Leased) -> Result<Option<i64>, Failure>) {
        self.answer_throttled(at, Duration::ZERO, outcome);
    }

    fn answer_throttled(
        &mut self,
        at: usize,
        throttle: Duration,
        mut outcome: impl FnMut(&Leased) -> Result<Option<i64>, Failure>,
    ) {
        let request = self.wire.remove(at);
        let outcomes = request.batches.iter().map(|batch| answered(batch, outcome(batch))).collect();
        self.accumulator.handle_answer(self.now, Answer { broker: request.broker, throttle, outcomes });
        self.drain();
    }
}

impl Sent {
    fn outcome(&self) -> Option<Result<Option<i64>, Fate>> {
        self.result.outcome(self.index).map(|outcome| outcome.map_err(|error| error.fate()))
    }
}

fn answered(batch: &Leased, outcome: Result<Option<i64>, Failure>) -> Answered {
    Answered { lane: batch.lane, batch: batch.batch, outcome }
}

fn refused(code: ErrorCode) -> Failure {
    produce::outcome(code, -1).unwrap_err()
}

fn lost() -> Failure {
    produce::failure(kafka_conn::Error::new(kafka_conn::ErrorKind::ConnectionLost))
}

fn unsent() -> Failure {
    produce::failure(kafka_conn::Error::new(kafka_conn::ErrorKind::Refused).with_unsent())
}

/// The numbers of a batch's messages.
fn numbers(records: &Bytes) -> Vec<u64> {
    let mut decoder = BatchDecoder::default();
    let mut numbers = Vec::new();
    for batch in Batches::new(records.clone()) {
        let Batch::Records(batch) = batch.unwrap() else { panic!("not of format 2") };
        for record in batch.records(&mut decoder).unwrap() {
            let value = record.unwrap().value.unwrap();
            numbers.push(u64::from_be_bytes(value[..8].try_into().unwrap()));
        }
    }
    numbers
}
