//! Where the launcher keeps its files: below the target folder, so that `cargo clean` removes all of it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::{Error, IoContext, Result};

/// The folders of the launcher.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The target folder itself.
    pub(crate) target: PathBuf,
    /// The jars, one folder for each Kafka version.
    pub(crate) releases: PathBuf,
    /// One folder for each cluster.
    pub(crate) clusters: PathBuf,
    /// Programs around foreign clients, as built for `cargo xtask interop`.
    pub(crate) interop: PathBuf,
    /// What criterion measured.
    pub(crate) benches: PathBuf,
    /// Programs around clients, as built for `cargo xtask bench`, and what it found.
    pub(crate) peers: PathBuf,
}

impl Folders {
    /// The folders below this workspace's target folder, wherever `CARGO_TARGET_DIR` or cargo's configuration put it.
    pub(crate) fn of_workspace() -> Result<Self> {
        let target = target()?;
        let kafka = target.join("kafka");
        Ok(Self {
            releases: kafka.join("jars"),
            clusters: kafka.join("clusters"),
            interop: target.join("interop"),
            benches: target.join("criterion"),
            peers: target.join("peers"),
            target,
        })
    }
}

fn target() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(manifest);
    }
    let output = command.output().context(|| "run cargo metadata".to_owned())?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| Error::NoTarget)?;
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or(Error::NoTarget)
}
