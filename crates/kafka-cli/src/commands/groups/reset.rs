//! `kafka groups reset-offsets`.

use clap::Args;
use jiff::Timestamp;
use kafka_admin::{OffsetPlan, OffsetReset};
use serde_json::json;

use crate::commands::places;
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::parse::place::{Place, parse_place};
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(override_usage = "kafka groups reset-offsets [OPTIONS] <GROUP> [TOPIC[:PARTITION,...]]...")]
#[group(id = "target", required = true, multiple = false, args = ["to", "shift"])]
pub(crate) struct ResetArguments {
    /// The group, which must have no members
    pub(crate) group: String,
    /// What to move, as in orders or orders:0,3 [default: all that the group has committed]
    #[arg(value_name = "TOPIC[:PARTITION,...]", value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    /// Where to: start, end, an offset, or a time, as in @2026-01-15 or @-1h
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = parse_target)]
    pub(crate) to: Option<Place>,
    /// How many messages on, or back, as in --shift -10
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) shift: Option<i64>,
    /// Does it, after a question; without this the plan is shown only
    #[arg(long)]
    pub(crate) execute: bool,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Distances count from what is committed here: that is `--shift`.
fn parse_target(text: &str) -> Result<Place, String> {
    match parse_place(text).map_err(|error| error.to_string())? {
        Place::BeforeEnd(_) => Err("write start, end, an offset or a time; for a distance use --shift".to_owned()),
        place => Ok(place),
    }
}

/// Prints the plan and, where told to, makes the moves.
pub(super) async fn run(arguments: ResetArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let named = places::partitions(&admin, &arguments.partitions, &mut outcome).await?;
    // What was named and is not there must not become everything.
    let partitions = (!arguments.partitions.is_empty()).then_some(&*named);
    let plan = admin.plan_offset_reset(&arguments.group, partitions, reset(&arguments)).await?;
    arguments.print.print(&table(&plan)).await?;
    if plan.moves.is_empty() {
        report::line(format_args!("nothing is to be moved"));
        return Ok(outcome);
    }
    if !arguments.execute {
        report::line(format_args!("this is the plan; add --execute to do it"));
        return Ok(outcome);
    }
    let count = report::count(plan.moves.len() as u64, "offset");
    match arguments.consent.ask(format!("move {count} of group {:?}", arguments.group)).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_offset_plan(&plan).await?;
    Ok(outcome.and(report::each(&items, |partition| format!("moved {partition}"))))
}

fn reset(arguments: &ResetArguments) -> OffsetReset {
    match (arguments.to, arguments.shift) {
        (Some(Place::Start), _) => OffsetReset::Earliest,
        (Some(Place::Offset(offset)), _) => OffsetReset::Offset(offset),
        (Some(Place::Time(moment)), _) => OffsetReset::Time(moment.millis(Timestamp::now().as_millisecond())),
        (None, Some(shift)) => OffsetReset::Shift(shift),
        // One of them is there, and no distance from the end: the parser sees to it.
        (Some(Place::End | Place::BeforeEnd(_)) | None, _) => OffsetReset::Latest,
    }
}

fn table(plan: &OffsetPlan) -> Table<5> {
    let mut table = Table::new(["group", "topic", "partition", "from", "to"]);
    for (partition, planned) in &plan.moves {
        table.push([
            json!(plan.group.as_str()),
            json!(partition.topic.as_str()),
            json!(partition.partition),
            json!(planned.from),
            json!(planned.to),
        ]);
    }
    table
}
