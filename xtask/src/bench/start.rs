//! `cargo xtask bench start`: how long it takes until a list of topics begins to appear, beside Java's tool and kcat.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;
use std::time::Duration;

use super::Error;
use super::client::RELEASE;
use super::field::Field;
use super::measure::{self, Run, median};
use super::report::{Table, publish};
use crate::cargo::cargo;
use crate::kafka::{self, Folders, Input, Release, Version, run_program};
use crate::suite::{Failure, check};

/// Time `kafka topics list` from its start to the first byte, beside Java's TopicCommand and kcat, in turns
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each starts, in turns with the others
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The release of the broker and of Java's tool
    #[arg(long, env = "KAFKA_VERSION", value_name = "VERSION", default_value_t = RELEASE)]
    kafka: Version,
}

/// What lists topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lister {
    Ours,
    Kcat,
    /// Java's tool with the options of Kafka's script; the shell's part is left out.
    Java,
    /// … with options for a quick start: a simple collector, and no second compiler.
    JavaQuick,
}

/// What each took in each round; nothing where it is missing.
type Runs = BTreeMap<Lister, Vec<Run>>;

impl Arguments {
    /// Measures, prints, and fails where one of them is missing.
    pub(super) fn run(&self) -> Result<(), Error> {
        let folders = Folders::of_workspace()?;
        build(&folders)?;
        let release = Release::prepare(self.kafka, &folders)?;
        let field = Field::start(&folders, self.kafka)?;
        let topics = (0..TOPICS).map(|_| field.create("start", 1)).collect::<Result<Vec<_>, _>>()?;
        let mut runs = Runs::new();
        // The first start of each is not counted: its files have to be read from the disk.
        for round in 0..=self.rounds {
            for lister in Lister::ALL {
                if round > 1 && !runs.contains_key(&lister) {
                    continue;
                }
                let Some(run) = lister.list(&folders, &release, &field, &topics)? else { continue };
                if round > 0 {
                    println!("  {round} {:40} {}", lister.name(), cells(&run).join(" "));
                    runs.entry(lister).or_default().push(run);
                }
            }
        }
        publish(&self.text(&runs), &folders.peers.join("start.md"))?;
        let missing: Vec<_> = Lister::ALL.iter().filter(|one| !runs.contains_key(one)).map(|one| one.name()).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing.join(", "))) }
    }

    fn text(&self, runs: &Runs) -> String {
        format!(
            "From the start of the program to the first byte of a list of {TOPICS} topics, to its end, and CPU time, user \
             and system, all in milliseconds; medians of {} starts in turns. Kafka {}, one broker on the same machine. \
             Of Java's script the shell's part is left out.\n\n{}",
            self.rounds,
            self.kafka,
            table(runs).to_markdown()
        )
    }
}

impl Lister {
    const ALL: [Self; 4] = [Self::Ours, Self::Kcat, Self::Java, Self::JavaQuick];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "kafka topics list",
            Self::Kcat => "kcat -L",
            Self::Java => "TopicCommand --list, the script's options",
            Self::JavaQuick => "TopicCommand --list, quick options",
        }
    }

    fn command(self, folders: &Folders, release: &Release, brokers: &str) -> Command {
        let list = ["--bootstrap-server", brokers, "--list"];
        match self {
            Self::Ours => {
                let mut command = Command::new(folders.target.join("release/kafka"));
                command.args(["topics", "list", "--brokers", brokers]);
                command
            }
            Self::Kcat => {
                let mut command = Command::new("kcat");
                command.args(["-L", "-b", brokers]);
                command
            }
            Self::Java => {
                let mut command = release.script_command(TOOL);
                command.args(list);
                command
            }
            Self::JavaQuick => release.tool_command(TOOL, &list),
        }
    }

    /// One list, which must have all topics. `None` where the machine lacks the program.
    fn list(
        self,
        folders: &Folders,
        release: &Release,
        field: &Field,
        topics: &[String],
    ) -> Result<Option<Run>, Failure> {
        match measure::run(self.name(), &mut self.command(folders, release, &field.brokers)) {
            Err(kafka::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
            Ok(run) => {
                let lacks = topics.iter().find(|topic| !run.output.contains(topic.as_str()));
                check(lacks.is_none(), || format!("{} does not list {lacks:?}: {}", self.name(), run.output))?;
                Ok(Some(run))
            }
        }
    }
}

/// Builds `kafka` as it is installed.
fn build(folders: &Folders) -> kafka::Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "kafka-cli", "--target-dir"]).arg(&folders.target);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    run_program("cargo build", &mut command, Input::Bytes(b""), BUILD_LIMIT).map(drop)
}

fn table(runs: &Runs) -> Table {
    let mut table = Table::new(&["program", "first byte", "end", "CPU", "first byte / ours"]);
    let of = |lister, number: fn(&Run) -> f64| median(runs.get(&lister)?.iter().map(number));
    let ours = of(Lister::Ours, |run| run.first_byte);
    for lister in Lister::ALL {
        let first = of(lister, |run| run.first_byte);
        let numbers = [first, of(lister, |run| run.wall), of(lister, |run| run.cpu)];
        let mut cells = vec![lister.name().to_owned()];
        cells.extend(numbers.map(|seconds| seconds.map_or_else(|| "missing".to_owned(), millis)));
        let ratio = first.zip(ours).map(|(first, ours)| format!("{:.1}", first / ours));
        cells.push(ratio.unwrap_or_else(|| "–".to_owned()));
        table.add(cells);
    }
    table
}

fn cells(run: &Run) -> [String; 3] {
    [run.first_byte, run.wall, run.cpu].map(millis)
}

fn millis(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e3)
}

const TOOL: &str = "TopicCommand";
const TOPICS: usize = 10;
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_a_row_and_no_number() {
        let run = |first_byte| Run { cpu: 0.004, wall: 0.02, first_byte, output: String::new() };
        let ours = vec![run(0.01), run(0.5), run(0.0125)];
        let runs = [(Lister::Ours, ours), (Lister::Java, vec![run(1.0)])].into();
        let text = table(&runs).to_markdown();
        let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        let cells = |name| row(name).split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()[2..6].join(" ");
        assert_eq!(cells("kafka topics list"), "12.5 20.0 4.0 1.0");
        assert_eq!(cells("script's"), "1000.0 20.0 4.0 80.0");
        assert_eq!(cells("kcat"), "missing missing missing –");
    }
}
