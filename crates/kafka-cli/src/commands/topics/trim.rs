//! `kafka topics trim`.

use clap::Args;
use kafka_admin::{DeleteBefore, RecordDeletion, TopicPartition};

use crate::commands::{places, plans};
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::parse::place::{Place, parse_place};
use crate::report;

#[derive(Debug, Args)]
pub(crate) struct TrimArguments {
    /// What to trim, as in orders or orders:0,3
    #[arg(value_name = "TOPIC[:PARTITION,...]", required = true, value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    /// Deletes the messages before this place: an offset, end, -N for N before the end, or a time, as in @2026-01-15
    /// or @-7d
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = parse_place)]
    pub(crate) before: Place,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Deletes the oldest messages, once it was shown which.
pub(super) async fn run(arguments: TrimArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let partitions = places::partitions(&admin, &arguments.partitions, &mut outcome).await?;
    let offsets = places::offsets(&admin, &partitions, arguments.before, &mut outcome).await?;
    let offsets: Vec<_> = offsets.into_iter().collect();
    let make = async |offsets: &[(TopicPartition, i64)]| {
        let before = offsets.iter().map(|(partition, offset)| (partition.clone(), DeleteBefore::Offset(*offset)));
        admin.plan_record_deletion(&before.collect()).await
    };
    let plan = plans::plan(&offsets, &mut outcome, make, |plan, more| plan.partitions.extend(more.partitions)).await?;
    let shrinking = plan.partitions.values().filter(|deletion| deletion.count() > 0).count();
    if shrinking == 0 {
        if outcome == Outcome::Complete {
            report::line(format_args!("nothing is to be deleted"));
        }
        return Ok(outcome);
    }
    let messages = plan.partitions.values().map(RecordDeletion::count).sum::<i64>();
    let (messages, partitions) =
        (report::count(messages as u64, "message"), report::count(shrinking as u64, "partition"));
    match arguments.consent.ask_about(&plan, format!("delete up to {messages} of {partitions}")).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_record_deletion_plan(&plan).await?;
    Ok(outcome.and(report::each(&items, |partition| format!("trimmed {partition}"))))
}
