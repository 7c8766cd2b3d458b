//! One Kafka node: a JVM and its directory.
//!
//! The JVM reads its standard input, the *leash*, on a thread of `Launcher.java` and halts at the end of file. This was
//! chosen over the alternatives because the kernel closes the pipe however the owner dies, SIGKILL included, and there is
//! no window: a pipe closed before anyone reads still ends. A parent-death signal would need unsafe code, watching the
//! parent's id has races, and a supervising process can be killed itself. One byte on the leash lets the JVM live on.
//!
//! Each JVM leads a process group: Ctrl-C in a terminal reaches only the owner, which then ends its nodes in order; and a
//! *frozen* JVM cannot outlive the owner either, since the kernel sends SIGHUP and SIGCONT to stopped, orphaned groups.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use super::identity::Identity;
use super::log::telling_lines;
use super::plan::NodePlan;
use super::{Error, IoContext, Release, Result};

/// Settings of slf4j-simple, which logs to standard error.
const LOGGING: [(&str, &str); 4] = [
    ("showDateTime", "true"),
    ("dateTimeFormat", "HH:mm:ss.SSS"),
    // These print all 400 properties, several times over.
    ("log.kafka.server.KafkaConfig", "warn"),
    ("log.org.apache.kafka.common.config.AbstractConfig", "warn"),
];

/// A node of a cluster, running or not.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) plan: NodePlan,
    /// Locked for single steps only, never while waiting: an interrupt must get through.
    jvm: Mutex<Option<Jvm>>,
}

#[derive(Debug)]
struct Jvm {
    child: Child,
    leash: ChildStdin,
}

impl Node {
    /// A node that does not run yet; writes its files.
    pub(crate) fn prepare(plan: NodePlan) -> Result<Self> {
        let node = Self { plan, jvm: Mutex::new(None) };
        let temporary = node.temporary();
        fs::create_dir_all(&temporary).context(|| format!("create {}", temporary.display()))?;
        let path = node.properties();
        fs::write(&path, node.plan.properties.to_string()).context(|| format!("write {}", path.display()))?;
        Ok(node)
    }

    /// The path of its `server.properties`, which is also on the command line of its JVM.
    pub(crate) fn properties(&self) -> PathBuf {
        self.plan.directory.join("server.properties")
    }

    /// Starts the JVM; it serves some seconds later.
    pub(crate) fn start(&self, release: &Release, cluster_id: &str) -> Result<()> {
        let mut jvm = self.lock();
        if jvm.is_some() {
            return Err(Error::NodeState { node: self.plan.id, actual: "running", wanted: "stopped" });
        }
        let path = self.log();
        let log =
            File::options().create(true).append(true).open(&path).context(|| format!("open {}", path.display()))?;
        let errors = log.try_clone().context(|| format!("open {}", path.display()))?;
        let mut command = release.java();
        command.args(LOGGING.map(|(name, value)| format!("-Dorg.slf4j.simpleLogger.{name}={value}")));
        // Native compression libraries are unpacked there, and a killed JVM leaves them behind.
        command.arg(format!("-Djava.io.tmpdir={}", self.temporary().display()));
        command.args(["Launcher", "node"]).arg(self.properties()).arg(self.plan.data()).arg(cluster_id);
        command.args(&self.plan.format_arguments);
        command.current_dir(&self.plan.directory).process_group(0);
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let mut child = command.spawn().context(|| "run java".to_owned())?;
        let leash = child.stdin.take().expect("stdin is piped");
        *jvm = Some(Jvm { child, leash });
        Ok(())
    }

    /// The status with which the JVM ended, told once; `None` while it runs, and before it started.
    pub(crate) fn try_wait(&self) -> Result<Option<ExitStatus>> {
        let mut jvm = self.lock();
        let Some(Jvm { child, .. }) = &mut *jvm else {
            return Ok(None);
        };
        let status = child.try_wait().context(|| "wait for java".to_owned())?;
        if status.is_some() {
            *jvm = None;
        }
        Ok(status)
    }

    /// Sends a signal. Safe by its id: a child's id is not recycled before it was waited for.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let mut jvm = self.lock();
        let child = &self.running(&mut jvm)?.child;
        kill_process(Pid::from_child(child), signal).context(|| format!("signal process {}", child.id()))
    }

    /// Ends the JVM at once and waits for it; nothing to do if it does not run.
    pub(crate) fn kill(&self) -> Result<()> {
        let Some(mut jvm) = self.lock().take() else {
            return Ok(());
        };
        let what = || "kill java".to_owned();
        jvm.child.kill().context(what)?;
        jvm.child.wait().context(what)?;
        Ok(())
    }

    /// The JVM's identity, for when this process is gone.
    pub(crate) fn identity(&self) -> Result<Identity> {
        let mut jvm = self.lock();
        Identity::of(self.running(&mut jvm)?.child.id())
    }

    /// Lets the JVM live on when this process ends.
    pub(crate) fn release(&self) -> Result<()> {
        let mut jvm = self.lock();
        self.running(&mut jvm)?.leash.write_all(b"\n").context(|| "release java".to_owned())?;
        *jvm = None;
        Ok(())
    }

    /// Why the node ended, or does not serve: a few lines of its log.
    pub(crate) fn complaint(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        telling_lines(&String::from_utf8_lossy(&log))
    }

    fn running<'a>(&self, jvm: &'a mut Option<Jvm>) -> Result<&'a mut Jvm> {
        jvm.as_mut().ok_or(Error::NodeState { node: self.plan.id, actual: "stopped", wanted: "running" })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Jvm>> {
        self.jvm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> PathBuf {
        self.plan.directory.join("kafka.log")
    }

    fn temporary(&self) -> PathBuf {
        self.plan.directory.join("tmp")
    }
}
