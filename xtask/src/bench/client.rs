//! The clients that are measured: built from `xtask/peers`, each a program that does the work it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::work::{Codec, Operation, Work};
use crate::cargo::cargo;
use crate::kafka::{self, Folders, Input, Release, Version, run_program};

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Ours,
    /// Ours, through `fetch_batch`.
    OursBatches,
    Rskafka,
    FranzGo,
    Librdkafka,
    Krafka,
    KafkaGo,
    Sarama,
    Java,
    /// No client: records laid out and checksummed, bytes through a socket.
    Floor,
}

/// The programs that could be built, and why others could not.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    release: Release,
    missing: Vec<(Language, String)>,
}

/// What a program is written in, and so how it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Go,
    Java,
}

/// Why programs are not built here.
enum Unbuilt {
    /// The machine lacks this.
    Lacks(String),
    Failed(kafka::Error),
}

impl Client {
    pub(super) const ALL: [Self; 10] = [
        Self::Ours,
        Self::OursBatches,
        Self::Rskafka,
        Self::FranzGo,
        Self::Librdkafka,
        Self::Krafka,
        Self::KafkaGo,
        Self::Sarama,
        Self::Java,
        Self::Floor,
    ];

    /// The peers that ours is measured by.
    pub(super) const BEST: [Self; 4] = [Self::Rskafka, Self::FranzGo, Self::Librdkafka, Self::Krafka];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursBatches => "ours, by batch",
            Self::Rskafka => "rskafka",
            Self::FranzGo => "franz-go",
            Self::Librdkafka => "librdkafka",
            Self::Krafka => "krafka",
            Self::KafkaGo => "kafka-go",
            Self::Sarama => "sarama",
            Self::Java => "java",
            Self::Floor => "floor",
        }
    }

    pub(super) fn does(self, operation: Operation) -> bool {
        match operation {
            Operation::Produce => self != Self::OursBatches,
            Operation::Consume => true,
            Operation::Latency => matches!(self, Self::Ours | Self::FranzGo | Self::Rskafka),
        }
    }

    fn language(self) -> Language {
        match self {
            Self::Ours | Self::OursBatches | Self::Rskafka | Self::Librdkafka | Self::Krafka | Self::Floor => {
                Language::Rust
            }
            Self::FranzGo | Self::KafkaGo | Self::Sarama => Language::Go,
            Self::Java => Language::Java,
        }
    }
}

impl Programs {
    /// Builds all of them; the first time this takes some minutes. Java's are those of Kafka's own tools.
    pub(super) fn build(folders: &Folders, release: &Release) -> kafka::Result<Self> {
        let mut programs = Self { folder: folders.peers.clone(), release: release.clone(), missing: Vec::new() };
        for (language, built) in [(Language::Rust, programs.build_rust()), (Language::Go, programs.build_go())] {
            match built {
                Ok(()) => {}
                Err(Unbuilt::Lacks(what)) => programs.missing.push((language, what)),
                Err(Unbuilt::Failed(error)) => return Err(error),
            }
        }
        Ok(programs)
    }

    /// Why there is no program of this client; `None` where there is one.
    pub(super) fn missing(&self, client: Client) -> Option<&str> {
        let language = client.language();
        self.missing.iter().find(|(missing, _)| *missing == language).map(|(_, what)| what.as_str())
    }

    fn build_rust(&self) -> Result<(), Unbuilt> {
        for tool in ["cc", "make"] {
            require(tool)?;
        }
        let mut command = cargo();
        // Not `--locked`: with what our own crates depend on, the lock file changes.
        command.args(["build", "--release", "--target-dir"]).arg(self.rust()).current_dir(sources("rust"));
        build("cargo build", &mut command)
    }

    fn build_go(&self) -> Result<(), Unbuilt> {
        require("go")?;
        let mut command = Command::new("go");
        command.args(["build", "-o"]).arg(self.go()).arg(".").current_dir(sources("go"));
        build("go build", &mut command)
    }

    fn rust(&self) -> PathBuf {
        self.folder.join("rust")
    }

    fn go(&self) -> PathBuf {
        self.folder.join("peers-go")
    }

    /// The command that has `client` do `work`.
    pub(super) fn command(&self, client: Client, work: Work, brokers: &str, topic: &str) -> Command {
        if client == Client::Java {
            return self.java(work, brokers, topic);
        }
        let mut command = match client {
            Client::FranzGo | Client::KafkaGo | Client::Sarama => {
                let mut command = Command::new(self.go());
                command.arg(client.name());
                command
            }
            Client::Ours | Client::OursBatches => self.rust_command("ours"),
            Client::Librdkafka => self.rust_command("rdkafka"),
            other => self.rust_command(other.name()),
        };
        let operation = if client == Client::OursBatches { "consume-batches" } else { work.operation.name() };
        let (count, size) = (work.count.to_string(), work.size.to_string());
        command.args([operation, brokers, topic, &count, &size, work.codec.name()]);
        command
    }

    fn rust_command(&self, name: &str) -> Command {
        Command::new(self.rust().join("release").join(format!("peer-{name}")))
    }

    /// Kafka's own performance tools, with settings like the others'. They make random letters of their own.
    fn java(&self, work: Work, brokers: &str, topic: &str) -> Command {
        let mut command = self.release.java_for_speed();
        let count = work.count.to_string();
        if work.operation == Operation::Consume {
            command.arg("org.apache.kafka.tools.ConsumerPerformance");
            command.args(["--topic", topic, "--messages", &count, "--bootstrap-server", brokers]);
            return command;
        }
        let (bootstrap, size) = (format!("bootstrap.servers={brokers}"), work.size.to_string());
        let codec = if work.codec == Codec::Lz4 { "compression.type=lz4" } else { "compression.type=none" };
        command.arg("org.apache.kafka.tools.ProducerPerformance");
        command.args(["--topic", topic, "--num-records", &count, "--record-size", &size, "--throughput", "-1"]);
        command.args(["--producer-props", &bootstrap, codec, "acks=all", "linger.ms=5", "batch.size=1000000"]);
        command.arg("buffer.memory=134217728");
        command
    }
}

fn require(tool: &str) -> Result<(), Unbuilt> {
    match Command::new(tool).arg(if tool == "go" { "version" } else { "--version" }).output() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unbuilt::Lacks(format!("{tool} was not found"))),
        Err(source) => Err(Unbuilt::Failed(kafka::Error::Io { what: format!("run {tool}"), source })),
    }
}

fn build(what: &str, command: &mut Command) -> Result<(), Unbuilt> {
    run_program(what, command, Input::Bytes(b""), BUILD_LIMIT).map(drop).map_err(Unbuilt::Failed)
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// The release that everybody is measured on.
pub(super) const RELEASE: Version = Version::NEWEST;
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
