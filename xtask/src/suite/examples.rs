//! Every example of every crate, run as its readers run it: it must end well, and print what its row says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::{Conn, Dialer, Message};
use kafka_protocol::messages::create_topics::CreatableTopic;
use kafka_reader::{GroupConfig, Reader, ReaderConfig};
use kafka_writer::{RoundRobin, Writer, WriterConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::security::unsecured_token;
use super::target::listeners;
use super::{Failure, Scenario, Skipped, Target, check, scenario};
use crate::cargo::cargo;
use crate::kafka::User;

/// An example. Words in braces stand for what the [`Stage`] has.
struct Row {
    set: Set,
    /// Its crate and its name.
    example: (&'static str, &'static str),
    arguments: &'static [&'static str],
    /// What its lines have in them, in this order.
    prints: &'static [&'static str],
    end: End,
}

/// The examples of a set run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Conn,
    /// Which need a cluster with TLS and SASL.
    Security,
    /// Which need what embedded brokers do not have.
    Controllers,
    Writer,
    Reader,
}

/// How an example ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ByItself,
    /// When it gets SIGTERM, gracefully.
    Terminated,
    /// It would go on for a minute, and no more is asked of it.
    Killed,
}

const fn row(
    set: Set,
    example: (&'static str, &'static str),
    arguments: &'static [&'static str],
    prints: &'static [&'static str],
) -> Row {
    Row { set, example, arguments, prints, end: End::ByItself }
}

const fn conn(name: &'static str, arguments: &'static [&'static str], prints: &'static [&'static str]) -> Row {
    row(Set::Conn, ("kafka-conn", name), arguments, prints)
}

const fn secure(name: &'static str, arguments: &'static [&'static str], prints: &'static [&'static str]) -> Row {
    row(Set::Security, ("kafka-conn", name), arguments, prints)
}

const fn writer(name: &'static str, prints: &'static [&'static str]) -> Row {
    row(Set::Writer, ("kafka-writer", name), &[], prints)
}

const fn reader(name: &'static str, prints: &'static [&'static str]) -> Row {
    row(Set::Reader, ("kafka-reader", name), &["{orders}"], prints)
}

const ROWS: &[Row] = &[
    conn("cluster", &["{brokers}"], &["topic {orders}: 2 partitions, 0 without a leader"]),
    conn("conn", &["{broker}", "{scratch}"], &["to {scratch}/0 at offset Some(0)", "offset 2: three!"]),
    conn("create_topic", &["{broker}", "{scratch}-created", "2"], &["topic {scratch}-created is there"]),
    conn("groups", &["{brokers}"], &["group {group}: "]),
    conn("leader", &["{broker}", "{orders}"], &["has offsets 0 to 2", "has offsets 0 to 1"]),
    conn("list_topics", &["{broker}"], &["{orders}: 2 partitions"]),
    conn("offsets", &["{brokers}", "{orders}"], &["{orders} 0: 2", "{orders} 1: 1"]),
    conn("round_trip", &["{brokers}"], &["1 topic in the stand-in", "topics in the cluster"]),
    conn("stats", &["{brokers}"], &["connections, ", "Metadata: "]),
    row(
        Set::Controllers,
        ("kafka-conn", "any_request"),
        &["{brokers}"],
        &["quorum: led by [", "broker ", "directories", "bytes of answer"],
    ),
    secure("custom_mechanism", &["{sasl}", "{user}"], &["SCRAM-SHA-256 to", "done"]),
    Row {
        // A second token: the session has lived longer than the first.
        end: End::Killed,
        ..secure("oauthbearer", &["{short}", "echo", "{token}"], &["asked for a token", "brokers", "asked for a token"])
    },
    secure("sasl", &["{sasl}", "{user}", "SCRAM-SHA-512"], &[" topics"]),
    secure("tls", &["{mtls}", "{ca}", "{client}", "{client_key}"], &["Produce: versions ", "Metadata: versions "]),
    writer("async_callback", &["message 9: Written"]),
    writer("compatible_balancers", &["sarama: partition ", "librdkafka: partition ", "Java: partition "]),
    writer("compression", &["13000 bytes became "]),
    writer("many_topics", &["topic-A: Written", "topic-B: Written", "topic-C: Written"]),
    // Whether it is there, brokers decide.
    writer("missing_topic", &["the topic is "]),
    writer("write_messages", &["Written", "Written", "Written"]),
    writer("writer_logging", &["WARN", "Written"]),
    row(
        Set::Security,
        ("kafka-writer", "writer_properties"),
        &[
            "bootstrap.servers={sasl}",
            "security.protocol=SASL_PLAINTEXT",
            "sasl.mechanism=SCRAM-SHA-512",
            "sasl.username={user}",
        ],
        &["Written"],
    ),
    row(Set::Security, ("kafka-writer", "writer_sasl"), &["{sasl}", "{user}"], &["Written", "Written"]),
    row(Set::Security, ("kafka-writer", "writer_tls"), &["{mtls}", "{ca}", "{client}", "{client_key}"], &["Written"]),
    reader("explicit_commits", &["{orders}/0/0", "{orders}/0/1"]),
    reader("failing_handler", &["cannot be handled", "1 dead letters"]),
    reader("generations", &["{orders}/0/0", "{orders}/0/1"]),
    Row { end: End::Terminated, ..reader("group", &["{orders}/0/0", "{orders}/0/1"]) },
    reader("json", &["order 7: tea", "is no order"]),
    reader("partition", &["{orders}/0/0", "{orders}/0/1"]),
    reader("queue_and_broadcast", &["two workers shared 3 messages", "the audit got 3"]),
];

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("examples::all_are_known", |_| async { all_are_known().await }),
        scenario("examples::kafka_conn", |target| async move { run(target, Set::Conn).await }),
        scenario("examples::kafka_conn_security", |target| async move { run(target, Set::Security).await }),
        scenario("examples::kafka_conn_controllers", |target| async move {
            if target.is_embedded() {
                return Err(Skipped("a quorum of controllers").into());
            }
            run(target, Set::Controllers).await
        }),
        scenario("examples::kafka_reader", |target| async move { run(target, Set::Reader).await }),
        scenario("examples::kafka_writer", |target| async move { run(target, Set::Writer).await }),
    ]
}

/// An example without a row would be run by nobody, and a row without an example is a slip.
async fn all_are_known() -> Result<(), Failure> {
    let known: BTreeSet<_> = ROWS.iter().map(|row| owned(row.example)).collect();
    let built: BTreeSet<_> = build().await?.into_keys().collect();
    let differ: Vec<_> = known.symmetric_difference(&built).collect();
    check(differ.is_empty(), || format!("examples without a row, or rows without an example: {differ:?}"))
}

/// Runs the examples of a set, all at the same time.
async fn run(target: Target, set: Set) -> Result<(), Failure> {
    let (programs, stage) = (build().await?, Arc::new(Stage::set(&target, set).await?));
    let mut running = JoinSet::new();
    for row in ROWS.iter().filter(|row| row.set == set) {
        let program = programs.get(&owned(row.example)).cloned().ok_or("there is no such example")?;
        let stage = Arc::clone(&stage);
        running.spawn(async move { (row.example.1, run_one(program, row, &stage).await) });
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (name, outcome) = ended?;
        failed.extend(outcome.err().map(|failure| format!("{name}: {failure}")));
    }
    check(failed.is_empty(), || failed.join("\n    "))
}

/// By crate and name.
type Programs = BTreeMap<(String, String), PathBuf>;

fn owned((package, name): (&str, &str)) -> (String, String) {
    (package.to_owned(), name.to_owned())
}

/// A line of `cargo build --message-format json`, as far as it matters here.
#[derive(Deserialize)]
struct Built {
    manifest_path: Option<PathBuf>,
    target: Option<BuiltTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct BuiltTarget {
    kind: Vec<String>,
    name: String,
}

/// Builds all examples there are, as `cargo test` does.
async fn build() -> Result<Programs, Failure> {
    let mut command = Command::from(cargo());
    command.args(["build", "--quiet", "--workspace", "--examples", "--all-features", "--message-format", "json"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    check(output.status.success(), || format!("the examples do not compile: {errors}"))?;
    let mut programs = Programs::new();
    for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let built: Built = serde_json::from_slice(line)?;
        let Some(target) = built.target.filter(|target| target.kind.iter().any(|kind| kind == "example")) else {
            continue;
        };
        let folder = built.manifest_path.as_deref().and_then(|manifest| manifest.parent()?.file_name());
        let package = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        programs.insert((package, target.name), built.executable.ok_or("an example that is no program")?);
    }
    Ok(programs)
}

/// What the examples of a set find: topics, messages, a group, listeners.
struct Stage(Vec<(&'static str, String)>);

impl Stage {
    async fn set(target: &Target, set: Set) -> Result<Self, Failure> {
        let broker = target.bootstrap().split(',').next().unwrap_or_default().to_owned();
        let user = User::default();
        let mut words = vec![("brokers", target.bootstrap().to_owned()), ("broker", broker.clone())];
        match set {
            Set::Conn | Set::Reader => {
                let (orders, scratch) = (orders(target).await?, target.topic_name("scratch"));
                if set == Set::Conn {
                    topics(&broker, &[&scratch]).await?;
                    words.push(("group", group(target, &orders).await?));
                } else {
                    topics(&broker, &[&format!("{orders}-dead-letters")]).await?;
                }
                words.extend([("orders", orders), ("scratch", scratch)]);
            }
            // Which they do not take from the command line.
            Set::Writer => topics(&broker, &["topic-A", "topic-B", "topic-C"]).await?,
            Set::Security => {
                topics(&broker, &["topic-A"]).await?;
                let files = target.certificates()?;
                let file = |path: PathBuf| path.to_string_lossy().into_owned();
                words.extend([("sasl", target.address(listeners::SASL)?), ("mtls", target.address(listeners::MTLS)?)]);
                words.extend([("short", target.address(listeners::SASL_SHORT)?), ("ca", file(files.ca))]);
                words.extend([("client", file(files.client)), ("client_key", file(files.client_key))]);
                words.push(("token", unsecured_token(&user.name, TOKEN_SECONDS)));
            }
            Set::Controllers => {}
        }
        words.extend([("user", user.name), ("password", user.password)]);
        Ok(Self(words))
    }

    /// A text with what its words in braces stand for.
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (word, value)| text.replace(&format!("{{{word}}}"), value))
    }
}

/// Makes topics of two partitions, where they are not there yet.
async fn topics(broker: &str, names: &[&str]) -> Result<(), Failure> {
    let conn = Conn::new(Dialer::default().dial(broker).await?);
    let topic = |name: &&str| CreatableTopic {
        name: (*name).into(),
        num_partitions: 2,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let topics: Vec<_> = names.iter().map(topic).collect();
    for outcome in conn.create_topics(&topics).await? {
        outcome.result?;
    }
    conn.close().await;
    Ok(())
}

/// A topic with two messages in its first partition and one in the other, which is no order, and no JSON at all.
async fn orders(target: &Target) -> Result<String, Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "orders", 2).await?;
    let balancer = Arc::new(RoundRobin::default());
    let config = WriterConfig { topic: Some(topic.as_str().into()), balancer, ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    for value in [r#"{"id":7,"item":"tea"}"#, "bad", r#"{"id":8,"item":"cups"}"#] {
        writer.send(Message { value: Some(value.into()), ..Message::default() }).await?.await?;
    }
    writer.close().await?;
    Ok(topic)
}

/// A group that has committed, so that brokers know of it.
async fn group(target: &Target, topic: &str) -> Result<String, Failure> {
    let id = target.topic_name("group");
    let group =
        GroupConfig { group_id: id.as_str().into(), topics: [topic.to_owned()].into(), ..GroupConfig::default() };
    let config = ReaderConfig { group: Some(group), ..ReaderConfig::default() };
    let mut reader = Reader::new(target.transport().await?, config).await?;
    let message = reader.fetch_message().await?;
    reader.commit_messages([&message]).await?;
    reader.close().await;
    Ok(id)
}

/// Runs an example until it ends, or has printed everything and is to be ended.
async fn run_one(program: PathBuf, row: &Row, stage: &Stage) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(row.arguments.iter().map(|argument| stage.fill(argument)));
    command.env("KAFKA_BROKERS", stage.fill("{brokers}")).env("PASSWORD", stage.fill("{password}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut printed = Printed::of(&mut child)?;
    let mut missing: VecDeque<_> = row.prints.iter().map(|text| stage.fill(text)).collect();
    let read = async {
        while row.end == End::ByItself || !missing.is_empty() {
            let Some(line) = printed.next().await? else { break };
            while missing.pop_front_if(|text| line.contains(text.as_str())).is_some() {}
        }
        Ok::<_, Failure>(())
    };
    let in_time = tokio::time::timeout(LIMIT, read).await;
    let lines = printed.lines.join("\n      ");
    in_time.map_err(|_| format!("still running after {LIMIT:?}, and printed {lines}"))??;
    check(missing.is_empty(), || format!("did not print {missing:?}, but {lines}"))?;
    if row.end == End::Killed {
        return Ok(child.kill().await?);
    }
    if row.end == End::Terminated {
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or("it ended by itself")?;
        kill_process(id, Signal::TERM)?;
    }
    let status = tokio::time::timeout(LIMIT, child.wait()).await??;
    check(status.success(), || format!("ended with {status}, and printed {lines}"))
}

/// The lines that a program prints, of both streams.
struct Printed {
    stdout: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    stderr: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    lines: Vec<String>,
}

impl Printed {
    fn of(child: &mut Child) -> Result<Self, Failure> {
        let lines = |stream: Box<dyn AsyncRead + Send + Unpin>| BufReader::new(stream).lines();
        let stdout = lines(Box::new(child.stdout.take().ok_or("no stdout")?));
        let stderr = lines(Box::new(child.stderr.take().ok_or("no stderr")?));
        Ok(Self { stdout, stderr, lines: Vec::new() })
    }

    /// The next line; `None` where both streams have ended.
    async fn next(&mut self) -> Result<Option<String>, Failure> {
        let line = tokio::select! {
            Ok(Some(line)) = self.stdout.next_line() => line,
            Ok(Some(line)) = self.stderr.next_line() => line,
            else => return Ok(None),
        };
        self.lines.push(line.clone());
        Ok(Some(line))
    }
}

/// Longer than an example takes, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(90);
/// Longer than a suite takes.
const TOKEN_SECONDS: i64 = 3_600;
