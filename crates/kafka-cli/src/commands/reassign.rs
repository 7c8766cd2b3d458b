//! `kafka reassign …`: on which brokers partitions are kept.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use kafka_admin::{Admin, Reassignment, TopicPartition};
use kafka_conn::BrokerId;
use serde_json::{Value, json};

use crate::commands::{places, plans};
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum ReassignCommand {
    /// List the reassignments that are going on
    List(ListArguments),
    /// Move partitions to other brokers; returns when it has begun
    Start(StartArguments),
    /// Stop reassignments: partitions stay where they were
    Cancel(CancelArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(override_usage = "kafka reassign start [OPTIONS] --to <BROKER,...> \\\n         <TOPIC[:PARTITION,...]>...")]
pub(crate) struct StartArguments {
    /// What to move, as in orders or orders:0,3
    #[arg(value_name = "TOPIC[:PARTITION,...]", required = true, value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    /// The brokers of each of these partitions, the preferred leader first
    #[arg(long, value_name = "BROKER,...", required = true, value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) to: Vec<i32>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    /// What to leave where it was, as in orders or orders:0,3
    #[arg(value_name = "TOPIC[:PARTITION,...]", required = true, value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: ReassignCommand) -> Result<Outcome> {
    match command {
        ReassignCommand::List(arguments) => {
            let admin = arguments.connect.admin().await?;
            arguments.watch.show(async |_: &mut Outcome| Ok(table(&admin.list_reassignments(None).await?))).await
        }
        ReassignCommand::Start(arguments) => start(arguments).await,
        ReassignCommand::Cancel(arguments) => cancel(arguments).await,
    }
}

async fn start(arguments: StartArguments) -> Result<Outcome> {
    let StartArguments { partitions, to, consent, connect } = arguments;
    let to = to.into_iter().map(BrokerId).collect();
    carry_out(&connect.admin().await?, &partitions, Some(to), &consent).await
}

async fn cancel(arguments: CancelArguments) -> Result<Outcome> {
    let CancelArguments { partitions, consent, connect } = arguments;
    carry_out(&connect.admin().await?, &partitions, None, &consent).await
}

/// Moves partitions, or calls off their moves, once it was shown what that changes.
async fn carry_out(
    admin: &Admin,
    named: &[PartitionsSpec],
    to: Option<Vec<BrokerId>>,
    consent: &ConsentArguments,
) -> Result<Outcome> {
    let (nothing, what, done) = match to {
        Some(_) => ("nothing is to be moved", "move", "moving"),
        None => ("nothing is being moved", "stop moving", "stopped moving"),
    };
    let mut outcome = Outcome::Complete;
    let partitions = places::partitions(admin, named, &mut outcome).await?;
    let make = async |partitions: &[TopicPartition]| {
        let targets = partitions.iter().map(|partition| (partition.clone(), to.clone()));
        admin.plan_reassignment(&targets.collect()).await
    };
    let plan = plans::plan(&partitions, &mut outcome, make, |plan, more| plan.moves.extend(more.moves)).await?;
    let moving = plan.moves.values().filter(|planned| !planned.stays()).count();
    if moving == 0 {
        if outcome == Outcome::Complete {
            report::line(format_args!("{nothing}"));
        }
        return Ok(outcome);
    }
    match consent.ask_about(&plan, format!("{what} {}", report::count(moving as u64, "partition"))).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_reassignment_plan(&plan).await?;
    Ok(outcome.and(report::each(&items, |partition| format!("{done} {partition}"))))
}

fn table(reassignments: &BTreeMap<TopicPartition, Reassignment>) -> Table<5> {
    let brokers = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Value>();
    let mut table = Table::new(["topic", "partition", "replicas", "adding", "removing"]);
    for (partition, Reassignment { replicas, adding, removing }) in reassignments {
        let [replicas, adding, removing] = [replicas, adding, removing].map(|ids| brokers(ids));
        table.push([json!(partition.topic.as_str()), json!(partition.partition), replicas, adding, removing]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_partition() {
        let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        let reassignment =
            Reassignment { replicas: brokers(&[1, 2, 3]), adding: brokers(&[3]), removing: brokers(&[1]) };
        let expected = "\
TOPIC   PARTITION  REPLICAS  ADDING  REMOVING
orders          0  1,2,3     3       1
";
        assert_eq!(table(&[(TopicPartition::new("orders", 0), reassignment)].into()).to_text(Some(80)), expected);
    }
}
