//! `cargo xtask bench latency`: from the call to the acknowledgement, one message after the other.

use std::collections::BTreeMap;

use super::Error;
use super::client::{Client, Programs, RELEASE};
use super::field::Field;
use super::measure::{self, line, median};
use super::report::{Table, publish};
use super::work::{Codec, Operation, Work};
use crate::kafka::{Folders, Release};
use crate::suite::Failure;

/// Time single messages from the call to the acknowledgement, beside franz-go and rskafka, in turns
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each works, in turns with the others
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many messages each sends in a round
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..))]
    count: u32,
}

impl Arguments {
    /// Measures, and prints medians of what each round says.
    pub(super) fn run(&self) -> Result<(), Error> {
        let folders = Folders::of_workspace()?;
        let programs = Programs::build(&folders, &Release::prepare(RELEASE, &folders)?)?;
        let clients: Vec<_> = Client::ALL.into_iter().filter(|client| client.does(Operation::Latency)).collect();
        if let Some(client) = clients.iter().find(|client| programs.missing(**client).is_some()) {
            return Err(Error::Missing(client.name().to_owned()));
        }
        let field = Field::start(&folders, RELEASE)?;
        let topic = field.create("latency", 1)?;
        let work = Work { operation: Operation::Latency, count: self.count as usize, size: 100, codec: Codec::None };
        // The first messages to a broker that has just started are slow, whoever sends them.
        measure::run("warm up", &mut programs.command(Client::Ours, work, &field.brokers, &topic))?;
        let mut found: BTreeMap<&str, Vec<[f64; 2]>> = BTreeMap::new();
        for _ in 0..self.rounds {
            for client in &clients {
                let run = measure::run(client.name(), &mut programs.command(*client, work, &field.brokers, &topic))?;
                let not_understood = || Failure::from(format!("{} printed {:?}", client.name(), run.output));
                let [median, most] = latencies(&run.output).ok_or_else(not_understood)?;
                println!("  {:10} median {median} us, p99 {most} us", client.name());
                found.entry(client.name()).or_default().push([median, most]);
            }
        }
        field.check_count(&topic, 1, self.count as usize * (usize::from(self.rounds) * clients.len() + 1))?;
        publish(&self.text(&clients, &found), &folders.peers.join("latency.md"))?;
        Ok(())
    }

    fn text(&self, clients: &[Client], found: &BTreeMap<&str, Vec<[f64; 2]>>) -> String {
        let of = |client: Client, which: usize| median(found.get(client.name())?.iter().map(|pair| pair[which]));
        let peers = || clients.iter().filter(|client| **client != Client::Ours);
        let best = |which| peers().filter_map(|client| of(*client, which)).reduce(f64::min);
        let mut table = Table::new(&["client", "median, µs", "p99, µs", "median / best peer", "p99 / best peer"]);
        for client in clients {
            let mut cells = vec![client.name().to_owned()];
            let all = [of(*client, 0), of(*client, 1)];
            cells.extend(all.map(|number| number.map_or_else(String::new, |number| format!("{number:.0}"))));
            for (which, number) in all.into_iter().enumerate() {
                let ratio = number.zip(best(which)).map(|(number, best)| number / best);
                cells.push(ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
            }
            table.add(cells);
        }
        format!(
            "From the call to the acknowledgement, {} messages of 100 B one after the other, linger 0, acks=all, medians \
             of {} rounds in turns; Kafka {RELEASE}, one broker, one partition. The goal is 1.10 of the better peer.\n\n{}",
            self.count,
            self.rounds,
            table.to_markdown()
        )
    }
}

fn latencies(output: &str) -> Option<[f64; 2]> {
    line(output, "latency")?.try_into().ok()
}
