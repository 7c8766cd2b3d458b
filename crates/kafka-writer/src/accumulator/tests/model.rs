//! Random schedules against a model of the log.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const PARTITIONS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Messages to a partition, of this many bytes each.
    Append {
        partition: usize,
        count: usize,
        len: usize,
    },
    /// A message whose note arrives only with the next one's.
    AppendQuietly {
        partition: usize,
    },
    Advance {
        millis: u64,
    },
    /// A batch comes back from being sealed.
    Seal {
        at: usize,
    },
    /// A request is answered, each batch by one of these.
    Answer {
        at: usize,
        verdicts: [Verdict; PARTITIONS],
        throttle: u64,
    },
    Lead {
        partition: usize,
        broker: Option<i32>,
    },
    Scarcity {
        is_scarce: bool,
    },
    Flush,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Appended,
    /// An error that may pass; the batch was not appended.
    Refused(i16),
    /// No answer, or one that leaves it open.
    Unknown {
        appended: bool,
    },
    Fatal,
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        5 => Just(Verdict::Appended),
        2 => prop::sample::select(vec![5, 9, 19, 3]).prop_map(Verdict::Refused),
        2 => any::<bool>().prop_map(|appended| Verdict::Unknown { appended }),
        1 => Just(Verdict::Fatal),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..PARTITIONS, 1..9usize, 0..400usize)
            .prop_map(|(partition, count, len)| Step::Append { partition, count, len }),
        1 => (0..PARTITIONS).prop_map(|partition| Step::AppendQuietly { partition }),
        4 => prop_oneof![4 => 0..20u64, 1 => 0..900u64].prop_map(|millis| Step::Advance { millis }),
        6 => (0..8usize).prop_map(|at| Step::Seal { at }),
        6 => (0..6usize, prop::array::uniform3(verdict()), prop_oneof![6 => Just(0), 1 => 1..50u64])
            .prop_map(|(at, verdicts, throttle)| Step::Answer { at, verdicts, throttle }),
        2 => (0..PARTITIONS, prop::option::weighted(0.8, 0..3i32))
            .prop_map(|(partition, broker)| Step::Lead { partition, broker }),
        1 => any::<bool>().prop_map(|is_scarce| Step::Scarcity { is_scarce }),
        1 => Just(Step::Flush),
    ]
}

/// The cluster, and what was asked of it.
struct Model {
    world: World,
    logs: Vec<Vec<u64>>,
    sent: Vec<Vec<Sent>>,
    quiet: Vec<bool>,
    next: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            world: World::new(PARTITIONS),
            logs: vec![Vec::new(); PARTITIONS],
            sent: vec![Vec::new(); PARTITIONS],
            quiet: vec![false; PARTITIONS],
            next: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { partition, count, len } => {
                (0..count).for_each(|_| self.append(partition, len));
                self.tell(partition);
            }
            Step::AppendQuietly { partition } => self.append(partition, 0),
            Step::Advance { millis } => {
                self.world.now += Duration::from_millis(millis);
                self.world.accumulator.handle_timeout(self.world.now);
            }
            Step::Seal { at } => {
                if !self.world.seals.is_empty() {
                    let seal = self.world.seals.remove(at % self.world.seals.len());
                    self.world.seal(seal);
                }
            }
            Step::Answer { at, verdicts, throttle } => {
                if !self.world.wire.is_empty() {
                    self.answer(at % self.world.wire.len(), verdicts, throttle);
                }
            }
            Step::Lead { partition, broker } => {
                self.world.leaders[partition] = broker.map(BrokerId);
                self.world.describe();
            }
            Step::Scarcity { is_scarce } => self.world.accumulator.handle_scarcity(self.world.now, is_scarce),
            Step::Flush => drop(self.world.accumulator.handle_flush(self.world.now)),
        }
        self.world.drain_unsealed();
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

    fn answer(&mut self, at: usize, verdicts: [Verdict; PARTITIONS], throttle: u64) {
        let request = self.world.wire.remove(at);
        let outcomes = request.batches.iter().map(|batch| {
            let partition = batch.partition as usize;
            let log = &mut self.logs[partition];
            let base = log.len() as i64;
            let outcome = match verdicts[partition] {
                Verdict::Appended => {
                    log.extend(numbers(&batch.records));
                    Ok(Some(base))
                }
                Verdict::Refused(code) => Err(refused(ErrorCode(code), Fate::NotPersisted)),
                Verdict::Unknown { appended } => {
                    if appended {
                        log.extend(numbers(&batch.records));
                    }
                    Err(refused(ErrorCode::REQUEST_TIMED_OUT, Fate::PossiblyPersisted))
                }
                Verdict::Fatal => Err(refused(ErrorCode::INVALID_RECORD, Fate::NotPersisted)),
            };
            (batch.lane, batch.batch, outcome)
        });
        let (outcomes, throttle) = (outcomes.collect(), Duration::from_millis(throttle));
        self.world.accumulator.handle_answer(self.world.now, Answer { broker: request.broker, throttle, outcomes });
    }

    /// Everything goes well from now on.
    fn finish(&mut self) {
        for partition in 0..PARTITIONS {
            self.tell(partition);
            self.world.leaders[partition] = Some(BrokerId(1));
        }
        self.world.describe();
        self.world.accumulator.handle_close(self.world.now);
        for _ in 0..10_000 {
            self.world.drain();
            if self.world.accumulator.is_idle() {
                return;
            }
            if !self.world.wire.is_empty() {
                self.answer(0, [Verdict::Appended; PARTITIONS], 0);
            } else if self.world.seals.is_empty() {
                let timeout = self.world.accumulator.poll_timeout();
                self.world.now = timeout.expect("work is left, and nothing will wake it").max(self.world.now);
                self.world.accumulator.handle_timeout(self.world.now);
            }
        }
        panic!("it does not end");
    }

    fn check(&self) {
        assert_eq!(self.world.released, self.world.charged);
        for (log, sent) in self.logs.iter().zip(&self.sent) {
            let mut seen = HashSet::new();
            let first: Vec<_> = log.iter().filter(|number| seen.insert(**number)).collect();
            assert!(first.is_sorted(), "reordered: {log:?}");
            for sent in sent {
                let outcome = sent.outcome().expect("every message is settled");
                let copies = log.iter().filter(|number| **number == sent.number).count();
                match outcome {
                    Ok(offset) => {
                        let offset = usize::try_from(offset.unwrap()).unwrap();
                        assert_eq!(log.get(offset), Some(&sent.number), "not where it was said to be");
                    }
                    Err(Fate::NotPersisted) => assert_eq!(copies, 0, "message {} is in the log", sent.number),
                    Err(Fate::PossiblyPersisted) => {}
                }
            }
        }
    }

    /// Where no fate was ever unknown, nothing is doubled.
    fn check_no_copies(&self) {
        for log in &self.logs {
            assert_eq!(log.iter().collect::<HashSet<_>>().len(), log.len(), "doubled: {log:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_reordered(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.step(step));
        model.finish();
        model.check();
        let unknown = |verdicts: &[Verdict]| verdicts.iter().any(|v| matches!(v, Verdict::Unknown { appended: true }));
        if !steps.iter().any(|step| matches!(step, Step::Answer { verdicts, .. } if unknown(verdicts))) {
            model.check_no_copies();
        }
    }
}
