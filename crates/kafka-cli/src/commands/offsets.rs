//! `kafka offsets …`: places in partitions.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::places;
use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::parse::place::{Place, parse_place};
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// List the offsets of a place in partitions
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Which partitions, as in orders or orders:0,3
    #[arg(value_name = "TOPIC[:PARTITION,...]", required = true, value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    /// The place: start, end, -N for N before the end, or a time, as in @2026-01-15 or @-1h
    #[arg(long, value_name = "PLACE", default_value = "end", allow_hyphen_values = true, value_parser = parse_place)]
    pub(crate) at: Place,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: OffsetsCommand) -> Result<Outcome> {
    let OffsetsCommand::List(arguments) = command;
    let admin = arguments.connect.admin().await?;
    let look = async |outcome: &mut Outcome| {
        let partitions = places::partitions(&admin, &arguments.partitions, outcome).await?;
        let mut table = Table::new(["topic", "partition", "offset"]);
        for (partition, offset) in places::offsets(&admin, &partitions, arguments.at, outcome).await? {
            table.push([json!(partition.topic.as_str()), json!(partition.partition), json!(offset)]);
        }
        Ok(table)
    };
    arguments.watch.show(look).await
}
