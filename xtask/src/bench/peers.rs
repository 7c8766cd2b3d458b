//! `cargo xtask bench peers`: eight pieces of work, everybody's CPU seconds, and what part of the best peer's ours are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Error;
use super::client::{Client, Programs, RELEASE};
use super::field::Field;
use super::measure::{self, Run, line, median};
use super::report::{Table, publish, seconds};
use super::work::{Operation, Row, Work};
use crate::kafka::{Folders, Release};
use crate::suite::{Failure, check};

/// Time our clients and others on the same work, in turns; the table of DESIGN's budgets
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each works, in turns with the others
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only the rows with this in their name, as in `produce` or `lz4`
    #[arg(long, value_name = "NAME", default_value = "")]
    row: String,
    /// The part of each row's messages that are sent and read
    #[arg(long, value_name = "PART", default_value_t = 1.0)]
    count: f64,
    /// Only these clients; may be repeated
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
}

/// What each client took in each round.
type Runs = BTreeMap<&'static str, Vec<Run>>;

impl Arguments {
    /// Measures, prints, and fails where a peer that ours is measured by is missing.
    pub(super) fn run(&self) -> Result<(), Error> {
        let rows: Vec<_> = Row::ALL.into_iter().map(|row| row.scaled(self.count)).collect();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.work.to_string().contains(&self.row)).collect();
        if rows.is_empty() {
            return Err(Error::NoRow(self.row.clone()));
        }
        let wanted = self.wanted()?;
        let folders = Folders::of_workspace()?;
        let programs = Programs::build(&folders, &Release::prepare(RELEASE, &folders)?)?;
        let (clients, missing): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|client| programs.missing(*client).is_none());
        for client in &missing {
            println!("{} is missing: {}", client.name(), programs.missing(*client).unwrap_or_default());
        }
        let field = Field::start(&folders, RELEASE)?;
        let bench = Bench { programs, field };
        let mut report = Report::new();
        for row in rows {
            let runs = bench.measure(row.work, &clients, self.rounds)?;
            report.add(row, &runs);
        }
        publish(&report.text(self.rounds), &folders.peers.join("peers.md"))?;
        let missing: Vec<_> = missing.iter().filter(|client| Client::BEST.contains(client)).collect();
        let names = missing.iter().map(|client| client.name()).collect::<Vec<_>>().join(", ");
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(names)) }
    }

    fn wanted(&self) -> Result<Vec<Client>, Error> {
        if self.clients.is_empty() {
            return Ok(Client::ALL.to_vec());
        }
        let find = |name: &String| Client::ALL.into_iter().find(|client| client.name() == name);
        self.clients.iter().map(|name| find(name).ok_or_else(|| Error::NoClient(name.clone()))).collect()
    }
}

struct Bench {
    programs: Programs,
    field: Field,
}

impl Bench {
    fn measure(&self, work: Work, clients: &[Client], rounds: u16) -> Result<Runs, Failure> {
        println!("{work}");
        let full = if work.operation == Operation::Consume { Some(self.fill(work)?) } else { None };
        let mut runs = Runs::new();
        for round in 1..=rounds {
            for client in clients.iter().filter(|client| client.does(work.operation)) {
                let run = match &full {
                    Some(topic) => self.consume(*client, work, topic)?,
                    None => self.produce(*client, work)?,
                };
                println!("  {round} {:14} cpu {:.2} s, wall {:.2} s", client.name(), run.cpu, run.wall);
                runs.entry(client.name()).or_default().push(run);
            }
        }
        if let Some(topic) = full {
            self.field.delete(&topic)?;
        }
        Ok(runs)
    }

    /// A topic to read; what is in it, ours has written.
    fn fill(&self, work: Work) -> Result<String, Failure> {
        let topic = self.field.create("consume", PARTITIONS)?;
        let produce = Work { operation: Operation::Produce, ..work };
        self.run(Client::Ours, produce, &topic)?;
        self.field.check_count(&topic, PARTITIONS, work.count)?;
        Ok(topic)
    }

    fn produce(&self, client: Client, work: Work) -> Result<Run, Failure> {
        let topic = self.field.create(client.name(), PARTITIONS)?;
        let run = self.run(client, work, &topic)?;
        if client != Client::Floor {
            self.field.check_count(&topic, PARTITIONS, work.count)?;
        }
        self.field.delete(&topic)?;
        Ok(run)
    }

    fn consume(&self, client: Client, work: Work, topic: &str) -> Result<Run, Failure> {
        let run = self.run(client, work, topic)?;
        match client {
            Client::Floor => {}
            Client::Java => check(java_read(&run.output) == Some(work.count), || format!("java: {}", run.output))?,
            _ => {
                let all = vec![work.count as f64, (work.count * work.size) as f64];
                let read = line(&run.output, "read");
                check(read.as_ref() == Some(&all), || format!("{} read {read:?}, not {all:?}", client.name()))?;
            }
        }
        Ok(run)
    }

    fn run(&self, client: Client, work: Work, topic: &str) -> Result<Run, Failure> {
        let what = format!("{}: {work}", client.name());
        Ok(measure::run(&what, &mut self.programs.command(client, work, &self.field.brokers, topic))?)
    }
}

/// The number of messages in the last line of `ConsumerPerformance`: start, end, MB, MB/s, messages, …
fn java_read(output: &str) -> Option<usize> {
    output.lines().last()?.split(", ").nth(4)?.parse().ok()
}

/// Tables of medians and of ratios.
struct Report {
    table: Table,
    runs: String,
}

impl Report {
    fn new() -> Self {
        let names = Client::ALL.map(Client::name);
        let headings = [&["work"][..], &names, &["ours / best", "goal", ""]].concat();
        Self { table: Table::new(&headings), runs: String::new() }
    }

    fn add(&mut self, row: Row, runs: &Runs) {
        let cpu = |client: Client| median(runs.get(client.name())?.iter().map(|run| run.cpu));
        let best = Client::BEST.into_iter().filter_map(cpu).reduce(f64::min);
        let ratio = cpu(Client::Ours).zip(best).map(|(ours, best)| ours / best);
        let held = ratio.map_or("", |ratio| if ratio <= row.goal { "held" } else { "missed" });
        let mut cells = vec![row.work.to_string()];
        cells.extend(Client::ALL.map(|client| seconds(cpu(client))));
        cells.extend([seconds(ratio), seconds(Some(row.goal)), held.to_owned()]);
        self.table.add(cells);
        for (name, runs) in runs {
            let all = |number: fn(&Run) -> f64| {
                runs.iter().map(|run| format!("{:.2}", number(run))).collect::<Vec<_>>().join(" ")
            };
            // Writing to a string does not fail.
            let _ =
                writeln!(self.runs, "{}: {name}: cpu {}; wall {}", row.work, all(|run| run.cpu), all(|run| run.wall));
        }
    }

    fn text(&self, rounds: u16) -> String {
        format!(
            "Client CPU seconds (user and system), medians of {rounds} rounds in turns; Kafka {RELEASE}, one broker, \
             {PARTITIONS} partitions, acks=all, linger 5 ms.\n\n{}\nEvery run:\n\n```text\n{}```\n",
            self.table.to_markdown(),
            self.runs
        )
    }
}

const PARTITIONS: i32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(cpu: &[(Client, f64)]) -> Runs {
        let run = |cpu| Run { cpu, wall: 1.0, first_byte: 1.0, output: String::new() };
        cpu.iter().map(|(client, cpu)| (client.name(), vec![run(*cpu), run(9.0), run(0.0)])).collect()
    }

    #[test]
    fn ours_is_held_against_the_best_of_four() {
        let mut report = Report::new();
        let [first, second, ..] = Row::ALL;
        let peers = [(Client::FranzGo, 1.0), (Client::Krafka, 2.0), (Client::Sarama, 0.1)];
        report.add(first, &runs(&[&[(Client::Ours, 0.4)][..], &peers].concat()));
        report.add(second, &runs(&[&[(Client::Ours, 0.51)][..], &peers].concat()));
        let text = report.text(3);
        assert!(text.contains("| 0.40        | 0.40 | held   |"), "{text}");
        assert!(text.contains("| 0.51        | 0.50 | missed |"), "{text}");
        assert!(text.contains("produce 2000000 x 100 B: ours: cpu 0.40 9.00 0.00"), "{text}");
    }

    #[test]
    fn javas_count_is_found() {
        let line = "2026-01-01 10:00:00:000, 2026-01-01 10:00:01:000, 190.7, 190.7, 2000000, 2000000.0, 300, 700, 1, 2";
        assert_eq!(java_read(&format!("start.time, end.time, …\n{line}\n")), Some(2_000_000));
        assert_eq!(java_read(""), None);
    }
}
