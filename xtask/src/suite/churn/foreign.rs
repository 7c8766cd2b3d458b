//! Members of other clients, each a process: Java's for its own assignors, kafka-go's for rack-affinity.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::log::Log;
use super::trail::Rules;
use super::{HEARTBEAT, LIMIT, SESSION};
use crate::interop::{Client, Program, Unready};
use crate::kafka::{Folders, Release};
use crate::suite::{Failure, Skipped, Target, check};

/// What members of another client are started from.
#[derive(Clone, Debug)]
pub(super) enum Foreign {
    Java { release: Release, folder: PathBuf, assignor: &'static str },
    KafkaGo { path: PathBuf },
}

impl Foreign {
    /// The client that knows an assignor, compiled.
    pub(super) async fn prepare(target: &Target, assignor: &str) -> Result<Self, Failure> {
        let release = target.release().clone();
        let assignor = match assignor {
            "range" => "RangeAssignor",
            "roundrobin" => "RoundRobinAssignor",
            "sticky" => "StickyAssignor",
            "cooperative-sticky" => "CooperativeStickyAssignor",
            _ => return kafka_go().await,
        };
        let folder = release.programs().join("groups");
        tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            // Scenarios that run at the same time write the same.
            let file = folder.join("Member.java");
            if !fs::read(&file).is_ok_and(|found| found == SOURCE.as_bytes()) || !folder.join("Member.class").exists() {
                fs::write(&file, SOURCE)?;
                release.compile(&folder, &file)?;
            }
            Ok(Self::Java { release, folder, assignor })
        })
        .await?
    }

    /// Whether what it read and did not commit comes again only where it crashed. kafka-go drops what it is about to
    /// commit when a generation ends.
    pub(super) fn commits_when_it_gives_up(&self) -> bool {
        matches!(self, Self::Java { .. })
    }

    /// What must hold of its commits.
    pub(super) fn rules(&self) -> Rules {
        match self {
            Self::Java { .. } => Rules::ForAll,
            Self::KafkaGo { .. } => Rules::ForOurs,
        }
    }

    pub(super) fn start(&self, target: &Target, topic: &str, number: usize, log: &Log) -> Result<Process, Failure> {
        let times = [SESSION, HEARTBEAT].map(|time| time.as_millis().to_string());
        let mut command = match self {
            Self::Java { release, folder, assignor } => {
                let mut command = Command::from(release.program(folder, "Member"));
                command.args([target.bootstrap(), topic, topic, assignor]);
                command
            }
            Self::KafkaGo { path } => {
                let mut command = Command::new(path);
                command.args(["kafka-go", "member", target.bootstrap(), topic, topic]);
                command
            }
        };
        command.args(times);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let log = log.clone();
        let reading = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await? {
                let place =
                    line.split_once(' ').and_then(|(part, offset)| Some((part.parse().ok()?, offset.parse().ok()?)));
                let (partition, offset) = place.ok_or_else(|| format!("a member printed {line:?}"))?;
                log.read(number, partition, offset);
            }
            Ok(())
        });
        Ok(Process { child, reading })
    }
}

async fn kafka_go() -> Result<Foreign, Failure> {
    let prepared = tokio::task::spawn_blocking(|| Client::KafkaGo.prepare(&Folders::of_workspace()?)).await?;
    match prepared {
        Ok(Program::Ours { path, .. }) => Ok(Foreign::KafkaGo { path }),
        Ok(Program::Java(_)) => Err("kafka-go is no program of Java's".into()),
        Err(Unready::Lacks(_)) => Err(Skipped("Go").into()),
        Err(Unready::Failed(error)) => Err(error.into()),
    }
}

/// A member of another client while it runs; it ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Takes down what it read.
    reading: JoinHandle<Result<(), Failure>>,
}

impl Process {
    pub(super) async fn leave(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = timeout(LIMIT, self.child.wait()).await??;
        check(status.success(), || format!("a foreign member ended with {status}"))?;
        timeout(LIMIT, self.reading).await??
    }

    pub(super) async fn crash(mut self) -> Result<(), Failure> {
        self.child.kill().await?;
        // What it printed before counts. It may end within a line.
        let _last_line = timeout(GRACE, self.reading).await;
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or("it ended by itself")?;
        Ok(kill_process(id, signal)?)
    }
}

const SOURCE: &str = include_str!("../../../groups/Member.java");
/// Longer than it takes to read what is left in a pipe.
const GRACE: Duration = Duration::from_secs(5);
