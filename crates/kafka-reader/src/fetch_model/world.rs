//! The world of a schedule: a fetcher as the real one is, what goes wrong, and what must hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use kafka_conn::IsolationLevel;
use kafka_protocol::Uuid;
use kafka_protocol::messages::fetch::{FetchResponse, PartitionData};
use kafka_protocol::records::{Batch, BatchDecoder};
use smol_str::SmolStr;

use super::Bug;
use super::broker::{Broker, Key, TOPIC};
use super::log::Log;
use crate::chunk::Chunk;
use crate::gauge::{Gauge, Total};
use crate::position::{Outcome, Position};
use crate::session::{FetchSession, Naming, Wanted};

pub(super) struct World {
    random: Rng,
    broker: Broker,
    session: FetchSession,
    partitions: Vec<Partition>,
    decoder: BatchDecoder,
    naming: Naming,
    ids: u8,
    bug: Option<Bug>,
    /// Whether anything still goes wrong.
    faults: bool,
    violation: Option<String>,
}

struct Partition {
    /// The topic that is read.
    topic_id: Uuid,
    /// `None` while it is not this reader's.
    position: Option<Position>,
    /// Where it was when it was given up.
    left_at: i64,
    /// How many of the visible records were returned.
    returned: usize,
}

impl World {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Rng::with_seed(seed);
        let isolation_level =
            if random.bool() { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted };
        let naming = if random.bool() { Naming::Ids } else { Naming::Names };
        let logs = (0..random.usize(1..4)).map(|_| {
            let mut log = Log::new(topic_id(1), isolation_level);
            (0..random.usize(..5)).for_each(|_| log.append(&mut random));
            log
        });
        let logs: Vec<_> = logs.collect();
        let partition = |_: &Log| Partition {
            topic_id: topic_id(1),
            position: Some(Position::new(0, -1)),
            left_at: 0,
            returned: 0,
        };
        Self {
            partitions: logs.iter().map(partition).collect(),
            broker: Broker::new(logs),
            session: FetchSession::new(),
            decoder: BatchDecoder::default(),
            naming,
            ids: 1,
            bug,
            faults: true,
            violation: None,
            random,
        }
    }

    /// Lives through a schedule: faults for a while, then quiet until everything must be read.
    pub(super) fn run(mut self) -> Option<String> {
        for round in 0..FAULTY + QUIET {
            self.faults = round < FAULTY;
            if self.faults {
                self.mishap();
            } else {
                self.broker.full = false;
                (0..self.partitions.len()).for_each(|index| self.give_back(index));
            }
            self.fetch();
            if self.violation.is_some() || (!self.faults && self.is_done()) {
                return self.violation;
            }
        }
        let left = self.partitions.iter().map(|partition| (partition.returned, &partition.position));
        Some(format!("not everything was returned in the end: {:?}", left.collect::<Vec<_>>()))
    }

    fn is_done(&self) -> bool {
        let done = |(partition, log): (&Partition, &Log)| {
            partition.topic_id == log.topic_id && partition.returned == log.visible.len()
        };
        self.partitions.iter().zip(&self.broker.logs).all(done)
    }

    fn chance(&mut self, one_of: u8) -> bool {
        self.faults && self.random.u8(..one_of) == 0
    }

    fn mishap(&mut self) {
        let index = self.random.usize(..self.partitions.len());
        match self.random.u8(..16) {
            0..4 => self.broker.logs[index].append(&mut self.random),
            4 => self.broker.evict(),
            5 => self.broker.full = self.random.bool(),
            6 => self.give_up(index),
            7 => self.give_back(index),
            8 => self.go_back(index),
            9 if self.naming == Naming::Ids && self.ids < 3 => self.make_anew(),
            _ => {}
        }
    }

    fn give_up(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        if let Some(position) = partition.position.take() {
            partition.left_at = position.offset();
        }
    }

    fn give_back(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        let left_at = partition.left_at;
        partition.position.get_or_insert_with(|| Position::new(left_at, -1));
    }

    /// The caller reads some of it again, from within a batch perhaps.
    fn go_back(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        partition.returned = self.random.usize(..=partition.returned);
        let offset = self.broker.logs[index].visible.get(partition.returned).copied().unwrap_or_default();
        if partition.topic_id != self.broker.logs[index].topic_id || offset == 0 {
            partition.returned = 0;
        }
        partition.left_at = if partition.returned == 0 { 0 } else { offset };
        if let Some(position) = &mut partition.position {
            *position = Position::new(partition.left_at, -1);
        }
    }

    /// The topic is deleted, and made again.
    fn make_anew(&mut self) {
        self.ids += 1;
        for log in &mut self.broker.logs {
            *log = log.anew(topic_id(self.ids));
            (0..self.random.usize(1..5)).for_each(|_| log.append(&mut self.random));
        }
    }

    /// One request, and what comes of it.
    fn fetch(&mut self) {
        let wanted: Vec<_> =
            (0..).zip(&self.partitions).filter_map(|(index, part)| Some((index, part.wanted(index)?))).collect();
        let skipped = self.chance(8).then(|| self.random.usize(..self.partitions.len()));
        // One may have no room.
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|(index, _)| Some(*index as usize) != skipped)
            .map(|(_, wanted)| wanted)
            .collect();
        if wanted.is_empty() {
            return;
        }
        let mut parts = self.session.build(&wanted, self.naming);
        match self.bug {
            Some(Bug::ForgetNothing) => parts.forgotten.clear(),
            Some(Bug::NameNothingTwice) if parts.session_epoch > 1 => parts.topics.clear(),
            _ => {}
        }
        let (lost, throttled) = (self.chance(10), self.chance(20));
        if lost {
            return self.unanswered();
        }
        let expected: BTreeMap<Key, i64> =
            wanted.iter().map(|wanted| (key(wanted, self.naming), wanted.fetch_offset)).collect();
        let mut wrong = None;
        let response = self.broker.handle(&mut self.random, &parts, self.naming, throttled, |fetched| {
            if *fetched != expected {
                wrong = Some(format!("the broker fetches {fetched:?}, wanted is {expected:?}"));
            }
        });
        self.violation = self.violation.take().or(wrong);
        // The answer is on its way.
        if self.faults {
            self.mishap();
        }
        if self.chance(10) {
            return self.unanswered();
        }
        if self.session.accept(&response).is_ok() {
            self.take(response, &wanted);
        }
    }

    fn unanswered(&mut self) {
        if self.bug == Some(Bug::CountLostAnswers) {
            let id = self.session.id().unwrap_or_default();
            let _taken = self.session.accept(&FetchResponse { session_id: id, ..FetchResponse::default() });
            for partition in &mut self.partitions {
                partition.position.iter_mut().for_each(|position| *position = Position::new(position.offset() + 1, -1));
            }
        } else {
            self.session.reset(None);
        }
    }

    fn take(&mut self, response: FetchResponse, planned: &[Wanted]) {
        for topic in response.responses {
            for mut data in topic.partitions.clone() {
                let Some(asked) = planned.iter().find(|wanted| wanted.is_answered_by(&topic, &data)) else { continue };
                if data.error_code != 0 {
                    self.follow(data.partition_index.unsigned_abs() as usize);
                    continue;
                }
                if self.chance(12) {
                    hurt(&mut data, &mut self.random);
                }
                self.take_data(asked, &data);
            }
        }
    }

    /// The topic was replaced, and the caller goes on with the new one.
    fn follow(&mut self, index: usize) {
        let (partition, log) = (&mut self.partitions[index], &self.broker.logs[index]);
        if partition.topic_id == log.topic_id {
            return;
        }
        (partition.topic_id, partition.returned, partition.left_at) = (log.topic_id, 0, 0);
        let keep = self.bug == Some(Bug::KeepThePositionInANewTopic);
        if let Some(position) = partition.position.as_mut().filter(|_| !keep) {
            *position = Position::new(0, -1);
        }
    }

    fn take_data(&mut self, asked: &Wanted, data: &PartitionData) {
        let (index, bug) = (asked.partition.unsigned_abs() as usize, self.bug);
        let partition = &mut self.partitions[index];
        let mut gone = Position::new(asked.fetch_offset, -1);
        let position = match &mut partition.position {
            Some(position) => position,
            None if bug == Some(Bug::ReturnAfterRevoke) => &mut gone,
            None => return,
        };
        let stale = position.offset() != asked.fetch_offset || partition.topic_id != asked.topic_id;
        if stale && bug != Some(Bug::TakeStaleAnswers) {
            return;
        }
        match position.handle_data(data, asked.max_bytes) {
            Outcome::Batches { batches, from, .. } => self.give_out(index, batches, from, data),
            Outcome::Unreadable(_) | Outcome::Corrupt(_) if bug == Some(Bug::PassCorruptBatches) => {
                *position = Position::new(position.offset() + 1, -1);
            }
            // The caller has it tried again.
            Outcome::Corrupt(_) => *position = Position::new(position.offset(), -1),
            _ => {}
        }
    }

    fn give_out(&mut self, index: usize, batches: Vec<Batch>, from: i64, data: &PartitionData) {
        let bug = self.bug;
        let from = if bug == Some(Bug::ReturnBatchesFromTheirStart) { 0 } else { from };
        let aborted = data.aborted_transactions.clone().filter(|_| bug != Some(Bug::IgnoreAbortedTransactions));
        let gauge = Arc::new(Gauge::new(TOPIC.into(), data.partition_index, index, Arc::new(Total::default())));
        let mut chunk = Chunk::new(gauge.hold(0, 0), batches, from, data.high_watermark, aborted.unwrap_or_default());
        let mut message = None;
        while let Ok(Some(())) = chunk.next_message(&mut self.decoder, &mut message) {
            let offset = message.take().map_or(-1, |message| message.offset);
            self.returned(index, offset);
        }
    }

    fn returned(&mut self, index: usize, offset: i64) {
        let (partition, log) = (&mut self.partitions[index], &self.broker.logs[index]);
        if partition.position.is_none() {
            self.violation.get_or_insert_with(|| format!("partition {index} is returned, though it was given up"));
        }
        // Of a topic that is gone nobody knows any longer what it had.
        if partition.topic_id != log.topic_id {
            return;
        }
        let next = log.visible.get(partition.returned).copied();
        if next != Some(offset) {
            let what = || format!("partition {index}: offset {offset} was returned, next is {next:?}");
            self.violation.get_or_insert_with(what);
        }
        partition.returned += 1;
    }
}

impl Partition {
    fn wanted(&self, index: i32) -> Option<Wanted> {
        Some(Wanted {
            topic: TOPIC.into(),
            topic_id: self.topic_id,
            partition: index,
            fetch_offset: self.position.as_ref()?.offset(),
            current_leader_epoch: -1,
            max_bytes: 1000,
        })
    }
}

fn key(wanted: &Wanted, naming: Naming) -> Key {
    match naming {
        Naming::Names => (wanted.topic.clone(), Uuid::ZERO, wanted.partition),
        Naming::Ids => (SmolStr::default(), wanted.topic_id, wanted.partition),
    }
}

/// A byte of the first batch is wrong by the time it arrives: one that its checksum covers, which base offsets are not.
fn hurt(data: &mut PartitionData, random: &mut Rng) {
    let mut records = data.records.take().unwrap_or_default().to_vec();
    if let Some(length) = records.get(8..12).and_then(|length| length.try_into().ok()) {
        let end = (12 + u32::from_be_bytes(length) as usize).min(records.len());
        let at = random.usize(CHECKED_FROM..end);
        records[at] ^= 1;
    }
    data.records = Some(records.into());
}

fn topic_id(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

/// What the checksum of a batch covers begins here.
const CHECKED_FROM: usize = 21;
/// Requests while things go wrong, and those in which everything must be read then.
const FAULTY: usize = 40;
const QUIET: usize = 80;
