//! `cargo xtask interop`: foreign clients and ours on one cluster, each reading what the others wrote.
//!
//! ```text
//! for each foreign client and codec:   ours writes ─▶ topic ◀─ foreign writes
//!                                      ours reads all, foreign reads all ─▶ the same, and what was written
//! ```
//!
//! Their balancers and ours are given random keys, which have to go to the same partitions (`balancers`).
//!
//! A client whose tools this machine lacks is skipped by name, and never counted as passed.

pub(crate) mod balancers;
pub(crate) mod foreign;
pub(crate) mod lines;
mod ours;

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use kafka_protocol::records::Compression;
use tokio::runtime::Runtime;

use crate::kafka::{self, Cluster, Config, Folders, IoContext as _, Version};
use crate::suite::{Failure, check};
use balancers::Keys;
pub(crate) use foreign::{Client, Program, Unready};
use lines::{Line, NULL, digest, printed_form};
use ours::Ours;

/// Let foreign clients (franz-go, kafka-go, librdkafka, Java's console tools) and ours read what the others wrote, and
/// compare their balancers, and sarama's, with ours
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Brokers of an existing cluster, in place of an embedded one
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "kafka")]
    brokers: Option<String>,
    /// A release of Apache Kafka to start, in place of an embedded cluster
    #[arg(long, value_name = "VERSION")]
    kafka: Option<Version>,
    /// Only the client with this name
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// What the keys for the balancers are made from [default: another number each time]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// What kept interop from passing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error("the embedded cluster does not start: {0}")]
    Embedded(#[from] kafka_embedded::StartError),
    #[error("{0}")]
    Failed(Failure),
    #[error("{0} pairs of client and codec, or of balancers, failed")]
    Pairs(usize),
    #[error("no client is called {0:?}: there are franz-go, kafka-go, librdkafka, java and sarama")]
    NoClient(String),
}

/// Messages that each of the two writes, for each codec.
const MESSAGES: usize = 2_000;
const EMBEDDED_BROKERS: usize = 3;

/// How many pairs of client and codec, or of balancers, went well, how many did not, and the clients that were not tried.
#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: Vec<&'static str>,
}

impl Arguments {
    /// Everything, on this cluster or one of its own.
    pub(crate) fn on(brokers: Option<String>) -> Self {
        Self { brokers, kafka: None, client: None, seed: None }
    }

    /// Runs all pairs, prints a line for each, and fails if one did.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let clients = self.clients()?;
        let folders = Folders::of_workspace()?;
        let runtime = Runtime::new().context(|| "start tokio".to_owned())?;
        let target = self.target(&folders, &runtime)?;
        let brokers = target.brokers();
        println!("\ninterop on {target} at {brokers}");
        let ours = runtime.block_on(Ours::connect(&brokers)).map_err(Error::Failed)?;
        let keys = Keys::random(self.seed.unwrap_or_else(|| fastrand::u64(..)));
        println!("balancers: {keys}");
        let mut counts = Counts::default();
        for client in clients {
            match client.prepare(&folders) {
                Ok(program) => {
                    balancers::compare(client, &program, &keys)?.into_iter().for_each(|same| counts.add(same));
                    let case = Case { runtime: &runtime, ours: &ours, brokers: &brokers, client, program };
                    let codecs = Compression::ALL.into_iter().filter(|_| client.has_messages());
                    codecs.for_each(|codec| counts.add(case.run_and_print(codec)));
                }
                Err(Unready::Lacks(what)) => {
                    println!("test interop::{} ... SKIPPED: {what}", client.name());
                    counts.skipped.push(client.name());
                }
                Err(Unready::Failed(error)) => return Err(error.into()),
            }
        }
        counts.conclude()
    }

    fn clients(&self) -> Result<Vec<Client>, Error> {
        let Some(name) = &self.client else {
            return Ok(Client::ALL.to_vec());
        };
        let found = Client::ALL.into_iter().find(|client| client.name() == name);
        found.map(|client| vec![client]).ok_or_else(|| Error::NoClient(name.clone()))
    }

    fn target(&self, folders: &Folders, runtime: &Runtime) -> Result<Target, Error> {
        Ok(match (&self.brokers, self.kafka) {
            (Some(brokers), _) => Target::Existing(brokers.clone()),
            (None, Some(version)) => {
                Target::Kafka(version, Cluster::start(&Config { version, ..Config::default() }, folders)?)
            }
            (None, None) => {
                let cluster = kafka_embedded::Cluster::builder().brokers(EMBEDDED_BROKERS);
                Target::Embedded(runtime.block_on(cluster.start())?)
            }
        })
    }
}

/// What all connect to; what is ours ends with this value.
enum Target {
    Existing(String),
    Kafka(Version, Cluster),
    Embedded(kafka_embedded::Cluster),
}

impl Target {
    fn brokers(&self) -> String {
        match self {
            Self::Existing(brokers) => brokers.clone(),
            Self::Kafka(_, cluster) => cluster.bootstrap_servers(),
            Self::Embedded(cluster) => cluster.bootstrap(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Existing(_) => f.write_str("an existing cluster"),
            Self::Kafka(version, _) => write!(f, "Kafka {version}"),
            Self::Embedded(_) => write!(f, "{EMBEDDED_BROKERS} embedded brokers"),
        }
    }
}

impl Counts {
    fn add(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    fn conclude(&self) -> Result<(), Error> {
        let Self { passed, failed, skipped } = self;
        let names = if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
        println!("interop: {passed} passed, {failed} failed, {} clients skipped{names}", skipped.len());
        if *failed == 0 { Ok(()) } else { Err(Error::Pairs(*failed)) }
    }
}

/// A foreign client beside ours.
struct Case<'a> {
    runtime: &'a Runtime,
    ours: &'a Ours,
    brokers: &'a str,
    client: Client,
    program: Program,
}

impl Case<'_> {
    fn run_and_print(&self, codec: Compression) -> bool {
        let begin = Instant::now();
        let outcome = self.run(codec);
        let (name, seconds) = (self.client.name(), begin.elapsed().as_secs_f32());
        match &outcome {
            Ok(digest) => {
                println!("test interop::{name}_{codec} ... ok ({seconds:.1} s), {} messages {digest}", 2 * MESSAGES);
            }
            Err(failure) => println!("test interop::{name}_{codec} ... FAILED ({seconds:.1} s)\n    {failure}"),
        }
        outcome.is_ok()
    }

    /// Returns the digest of the messages, on which everyone agrees.
    fn run(&self, codec: Compression) -> Result<String, Failure> {
        let topic = format!("interop-{}-{codec}-{}", self.client.name(), fastrand::u32(..));
        self.runtime.block_on(self.ours.create(&topic, self.client.partitions()))?;

        let messages: Vec<_> = (0..2 * MESSAGES).map(|number| self.ours.message(number)).collect();
        let texts: Vec<String> = messages.iter().map(printed_form).collect();
        let foreign = texts[MESSAGES..].join("\n") + "\n";
        self.runtime.block_on(self.ours.write(&topic, codec, messages.into_iter().take(MESSAGES)))?;
        self.program.write(self.brokers, &topic, &codec.to_string(), &foreign)?;

        let mut by_ours = self.runtime.block_on(self.ours.read(&topic))?;
        let by_foreign = self.program.read(self.brokers, &topic, 2 * MESSAGES)?;
        let mut by_foreign = by_foreign.lines().map(Line::parse).collect::<Result<Vec<_>, _>>()?;
        by_ours.sort();
        by_foreign.sort();
        agree(self.client, &by_ours, &by_foreign)?;
        complete(&by_ours, &texts)
    }
}

/// Fails unless both read the same at the same places.
fn agree(client: Client, ours: &[Line], foreign: &[Line]) -> Result<(), Failure> {
    let seen = |line: &Line| match client.tells_empty_from_absent() {
        true => line.clone(),
        false => Line { text: line.text.replace(NULL, ""), ..line.clone() },
    };
    if let Some((ours, foreign)) = ours.iter().zip(foreign).find(|(ours, foreign)| seen(ours) != seen(foreign)) {
        return Err(format!("we read {ours:?}, it read {foreign:?}").into());
    }
    check(ours.len() == foreign.len(), || format!("we read {} messages, it read {}", ours.len(), foreign.len()))
}

/// Fails unless all that was written was read, in the order of writing in each partition. Returns its digest.
fn complete(read: &[Line], written: &[String]) -> Result<String, Failure> {
    let numbers: HashMap<&str, usize> = written.iter().map(String::as_str).zip(0..).collect();
    let mut last = None;
    for line in read {
        let number = numbers.get(line.text.as_str()).ok_or_else(|| format!("nobody wrote {line:?}"))?;
        check(last < Some((line.partition, *number)), || format!("{line:?} is out of order"))?;
        last = Some((line.partition, *number));
    }
    check(read.len() == written.len(), || format!("{} messages of {} were read", read.len(), written.len()))?;
    let mut texts: Vec<&str> = read.iter().map(|line| line.text.as_str()).collect();
    texts.sort_unstable_by_key(|text| numbers[text]);
    let (read, written) = (digest(texts), digest(written.iter().map(String::as_str)));
    check(read == written, || format!("read {read}, wrote {written}"))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(partition: i32, offset: i64, text: &str) -> Line {
        Line { partition, offset, text: text.to_owned() }
    }

    #[test]
    fn what_is_lost_doubled_moved_or_made_up_is_found() {
        let written = ["a", "b", "c"].map(str::to_owned);
        assert!(complete(&[line(0, 0, "a"), line(0, 1, "c"), line(1, 0, "b")], &written).is_ok());
        for (read, why) in [
            (vec![line(0, 0, "c"), line(0, 1, "a"), line(1, 0, "b")], "out of order"),
            (vec![line(0, 0, "a"), line(0, 1, "a"), line(1, 0, "b")], "out of order"),
            (vec![line(0, 0, "a"), line(1, 0, "b")], "2 messages of 3"),
            (vec![line(0, 0, "a"), line(1, 0, "x")], "nobody wrote"),
            (vec![line(0, 0, "a"), line(0, 1, "b"), line(1, 0, "b"), line(2, 0, "c")], "4 messages of 3"),
        ] {
            let failure = complete(&read, &written).unwrap_err().to_string();
            assert!(failure.contains(why), "{failure}");
        }
    }

    #[test]
    fn two_readers_must_see_the_same_at_the_same_places() {
        let ours = [line(0, 0, "n:1\t\tvalue"), line(0, 1, "n:2\tnull\tvalue")];
        let blurred = [line(0, 0, "n:1\tnull\tvalue"), line(0, 1, "n:2\tnull\tvalue")];
        let moved = [line(0, 0, "n:1\t\tvalue"), line(0, 2, "n:2\tnull\tvalue")];
        assert!(agree(Client::FranzGo, &ours, &ours).is_ok());
        assert!(agree(Client::KafkaGo, &ours, &blurred).is_ok());
        for other in [&blurred[..], &moved, &ours[..1]] {
            assert!(agree(Client::FranzGo, &ours, other).is_err());
        }
    }
}
