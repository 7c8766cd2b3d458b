//! How far it is, for a person who watches: one line that is written over.

use std::future::Future;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::report;

/// What is counted by who works, to be read beside it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: AtomicU64,
    /// Of the lines.
    pub(crate) bytes: AtomicU64,
}

/// Where messages go, and lines come from; or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// The line, or nothing where nobody watches.
#[derive(Debug)]
pub(crate) struct Progress {
    way: Way,
    counts: Arc<Counts>,
    begin: Instant,
    last: (Instant, u64),
    is_watched: bool,
}

impl Progress {
    /// Of writing messages. It is watched where standard error is a terminal; but whoever types the lines needs no help
    /// to count them.
    pub(crate) fn of_writing(counts: Arc<Counts>) -> Self {
        Self::new(Way::In, counts, stderr().is_terminal() && !stdin().is_terminal())
    }

    /// Of reading messages. It is watched where standard error is a terminal and the lines go into a file: on a terminal
    /// they are progress themselves, and what reads a pipe may write to that terminal too.
    pub(crate) fn of_reading(counts: Arc<Counts>) -> Self {
        Self::new(Way::Out, counts, stderr().is_terminal() && is_file(&stdout()))
    }

    fn new(way: Way, counts: Arc<Counts>, is_watched: bool) -> Self {
        let begin = Instant::now();
        Self { way, counts, begin, last: (begin, 0), is_watched }
    }

    /// Shows the line while `work` goes on.
    ///
    /// **Cancel safety:** that of `work`.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        if !self.is_watched {
            return work.await;
        }
        let (mut work, mut ticks) = (pin!(work), interval(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The first one is at once, when there is nothing to tell.
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                now = ticks.tick() => report::progress(&self.line(now)),
            }
        }
    }

    /// What was done in all, instead of the line.
    pub(crate) fn conclude(&self) {
        if self.is_watched {
            let (now, (messages, bytes)) = (Instant::now(), self.counts());
            let seconds = now.saturating_duration_since(self.begin).as_secs_f64();
            let rate = grouped(rate(messages, now, self.begin));
            report::line(format_args!("{}, {seconds:.1} s, {rate}/s", self.way.describe(messages, bytes)));
        }
    }

    /// The line, with the rate since the last one.
    fn line(&mut self, now: Instant) -> String {
        let (messages, bytes) = self.counts();
        let (since, before) = std::mem::replace(&mut self.last, (now, messages));
        let rate = grouped(rate(messages.saturating_sub(before), now, since));
        format!("{}, {rate}/s", self.way.describe(messages, bytes))
    }

    fn counts(&self) -> (u64, u64) {
        (self.counts.messages.load(Ordering::Relaxed), self.counts.bytes.load(Ordering::Relaxed))
    }
}

impl Way {
    fn describe(self, messages: u64, bytes: u64) -> String {
        let (count, size) = (grouped(messages), size(bytes));
        match self {
            Self::In => format!("{count} messages written, {size} read"),
            Self::Out => format!("{count} messages read, {size} written"),
        }
    }
}

/// Whether it is a file on a disk. Where that cannot be known, it is none.
#[cfg(unix)]
fn is_file(output: &impl std::os::fd::AsFd) -> bool {
    let file = output.as_fd().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(not(unix))]
fn is_file(_: &std::io::Stdout) -> bool {
    false
}

fn rate(count: u64, now: Instant, since: Instant) -> u64 {
    let millis = now.saturating_duration_since(since).as_millis().max(1) as u64;
    count.saturating_mul(1000) / millis
}

/// With a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Often enough to look alive, seldom enough to be read.
const EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_came_since_the_last_one() {
        let (counts, begin) = (Arc::new(Counts::default()), Instant::now());
        let mut progress = Progress { begin, last: (begin, 0), ..Progress::new(Way::In, Arc::clone(&counts), true) };
        for (millis, written, bytes, line) in [
            (500, 0, 12, "0 messages written, 12 B read, 0/s"),
            (1000, 1_000, 65_536, "1,000 messages written, 65.5 kB read, 2,000/s"),
            (1500, 1_234_567, 98_765_432, "1,234,567 messages written, 98.8 MB read, 2,467,134/s"),
            (1500, 1_234_567, 9_876_543_210, "1,234,567 messages written, 9.88 GB read, 0/s"),
        ] {
            counts.messages.store(written, Ordering::Relaxed);
            counts.bytes.store(bytes, Ordering::Relaxed);
            assert_eq!(progress.line(begin + Duration::from_millis(millis)), line);
        }
    }

    #[test]
    fn readers_are_told_of_reading() {
        assert_eq!(Way::Out.describe(1234, 1_500_000), "1,234 messages read, 1.5 MB written");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_a_file() {
        assert!(is_file(&tempfile::tempfile().unwrap()));
        assert!(!is_file(&std::os::unix::net::UnixStream::pair().unwrap().0));
    }

    #[tokio::test]
    async fn work_that_nobody_watches_is_only_awaited() {
        let mut progress = Progress::new(Way::Out, Arc::default(), false);
        assert_eq!(progress.beside(async { 7 }).await, 7);
    }
}
