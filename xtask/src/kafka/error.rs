//! What can go wrong between a command line and a running cluster, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use super::Version;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the launcher; its text names the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{program} was not found: install a JDK 17 or newer (Debian: openjdk-17-jdk-headless), or set JAVA_HOME")]
    NoJdk { program: String },

    #[error("Kafka needs Java 17 or newer, but {program} says {found:?}: install one, or set JAVA_HOME")]
    OldJava { program: String, found: String },

    #[error("mvn was not found: install Apache Maven (Debian: maven)")]
    NoMaven,

    #[error("{0:?} is not a Kafka version: give all three numbers, for example 4.3.0")]
    Version(String),

    #[error("{0:?} is not a property: write name=value")]
    Property(String),

    #[error("{what} failed ({status}):\n{output}")]
    Failed { what: String, status: ExitStatus, output: String },

    #[error("{what} took longer than {limit:?} and was ended:\n{output}")]
    TimedOut { what: String, limit: Duration, output: String },

    #[error("node {node} of Kafka {version} ended while starting ({status}); its log says\n{complaint}")]
    NodeEnded { node: i32, version: Version, status: ExitStatus, complaint: String },

    #[error("node {node} of Kafka {version} was not ready after {limit:?} ({reason}); its log says\n{complaint}")]
    NotReady { node: i32, version: Version, limit: Duration, reason: String, complaint: String },

    #[error("no free port between {first} and {last}")]
    NoPort { first: u16, last: u16 },

    #[error("the cluster has no node {0}")]
    UnknownNode(i32),

    #[error("node {node} is {actual}: this needs a node that is {wanted}")]
    NodeState { node: i32, actual: &'static str, wanted: &'static str },

    #[error("no cluster {name:?} in {}: `cargo xtask kafka status` lists them", root.display())]
    UnknownCluster { name: String, root: PathBuf },

    #[error("{} is damaged: end the Java processes it names and remove its directory", path.display())]
    Record { path: PathBuf },

    #[error("cargo metadata told no target directory: run this as `cargo xtask` inside the workspace")]
    NoTarget,

    #[error("cannot make keys and certificates for the cluster: {0}")]
    Certificates(#[from] rcgen::Error),

    #[error("{0:?} is not a user: write NAME:PASSWORD, in letters, digits and -._ alone")]
    User(String),

    #[error("clusters that outlive this command need Linux: their processes are told apart by what /proc says of them")]
    NotLinux,

    #[error("the smoke test failed: {0}")]
    Smoke(String),

    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },
}

impl Error {
    /// Whether another process took a chosen port before the node did; other ports may do.
    pub(crate) fn is_port_conflict(&self) -> bool {
        matches!(self, Self::NodeEnded { complaint, .. } if complaint.contains("Address already in use"))
    }
}

/// Says what was tried when the operating system refused.
pub(crate) trait IoContext<T> {
    /// `what` completes "cannot …".
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
