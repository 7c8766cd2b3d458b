//! Foreign clients: found or built, and run as programs that read and write the lines of [`lines`](super::lines).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cargo::cargo;
use crate::kafka::{self, Folders, Input, IoContext as _, Release, Version, run_program};

/// A client that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    FranzGo,
    KafkaGo,
    Librdkafka,
    Java,
    Sarama,
}

/// A client that is ready to run.
#[derive(Debug)]
pub(crate) enum Program {
    /// One of our programs around it, and the words before its arguments.
    Ours { path: PathBuf, words: &'static [&'static str] },
    /// Java's console tools.
    Java(Release),
}

/// Why a client does not run here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    /// The machine lacks what it is made with: no failure.
    #[error("{0}")]
    Lacks(String),
    #[error(transparent)]
    Failed(#[from] kafka::Error),
}

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// What `go.mod` names.
const GO: (u32, u32) = (1, 26);

impl Client {
    pub(crate) const ALL: [Self; 5] = [Self::FranzGo, Self::KafkaGo, Self::Librdkafka, Self::Java, Self::Sarama];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FranzGo => "franz-go",
            Self::KafkaGo => "kafka-go",
            Self::Librdkafka => "librdkafka",
            Self::Java => "java",
            Self::Sarama => "sarama",
        }
    }

    /// Whether it writes and reads messages; else only its balancers are asked.
    pub(crate) fn has_messages(self) -> bool {
        self != Self::Sarama
    }

    /// Of the topics that it reads: the console consumer reads one partition, unless it joins a group.
    pub(crate) fn partitions(self) -> i32 {
        if self == Self::Java { 1 } else { 3 }
    }

    /// Whether it can: kafka-go reads an empty key, value or header value as an absent one.
    pub(crate) fn tells_empty_from_absent(self) -> bool {
        self != Self::KafkaGo
    }

    /// Finds or builds it; the first time this takes some minutes for librdkafka.
    pub(crate) fn prepare(self, folders: &Folders) -> Result<Program, Unready> {
        match self {
            Self::FranzGo => go(folders, &["franz-go"]),
            Self::KafkaGo => go(folders, &["kafka-go"]),
            Self::Librdkafka => librdkafka(folders),
            Self::Java => java(folders),
            Self::Sarama => go(folders, &["sarama"]),
        }
    }
}

fn go(folders: &Folders, words: &'static [&'static str]) -> Result<Program, Unready> {
    let found = output_of("go", &["env", "GOVERSION"])?;
    if go_version(&found).is_none_or(|version| version < GO) {
        return Err(Unready::Lacks(format!("needs Go {}.{}, but `go` is {}", GO.0, GO.1, found.trim())));
    }
    let path = folders.interop.join("interop-go");
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(&path).arg(".").current_dir(sources("go"));
    run_program("go build", &mut command, Input::Bytes(b""), BUILD_LIMIT)?;
    Ok(Program::Ours { path, words })
}

/// The two numbers of `go1.26.8`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("go")?.split(['.', '-', 'r', 'b']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn librdkafka(folders: &Folders) -> Result<Program, Unready> {
    for tool in ["cc", "make"] {
        output_of(tool, &["--version"])?;
    }
    let target = folders.interop.join("rdkafka");
    let mut command = cargo();
    command.args(["build", "--release", "--locked", "--target-dir"]).arg(&target).current_dir(sources("rdkafka"));
    run_program("cargo build", &mut command, Input::Bytes(b""), BUILD_LIMIT)?;
    Ok(Program::Ours { path: target.join("release/interop-rdkafka"), words: &[] })
}

fn java(folders: &Folders) -> Result<Program, Unready> {
    use kafka::Error::{NoJdk, NoMaven, OldJava};
    match Release::prepare(Version::NEWEST, folders) {
        Ok(release) => Ok(Program::Java(release)),
        Err(lack @ (NoJdk { .. } | NoMaven | OldJava { .. })) => Err(Unready::Lacks(lack.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// What a tool says of itself; a tool that is not there is lacked.
fn output_of(tool: &str, arguments: &[&str]) -> Result<String, Unready> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unready::Lacks(format!("{tool} was not found"))),
        Err(source) => Err(kafka::Error::Io { what: format!("run {tool}"), source }.into()),
    }
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

impl Program {
    /// Writes the messages, in order within each partition, and ends when all are acknowledged.
    pub(crate) fn write(&self, brokers: &str, topic: &str, codec: &str, lines: &str) -> kafka::Result<()> {
        match self {
            Self::Ours { path, words } => {
                let mut command = Command::new(path);
                command.args(*words).args(["write", brokers, topic, codec]);
                run_program(&self.what("write"), &mut command, Input::Bytes(lines.as_bytes()), RUN_LIMIT)?;
            }
            Self::Java(release) => {
                let codec = format!("--compression-codec={codec}");
                let mut arguments = vec!["--bootstrap-server", brokers, "--topic", topic, &codec];
                for property in ["parse.key=true", "parse.headers=true", "null.marker=null"] {
                    arguments.extend(["--reader-property", property]);
                }
                release.tool("ConsoleProducer", &arguments, Some(lines.as_bytes()), RUN_LIMIT)?;
            }
        }
        Ok(())
    }

    /// Reads the first `count` messages, in order within each partition, and returns the lines of them.
    pub(crate) fn read(&self, brokers: &str, topic: &str, count: usize) -> kafka::Result<String> {
        let count = count.to_string();
        let output = match self {
            Self::Ours { path, words } => {
                let mut command = Command::new(path);
                command.args(*words).args(["read", brokers, topic, &count]);
                run_program(&self.what("read"), &mut command, Input::Bytes(b""), RUN_LIMIT)?
            }
            Self::Java(release) => {
                let mut arguments = vec!["--bootstrap-server", brokers, "--topic", topic];
                arguments.extend(["--partition", "0", "--offset", "earliest"]);
                arguments.extend(["--max-messages", &count, "--timeout-ms", "30000"]);
                for name in ["print.partition=true", "print.offset=true", "print.headers=true", "print.key=true"] {
                    arguments.extend(["--formatter-property", name]);
                }
                release.tool("ConsoleConsumer", &arguments, None, RUN_LIMIT)?
            }
        };
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Asks its balancers: `partitions` with numbers of partitions, or `picks` with one. `keys` has a line for each key.
    pub(crate) fn ask(&self, operation: &str, counts: &str, keys: &str) -> kafka::Result<String> {
        let output = match self {
            Self::Ours { path, words } => {
                let mut command = Command::new(path);
                command.args(*words).args([operation, counts]);
                run_program(&self.what(operation), &mut command, Input::Bytes(keys.as_bytes()), RUN_LIMIT)?
            }
            Self::Java(release) => {
                let folder = release.programs();
                fs::create_dir_all(&folder).context(|| format!("create {}", folder.display()))?;
                release.compile(&folder, &sources("java").join("Partitions.java"))?;
                release.run(&folder, "Partitions", &[operation, counts], keys.as_bytes(), RUN_LIMIT)?
            }
        };
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    fn what(&self, operation: &str) -> String {
        match self {
            Self::Ours { path, words } => {
                format!("{} {} {operation}", path.file_name().unwrap_or_default().display(), words.join(" "))
            }
            Self::Java(_) => operation.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_understood() {
        assert_eq!(go_version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(go_version("go1.27rc1"), Some((1, 27)));
        assert_eq!(go_version("devel"), None);
    }

    #[test]
    fn a_tool_that_is_not_there_is_lacked() {
        let outcome = output_of("no-such-tool-anywhere", &[]);
        assert!(matches!(outcome, Err(Unready::Lacks(text)) if text == "no-such-tool-anywhere was not found"));
    }
}
