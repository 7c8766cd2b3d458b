//! `cargo xtask kafka smoke`: does the launcher work here? Kafka's own tools write and read, every fault is done to a
//! broker, and the records must survive.

use std::fs;
use std::time::{Duration, Instant};

use super::config::{Listener, Mechanism};
use super::{Cluster, Config, Error, Folders, IoContext, Release, Result, connect, java_client, probe};

const TOPIC: &str = "smoke";
const RECORDS: usize = 100;
const TOOL_LIMIT: Duration = Duration::from_secs(60);
/// The broker that suffers.
const VICTIM: i32 = 1;

/// Runs the whole test and prints the time of each step.
pub(crate) fn run(config: &Config, folders: &Folders) -> Result<()> {
    step("jars", || Release::prepare(config.version, folders))?;
    let cluster = step("start", || Cluster::start(config, folders))?;
    for line in connect::lines(&cluster) {
        println!("{:>9}  {line}", "");
    }
    connect(&cluster)?;
    step("create a topic", || create_topic(&cluster, config.brokers.min(3)))?;
    step("produce", || produce(&cluster))?;
    step("consume", || consume(&cluster))?;
    step("offsets", || offsets(&cluster))?;
    step("kill", || cluster.kill(VICTIM))?;
    step("restart", || cluster.restart(VICTIM))?;
    step("freeze", || freeze(&cluster))?;
    step("terminate", || cluster.terminate(VICTIM))?;
    step("restart", || cluster.restart(VICTIM))?;
    step("consume", || consume(&cluster))?;
    let directory = cluster.directory().to_owned();
    step("stop", || cluster.stop())?;
    check(!directory.exists(), || format!("{} is still there", directory.display()))
}

fn step<T>(name: &str, action: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let outcome = action()?;
    println!("{:>7.2} s  {name}", begin.elapsed().as_secs_f32());
    Ok(outcome)
}

fn create_topic(cluster: &Cluster, replicas: u8) -> Result<()> {
    let replicas = replicas.to_string();
    tool(
        cluster,
        "TopicCommand",
        &["--create", "--topic", TOPIC, "--partitions", "3", "--replication-factor", &replicas],
        None,
    )?;
    let described = tool(cluster, "TopicCommand", &["--describe", "--topic", TOPIC], None)?;
    check(described.contains("PartitionCount: 3"), || described)
}

fn produce(cluster: &Cluster) -> Result<()> {
    tool(cluster, "ConsoleProducer", &["--topic", TOPIC], Some(lines().join("\n").as_bytes()))?;
    Ok(())
}

fn consume(cluster: &Cluster) -> Result<()> {
    let count = RECORDS.to_string();
    let arguments = ["--topic", TOPIC, "--from-beginning", "--max-messages", &count, "--timeout-ms", "30000"];
    let text = tool(cluster, "ConsoleConsumer", &arguments, None)?;
    let mut found: Vec<&str> = text.lines().collect();
    found.sort_unstable();
    check(found == lines(), || format!("{} of {RECORDS} records came back:\n{text}", found.len()))
}

fn offsets(cluster: &Cluster) -> Result<()> {
    let text = tool(cluster, "GetOffsetShell", &["--topic", TOPIC], None)?;
    let ends = text.lines().filter_map(|line| line.rsplit(':').next()?.parse::<usize>().ok());
    check(ends.sum::<usize>() == RECORDS, || text.clone())
}

/// Connects to each listener, by each of its mechanisms.
fn connect(cluster: &Cluster) -> Result<()> {
    for listener in &cluster.config().listeners {
        if !listener.security_protocol.has_sasl() {
            step(&format!("connect to {}", listener.name), || list_topics(cluster, listener, None))?;
            continue;
        }
        for mechanism in &listener.mechanisms {
            let name = format!("connect to {} by {}", listener.name, mechanism.name());
            step(&name, || list_topics(cluster, listener, Some(*mechanism)))?;
        }
    }
    Ok(())
}

fn list_topics(cluster: &Cluster, listener: &Listener, mechanism: Option<Mechanism>) -> Result<()> {
    let login = mechanism.zip(cluster.config().users.first());
    let properties = java_client::properties(listener, login, &cluster.certificates())?;
    let file = cluster.directory().join("client.properties");
    fs::write(&file, properties.to_string()).context(|| format!("write {}", file.display()))?;
    let file = file.to_string_lossy();
    let address = cluster.addresses(&listener.name).first().map(|(_, address)| address.to_string()).unwrap_or_default();
    let arguments = ["--bootstrap-server", &address, "--command-config", &file, "--list"];
    cluster.release().tool("TopicCommand", &arguments, None, TOOL_LIMIT).map(drop)
}

/// A frozen broker takes connections, which the kernel does for it, but never answers.
fn freeze(cluster: &Cluster) -> Result<()> {
    let address = cluster.internal_address(VICTIM)?;
    cluster.freeze(VICTIM)?;
    let frozen = probe::live_brokers(address).is_err();
    cluster.resume(VICTIM)?;
    check(frozen, || "a frozen broker answered".to_owned())?;
    check(probe::live_brokers(address).is_ok(), || "a resumed broker did not answer".to_owned())
}

fn tool(cluster: &Cluster, name: &str, arguments: &[&str], input: Option<&[u8]>) -> Result<String> {
    let servers = cluster.internal_servers();
    let arguments = [&["--bootstrap-server", &servers], arguments].concat();
    let output = cluster.release().tool(name, &arguments, input, TOOL_LIMIT)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// The records, in sorted order.
fn lines() -> Vec<String> {
    (0..RECORDS).map(|number| format!("record {number:03}")).collect()
}

fn check(holds: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Smoke(problem())) }
}
