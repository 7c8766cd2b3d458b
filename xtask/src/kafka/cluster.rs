//! A running Kafka cluster, and what a fault test does to its nodes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::directory::{ClusterDirectory, NodeRecord, Record};
use super::identity::Identity;
use super::node::Node;
use super::{Certificates, Config, Error, Folders, Release, Result, connect, interrupt, plan, probe};

const START_LIMIT: Duration = Duration::from_secs(180);
const TERMINATE_LIMIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Ports are chosen free, but another process may take one before the broker does.
const ATTEMPTS: u32 = 3;

/// A cluster that lives no longer than this value, and never longer than this process.
///
/// Node ids: brokers count from 1, an isolated controller has 100.
#[derive(Debug)]
pub(crate) struct Cluster {
    release: Release,
    config: Config,
    cluster_id: String,
    members: Arc<Members>,
    /// Whether the nodes end with this value: until it is detached.
    is_owner: bool,
}

/// The part of a cluster that must end with its owner.
#[derive(Debug)]
pub(crate) struct Members {
    directory: ClusterDirectory,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts a cluster and waits, at most a minute, until every broker serves and knows all the others.
    pub(crate) fn start(config: &Config, folders: &Folders) -> Result<Self> {
        let release = Release::prepare(config.version, folders)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(config, &release, &folders.clusters) {
                Err(error) if error.is_port_conflict() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn attempt(config: &Config, release: &Release, root: &Path) -> Result<Self> {
        let directory = ClusterDirectory::create(root, config.version)?;
        let ports = plan::free_ports(plan::port_count(config))?;
        let plans = plan::nodes(config, &directory.path, &ports);
        if config.listeners.iter().any(|listener| listener.security_protocol.has_tls()) {
            Certificates::below(&directory.path).create()?;
        }
        let nodes = plans.into_iter().map(Node::prepare).collect::<Result<_>>()?;
        let members = Arc::new(Members { directory, nodes });
        let cluster = Self {
            release: release.clone(),
            config: config.clone(),
            cluster_id: random_uuid(),
            members,
            is_owner: true,
        };
        interrupt::watch(&cluster.members)?;
        for node in &cluster.members.nodes {
            node.start(release, &cluster.cluster_id)?;
        }
        let ids: Vec<i32> = cluster.brokers().map(|node| node.plan.id).collect();
        cluster.await_ready(&ids)?;
        Ok(cluster)
    }

    /// `host:port` of each broker's first listener, separated by commas.
    pub(crate) fn bootstrap_servers(&self) -> String {
        let first = self.brokers().filter_map(|node| node.plan.listeners.first());
        first.map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(",")
    }

    /// `host:port` of each broker's internal listener, separated by commas: plaintext, whatever the clients use.
    pub(crate) fn internal_servers(&self) -> String {
        let internal = self.brokers().filter_map(|node| node.plan.internal);
        internal.map(|address| address.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Where a broker's internal listener is.
    pub(crate) fn internal_address(&self, id: i32) -> Result<SocketAddr> {
        self.node(id)?.plan.internal.ok_or(Error::UnknownNode(id))
    }

    /// Each broker's id and the address of its listener with this name.
    pub(crate) fn addresses(&self, listener: &str) -> Vec<(i32, SocketAddr)> {
        let of_broker = |node: &Node| {
            let (_, address) = node.plan.listeners.iter().find(|(name, _)| name == listener)?;
            Some((node.plan.id, *address))
        };
        self.brokers().filter_map(of_broker).collect()
    }

    /// Where a node listens as a controller.
    pub(crate) fn controller_address(&self, node: i32) -> Option<SocketAddr> {
        self.node(node).ok()?.plan.controller
    }

    /// Keys and certificates; the files are there if a listener has TLS.
    pub(crate) fn certificates(&self) -> Certificates {
        Certificates::below(self.directory())
    }

    /// What was asked for.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The jars, for Kafka's command-line tools.
    pub(crate) fn release(&self) -> &Release {
        &self.release
    }

    /// Where the cluster keeps its files; each node's log is `node-ID/kafka.log`.
    pub(crate) fn directory(&self) -> &Path {
        &self.members.directory.path
    }

    /// The processes of its nodes, all of which must run.
    pub(crate) fn processes(&self) -> Result<Vec<Identity>> {
        self.members.nodes.iter().map(Node::identity).collect()
    }

    /// Ends a node as a crash does (SIGKILL).
    pub(crate) fn kill(&self, node: i32) -> Result<()> {
        self.node(node)?.kill()
    }

    /// Asks a node to shut down (SIGTERM): a broker first moves its partitions away. Waits at most 30 s.
    pub(crate) fn terminate(&self, id: i32) -> Result<ExitStatus> {
        let node = self.node(id)?;
        node.signal(Signal::TERM)?;
        let deadline = Instant::now() + TERMINATE_LIMIT;
        loop {
            if let Some(status) = node.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                let what = format!("the shutdown of node {id}");
                return Err(Error::TimedOut { what, limit: TERMINATE_LIMIT, output: node.complaint() });
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Stops a node from running while its sockets stay open (SIGSTOP), as a long pause or a lost network does.
    pub(crate) fn freeze(&self, node: i32) -> Result<()> {
        self.node(node)?.signal(Signal::STOP)
    }

    /// Lets a frozen node go on (SIGCONT).
    pub(crate) fn resume(&self, node: i32) -> Result<()> {
        self.node(node)?.signal(Signal::CONT)
    }

    /// Starts a node that was killed or terminated, on its old ports and data, and waits until it serves.
    ///
    /// After [`kill`](Self::kill) this takes the broker's session timeout: the controller keeps the dead one's place.
    pub(crate) fn restart(&self, id: i32) -> Result<()> {
        let node = self.node(id)?;
        node.start(&self.release, &self.cluster_id)?;
        match node.plan.internal {
            Some(_) => self.await_ready(&[id]),
            None => Ok(()),
        }
    }

    /// Brings back every node that ended or is frozen, and waits until all brokers serve.
    pub(crate) fn revive(&self) -> Result<()> {
        for node in &self.members.nodes {
            match node.signal(Signal::CONT) {
                Err(Error::NodeState { .. }) => node.start(&self.release, &self.cluster_id)?,
                resumed => resumed?,
            }
        }
        self.await_ready(&self.brokers().map(|node| node.plan.id).collect::<Vec<_>>())
    }

    /// Ends the cluster and removes its files. Dropping does the same, but cannot tell of a failure.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.is_owner = false;
        interrupt::forget(&self.members);
        self.members.end()
    }

    /// Lets the cluster live on without this process, and records it for `cargo xtask kafka down`.
    pub(crate) fn detach(mut self) -> Result<()> {
        interrupt::forget(&self.members);
        let nodes = self.members.nodes.iter();
        let nodes = nodes
            .map(|node| Ok(NodeRecord { id: node.plan.id, process: node.identity()?, properties: node.properties() }))
            .collect::<Result<_>>()?;
        let listeners = connect::lines(&self);
        let record = Record { version: self.release.version(), listeners, nodes };
        self.members.directory.record(&record)?;
        // From here on `down` can end it, even if this process dies before the next line.
        self.is_owner = false;
        for node in &self.members.nodes {
            node.release()?;
        }
        Ok(())
    }

    /// Waits until each of these brokers serves and lists all of them, or any node ends.
    fn await_ready(&self, brokers: &[i32]) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        for id in brokers {
            let node = self.node(*id)?;
            while let Err(reason) = readiness(node, brokers) {
                self.check_alive()?;
                if Instant::now() >= deadline {
                    let (version, complaint) = (self.release.version(), node.complaint());
                    return Err(Error::NotReady { node: *id, version, limit: START_LIMIT, reason, complaint });
                }
                thread::sleep(POLL_INTERVAL);
            }
        }
        Ok(())
    }

    /// An error if a node ended by itself; what a test ended on purpose is no news.
    fn check_alive(&self) -> Result<()> {
        for node in &self.members.nodes {
            if let Some(status) = node.try_wait()? {
                let (version, complaint) = (self.release.version(), node.complaint());
                return Err(Error::NodeEnded { node: node.plan.id, version, status, complaint });
            }
        }
        Ok(())
    }

    fn brokers(&self) -> impl Iterator<Item = &Node> {
        self.members.nodes.iter().filter(|node| node.plan.internal.is_some())
    }

    fn node(&self, id: i32) -> Result<&Node> {
        self.members.nodes.iter().find(|node| node.plan.id == id).ok_or(Error::UnknownNode(id))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.is_owner {
            interrupt::forget(&self.members);
            // Nobody is left to tell; the next start sweeps the directory.
            let _ = self.members.end();
        }
    }
}

impl Members {
    /// Kills every node, also after one could not be killed, and removes the files. Doing it again does nothing.
    pub(crate) fn end(&self) -> Result<()> {
        let killed: Vec<Result<()>> = self.nodes.iter().map(Node::kill).collect();
        killed.into_iter().collect::<Result<()>>()?;
        self.directory.remove()
    }
}

/// Whether the broker serves and lists all of `brokers`; if not, why.
fn readiness(node: &Node, brokers: &[i32]) -> std::result::Result<(), String> {
    let Some(address) = node.plan.internal else {
        return Ok(());
    };
    match probe::live_brokers(address) {
        Ok(live) if brokers.iter().all(|id| live.contains(id)) => Ok(()),
        Ok(live) => Err(format!("it lists the brokers {live:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A random id in Kafka's form: 22 digits of base 64. Letters suffice, and never look like an option to the formatter.
fn random_uuid() -> String {
    // 16 bytes leave only four values to the last digit.
    std::iter::repeat_with(fastrand::alphabetic).take(21).chain(['A']).collect()
}
