//! `kafka configs …`: the settings of topics, brokers, groups and client metrics.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use kafka_admin::{Admin, Apply, ConfigChanges, ConfigEntry, ConfigOperation, ConfigResource, ConfigSource};
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::pair::Pair;
use crate::parse::resource::parse_resource;
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigsCommand {
    /// Show settings, and where they come from
    Describe(DescribeArguments),
    /// Change settings
    Alter(AlterArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// Whose settings: topic:NAME, broker:ID, brokers (for all), broker-logger:ID, group:ID, client-metrics:NAME
    #[arg(value_name = "RESOURCE", required = true, value_parser = parse_resource)]
    pub(crate) resources: Vec<ConfigResource>,
    /// Shows defaults, too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(override_usage = "kafka configs alter [OPTIONS] <RESOURCE>...")]
#[group(id = "changes", required = true, multiple = true, args = ["set", "delete", "append", "subtract"])]
pub(crate) struct AlterArguments {
    /// Whose settings: topic:NAME, broker:ID, brokers (for all), broker-logger:ID, group:ID, client-metrics:NAME
    #[arg(value_name = "RESOURCE", required = true, value_parser = parse_resource)]
    pub(crate) resources: Vec<ConfigResource>,
    #[command(flatten)]
    pub(crate) changes: ChangeArguments,
    /// Has the cluster check it, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Changes of settings; all others stay as they are.
#[derive(Debug, Default, Args)]
pub(crate) struct ChangeArguments {
    /// Sets a setting, as in retention.ms=3600000; may be repeated
    #[arg(long = "config", id = "set", value_name = "NAME=VALUE")]
    pub(crate) set: Vec<Pair>,
    /// Sets a setting back to its default; may be repeated
    #[arg(long = "delete-config", id = "delete", value_name = "NAME")]
    pub(crate) delete: Vec<String>,
    /// Adds to a setting that is a list; may be repeated
    #[arg(long = "append-config", id = "append", value_name = "NAME=VALUE")]
    pub(crate) append: Vec<Pair>,
    /// Takes from a setting that is a list; may be repeated
    #[arg(long = "subtract-config", id = "subtract", value_name = "NAME=VALUE")]
    pub(crate) subtract: Vec<Pair>,
}

pub(crate) async fn run(command: ConfigsCommand) -> Result<Outcome> {
    match command {
        ConfigsCommand::Describe(arguments) => describe(arguments).await,
        ConfigsCommand::Alter(arguments) => {
            let admin = arguments.connect.admin().await?;
            let apply = if arguments.dry_run { Apply::Validate } else { Apply::Now };
            arguments.changes.make(&admin, arguments.resources, apply).await
        }
    }
}

async fn describe(arguments: DescribeArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let mut described = report::known(admin.describe_configs(&arguments.resources).await?, &mut outcome);
    if !arguments.all {
        described.iter_mut().for_each(|(_, entries)| entries.retain(|entry| entry.source != ConfigSource::DEFAULT));
    }
    arguments.print.print(&table(&described)).await?;
    Ok(outcome)
}

fn table(described: &[(ConfigResource, Vec<ConfigEntry>)]) -> Table<7> {
    let mut table = Table::new(["type", "resource", "name", "value", "source", "read_only", "sensitive"]);
    for (resource, entries) in described {
        for entry in entries {
            table.push([
                json!(resource.kind.to_string()),
                json!(resource.name.as_str()),
                json!(entry.name.as_str()),
                json!(entry.value.as_deref()),
                json!(entry.source.to_string()),
                json!(entry.is_read_only),
                json!(entry.is_sensitive),
            ]);
        }
    }
    table
}

impl ChangeArguments {
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty() && self.append.is_empty() && self.subtract.is_empty()
    }

    /// Makes the changes to each of these, or has them checked.
    pub(crate) async fn make(
        &self,
        admin: &Admin,
        resources: impl IntoIterator<Item = ConfigResource>,
        apply: Apply,
    ) -> Result<Outcome> {
        let operations = self.operations();
        let changes: ConfigChanges = resources.into_iter().map(|resource| (resource, operations.clone())).collect();
        let items = admin.incremental_alter_configs(&changes, apply).await?;
        let verb = if apply == Apply::Now { "altered" } else { "could alter" };
        Ok(report::each(&items, |resource| format!("{verb} {resource}")))
    }

    fn operations(&self) -> BTreeMap<smol_str::SmolStr, ConfigOperation> {
        let mut operations = BTreeMap::new();
        operations.extend(self.delete.iter().map(|name| (name.into(), ConfigOperation::Delete)));
        let pairs = [
            (&self.set, ConfigOperation::Set as fn(_) -> _),
            (&self.append, ConfigOperation::Append),
            (&self.subtract, ConfigOperation::Subtract),
        ];
        for (pairs, operation) in pairs {
            operations.extend(pairs.iter().map(|pair| ((&pair.name).into(), operation((&pair.value).into()))));
        }
        operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_setting() {
        let entry = |name: &str, value: Option<&str>| ConfigEntry {
            name: name.into(),
            value: value.map(Into::into),
            source: ConfigSource::TOPIC,
            is_sensitive: value.is_none(),
            is_read_only: false,
            kind: None,
            synonyms: Vec::new(),
        };
        let entries = vec![entry("cleanup.policy", Some("compact")), entry("secret", None)];
        let table = table(&[(ConfigResource::topic("orders"), entries)]);
        let expected = "\
TYPE   RESOURCE  NAME            VALUE    SOURCE  READ-ONLY  SENSITIVE
topic  orders    cleanup.policy  compact  topic   false      false
topic  orders    secret          -        topic   false      true
";
        assert_eq!(table.to_text(Some(80)), expected);
    }

    #[test]
    fn changes_of_all_kinds() {
        let pair = |text: &str| vec![text.parse().unwrap()];
        let changes = ChangeArguments {
            set: pair("a=1"),
            delete: vec!["b".to_owned()],
            append: pair("c=2"),
            subtract: pair("d=3"),
        };
        let expected = [
            ("a", ConfigOperation::Set("1".into())),
            ("b", ConfigOperation::Delete),
            ("c", ConfigOperation::Append("2".into())),
            ("d", ConfigOperation::Subtract("3".into())),
        ];
        assert_eq!(changes.operations(), expected.map(|(name, operation)| (name.into(), operation)).into());
        assert!(!changes.is_empty() && ChangeArguments::default().is_empty());
    }
}
