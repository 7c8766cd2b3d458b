//! `cargo xtask bench balancers`: the time that choosing a partition takes, and how evenly partitions are chosen.
//!
//! ```text
//! crates/kafka-writer/benches (criterion) ─┐
//! programs around other clients: `picks`  ─┼─► rows ──► docs/balancers.md, docs/balancers.svg
//! our balancers, some sorts of keys       ─┘
//! ```
//!
//! That the others spread keys as ours do is what `cargo xtask interop` proves; so the spread is measured once.

mod plot;
mod spread;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kafka_conn::Message;
use serde::Deserialize;

use super::Error;
use crate::cargo::cargo;
use crate::interop::balancers::{Ours, PAIRS, hex_lines};
use crate::interop::foreign::{Client, Program, Unready};
use crate::kafka::{Folders, IoContext as _};
use crate::suite::{Failure, check};
use spread::{KeySort, Spread};

/// Time the choice of a partition, ours and other clients', and measure how even it is; writes docs/balancers.md
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// A balancer of ours, and those of other clients that are the same.
struct Row {
    ours: Ours,
    /// Who, and nanoseconds for a choice; ours first.
    times: Vec<(String, f64)>,
    spreads: Vec<(KeySort, Spread)>,
}

impl Arguments {
    /// Measures everything, prints the table, and writes it and the plot.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let folders = Folders::of_workspace()?;
        let mut rows = ours(&folders)?;
        for client in Client::ALL {
            match client.prepare(&folders) {
                Ok(program) => add_times(&mut rows, client, &program)?,
                Err(Unready::Lacks(what)) => println!("{} ... SKIPPED: {what}", client.name()),
                Err(Unready::Failed(error)) => return Err(error.into()),
            }
        }
        let table = table(&rows);
        println!("\n{table}");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        fs::create_dir_all(&docs).context(|| format!("create {}", docs.display()))?;
        for (name, text) in [("balancers.md", page(&table)), ("balancers.svg", plot::svg(&rows))] {
            fs::write(docs.join(name), text).context(|| format!("write docs/{name}"))?;
            println!("docs/{name} is written");
        }
        Ok(())
    }
}

/// Our rows: what criterion measures, and the spread.
fn ours(folders: &Folders) -> Result<Vec<Row>, Error> {
    let mut command = cargo();
    command.args(["bench", "--package", "kafka-writer", "--bench", "balancers", "--"]);
    // Samples of about a millisecond, so that in some of them nobody else is in the way.
    command.args(["--warm-up-time", "1", "--measurement-time", "0.5", "--sample-size", "500"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.status().context(|| "run cargo bench".to_owned())?;
    check(status.success(), || format!("cargo bench failed ({status})"))?;
    let row = |ours: Ours| {
        let file = folders.benches.join("balancers").join(ours.name()).join("new/sample.json");
        let text = fs::read(&file).context(|| format!("read {}", file.display()))?;
        let nanos = fastest(&text).ok_or_else(|| Failure::from(format!("no samples in {}", file.display())))?;
        let spreads = KeySort::ALL.map(|sort| (sort, Spread::of(&*ours.balancer(), sort))).into();
        Ok(Row { ours, times: vec![("ours".to_owned(), nanos)], spreads })
    };
    Ours::ALL.into_iter().map(row).collect()
}

/// Nanoseconds for a choice in the fastest of criterion's samples.
fn fastest(samples: &[u8]) -> Option<f64> {
    let samples: Samples = serde_json::from_slice(samples).ok()?;
    samples.times.iter().zip(samples.iters).map(|(nanos, choices)| nanos / choices).min_by(f64::total_cmp)
}

/// A `sample.json`.
#[derive(Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Lets a client's program measure its balancers, and adds them to the rows of those that are the same.
fn add_times(rows: &mut [Row], client: Client, program: &Program) -> Result<(), Error> {
    let keys: Vec<_> = (0..KEYS).map(|number| Message { key: Some(numbered(number)), ..Message::default() }).collect();
    let answer = program.ask("picks", &PARTITIONS.to_string(), &hex_lines(&keys))?;
    for (name, nanos) in answer.lines().filter_map(|line| line.split_once(' ')) {
        let nanos = nanos.parse().map_err(|_| Failure::from(format!("{} says {nanos:?}", client.name())))?;
        let pair = PAIRS.iter().find(|pair| pair.client == client && pair.theirs == name);
        let row = pair.and_then(|pair| rows.iter_mut().find(|row| row.ours == pair.ours));
        let row = row.ok_or_else(|| Failure::from(format!("{} has an unknown balancer {name:?}", client.name())))?;
        row.times.push((format!("{} {name}", client.name()), nanos));
    }
    Ok(())
}

fn numbered(number: usize) -> bytes::Bytes {
    format!("customer-{number:07}").into()
}

/// The rows as a table in Markdown.
fn table(rows: &[Row]) -> String {
    let sorts = KeySort::ALL.map(KeySort::name);
    let mut table = format!("| balancer | ours | others, the same | {} |\n", sorts.join(" | "));
    table.push_str(&format!("|---|---|---|{}\n", "---|".repeat(sorts.len())));
    for row in rows {
        let others = row.times[1..].iter().map(|(who, nanos)| format!("{who} {nanos:.1}"));
        let others = others.collect::<Vec<_>>().join(", ");
        write!(table, "| `{}` | {:.1} | {others} |", row.ours.name(), row.times[0].1).expect("a String takes all");
        row.spreads.iter().for_each(|(_, spread)| write!(table, " {spread} |").expect("a String takes all"));
        table.push('\n');
    }
    table
}

/// The page around the table.
fn page(table: &str) -> String {
    format!(
        "# Balancers\n\n\
         Written by `cargo xtask bench balancers`. Nanoseconds to choose a partition among {PARTITIONS}, keys of 16 bytes, \
         on {}; and how many messages the lightest and the heaviest of {PARTITIONS} partitions get of {}, as multiples of \
         the mean. Where keys fall as dice do, about 0.92 to 1.08 is to be expected.\n\n\
         ![Time and spread of each balancer](balancers.svg)\n\n{table}\n\
         That each sends every key where the others beside it send it is proved by `cargo xtask interop`, with 10,000 \
         random keys.\n\n\
         What the times are not: a comparison of libraries. Each is measured in its own program, in a loop over messages \
         that exist already; of many rounds the fastest counts, in which nobody else was in the way. A choice is a small \
         part of what a message costs, and each library does other work around it: librdkafka's functions and Java's get \
         a key, Go's a message; ours and kafka-go's get the list of partitions, the others a number. Without a key, \
         `sticky` stays with a partition for 16 KiB: it evens out over more messages, and fills batches meanwhile.\n",
        processor().unwrap_or_else(|| "a machine of unknown make".to_owned()),
        spread::MESSAGES,
    )
}

/// What the machine computes with, where it says so.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}

/// As in crates/kafka-writer/benches/balancers.rs.
const KEYS: usize = 10_000;
const PARTITIONS: i32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |ours: Ours| Row {
            ours,
            times: vec![("ours".to_owned(), 3.25), ("sarama <hash>".to_owned(), 44.0)],
            spreads: KeySort::ALL.map(|sort| (sort, Spread { lightest: 0.9, heaviest: 1.1 })).into(),
        };
        Ours::ALL.map(row).into()
    }

    #[test]
    fn each_balancer_has_a_line_with_all_figures() {
        let table = table(&rows());
        assert_eq!(table.lines().count(), 2 + Ours::ALL.len());
        let columns = table.lines().map(|line| line.matches('|').count()).collect::<std::collections::HashSet<_>>();
        assert_eq!(columns.len(), 1, "{table}");
        assert!(table.contains("| `hash` | 3.2 | sarama <hash> 44.0 | 0.90–1.10 |"), "{table}");
    }

    #[test]
    fn the_plot_is_well_formed() {
        let svg = plot::svg(&rows());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        assert!(svg.contains("sarama &lt;hash&gt; 44"), "texts are escaped");
        for tag in ["text", "svg"] {
            assert_eq!(svg.matches(&format!("<{tag} ")).count(), svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn the_fastest_of_criterions_samples_is_found() {
        assert_eq!(fastest(br#"{"sampling_mode":"Linear","iters":[2.0,4.0],"times":[7.0,13.0]}"#), Some(3.25));
        assert_eq!((fastest(br#"{"iters":[],"times":[]}"#), fastest(b"{}")), (None, None));
    }
}
