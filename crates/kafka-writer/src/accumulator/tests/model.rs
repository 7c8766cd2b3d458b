//! Random schedules of appends, answers, losses, expiries and leader moves, against a model of the cluster: 100,000 of
//! them find nothing, and each of a dozen planted bugs is found.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::Log;
use super::*;
use crate::mutation::{Mutation, plant};

const PARTITIONS: usize = 2;
const SCHEDULES: u64 = 100_000;

/// The bugs that a run has to find.
const BUGS: [Mutation; 12] = [
    Mutation::OvertakeTheFirst,
    Mutation::ExpiryIsDefinite,
    Mutation::FiveWithoutNumbers,
    Mutation::ForgetTheCount,
    Mutation::ForgetDoubt,
    Mutation::KeepTheEpoch,
    Mutation::LossIsDefinite,
    Mutation::ResendUnderANewEpoch,
    Mutation::RestartInFlight,
    Mutation::ReuseASequence,
    Mutation::SixIsDefinite,
    Mutation::SplitOvertakes,
];

/// What a broker does with a batch, unless its rules refuse it.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Append,
    /// As a duplicate is answered that the broker recognises, but does not know the place of.
    AppendOrDuplicate,
    Refuse(ErrorCode),
    /// Appends it, and answers with an error all the same.
    AppendAndFail(ErrorCode),
}

/// The cluster, and what was asked of it.
struct Model {
    world: World,
    random: fastrand::Rng,
    idempotent: bool,
    logs: Vec<Log>,
    /// Logs of the topic before it was deleted and made anew.
    deleted: Vec<Vec<Log>>,
    /// Requests of connections that are lost, which a broker may still read.
    ghosts: VecDeque<ProduceBatches>,
    /// Batches of more messages are too large.
    max_messages: usize,
    sent: Vec<Vec<Sent>>,
    quiet: Vec<bool>,
    next: u64,
}

type Found = Result<(), String>;

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let idempotent = random.u8(..4) > 0;
        let idempotence = if idempotent { Idempotence::Require } else { Idempotence::Off };
        let mut world = World::with(PARTITIONS, idempotence);
        world.topic_id = Uuid::from_bytes([1; 16]);
        if idempotent && random.u8(..4) == 0 {
            // After many messages: the numbers are about to start over.
            let sequence = Sequence::at(IDENTITY, i32::MAX - random.i32(0..8));
            world.partitions.iter().for_each(|partition| assert!(partition.release(sequence)));
        }
        let max_messages = if random.u8(..4) == 0 { random.usize(1..4) } else { usize::MAX };
        Self {
            world,
            idempotent,
            random,
            logs: vec![Log::default(); PARTITIONS],
            deleted: Vec::new(),
            ghosts: VecDeque::new(),
            max_messages,
            sent: vec![Vec::new(); PARTITIONS],
            quiet: vec![false; PARTITIONS],
            next: 0,
        }
    }

    /// A whole schedule.
    fn run(seed: u64) -> Found {
        let mut model = Self::new(seed);
        for _ in 0..model.random.usize(4..40) {
            model.step()?;
            model.world.drain_unsealed();
        }
        model.finish()?;
        model.check()
    }

    fn step(&mut self) -> Found {
        let partition = self.random.usize(..PARTITIONS);
        match self.random.u8(..32) {
            0..8 => {
                let (count, len) = (self.random.usize(1..7), self.random.usize(..300));
                (0..count).for_each(|_| self.append(partition, len));
                self.tell(partition);
            }
            8 => self.append(partition, 0),
            9..14 => {
                let long = self.random.u8(..5) == 0;
                self.world.now += Duration::from_millis(self.random.u64(..if long { 900 } else { 20 }));
                self.world.accumulator.handle_timeout(self.world.now);
            }
            14..17 => {
                if !self.world.jobs.is_empty() {
                    let at = self.random.usize(..self.world.jobs.len());
                    let job = self.world.jobs.remove(at);
                    self.world.work(job);
                }
            }
            17..24 => return self.answer(false),
            24..26 => return self.cut(),
            26 => self.haunt(),
            27..29 => {
                let broker = (self.random.u8(..5) > 0).then(|| BrokerId(self.random.i32(1..3)));
                self.world.leaders[partition] = broker;
                self.world.describe();
            }
            29 => self.recreate(),
            30 => self.forget(partition),
            _ if self.random.bool() => drop(self.world.accumulator.handle_flush(self.world.now)),
            _ => self.world.accumulator.handle_scarcity(self.world.now, self.random.bool()),
        }
        Ok(())
    }

    fn append(&mut self, partition: usize, len: usize) {
        let (sent, attention) = self.world.append_quietly(partition, self.next, len);
        self.next += 1;
        self.quiet[partition] |= attention;
        self.sent[partition].push(sent);
    }

    fn tell(&mut self, partition: usize) {
        if std::mem::take(&mut self.quiet[partition]) {
            let told = Arc::clone(&self.world.partitions[partition]);
            self.world.accumulator.handle_note(self.world.now, told);
        }
    }

    /// Some broker answers the oldest request that it has.
    fn answer(&mut self, well: bool) -> Found {
        let Some(request) = self.take_oldest() else { return Ok(()) };
        let mut outcomes = Vec::with_capacity(request.batches.len());
        for batch in &request.batches {
            let verdict = if well { Verdict::Append } else { self.verdict() };
            outcomes.push(answered(batch, self.judge(request.broker, batch, verdict)));
        }
        let throttle = Duration::from_millis(if self.random.u8(..7) == 0 { self.random.u64(1..50) } else { 0 });
        self.world.accumulator.handle_answer(self.world.now, Answer { broker: request.broker, throttle, outcomes });
        Ok(())
    }

    /// A connection is lost: its oldest request may have been carried out, the others may yet be.
    fn cut(&mut self) -> Found {
        let Some(oldest) = self.take_oldest() else { return Ok(()) };
        let broker = oldest.broker;
        let is_unsent = self.random.u8(..4) == 0;
        let mut requests = vec![oldest];
        requests.extend(self.world.wire.extract_if(.., |request| request.broker == broker));
        for (at, request) in requests.into_iter().enumerate() {
            let failure = if is_unsent { unsent() } else { lost() };
            if !is_unsent && at == 0 && self.random.bool() {
                for batch in &request.batches {
                    let _nobody_hears = self.judge(broker, batch, Verdict::Append);
                }
            }
            let outcomes = request.batches.iter().map(|batch| answered(batch, Err(failure.clone()))).collect();
            let answer = Answer { broker, throttle: Duration::ZERO, outcomes };
            self.world.accumulator.handle_answer(self.world.now, answer);
            // Without sequence numbers nothing could tell such a request from a new one.
            if !is_unsent && self.idempotent && self.random.bool() {
                self.ghosts.push_back(request);
            }
        }
        Ok(())
    }

    /// A broker reads what was left in a socket.
    fn haunt(&mut self) {
        let Some(ghost) = self.ghosts.pop_front() else { return };
        for batch in &ghost.batches {
            let _nobody_hears = self.judge(ghost.broker, batch, Verdict::Append);
        }
    }

    /// The topic is deleted and made anew: another id, empty logs.
    fn recreate(&mut self) {
        if self.idempotent && self.random.u8(..3) == 0 {
            let incarnation = self.deleted.len() as u8 + 2;
            self.world.topic_id = Uuid::from_bytes([incarnation; 16]);
            self.deleted.push(std::mem::replace(&mut self.logs, vec![Log::default(); PARTITIONS]));
            self.world.describe();
        }
    }

    /// A broker forgets the producers of a partition that nothing is under way to: else it could not keep its promise.
    fn forget(&mut self, partition: usize) {
        let settled = self.sent[partition].iter().all(|sent| sent.outcome().is_some());
        if settled && self.ghosts.is_empty() && !self.is_on_the_wire(partition) {
            self.logs[partition].forget_producers();
        }
    }

    fn is_on_the_wire(&self, partition: usize) -> bool {
        self.world.wire.iter().flat_map(|request| &request.batches).any(|batch| batch.partition as usize == partition)
    }

    fn take_oldest(&mut self) -> Option<ProduceBatches> {
        let broker = BrokerId(self.random.i32(1..3));
        let at = self.world.wire.iter().position(|request| request.broker == broker);
        let at = at.or_else(|| (!self.world.wire.is_empty()).then_some(0))?;
        Some(self.world.wire.remove(at))
    }

    fn verdict(&mut self) -> Verdict {
        let pick = |random: &mut fastrand::Rng, codes: &[i16]| ErrorCode(codes[random.usize(..codes.len())]);
        match self.random.u8(..16) {
            0..8 => Verdict::Append,
            8..10 => Verdict::AppendOrDuplicate,
            10..13 => Verdict::Refuse(pick(&mut self.random, &[5, 9, 19, 3])),
            13 => Verdict::Refuse(pick(&mut self.random, &[87, 29])),
            _ => Verdict::AppendAndFail(pick(&mut self.random, &[6, 7, 20])),
        }
    }

    /// What the broker answers.
    fn judge(&mut self, broker: BrokerId, batch: &Leased, verdict: Verdict) -> Result<Option<i64>, Failure> {
        let partition = batch.partition as usize;
        if batch.topic_id != self.world.topic_id {
            return Err(refused(ErrorCode::UNKNOWN_TOPIC_ID));
        }
        if self.world.leaders[partition] != Some(broker) {
            return Err(refused(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        }
        if numbers(&batch.records).len() > self.max_messages {
            return Err(refused(ErrorCode::MESSAGE_TOO_LARGE));
        }
        if let Verdict::Refuse(code) = verdict {
            return Err(refused(code));
        }
        let before = self.logs[partition].messages.len() as i64;
        let offset = self.logs[partition].append(&batch.records).map_err(refused)?;
        match verdict {
            Verdict::AppendAndFail(code) => Err(refused(code)),
            Verdict::AppendOrDuplicate if offset < before => produce::outcome(ErrorCode(46), -1),
            _ => Ok(Some(offset)),
        }
    }

    /// Everything goes well from now on.
    fn finish(&mut self) -> Found {
        for partition in 0..PARTITIONS {
            self.tell(partition);
            self.world.leaders[partition] = Some(BrokerId(1));
        }
        self.world.describe();
        self.world.accumulator.handle_close(self.world.now);
        for _ in 0..1000 {
            self.world.drain();
            if self.world.accumulator.is_idle() {
                while !self.ghosts.is_empty() {
                    self.haunt();
                }
                return Ok(());
            }
            if !self.world.wire.is_empty() {
                self.answer(true)?;
            } else if self.world.jobs.is_empty() {
                let timeout = self.world.accumulator.poll_timeout().ok_or("work is left, and nothing will wake it")?;
                self.world.now = timeout.max(self.world.now);
                self.world.accumulator.handle_timeout(self.world.now);
            }
        }
        Err("it does not end".to_owned())
    }

    fn check(&self) -> Found {
        if self.world.released != self.world.charged {
            return Err(format!("{} bytes of {} came back", self.world.released, self.world.charged));
        }
        let logs = self.deleted.iter().chain([&self.logs]);
        for (partition, sent) in self.sent.iter().enumerate() {
            let logs: Vec<_> = logs.clone().map(|logs| &logs[partition].messages).collect();
            for log in &logs {
                let mut seen = HashSet::new();
                let first: Vec<_> = log.iter().filter(|number| seen.insert(**number)).collect();
                if !first.is_sorted() {
                    return Err(format!("reordered: {log:?}"));
                }
                if self.idempotent && seen.len() != log.len() {
                    return Err(format!("doubled: {log:?}"));
                }
            }
            sent.iter().try_for_each(|sent| Self::check_message(&logs, sent))?;
        }
        Ok(())
    }

    fn check_message(logs: &[&Vec<u64>], sent: &Sent) -> Found {
        let number = sent.number;
        let is_there = logs.iter().any(|log| log.contains(&number));
        let is_at = |offset: i64| logs.iter().any(|log| log.get(offset as usize) == Some(&number));
        match sent.outcome() {
            None => Err(format!("message {number} is never settled")),
            Some(Ok(Some(offset))) if !is_at(offset) => Err(format!("message {number} is not where it is said to be")),
            Some(Ok(None)) if !is_there => Err(format!("message {number} is lost")),
            Some(Err(Fate::NotPersisted)) if is_there => Err(format!("message {number} is in the log after all")),
            _ => Ok(()),
        }
    }
}

/// Runs schedules with a bug, or none; what is found first, and in which of them.
fn search(seeds: impl Iterator<Item = u64>, bug: Option<Mutation>) -> Option<(u64, String)> {
    plant(bug);
    let found =
        seeds.map(|seed| (seed, catch_unwind(AssertUnwindSafe(|| Model::run(seed))))).find_map(|(seed, run)| {
            let panicked = |_| Err("an assertion failed".to_owned());
            Some((seed, run.unwrap_or_else(panicked).err()?))
        });
    plant(None);
    found
}

#[test]
fn nothing_is_lost_doubled_or_reordered() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let searches = (0..threads)
        .map(|first| std::thread::spawn(move || search((first..SCHEDULES).step_by(threads as usize), None)));
    let searches: Vec<_> = searches.collect();
    for search in searches {
        assert_eq!(search.join().unwrap(), None);
    }
}

#[test]
fn planted_bugs_are_found() {
    for bug in BUGS {
        let found = search(0..SCHEDULES, Some(bug));
        assert!(found.is_some(), "{bug:?} is not found in {SCHEDULES} schedules");
    }
}
