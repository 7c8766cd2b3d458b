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
            self.compare(&programs, &field, *partitions)?.into_iter().for_each(|row| table.add(row));
        }
        let text = format!(
            "Client CPU nanoseconds for each of {} messages of 100 B without key, medians of {} rounds; Kafka {RELEASE}, \
             one broker, topics that were written to before.\n\n\
             Among more partitions batches are smaller. So the same is done on a tenth of the partitions, {MOST_FEW} at \
             most, where a batch may have no more messages than it just had on average: as many batches of the same size, \
             in requests that have several of them too. More requests, if anything, as each has one batch of a partition.\
             \n\n{}",
            self.count,
            self.rounds,
            table.to_markdown()
        );
        publish(&text, &folders.peers.join("partitions.md"))?;
        Ok(())
    }

    /// The row of so many partitions; that of a few, with batches of the same size; and how the two compare.
    fn compare(&self, programs: &Programs, field: &Field, partitions: i32) -> Result<Vec<Vec<String>>, Failure> {
        let few = Some((partitions / 10).min(MOST_FEW)).filter(|few| *few > 0);
        let (mut of_many, mut of_few, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let many = self.measure(programs, field, partitions, None)?;
            if let Some(few) = few {
                let found = self.measure(programs, field, few, Some(many[0]))?;
                ratios.push(std::array::from_fn(|at| many[at] / found[at]));
                of_few.push(found);
            }
            of_many.push(many);
        }
        let mut rows = vec![row(partitions.to_string(), &of_many, 0)];
        if let Some(few) = few {
            rows.push(row(format!("{few}, small batches"), &of_few, 0));
            rows.push(row(format!("{partitions} / {few}"), &ratios, 2));
        }
        Ok(rows)
    }

    /// One round on a topic of its own, whose batches have no more messages than a limit.
    fn measure(
        &self,
        programs: &Programs,
        field: &Field,
        partitions: i32,
        limit: Option<f64>,
    ) -> Result<Figures, Failure> {
        let topic = field.create("partitions", partitions)?;
        field.warm(&topic, partitions)?;
        let count = self.count as usize;
        let all = count + partitions as usize;
        let run = |client, operation, count| -> Result<(Run, f64), Failure> {
            let work = Work { operation, count, size: 100, codec: Codec::None };
            let mut command = programs.command(client, work, &field.brokers, &topic);
            command.args(limit.map(|limit| limit.to_string()));
            let run = measure::run(operation.name(), &mut command)?;
            let name = operation.name();
            println!("  {partitions} partitions, {name}: cpu {:.2} s, wall {:.2} s", run.cpu, run.wall);
            let each = run.cpu * 1e9 / count as f64;
            Ok((run, each))
        };
        let read = |client| -> Result<f64, Failure> {
            let (run, each) = run(client, Operation::Consume, all)?;
            let messages = line(&run.output, "read").and_then(|numbers| numbers.first().copied());
            check(messages == Some(all as f64), || format!("read {messages:?} messages"))?;
            Ok(each)
        };
        let (written, write) = run(Client::Ours, Operation::Produce, count)?;
        field.check_count(&topic, partitions, all)?;
        let batch = line(&written.output, "batch").and_then(|numbers| numbers.first().copied());
        let batch = batch.ok_or_else(|| Failure::from(format!("it printed {:?}", written.output)))?;
        let figures = [batch, write, read(Client::Ours)?, read(Client::OursBatches)?];
        field.delete(&topic)?;
        Ok(figures)
    }
}

/// Messages in a batch, and nanoseconds of a message that is written, fetched, and fetched in batches.
type Figures = [f64; 4];

/// The medians of some rounds.
fn row(name: String, rounds: &[Figures], decimals: usize) -> Vec<String> {
    let median = |at: usize| median(rounds.iter().map(|figures| figures[at]));
    let cell = |at| median(at).map_or_else(String::new, |number| format!("{number:.decimals$}"));
    std::iter::once(name).chain((0..4).map(cell)).collect()
}

/// Enough partitions for requests of many batches, and few enough that none of them has to wait for its turn.
const MOST_FEW: i32 = 100;
