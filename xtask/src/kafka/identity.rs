//! A process that may long be gone, known by its id and start time, so that a recycled id is never mistaken for it.
//!
//! Reads `/proc`: what outlives its starter is for Linux.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Error, IoContext, Result};

/// A process at the time it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) process_id: u32,
    /// Clock ticks from the machine's start to the process's.
    pub(crate) start_time: u64,
}

impl Identity {
    /// The process that has this id now.
    pub(crate) fn of(process_id: u32) -> Result<Self> {
        let path = format!("/proc/{process_id}/stat");
        let stat = fs::read_to_string(&path).context(|| format!("read {path}"))?;
        let start_time = start_time(&stat).ok_or(io::ErrorKind::InvalidData).context(|| format!("parse {path}"))?;
        Ok(Self { process_id, start_time })
    }

    /// Whether this very process is still there.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.process_id).is_ok_and(|found| found == *self)
    }

    /// Whether this very process still runs, and `file` is on its command line.
    pub(crate) fn runs(&self, file: &Path) -> bool {
        let command_line = fs::read(format!("/proc/{}/cmdline", self.process_id)).unwrap_or_default();
        let wanted = file.as_os_str().as_encoded_bytes();
        // A zombie has no command line.
        let names_file = command_line.split(|byte| *byte == 0).any(|argument| argument == wanted);
        names_file && self.is_alive()
    }

    /// Kills the process if it [`runs`](Self::runs), and waits until it is gone.
    pub(crate) fn kill(&self, file: &Path) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(10);
        let deadline = Instant::now() + LIMIT;
        let what = || format!("kill process {}", self.process_id);
        while self.runs(file) {
            if Instant::now() >= deadline {
                return Err(Error::TimedOut { what: what(), limit: LIMIT, output: String::new() });
            }
            if let Some(pid) = i32::try_from(self.process_id).ok().and_then(Pid::from_raw) {
                match kill_process(pid, Signal::KILL) {
                    // It ended by itself meanwhile.
                    Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                    Err(error) => return Err(error).context(what),
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Field 22 of `/proc/PID/stat`. Field 2, the program's name in parentheses, may hold spaces and parentheses itself.
fn start_time(stat: &str) -> Option<u64> {
    const FIELDS_FROM_NAME: usize = 19;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(FIELDS_FROM_NAME)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_found_behind_any_name() {
        let rest: Vec<String> = (3..=52).map(|field| field.to_string()).collect();
        assert_eq!(start_time(&format!("1 (a) b) {}", rest.join(" "))), Some(22));
        assert_eq!(start_time("1 (a) 3 4"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_recycled_id_is_another_process() {
        let program = std::env::args().next().unwrap();
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.runs(Path::new(&program)));
        assert!(!own.runs(Path::new("/another/file")));
        assert!(!Identity { start_time: own.start_time + 1, ..own }.runs(Path::new(&program)));
    }
}
