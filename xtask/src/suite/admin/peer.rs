//! Java's `Admin`, in a JVM of its own that is asked line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Failure;
use crate::kafka::{Release, Version};

const PEER: &str = include_str!("../../../kafka/AdminPeer.java");
const NEWER: &str = include_str!("../../../kafka/AdminPeerNew.java");
/// Longer than any call of Java's takes, retries included.
const LIMIT: Duration = Duration::from_secs(60);

/// The JVM; it ends with this value, and with this process at the latest.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Peer {
    /// Starts it on a cluster: where it is reached without a login, and with one.
    pub(super) fn start(release: &Release, plaintext: &str, sasl: &str) -> Result<Self, Failure> {
        release.compile_program("AdminPeer", PEER)?;
        if release.version() >= FIRST_WITH_NEWER {
            release.compile_program("AdminPeerNew", NEWER)?;
        }
        let mut command = release.java();
        command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "AdminPeer", plaintext, sasl]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("no pipes to java".into()) };
        let (sender, answers) = mpsc::channel();
        // A read of a pipe has no time limit; waiting for a channel does. The thread ends with the JVM.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child, input, answers })
    }

    /// What Java gets from a call, as nobody or as a user.
    pub(super) fn ask(&mut self, user: Option<&str>, call: &str, args: &Value) -> Result<Value, Failure> {
        let line = json!({ "user": user, "call": call, "args": args });
        writeln!(self.input, "{line}").and_then(|()| self.input.flush())?;
        match self.answers.recv_timeout(LIMIT) {
            Ok(answer) => Ok(serde_json::from_str(&answer)?),
            Err(RecvTimeoutError::Timeout) => Err(format!("Java did not answer {call} in {LIMIT:?}").into()),
            Err(RecvTimeoutError::Disconnected) => Err("the JVM of Java's Admin ended".into()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nobody is left to tell; it ends by itself when its input does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FIRST_WITH_NEWER: Version = Version { major: 4, minor: 0, patch: 0 };
