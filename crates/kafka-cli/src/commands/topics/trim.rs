//! `kafka topics trim`.

use clap::Args;
use kafka_admin::DeleteBefore;

use crate::commands::places;
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

/// Deletes the oldest messages, once it was said which.
pub(super) async fn run(arguments: TrimArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let partitions = places::partitions(&admin, &arguments.partitions, &mut outcome).await?;
    let offsets = places::offsets(&admin, &partitions, arguments.before, &mut outcome).await?;
    for (partition, offset) in &offsets {
        report::line(format_args!("{partition}: before offset {offset}"));
    }
    if offsets.is_empty() {
        return Ok(outcome);
    }
    let what = format!("delete messages of {}", report::count(offsets.len() as u64, "partition"));
    match arguments.consent.ask(what).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let before = offsets.into_iter().map(|(partition, offset)| (partition, DeleteBefore::Offset(offset))).collect();
    let items = admin.delete_records(&before).await?;
    Ok(outcome.and(report::each(&items, |partition| format!("trimmed {partition}"))))
}
