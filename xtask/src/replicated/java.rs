//! The Java programs that read what we wrote, and write beside us.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::gaps::Gap;
use super::judge::Found;
use crate::kafka::{self, IoContext as _, Release};
use crate::suite::{Failure, check};

/// The programs, compiled against a release's jars.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    release: Release,
    folder: PathBuf,
}

const SOURCES: [(&str, &str); 2] = [
    ("LogReader", include_str!("../../replicated/LogReader.java")),
    ("PacedProducer", include_str!("../../replicated/PacedProducer.java")),
];

impl Programs {
    /// Compiles them, unless that was done.
    pub(crate) fn compile(release: &Release) -> Result<Self, kafka::Error> {
        let folder = release.programs();
        fs::create_dir_all(&folder).context(|| format!("create {}", folder.display()))?;
        for (class, source) in SOURCES {
            let file = folder.join(format!("{class}.java"));
            let compiled = folder.join(format!("{class}.class"));
            if compiled.exists() && fs::read(&file).is_ok_and(|found| found == source.as_bytes()) {
                continue;
            }
            // Its source stands beside the class only once that is whole.
            let fresh = folder.join(format!("{class}.fresh"));
            let fresh_file = fresh.join(format!("{class}.java"));
            fs::create_dir_all(&fresh).context(|| format!("create {}", fresh.display()))?;
            fs::write(&fresh_file, source).context(|| format!("write {}", fresh_file.display()))?;
            release.compile(&folder, &fresh_file)?;
            fs::rename(&fresh_file, &file).context(|| format!("rename {}", fresh_file.display()))?;
        }
        Ok(Self { release: release.clone(), folder })
    }

    /// Everything that Java's consumer finds in a topic, each partition in the order of its offsets.
    pub(crate) async fn read(&self, bootstrap: &str, topic: &str) -> Result<Vec<Found>, Failure> {
        let (programs, arguments) = (self.clone(), [bootstrap.to_owned(), topic.to_owned()]);
        let run = move || {
            let arguments = arguments.each_ref().map(String::as_str);
            programs.release.run(&programs.folder, "LogReader", &arguments, b"", READ_LIMIT)
        };
        let printed = String::from_utf8(tokio::task::spawn_blocking(run).await??)?;
        printed.lines().map(|line| found(line).ok_or_else(|| format!("Java printed {line:?}").into())).collect()
    }

    /// Starts Java's producer beside ours.
    pub(crate) fn produce(&self, pace: &JavaPace<'_>) -> Result<JavaProducer, Failure> {
        let numbers = [
            pace.partitions.to_string(),
            pace.per_second.to_string(),
            pace.request_timeout.as_millis().to_string(),
            pace.delivery_timeout.as_millis().to_string(),
            pace.least_gap.as_millis().to_string(),
        ];
        let mut command = Command::from(self.release.program(&self.folder, "PacedProducer"));
        command.args([pace.bootstrap, pace.topic]).args(numbers);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        Ok(JavaProducer(command.spawn()?))
    }
}

/// What Java's producer shall do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JavaPace<'a> {
    pub(crate) bootstrap: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) partitions: usize,
    pub(crate) per_second: u32,
    pub(crate) request_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    /// Shorter ones are not told.
    pub(crate) least_gap: Duration,
}

/// Java's producer while it runs; it ends with this value.
#[derive(Debug)]
pub(crate) struct JavaProducer(Child);

/// What Java's producer did.
#[derive(Debug)]
pub(crate) struct JavaReport {
    pub(crate) gaps: Vec<Gap>,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
}

impl JavaProducer {
    /// Ends it, and hears how it went.
    pub(crate) async fn finish(mut self) -> Result<JavaReport, Failure> {
        drop(self.0.stdin.take());
        let mut printed = String::new();
        let mut stdout = self.0.stdout.take().ok_or("no stdout")?;
        tokio::time::timeout(READ_LIMIT, stdout.read_to_string(&mut printed)).await??;
        let status = tokio::time::timeout(READ_LIMIT, self.0.wait()).await??;
        check(status.success(), || format!("Java's producer: {status}\n{printed}"))?;
        report(&printed).ok_or_else(|| format!("Java's producer printed\n{printed}").into())
    }
}

fn found(line: &str) -> Option<Found> {
    let mut columns = line.splitn(3, '\t');
    let (partition, offset) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
    Some(Found { partition, offset, value: columns.next()?.to_owned() })
}

fn report(printed: &str) -> Option<JavaReport> {
    let mut gaps = Vec::new();
    for line in printed.lines() {
        let mut words = line.split(' ');
        match (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?) {
            ("gap", begin, length) => gaps.push(Gap { begin_ms: begin, length_ms: length }),
            ("end", acknowledged, failed) => return Some(JavaReport { gaps, acknowledged, failed }),
            _ => return None,
        }
    }
    None
}

/// Longer than a topic of these takes to read, or a producer to write what is left.
const READ_LIMIT: Duration = Duration::from_secs(150);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_prints_is_read() {
        let expected = Found { partition: 2, offset: 17, value: "a\tb".to_owned() };
        assert_eq!(found("2\t17\ta\tb"), Some(expected));
        assert_eq!(found("2\tx\ta"), None);
        let report = report("gap 1000 350 0\ngap 2000 400 1\nend 70 3\n").unwrap();
        assert_eq!((report.acknowledged, report.failed), (70, 3));
        assert_eq!(report.gaps[1], Gap { begin_ms: 2000, length_ms: 400 });
        assert!(super::report("gap 1000 350 0\n").is_none());
    }
}
