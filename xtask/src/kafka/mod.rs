//! Real Apache Kafka, started from its Maven artifacts in KRaft mode.
//!
//! ```text
//! Config → plan (ports, server.properties of each node) → Node (one JVM each) → probe until registered → Cluster
//! Release = the jars of one Kafka version and the JDK that runs them; also runs Kafka's command-line tools
//! ```
//!
//! A [`Cluster`] belongs to the process that started it: dropping it, an interrupt, and even SIGKILL of that process
//! end its JVMs (see [`node`] for how). `cargo xtask kafka up` alone lets go of one, and records what it left behind.
//!
//! Never here: a Kafka client of this workspace. What judges them must not depend on them.

mod certificates;
mod cluster;
mod command;
mod config;
mod connect;
mod directory;
mod error;
mod folders;
mod identity;
mod interrupt;
mod java;
mod java_client;
mod log;
mod node;
mod plan;
mod probe;
mod process;
mod properties;
mod release;
mod security;
mod smoke;
mod version;

pub(crate) use certificates::Certificates;
pub(crate) use cluster::Cluster;
pub(crate) use command::Command;
pub(crate) use config::{Authorizer, ClientAuth, Config, Listener, Mechanism, Quorum, User};
pub(crate) use error::{Error, IoContext, Result};
pub(crate) use folders::Folders;
pub(crate) use process::{Input, run as run_program, run_watched};
pub(crate) use release::Release;
pub(crate) use version::Version;
