//! `kafka acls …`: who may do what.

use clap::{Args, Subcommand};
use kafka_admin::{AclEntry, AclFilter, AclOperation, AclPatternType, AclPermission, Admin};
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::named::{AclResource, parse_acl_resource, parse_operation, parse_pattern, parse_permission};
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum AclsCommand {
    /// List entries
    List(ListArguments),
    /// Allow or forbid something
    Add(AddArguments),
    /// Remove entries; shows them first
    Remove(RemoveArguments),
}

/// Which entries: all that have everything that is given.
#[derive(Debug, Default, Args)]
#[group(id = "filter", multiple = true)]
pub(crate) struct FilterArguments {
    /// Entries about this, as in topic:orders, topic (all of them), group:app or cluster
    #[arg(long, value_name = "TYPE[:NAME]", value_parser = parse_acl_resource)]
    pub(crate) resource: Option<AclResource>,
    /// Entries whose name is meant so: literal or prefixed; with match, all that apply to the name
    #[arg(long, value_name = "PATTERN", value_parser = parse_pattern)]
    pub(crate) pattern: Option<AclPatternType>,
    /// Entries about this principal, as in User:alice
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Option<String>,
    /// Entries with this host
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Entries about this operation
    #[arg(long, value_name = "OPERATION", value_parser = parse_operation)]
    pub(crate) operation: Option<AclOperation>,
    /// Entries that allow, or that deny
    #[arg(long, value_name = "allow|deny", value_parser = parse_permission)]
    pub(crate) permission: Option<AclPermission>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(override_usage = "kafka acls remove [OPTIONS]")]
#[group(id = "which", required = true, multiple = true, args = ["resource", "pattern", "principal", "host", "operation", "permission"])]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "kafka acls add [OPTIONS] --principal <PRINCIPAL> \\\n         --operation <OPERATION> --resource <TYPE:NAME>"
)]
pub(crate) struct AddArguments {
    /// Who, as in User:alice; may be repeated
    #[arg(long = "principal", value_name = "PRINCIPAL", required = true)]
    pub(crate) principals: Vec<String>,
    /// What, as in read or alter-configs; may be repeated, or a list
    #[arg(long = "operation", value_name = "OPERATION", required = true, value_delimiter = ',', value_parser = parse_operation)]
    pub(crate) operations: Vec<AclOperation>,
    /// On what, as in topic:orders, 'topic:*' or cluster; may be repeated
    #[arg(long = "resource", value_name = "TYPE:NAME", required = true, value_parser = parse_named_resource)]
    pub(crate) resources: Vec<AclResource>,
    /// The names are those that begin so
    #[arg(long)]
    pub(crate) prefixed: bool,
    /// From where
    #[arg(long, value_name = "HOST", default_value = "*")]
    pub(crate) host: String,
    /// Forbids it, whatever is allowed elsewhere
    #[arg(long)]
    pub(crate) deny: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

fn parse_named_resource(text: &str) -> Result<AclResource, String> {
    let named = parse_acl_resource(text)?;
    if named.name.is_none() { Err("write a name, too, as in topic:orders or topic:*".to_owned()) } else { Ok(named) }
}

pub(crate) async fn run(command: AclsCommand) -> Result<Outcome> {
    match command {
        AclsCommand::List(arguments) => {
            let admin = arguments.connect.admin().await?;
            let entries = admin.describe_acls(&arguments.filter.filter()).await?;
            arguments.print.print(&table(&entries)).await?;
            Ok(Outcome::Complete)
        }
        AclsCommand::Add(arguments) => {
            let admin = arguments.connect.admin().await?;
            let items = admin.create_acls(&arguments.entries()).await?;
            Ok(report::each(&items, |entry| format!("added: {entry}")))
        }
        AclsCommand::Remove(arguments) => remove(&arguments.connect.admin().await?, &arguments).await,
    }
}

/// Removes what the filter finds now, once it was shown; what it would find later stays.
async fn remove(admin: &Admin, arguments: &RemoveArguments) -> Result<Outcome> {
    let plan = admin.plan_acl_deletion(&[arguments.filter.filter()]).await?;
    if !arguments.consent.yes {
        arguments.print.print(&table(&plan.entries)).await?;
    }
    if plan.entries.is_empty() {
        report::line(format_args!("nothing is to be removed"));
        return Ok(Outcome::Complete);
    }
    match arguments.consent.ask(format!("remove {}", report::count(plan.entries.len() as u64, "access rule"))).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(Outcome::Complete),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_acl_deletion_plan(&plan).await?;
    Ok(report::each(&items, |entry| format!("removed: {entry}")))
}

impl FilterArguments {
    fn filter(&self) -> AclFilter {
        AclFilter {
            resource_type: self.resource.as_ref().map(|resource| resource.kind),
            resource_name: self.resource.as_ref().and_then(|resource| resource.name.clone()),
            pattern_type: self.pattern,
            principal: self.principal.as_deref().map(Into::into),
            host: self.host.as_deref().map(Into::into),
            operation: self.operation,
            permission: self.permission,
        }
    }
}

impl AddArguments {
    /// An entry for each principal, resource and operation.
    fn entries(&self) -> Vec<AclEntry> {
        let mut entries = Vec::new();
        for principal in &self.principals {
            for AclResource { kind, name } in &self.resources {
                entries.extend(self.operations.iter().map(|operation| AclEntry {
                    pattern_type: if self.prefixed { AclPatternType::PREFIXED } else { AclPatternType::LITERAL },
                    host: self.host.as_str().into(),
                    permission: if self.deny { AclPermission::DENY } else { AclPermission::ALLOW },
                    ..AclEntry::allow(principal.as_str(), *operation, *kind, name.clone().unwrap_or_default())
                }));
            }
        }
        entries
    }
}

fn table<'a>(entries: impl IntoIterator<Item = &'a AclEntry>) -> Table<7> {
    let mut table = Table::new(["type", "resource", "pattern", "principal", "permission", "operation", "host"]);
    for entry in entries {
        table.push([
            json!(entry.resource_type.to_string()),
            json!(entry.resource_name.as_str()),
            json!(entry.pattern_type.to_string()),
            json!(entry.principal.as_str()),
            json!(entry.permission.to_string()),
            json!(entry.operation.to_string()),
            json!(entry.host.as_str()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use kafka_admin::AclResourceType;

    use super::*;

    #[test]
    fn a_row_for_each_entry() {
        let entry = AclEntry::allow("User:alice", AclOperation::READ, AclResourceType::TOPIC, "orders");
        let expected = "\
TYPE   RESOURCE  PATTERN  PRINCIPAL   PERMISSION  OPERATION  HOST
topic  orders    literal  User:alice  allow       read       *
";
        assert_eq!(table(&[entry]).to_text(Some(80)), expected);
    }
}
