//! Where balancers of other clients send keys, and where ours do: to the same partitions, but for keys that each is free
//! to send anywhere.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use kafka_conn::Message;
use kafka_writer::{Balancer, Candidates, Crc32, Hash, LeastBytes, Murmur2, ReferenceHash, RoundRobin, Sticky};

use super::foreign::{Client, Program};
use crate::kafka;
use crate::suite::{Failure, check};

/// A balancer of ours, by its name in tables and benches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    Crc32,
    Crc32Consistent,
    Hash,
    LeastBytes,
    Murmur2,
    Murmur2Consistent,
    ReferenceHash,
    RoundRobin,
    Sticky,
}

impl Ours {
    pub(crate) const ALL: [Self; 9] = [
        Self::Sticky,
        Self::Murmur2,
        Self::Murmur2Consistent,
        Self::Hash,
        Self::ReferenceHash,
        Self::Crc32,
        Self::Crc32Consistent,
        Self::RoundRobin,
        Self::LeastBytes,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32Consistent => "crc32-consistent",
            Self::Hash => "hash",
            Self::LeastBytes => "least-bytes",
            Self::Murmur2 => "murmur2",
            Self::Murmur2Consistent => "murmur2-consistent",
            Self::ReferenceHash => "reference-hash",
            Self::RoundRobin => "round-robin",
            Self::Sticky => "sticky",
        }
    }

    pub(crate) fn balancer(self) -> Arc<dyn Balancer> {
        match self {
            Self::Crc32 => Arc::new(Crc32::default()),
            Self::Crc32Consistent => Arc::new(Crc32::consistent()),
            Self::Hash => Arc::new(Hash::default()),
            Self::LeastBytes => Arc::new(LeastBytes::default()),
            Self::Murmur2 => Arc::new(Murmur2::default()),
            Self::Murmur2Consistent => Arc::new(Murmur2::consistent()),
            Self::ReferenceHash => Arc::new(ReferenceHash::default()),
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::Sticky => Arc::new(Sticky::default()),
        }
    }
}

/// A balancer of another client, and ours that is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) client: Client,
    /// What the client's program calls it.
    pub(crate) theirs: &'static str,
    pub(crate) ours: Ours,
    free: Free,
}

/// Which keys may go anywhere in the list, by the rules of one of the two or of both: at random, in turns, or to where
/// the last batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Free {
    None,
    Absent,
    AbsentOrEmpty,
}

const fn pair(client: Client, theirs: &'static str, ours: Ours, free: Free) -> Pair {
    Pair { client, theirs, ours, free }
}

pub(crate) const PAIRS: [Pair; 21] = [
    pair(Client::Java, "sticky", Ours::Sticky, Free::Absent),
    pair(Client::FranzGo, "sticky", Ours::Sticky, Free::Absent),
    pair(Client::FranzGo, "hash", Ours::Hash, Free::Absent),
    pair(Client::Sarama, "hash", Ours::Hash, Free::Absent),
    pair(Client::Sarama, "reference-hash", Ours::ReferenceHash, Free::Absent),
    // It hashes an empty key, as ours does where it is consistent.
    pair(Client::Sarama, "crc32", Ours::Crc32Consistent, Free::Absent),
    pair(Client::Sarama, "murmur2", Ours::Murmur2, Free::Absent),
    // Both take turns without a key, so even those are the same.
    pair(Client::KafkaGo, "hash", Ours::Hash, Free::None),
    pair(Client::KafkaGo, "reference-hash", Ours::ReferenceHash, Free::Absent),
    pair(Client::KafkaGo, "crc32", Ours::Crc32, Free::AbsentOrEmpty),
    pair(Client::KafkaGo, "crc32-consistent", Ours::Crc32Consistent, Free::None),
    pair(Client::KafkaGo, "murmur2", Ours::Murmur2, Free::Absent),
    pair(Client::KafkaGo, "murmur2-consistent", Ours::Murmur2Consistent, Free::None),
    pair(Client::KafkaGo, "round-robin", Ours::RoundRobin, Free::None),
    pair(Client::KafkaGo, "least-bytes", Ours::LeastBytes, Free::None),
    pair(Client::Librdkafka, "consistent", Ours::Crc32Consistent, Free::None),
    pair(Client::Librdkafka, "consistent_random", Ours::Crc32, Free::AbsentOrEmpty),
    pair(Client::Librdkafka, "murmur2", Ours::Murmur2Consistent, Free::None),
    pair(Client::Librdkafka, "murmur2_random", Ours::Murmur2, Free::Absent),
    // It hashes an absent key as an empty one, where ours takes turns.
    pair(Client::Librdkafka, "fnv1a", Ours::Hash, Free::Absent),
    pair(Client::Librdkafka, "fnv1a_random", Ours::Hash, Free::Absent),
];

impl Free {
    fn frees(self, key: Option<&Bytes>) -> bool {
        match self {
            Self::None => false,
            Self::Absent => key.is_none(),
            Self::AbsentOrEmpty => key.is_none_or(Bytes::is_empty),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Absent => "absent ",
            Self::AbsentOrEmpty => "absent and empty ",
        }
    }
}

/// The keys of messages.
#[derive(Debug)]
pub(crate) struct Keys {
    seed: u64,
    messages: Vec<Message>,
}

impl Keys {
    /// Any bytes: a tenth absent, a tenth empty, most up to 40 bytes, some up to 1,000.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut key = || match random.u8(..10) {
            0 => None,
            1 => Some(Bytes::new()),
            kind => {
                let len = random.usize(1..=if kind == 2 { 1_000 } else { 40 });
                Some((0..len).map(|_| random.u8(..)).collect())
            }
        };
        Self { seed, messages: (0..KEYS).map(|_| Message { key: key(), ..Message::default() }).collect() }
    }

    /// A line for each: in hex, or - where it is absent.
    fn lines(&self) -> String {
        hex_lines(&self.messages)
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |free: Free| self.messages.iter().filter(|message| free.frees(message.key.as_ref())).count();
        let absent = count(Free::Absent);
        let empty = count(Free::AbsentOrEmpty) - absent;
        write!(f, "{KEYS} keys from seed {}, {absent} absent and {empty} empty, among {COUNTS:?} partitions", self.seed)
    }
}

/// The keys of messages as programs read them.
pub(crate) fn hex_lines(messages: &[Message]) -> String {
    let mut lines = String::new();
    for message in messages {
        match &message.key {
            Some(key) => key.iter().for_each(|byte| write!(lines, "{byte:02x}").expect("a String takes all")),
            None => lines.push('-'),
        }
        lines.push('\n');
    }
    lines
}

/// Compares all balancers of a client, and prints a line for each: whether it is the same.
pub(crate) fn compare(client: Client, program: &Program, keys: &Keys) -> kafka::Result<Vec<bool>> {
    let counts = COUNTS.map(|count| count.to_string()).join(",");
    let answer = program.ask("partitions", &counts, &keys.lines())?;
    let theirs = Choices::parse(&answer);
    let pairs = PAIRS.iter().filter(|pair| pair.client == client);
    Ok(pairs.map(|pair| print(pair, keys, pair.check(keys, &theirs))).collect())
}

fn print(pair: &Pair, keys: &Keys, outcome: Result<(), Failure>) -> bool {
    let free = keys.messages.iter().filter(|message| pair.free.frees(message.key.as_ref())).count();
    let (client, theirs, ours) = (pair.client.name(), pair.theirs, pair.ours.name());
    match &outcome {
        Ok(()) if free == 0 => println!("test interop::{client}_balancer_{theirs} ... ok, all keys as our {ours}"),
        Ok(()) => println!(
            "test interop::{client}_balancer_{theirs} ... ok, as our {ours}; {free} {}keys anywhere in the list",
            pair.free.name()
        ),
        Err(failure) => println!("test interop::{client}_balancer_{theirs} ... FAILED\n    {failure}"),
    }
    outcome.is_ok()
}

/// The partitions that a program chose, by balancer and number of partitions.
struct Choices<'a>(HashMap<(&'a str, &'a str), Vec<&'a str>>);

impl<'a> Choices<'a> {
    fn parse(answer: &'a str) -> Self {
        let row = |line: &'a str| {
            let mut words = line.split(' ');
            Some(((words.next()?, words.next()?), words.collect()))
        };
        Self(answer.lines().filter_map(row).collect())
    }

    fn get(&self, name: &str, count: i32) -> Result<Vec<i32>, Failure> {
        let count = count.to_string();
        let words = self.0.get(&(name, &*count));
        let words = words.ok_or_else(|| format!("the program did not try it among {count} partitions"))?;
        Ok(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?)
    }
}

impl Pair {
    fn check(&self, keys: &Keys, theirs: &Choices<'_>) -> Result<(), Failure> {
        COUNTS.into_iter().try_for_each(|count| self.check_among(count, keys, &theirs.get(self.theirs, count)?))
    }

    fn check_among(&self, count: i32, keys: &Keys, theirs: &[i32]) -> Result<(), Failure> {
        check(theirs.len() == keys.messages.len(), || format!("it chose for {} keys only", theirs.len()))?;
        let (balancer, partitions) = (self.ours.balancer(), (0..count).collect::<Vec<_>>());
        let candidates = Candidates::new(&partitions, &partitions, &|_| 0);
        for (message, theirs) in keys.messages.iter().zip(theirs) {
            let ours = balancer.choose(message, &candidates);
            let key = || hex_lines(std::slice::from_ref(message)).trim_end().to_owned();
            let agrees = match self.free.frees(message.key.as_ref()) {
                // Java's is chosen later, among the batches that are open then.
                true => partitions.contains(&ours) && (partitions.contains(theirs) || *theirs == LATER),
                false => ours == *theirs,
            };
            check(agrees, || format!("key {} among {count}: it chose {theirs}, we {ours}", key()))?;
        }
        Ok(())
    }
}

/// Keys to compare.
const KEYS: usize = 10_000;
/// Numbers of partitions to compare with.
const COUNTS: [i32; 9] = [1, 2, 3, 7, 12, 16, 100, 255, 1_000];
const LATER: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[Option<&'static str>]) -> Keys {
        let message = |key: &Option<&'static str>| Message { key: key.map(Bytes::from), ..Message::default() };
        Keys { seed: 0, messages: keys.iter().map(message).collect() }
    }

    #[test]
    fn a_key_that_goes_elsewhere_is_found_and_a_free_one_may() {
        let keys = keys(&[Some("boop"), None]);
        for (free, theirs, agrees) in [
            (Free::Absent, [2, 0], true),
            (Free::Absent, [2, 1], true),
            (Free::Absent, [2, LATER], true),
            (Free::Absent, [2, 3], false),
            (Free::Absent, [1, 0], false),
            (Free::None, [2, 0], true),
            (Free::None, [2, 1], false),
        ] {
            let outcome = pair(Client::KafkaGo, "hash", Ours::Hash, free).check_among(3, &keys, &theirs);
            assert_eq!(outcome.is_ok(), agrees, "{free:?} {theirs:?}: {outcome:?}");
        }
        assert!(PAIRS[0].check_among(3, &keys, &[0]).is_err(), "one key is not answered");
        assert!(PAIRS[0].check(&keys, &Choices::parse("")).is_err(), "nothing is answered");
    }

    #[test]
    fn keys_are_of_all_sorts_and_follow_from_their_seed() {
        let keys = Keys::random(7);
        assert_eq!((keys.messages.len(), keys.lines()), (KEYS, Keys::random(7).lines()));
        assert_ne!(keys.lines(), Keys::random(8).lines());
        let count = |is: fn(&Bytes) -> bool| {
            keys.messages.iter().filter_map(|message| message.key.as_ref()).filter(|key| is(key)).count()
        };
        assert!(count(|key| key.is_empty()) > 800 && count(|key| key.len() > 100) > 500 && count(|_| true) < 9_200);
    }

    #[test]
    fn lines_of_programs_are_read() {
        let choices = Choices::parse("hash 3 0 1 2\nhash 7 5\n\n");
        assert_eq!(choices.get("hash", 3).unwrap(), [0, 1, 2]);
        assert!(choices.get("hash", 2).is_err() && choices.get("crc32", 3).is_err());
        assert!(Choices::parse("hash 3 x").get("hash", 3).is_err());
    }

    #[test]
    fn absent_and_empty_keys_are_told_apart() {
        assert_eq!(keys(&[None, Some(""), Some("a\n")]).lines(), "-\n\n610a\n");
    }
}
