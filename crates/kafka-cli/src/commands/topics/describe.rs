//! `kafka topics describe`.

use clap::Args;
use kafka_admin::TopicDescription;
use kafka_conn::BrokerId;
use serde_json::{Value, json};

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The topics' names [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Prints a row for each partition.
pub(super) async fn run(arguments: DescribeArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let look = async |outcome: &mut Outcome| {
        let mut names = arguments.names.clone();
        if names.is_empty() {
            names = admin.list_topics().await?.into_iter().map(|topic| topic.item.into()).collect();
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Ok(table(&report::known(admin.describe_topics(&names).await?, outcome)))
    };
    arguments.watch.show(look).await
}

fn table(topics: &[(smol_str::SmolStr, TopicDescription)]) -> Table<7> {
    let columns = ["topic", "partition", "leader", "leader_epoch", "replicas", "in_sync", "offline"];
    let mut table = Table::new(columns);
    for (name, topic) in topics {
        for partition in &topic.partitions {
            table.push([
                json!(name.as_str()),
                json!(partition.index),
                json!(partition.leader.map(|leader| leader.0)),
                json!(partition.leader_epoch),
                brokers(&partition.replicas),
                brokers(&partition.in_sync),
                brokers(&partition.offline),
            ]);
        }
    }
    table
}

fn brokers(ids: &[BrokerId]) -> Value {
    ids.iter().map(|id| id.0).collect()
}

#[cfg(test)]
mod tests {
    use kafka_admin::PartitionDescription;

    use super::*;

    #[test]
    fn a_row_for_each_partition() {
        let partition = |index, leader: Option<i32>| PartitionDescription {
            index,
            leader: leader.map(BrokerId),
            leader_epoch: Some(4),
            replicas: vec![BrokerId(1), BrokerId(2)],
            in_sync: vec![BrokerId(1)],
            offline: Vec::new(),
            eligible_leaders: None,
        };
        let partitions = vec![partition(0, Some(1)), partition(1, None)];
        let id = kafka_protocol::Uuid::default();
        let topic = TopicDescription { id, is_internal: false, partitions, authorized_operations: None };
        let table = table(&[("orders".into(), topic)]);
        let expected = "\
TOPIC   PARTITION  LEADER  LEADER-EPOCH  REPLICAS  IN-SYNC  OFFLINE
orders          0       1             4  1,2       1        -
orders          1       -             4  1,2       1        -
";
        assert_eq!(table.to_text(Some(80)), expected);
        let line = r#"{"topic":"orders","partition":1,"leader":null,"leader_epoch":4,"replicas":[1,2],"in_sync":[1],"offline":[]}"#;
        assert_eq!(table.to_json().lines().nth(2), Some(line));
    }
}
