//! `kafka groups list` and `kafka groups describe`.

use clap::Args;
use kafka_admin::{Admin, GroupDescription, GroupFilter, GroupLag, GroupListing, TopicPartition};
use kafka_conn::IsolationLevel;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Lists groups in these states only, as in Stable or Empty; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<SmolStr>,
    /// Lists groups of these types only: classic, consumer, share, streams; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<SmolStr>,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The groups' ids
    #[arg(value_name = "GROUP", required = true)]
    pub(crate) groups: Vec<String>,
    /// Shows members, instead of offsets
    #[arg(short, long)]
    pub(crate) members: bool,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Prints the groups by id. Where a broker does not answer, that is reported.
pub(super) async fn list(arguments: ListArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let filter = GroupFilter { states: arguments.states, types: arguments.types };
    let look = async |outcome: &mut Outcome| {
        let list = admin.list_groups(&filter).await?;
        report::missing(&list.missing, outcome);
        Ok(groups(list.groups))
    };
    arguments.watch.show(look).await
}

/// Prints a row for each partition with a commit, or for each member.
pub(super) async fn describe(arguments: DescribeArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let ids: Vec<_> = arguments.groups.iter().map(String::as_str).collect();
    if arguments.members {
        let look =
            async |outcome: &mut Outcome| Ok(members(&report::known(admin.describe_groups(&ids).await?, outcome)));
        return arguments.watch.show(look).await;
    }
    let look = async |outcome: &mut Outcome| {
        let mut table = lag_table();
        for (id, group) in &report::known(admin.describe_groups(&ids).await?, outcome) {
            for (partition, lag) in lags(&admin, id, outcome).await? {
                table.push(lag_row(id, group, &partition, &lag));
            }
        }
        Ok(table)
    };
    arguments.watch.show(look).await
}

async fn lags(admin: &Admin, group: &str, outcome: &mut Outcome) -> Result<Vec<(TopicPartition, GroupLag)>> {
    Ok(report::known(admin.group_lag(group, None, IsolationLevel::ReadUncommitted).await?, outcome))
}

fn groups(groups: Vec<GroupListing>) -> Table<4> {
    let mut table = Table::new(["group", "state", "type", "protocol"]);
    for group in groups {
        let fields = [&group.id, &group.state, &group.kind, &group.protocol_type];
        table.push(fields.map(|field| json!(field.as_str())));
    }
    table
}

fn lag_table() -> Table<7> {
    Table::new(["group", "topic", "partition", "committed", "end", "lag", "member"])
}

fn lag_row(id: &str, group: &GroupDescription, partition: &TopicPartition, lag: &GroupLag) -> [Value; 7] {
    let member = group.members.iter().find(|member| member.assignment.contains(partition));
    [
        json!(id),
        json!(partition.topic.as_str()),
        json!(partition.partition),
        json!(lag.committed.as_ref().map(|committed| committed.offset)),
        json!(lag.end),
        json!(lag.lag()),
        json!(member.map(|member| member.client_id.as_str())),
    ]
}

fn members(described: &[(SmolStr, GroupDescription)]) -> Table<6> {
    let mut table = Table::new(["group", "state", "member", "client", "host", "partitions"]);
    for (id, group) in described {
        for member in &group.members {
            let partitions: Vec<_> = member.assignment.iter().map(ToString::to_string).collect();
            table.push([
                json!(id.as_str()),
                json!(group.state.as_str()),
                json!(member.instance_id.as_ref().unwrap_or(&member.id).as_str()),
                json!(member.client_id.as_str()),
                json!(member.client_host.as_str()),
                json!(partitions),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use kafka_admin::{CommittedOffset, GroupMember};

    use super::*;

    fn group() -> GroupDescription {
        let member = GroupMember {
            id: "consumer-1".into(),
            client_id: "app".into(),
            client_host: "/10.0.0.1".into(),
            assignment: vec![TopicPartition::new("orders", 0)],
            instance_id: None,
            rack: None,
            epoch: None,
            subscribed_topics: Vec::new(),
        };
        GroupDescription {
            kind: "classic".into(),
            state: "Stable".into(),
            protocol_type: "consumer".into(),
            assignor: "range".into(),
            epoch: None,
            members: vec![member],
            authorized_operations: None,
        }
    }

    #[test]
    fn a_row_for_each_partition() {
        let mut table = lag_table();
        let lag =
            |committed: Option<i64>| GroupLag { committed: committed.map(CommittedOffset::at), start: 0, end: 50 };
        table.push(lag_row("g", &group(), &TopicPartition::new("orders", 0), &lag(Some(42))));
        table.push(lag_row("g", &group(), &TopicPartition::new("orders", 1), &lag(None)));
        let expected = "\
GROUP  TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER
g      orders          0         42   50    8  app
g      orders          1          -   50    -  -
";
        assert_eq!(table.to_text(Some(80)), expected);
        let line = r#"{"group":"g","topic":"orders","partition":0,"committed":42,"end":50,"lag":8,"member":"app"},"#;
        assert_eq!(table.to_json().lines().nth(1), Some(line));
    }

    #[test]
    fn a_row_for_each_member() {
        let expected = "\
GROUP  STATE   MEMBER      CLIENT  HOST       PARTITIONS
g      Stable  consumer-1  app     /10.0.0.1  orders-0
";
        assert_eq!(members(&[("g".into(), group())]).to_text(Some(80)), expected);
    }
}
