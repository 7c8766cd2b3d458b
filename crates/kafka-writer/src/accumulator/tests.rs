//! Scripts on virtual time, and a model: under any schedule of answers, errors, silence and leader moves nothing is
//! lost, doubled or reordered.

mod model;
mod script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{Backoff, BrokerId, Message};
use kafka_protocol::records::{Batch, BatchDecoder, Batches, Compressor};
use kafka_protocol::{ErrorCode, Uuid};

use super::*;
use crate::buffers::Buffers;
use crate::error::Fate;
use crate::partition::{BatchLimits, Entry};

/// A writer without tasks: partitions, an accumulator, and what it has in other hands.
struct World {
    now: Instant,
    accumulator: Accumulator,
    partitions: Vec<Arc<Partition>>,
    leaders: Vec<Option<BrokerId>>,
    limits: BatchLimits,
    buffers: Buffers,
    seals: Vec<Seal>,
    wire: Vec<ProduceBatches>,
    stale: usize,
    charged: usize,
    released: usize,
}

/// A message that was appended.
#[derive(Clone, Debug)]
struct Sent {
    number: u64,
    result: Arc<BatchResult>,
    index: u32,
}

impl World {
    fn new(partitions: usize) -> Self {
        let config = AccumulatorConfig {
            linger: Duration::from_millis(5),
            delivery_timeout: Duration::from_secs(2),
            retries: u32::MAX,
            backoff: Backoff { min: Duration::from_millis(10), max: Duration::from_millis(100) },
        };
        let partition = |index: usize| Arc::new(Partition::new(index as u64, "t".into(), index as i32));
        Self {
            now: Instant::now(),
            accumulator: Accumulator::new(config, 7),
            partitions: (0..partitions).map(partition).collect(),
            leaders: vec![Some(BrokerId(1)); partitions],
            limits: BatchLimits { messages: 4, bytes: 1000 },
            buffers: Buffers::new(4),
            seals: Vec::new(),
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
        let entry = Entry { message: &message, timestamp: 0, charge };
        let mut attention = false;
        let note = || attention = true;
        let appended = target.append(entry, self.limits, &self.buffers, || now, note).unwrap();
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
        self.accumulator.handle_cluster(self.now, |_, partition| leaders[partition as usize].is_some());
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.accumulator.handle_timeout(self.now);
        self.drain();
    }

    /// Drains all but what is to be sealed.
    fn drain_unsealed(&mut self) {
        while let Some(seal) = self.accumulator.poll_seal() {
            self.seals.push(seal);
        }
        let leaders = self.leaders.clone();
        let leader = move |topic: &str, partition: i32| {
            assert_eq!(topic, "t");
            let none = || kafka_conn::Error::new(kafka_conn::ErrorKind::NoLeader).with_unsent();
            leaders[partition as usize].map(|broker| Leader { broker, topic_id: Uuid::ZERO }).ok_or_else(none)
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
            assert!(settled.result.outcome().is_none(), "settled twice");
            settled.result.settle(settled.outcome);
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
            self.seals.extend(std::iter::from_fn(|| self.accumulator.poll_seal()));
            if self.seals.is_empty() {
                return self.drain_unsealed();
            }
            for seal in std::mem::take(&mut self.seals) {
                self.seal(seal);
            }
        }
    }

    fn seal(&mut self, seal: Seal) {
        let Seal { lane, batch, mut builder } = seal;
        let sealed = builder.seal(&mut Compressor::default());
        self.buffers.put(builder);
        self.accumulator.handle_sealed(self.now, lane, batch, sealed);
    }

    /// What must hold at any time.
    fn check(&self) {
        let mut partitions: Vec<_> = self.wire.iter().flat_map(|r| r.batches.iter().map(|b| b.partition)).collect();
        let count = partitions.len();
        partitions.sort_unstable();
        partitions.dedup();
        assert_eq!(partitions.len(), count, "two batches of a partition are in flight");
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
        let outcomes = request.batches.iter().map(|batch| (batch.lane, batch.batch, outcome(batch))).collect();
        self.accumulator.handle_answer(self.now, Answer { broker: request.broker, throttle, outcomes });
        self.drain();
    }
}

impl Sent {
    fn outcome(&self) -> Option<Result<Option<i64>, Fate>> {
        let outcome = self.result.outcome()?;
        Some(outcome.map(|base| base.map(|base| base + i64::from(self.index))).map_err(|error| error.fate()))
    }
}

fn refused(code: ErrorCode, fate: Fate) -> Failure {
    let error = Error::new(ErrorKind::Broker(code)).with_fate(fate);
    Failure { error, retriable: code.is_retriable(), refresh: code.needs_metadata_refresh() }
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
