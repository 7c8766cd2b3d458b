//! `kafka groups …`.

mod reset;
mod show;

use clap::{Args, Subcommand};

use crate::commands::groups::reset::ResetArguments;
use crate::commands::groups::show::{DescribeArguments, ListArguments};
use crate::commands::{places, plans};
use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::report;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// List all groups
    List(ListArguments),
    /// Show what groups have committed, how far behind they are, or who their members are
    Describe(DescribeArguments),
    /// Delete groups that have no members, with what they committed
    Delete(DeleteArguments),
    /// Make a group forget what it committed for some topics
    DeleteOffsets(DeleteOffsetsArguments),
    /// Move what a group has committed; shows the plan, and does it only when told to
    ResetOffsets(ResetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The groups' ids
    #[arg(value_name = "GROUP", required = true)]
    pub(crate) groups: Vec<String>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteOffsetsArguments {
    /// The group, which must not be reading these topics
    pub(crate) group: String,
    /// What to forget, as in orders or orders:0,3
    #[arg(value_name = "TOPIC[:PARTITION,...]", required = true, value_parser = parse_partitions)]
    pub(crate) partitions: Vec<PartitionsSpec>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: GroupsCommand) -> Result<Outcome> {
    match command {
        GroupsCommand::List(arguments) => show::list(arguments).await,
        GroupsCommand::Describe(arguments) => show::describe(arguments).await,
        GroupsCommand::Delete(arguments) => delete(arguments).await,
        GroupsCommand::DeleteOffsets(arguments) => delete_offsets(arguments).await,
        GroupsCommand::ResetOffsets(arguments) => reset::run(arguments).await,
    }
}

/// Deletes the groups, once it was shown what they would forget.
async fn delete(arguments: DeleteArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let groups: Vec<_> = arguments.groups.iter().map(String::as_str).collect();
    let mut outcome = Outcome::Complete;
    let make = async |groups: &[&str]| admin.plan_group_deletion(groups).await;
    let plan = plans::plan(&groups, &mut outcome, make, |plan, more| plan.groups.extend(more.groups)).await?;
    if plan.groups.is_empty() {
        return Ok(outcome);
    }
    let what = format!("delete {} and what was committed", report::count(plan.groups.len() as u64, "group"));
    match arguments.consent.ask_about(&plan, what).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_group_deletion_plan(&plan).await?;
    Ok(outcome.and(report::each(&items, |group| format!("deleted group {group:?}"))))
}

/// Deletes what the group has committed for these partitions. A dry run says where that is.
async fn delete_offsets(arguments: DeleteOffsetsArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let group = arguments.group.as_str();
    let mut outcome = Outcome::Complete;
    let named = places::partitions(&admin, &arguments.partitions, &mut outcome).await?;
    let mut committed = Vec::new();
    for (partition, offset) in admin.list_group_offsets(group, Some(&named)).await? {
        if let Some(offset) = offset {
            if !arguments.consent.yes {
                report::line(format_args!("{partition}: offset {}", offset.offset));
            }
            committed.push(partition);
        }
    }
    if committed.is_empty() {
        report::line(format_args!("nothing is to be forgotten"));
        return Ok(outcome);
    }
    let count = report::count(committed.len() as u64, "offset");
    match arguments.consent.ask(format!("delete {count} of group {group:?}")).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.delete_group_offsets(group, &committed).await?;
    Ok(outcome.and(report::each(&items, |partition| format!("deleted the offset of {partition}"))))
}
