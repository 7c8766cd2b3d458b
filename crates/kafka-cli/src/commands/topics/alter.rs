//! `kafka topics alter`.

use clap::Args;
use kafka_admin::{Admin, Apply, ConfigResource, MorePartitions};

use crate::commands::configs::ChangeArguments;
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;

#[derive(Debug, Args)]
#[command(override_usage = "kafka topics alter [OPTIONS] <NAME>...")]
#[group(id = "alteration", required = true, multiple = true, args = ["partitions", "set", "delete"])]
pub(crate) struct AlterArguments {
    /// The topics' names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// How many partitions each topic has from now on; never fewer, and keys may go to others
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,
    #[command(flatten)]
    pub(crate) changes: ChangeArguments,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Adds partitions, once it was asked about, as they never go away again; then changes settings. Returns when the
/// partitions can be used. In a dry run, the cluster checks it all.
pub(super) async fn run(arguments: AlterArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    if let Some(total) = arguments.partitions {
        if !arguments.consent.dry_run {
            let consent = arguments.consent.ask(question(&arguments.names, total)).await?;
            if consent != Consent::Given {
                return Ok(Outcome::Incomplete);
            }
        }
        outcome = add_partitions(&admin, &arguments, total).await?;
    }
    if !arguments.changes.is_empty() {
        let resources = arguments.names.iter().map(|name| ConfigResource::topic(name.as_str()));
        outcome = outcome.and(arguments.changes.make(&admin, resources, apply(&arguments)).await?);
    }
    Ok(outcome)
}

async fn add_partitions(admin: &Admin, arguments: &AlterArguments, total: i32) -> Result<Outcome> {
    let more: Vec<_> = arguments.names.iter().map(|name| MorePartitions::new(name.as_str(), total)).collect();
    let items = admin.create_partitions(&more, apply(arguments)).await?;
    let verb = if arguments.consent.dry_run { "could have" } else { "has" };
    let count = report::count(total.unsigned_abs().into(), "partition");
    let outcome = report::each(&items, |name| format!("topic {name:?} {verb} {count}"));
    if !arguments.consent.dry_run {
        let altered: Vec<_> = items.iter().filter(|item| item.is_ok()).map(|item| item.item.as_str()).collect();
        admin.wait_for_leaders(&altered).await?;
    }
    Ok(outcome)
}

fn apply(arguments: &AlterArguments) -> Apply {
    if arguments.consent.dry_run { Apply::Validate } else { Apply::Now }
}

fn question(names: &[String], total: i32) -> String {
    let partitions = report::count(total.unsigned_abs().into(), "partition");
    format!("have {partitions} for good in {}: {}", report::count(names.len() as u64, "topic"), names.join(", "))
}
