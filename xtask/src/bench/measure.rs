//! One run of a program: what it took, and what it printed.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::kafka::{self, Input, IoContext as _, run_watched};

/// What a run took.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// CPU seconds, user and system, of all its threads.
    pub(super) cpu: f64,
    /// Seconds from its start to the end of its output.
    pub(super) wall: f64,
    /// Seconds from its start to the first byte of its output; those of `wall` where there is none.
    pub(super) first_byte: f64,
    /// Its standard output.
    pub(super) output: String,
}

/// Runs a program to its end. No other child of this process may end meanwhile.
pub(super) fn run(what: &str, command: &mut Command) -> kafka::Result<Run> {
    let (before, begun) = (children()?, Instant::now());
    let printed = run_watched(what, command, Input::Bytes(b""), LIMIT)?;
    let until = |moment: Instant| moment.saturating_duration_since(begun).as_secs_f64();
    let output = String::from_utf8_lossy(&printed.bytes).into_owned();
    // The floor counts for itself: the other end of its socket is in the same process.
    let cpu = match line(&output, "cpu").as_deref() {
        Some([seconds]) => *seconds,
        _ => children()? - before,
    };
    Ok(Run { cpu, wall: until(printed.end), first_byte: until(printed.first.unwrap_or(printed.end)), output })
}

/// What all children that have ended took together.
fn children() -> kafka::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(io::Error::from);
    let usage = usage.context(|| "ask for the resources that programs have used".to_owned())?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The numbers of the output line that begins with a word.
pub(super) fn line(output: &str, word: &str) -> Option<Vec<f64>> {
    let rest = output.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
    rest.split(' ').map(|number| number.parse().ok()).collect()
}

/// The middle one of some numbers; of an even number, the mean of the two in the middle.
pub(super) fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

const LIMIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_takes_is_counted() {
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo read 3 4";
        let run = run("sh", Command::new("sh").args(["-c", busy])).unwrap();
        assert!(run.cpu > 0.0 && run.first_byte > 0.0 && run.wall >= run.first_byte, "{run:?}");
        assert_eq!(line(&run.output, "read"), Some(vec![3.0, 4.0]));
        assert_eq!(line(&run.output, "rea"), None);
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(2.5));
    }
}
