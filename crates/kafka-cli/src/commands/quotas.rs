//! `kafka quotas …`: how much users and clients may use.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use kafka_admin::{Apply, QuotaAlteration, QuotaEntity, QuotaFilter, QuotaMatch};
use serde_json::json;
use smol_str::SmolStr;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::quota::{QuotaValue, parse_quota};
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum QuotasCommand {
    /// List quotas
    List(ListArguments),
    /// Set quotas, or take them away
    Set(SetArguments),
}

/// Whose quotas. The name `<default>` stands for all that have none of their own.
#[derive(Debug, Default, Args)]
#[group(id = "entity", multiple = true)]
pub(crate) struct EntityArguments {
    /// Those of this user, or of `<default>`
    #[arg(help = "Those of this user, or of '<default>'", long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Those of clients with this id, or of `<default>`
    #[arg(help = "Those of clients with this id, or of '<default>'", long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Those of this address, or of `<default>`
    #[arg(help = "Those of this address, or of '<default>'", long, value_name = "ADDRESS", conflicts_with_all = ["user", "client_id"])]
    pub(crate) ip: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) entity: EntityArguments,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(override_usage = "kafka quotas set [OPTIONS] <NAME=[NUMBER]>...")]
#[group(id = "whose", required = true, multiple = true, args = ["user", "client_id", "ip"])]
pub(crate) struct SetArguments {
    #[command(flatten)]
    pub(crate) entity: EntityArguments,
    /// A quota, as in producer_byte_rate=1048576, or producer_byte_rate= to take it away; may be repeated
    #[arg(value_name = "NAME=[NUMBER]", required = true, value_parser = parse_quota)]
    pub(crate) values: Vec<QuotaValue>,
    /// Has the cluster check it, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: QuotasCommand) -> Result<Outcome> {
    match command {
        QuotasCommand::List(arguments) => {
            let admin = arguments.connect.admin().await?;
            let quotas = admin.describe_client_quotas(&arguments.entity.filter()).await?;
            arguments.print.print(&table(&quotas)).await?;
            Ok(Outcome::Complete)
        }
        QuotasCommand::Set(arguments) => {
            let admin = arguments.connect.admin().await?;
            let values = arguments.values.iter().map(|quota| (quota.name.clone(), quota.value)).collect();
            let alteration = QuotaAlteration { entity: arguments.entity.entity(), values };
            let (apply, verb) = if arguments.dry_run { (Apply::Validate, "could set") } else { (Apply::Now, "set") };
            let items = admin.alter_client_quotas(&[alteration], apply).await?;
            Ok(report::each(&items, |entity| format!("{verb} quotas of {entity}")))
        }
    }
}

impl EntityArguments {
    /// The parts that are given; `None` is the default of the type.
    fn parts(&self) -> impl Iterator<Item = (SmolStr, Option<SmolStr>)> {
        let parts = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        let given = parts.into_iter().filter_map(|(kind, name)| Some((SmolStr::new_static(kind), name.as_ref()?)));
        given.map(|(kind, name)| (kind, (name != DEFAULT).then(|| name.into())))
    }

    fn entity(&self) -> QuotaEntity {
        self.parts().fold(QuotaEntity::default(), |entity, (kind, name)| entity.with(kind, name))
    }

    fn filter(&self) -> QuotaFilter {
        let condition = |(kind, name): (_, Option<_>)| (kind, name.map_or(QuotaMatch::Default, QuotaMatch::Exactly));
        QuotaFilter { components: self.parts().map(condition).collect(), strict: false }
    }
}

fn table(quotas: &BTreeMap<QuotaEntity, BTreeMap<SmolStr, f64>>) -> Table<5> {
    let mut table = Table::new(["user", "client_id", "ip", "quota", "value"]);
    for (entity, values) in quotas {
        let part = |kind: &str| entity.0.get(kind).map(|name| name.as_deref().unwrap_or(DEFAULT));
        for (name, value) in values {
            let parts = ["user", "client-id", "ip"].map(part).map(|part| json!(part));
            let [user, client_id, ip] = parts;
            table.push([user, client_id, ip, json!(name.as_str()), json!(value)]);
        }
    }
    table
}

/// Stands for all that have no quotas of their own.
const DEFAULT: &str = "<default>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_value() {
        let arguments = EntityArguments { user: Some("alice".into()), client_id: Some(DEFAULT.into()), ip: None };
        let quotas = [(arguments.entity(), [("producer_byte_rate".into(), 1024.0)].into())].into();
        let expected = "\
USER   CLIENT-ID  IP  QUOTA               VALUE
alice  <default>   -  producer_byte_rate   1024
";
        assert_eq!(table(&quotas).to_text(Some(80)), expected);
    }
}
