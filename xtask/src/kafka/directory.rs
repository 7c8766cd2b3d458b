//! The directories of clusters: made for each, held while its owner lives, recorded when a cluster is let go of, swept
//! when an owner died without a chance to clean up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::identity::Identity;
use super::release::remove;
use super::{Error, IoContext, Result, Version};

/// Held (as a lock) by the owner; also marks the directory as ours to remove.
const OWNER: &str = "owner.lock";
const RECORD: &str = "cluster.json";

/// The directory of a cluster that this process owns.
#[derive(Debug)]
pub(crate) struct ClusterDirectory {
    pub(crate) path: PathBuf,
    /// The kernel lets go of it however this process ends: that is how others know.
    _owner: File,
}

impl ClusterDirectory {
    /// Makes a new directory below `root`, and removes those of dead owners.
    pub(crate) fn create(root: &Path, version: Version) -> Result<Self> {
        fs::create_dir_all(root).context(|| format!("create {}", root.display()))?;
        // One at a time, so that nobody sweeps what another is about to lock.
        let _turn = locked(&root.join("root.lock"))?;
        sweep(root);
        let suffix: String = std::iter::repeat_with(fastrand::lowercase).take(4).collect();
        let path = root.join(format!("{version}-{suffix}"));
        fs::create_dir(&path).context(|| format!("create {}", path.display()))?;
        let owner = locked(&path.join(OWNER))?;
        Ok(Self { path, _owner: owner })
    }

    /// Writes down a cluster that shall live on.
    pub(crate) fn record(&self, record: &Record) -> Result<()> {
        record.write(&self.path.join(RECORD))
    }

    /// Removes everything in it.
    pub(crate) fn remove(&self) -> Result<()> {
        remove(&self.path)
    }
}

/// A cluster that runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: Version,
    /// How to connect, a line each.
    pub(crate) listeners: Vec<String>,
    pub(crate) nodes: Vec<NodeRecord>,
}

/// A node of a cluster that runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRecord {
    pub(crate) id: i32,
    pub(crate) process: Identity,
    /// A file on its command line that no other process names.
    pub(crate) properties: PathBuf,
}

/// The recorded clusters below `root`, by directory, in the order of their names.
pub(crate) fn recorded(root: &Path) -> Result<Vec<(PathBuf, Record)>> {
    let mut found = Vec::new();
    for path in subdirectories(root) {
        if path.join(RECORD).exists() {
            let record = Record::read(&path.join(RECORD))?;
            found.push((path, record));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

impl Record {
    fn write(&self, path: &Path) -> Result<()> {
        let nodes: Vec<Value> = self.nodes.iter().map(NodeRecord::to_json).collect();
        let value = json!({
            "version": self.version.to_string(),
            "listeners": self.listeners,
            "nodes": nodes,
        });
        // Renamed into place: nobody reads half of it.
        let partial = path.with_extension("partial");
        fs::write(&partial, format!("{value:#}\n")).context(|| format!("write {}", partial.display()))?;
        fs::rename(&partial, path).context(|| format!("rename {}", partial.display()))
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text)
            .ok()
            .and_then(|value| Self::from_json(&value))
            .ok_or_else(|| Error::Record { path: path.to_owned() })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            version: value["version"].as_str()?.parse().ok()?,
            listeners: strings(&value["listeners"])?,
            nodes: value["nodes"].as_array()?.iter().map(NodeRecord::from_json).collect::<Option<_>>()?,
        })
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

impl NodeRecord {
    pub(crate) fn runs(&self) -> bool {
        self.process.runs(&self.properties)
    }

    pub(crate) fn kill(&self) -> Result<()> {
        self.process.kill(&self.properties)
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "process_id": self.process.process_id,
            "start_time": self.process.start_time,
            "properties": self.properties,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let process = Identity {
            process_id: u32::try_from(value["process_id"].as_u64()?).ok()?,
            start_time: value["start_time"].as_u64()?,
        };
        let id = i32::try_from(value["id"].as_i64()?).ok()?;
        Some(Self { id, process, properties: value["properties"].as_str()?.into() })
    }
}

/// Removes the directories of owners that died. Their JVMs died with them.
fn sweep(root: &Path) {
    for path in subdirectories(root) {
        let Ok(owner) = File::open(path.join(OWNER)) else {
            continue;
        };
        if !path.join(RECORD).exists() && owner.try_lock().is_ok() {
            // Whatever stays is for the next sweep.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn subdirectories(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten();
    entries.filter_map(io::Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn locked(path: &Path) -> Result<File> {
    let file = File::create(path).context(|| format!("create {}", path.display()))?;
    file.lock().context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_no_owner_holds() {
        let root = tempfile::tempdir().unwrap();
        let foreign = root.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        let alive = ClusterDirectory::create(root.path(), Version::NEWEST).unwrap();
        let dead = ClusterDirectory::create(root.path(), Version::NEWEST).unwrap().path;
        let _other = ClusterDirectory::create(root.path(), Version::NEWEST).unwrap();
        assert!(alive.path.exists() && foreign.exists() && !dead.exists());
    }

    #[test]
    fn a_record_is_read_back_and_never_swept() {
        let root = tempfile::tempdir().unwrap();
        let directory = ClusterDirectory::create(root.path(), Version::NEWEST).unwrap();
        let process = Identity { process_id: 12, start_time: 1 << 40 };
        let node = NodeRecord { id: 1, process, properties: directory.path.join("server.properties") };
        let record = Record {
            version: Version::NEWEST,
            listeners: vec!["PLAINTEXT  127.0.0.1:1".to_owned()],
            nodes: vec![node],
        };
        directory.record(&record).unwrap();
        let path = directory.path.clone();
        drop(directory);
        let _other = ClusterDirectory::create(root.path(), Version::NEWEST).unwrap();
        assert_eq!(recorded(root.path()).unwrap(), [(path, record)]);
    }
}
