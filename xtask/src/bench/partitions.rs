//! `cargo xtask bench partitions`: whether a message costs more where there are many partitions.

use super::Error;
use super::client::{Client, Programs, RELEASE};
use super::field::Field;
use super::measure::{self, Run, line, median};
use super::report::{Table, publish};
use super::work::{Codec, Operation, Work};
use crate::kafka::{Folders, Release};
use crate::suite::{Failure, check};

/// Time our clients on topics of 1, 100 and 5,000 partitions
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each is timed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many messages of 100 bytes are written and read
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    count: u32,
    /// The numbers of partitions
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 5000], value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Vec<i32>,
}

impl Arguments {
    /// Measures, and prints nanoseconds for each message.
    pub(super) fn run(&self) -> Result<(), Error> {
        let folders = Folders::of_workspace()?;
        let programs = Programs::build(&folders, &Release::prepare(RELEASE, &folders)?)?;
        if let Some(what) = programs.missing(Client::Ours) {
            return Err(Error::Missing(format!("{} ({what})", Client::Ours.name())));
        }
        let field = Field::start(&folders, RELEASE)?;
        let mut table = Table::new(&[
            "partitions",
            "messages in a batch",
            "write, ns each",
            "fetch_message, ns each",
            "fetch_batch, ns each",
        ]);
        for partitions in &self.partitions {
            table.add(self.row(&programs, &field, *partitions)?);
        }
        let text = format!(
            "Client CPU nanoseconds for each of {} messages of 100 B without key, medians of {} rounds; Kafka {RELEASE}, \
             one broker.\n\n{}",
            self.count,
            self.rounds,
            table.to_markdown()
        );
        publish(&text, &folders.peers.join("partitions.md"))?;
        Ok(())
    }

    fn row(&self, programs: &Programs, field: &Field, partitions: i32) -> Result<Vec<String>, Failure> {
        let (mut written, mut read, mut read_batches) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let topic = field.create("partitions", partitions)?;
            let run = |client, operation| -> Result<Run, Failure> {
                let work = Work { operation, count: self.count as usize, size: 100, codec: Codec::None };
                let run = measure::run(operation.name(), &mut programs.command(client, work, &field.brokers, &topic))?;
                println!(
                    "  {partitions} partitions, {}: cpu {:.2} s, wall {:.2} s",
                    operation.name(),
                    run.cpu,
                    run.wall
                );
                Ok(run)
            };
            written.push(run(Client::Ours, Operation::Produce)?);
            field.check_count(&topic, partitions, self.count as usize)?;
            for (client, runs) in [(Client::Ours, &mut read), (Client::OursBatches, &mut read_batches)] {
                let run = run(client, Operation::Consume)?;
                let messages = line(&run.output, "read").and_then(|numbers| numbers.first().copied());
                check(messages == Some(f64::from(self.count)), || format!("read {messages:?} messages"))?;
                runs.push(run);
            }
            field.delete(&topic)?;
        }
        let each = |runs: &[Run]| median(runs.iter().map(|run| run.cpu * 1e9 / f64::from(self.count)));
        let batch = median(written.iter().filter_map(|run| line(&run.output, "batch")?.first().copied()));
        let cells = [batch, each(&written), each(&read), each(&read_batches)];
        let cells = cells.map(|number| number.map_or_else(String::new, |number| format!("{number:.0}")));
        Ok([vec![partitions.to_string()], cells.to_vec()].concat())
    }
}
