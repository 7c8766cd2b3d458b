//! `kafka elect`: new leaders for partitions.

use clap::Args;
use kafka_admin::{Election, ErrorKind};

use crate::commands::places;
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::report;

#[derive(Debug, Args)]
pub(crate) struct ElectArguments {
    /// Which partitions, as in orders or orders:0,3 [default: all]
    #[arg(value_name = "TOPIC[:PARTITION,...]", value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    /// Elects replicas that are not in sync, too, where there is no leader: messages that they lack are lost
    #[arg(long, requires = "partitions")]
    pub(crate) unclean: bool,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Has the first replica of each partition lead it. Where it does already, that is as good.
pub(crate) async fn run(arguments: ElectArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let named = places::partitions(&admin, &arguments.partitions, &mut outcome).await?;
    // What was named and is not there must not become everything.
    let partitions = (!arguments.partitions.is_empty()).then_some(&*named);
    let (election, what) = match arguments.unclean {
        true => (Election::Unclean, "elect leaders that may lack messages, which are lost then"),
        false => (Election::Preferred, "have preferred replicas lead"),
    };
    match arguments.consent.ask(format_args!("{what} ({})", scope(partitions.map(<[_]>::len)))).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let mut items = admin.elect_leaders(election, partitions).await?;
    let unchanged = |error: &kafka_admin::Error| *error.kind() == ErrorKind::ElectionNotNeeded;
    items.retain(|item| !item.result.as_ref().is_err_and(unchanged));
    if items.is_empty() {
        report::line(format_args!("no election is needed"));
    }
    Ok(outcome.and(report::each(&items, |partition| format!("elected a leader of {partition}"))))
}

fn scope(partitions: Option<usize>) -> String {
    partitions.map_or_else(|| "all partitions".to_owned(), |count| report::count(count as u64, "partition"))
}
