//! `kafka cluster …`: brokers, controllers and features.

use clap::{Args, Subcommand};
use kafka_admin::{ClusterDescription, Quorum};
use serde_json::{Value, json};

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::table::{Table, time};
use crate::watch::WatchArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the brokers
    Describe(ShowArguments),
    /// Show the controllers, and who follows them
    Quorum(ShowArguments),
    /// Show the features, and their levels
    Features(ShowArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: ClusterCommand) -> Result<Outcome> {
    match command {
        ClusterCommand::Describe(arguments) => {
            let admin = arguments.connect.admin().await?;
            arguments.watch.show(async |_: &mut Outcome| Ok(brokers(&admin.describe_cluster().await?))).await
        }
        ClusterCommand::Quorum(arguments) => {
            let admin = arguments.connect.admin().await?;
            arguments.watch.show(async |_: &mut Outcome| Ok(quorum(&admin.describe_quorum().await?))).await
        }
        ClusterCommand::Features(arguments) => {
            let admin = arguments.connect.admin().await?;
            let look = async |_: &mut Outcome| {
                let mut table = Table::new(["feature", "level", "lowest", "highest"]);
                for (name, feature) in admin.describe_features().await? {
                    let (lowest, highest) = feature.supported.unzip();
                    table.push([json!(name.as_str()), json!(feature.finalized), json!(lowest), json!(highest)]);
                }
                Ok(table)
            };
            arguments.watch.show(look).await
        }
    }
}

fn brokers(cluster: &ClusterDescription) -> Table<7> {
    let mut table = Table::new(["cluster", "broker", "host", "port", "rack", "controller", "fenced"]);
    for broker in &cluster.brokers {
        table.push([
            json!(cluster.id.as_deref()),
            json!(broker.id.0),
            json!(broker.host.as_str()),
            json!(broker.port),
            json!(broker.rack.as_deref()),
            json!(cluster.controller == Some(broker.id)),
            json!(broker.is_fenced),
        ]);
    }
    table
}

fn quorum(quorum: &Quorum) -> Table<5> {
    let mut table = Table::new(["node", "role", "log_end_offset", "lag", "last_caught_up"]);
    let voters = quorum.voters.iter().map(|voter| (voter, "voter"));
    for (node, role) in voters.chain(quorum.observers.iter().map(|observer| (observer, "observer"))) {
        let role = if quorum.leader == Some(node.id) { "leader" } else { role };
        let lag = node.log_end_offset.map(|end| quorum.high_watermark.saturating_sub(end).max(0));
        let caught_up = node.last_caught_up_ms.map_or(Value::Null, time);
        table.push([json!(node.id.0), json!(role), json!(node.log_end_offset), json!(lag), caught_up]);
    }
    table
}

#[cfg(test)]
mod tests {
    use kafka_admin::{BrokerDescription, QuorumReplica};
    use kafka_conn::BrokerId;

    use super::*;

    #[test]
    fn a_row_for_each_broker() {
        let broker = |id, rack: Option<&str>| BrokerDescription {
            id: BrokerId(id),
            host: "localhost".into(),
            port: 9092,
            rack: rack.map(Into::into),
            is_fenced: false,
        };
        let cluster = ClusterDescription {
            id: Some("abc".into()),
            controller: Some(BrokerId(2)),
            brokers: vec![broker(1, None), broker(2, Some("r"))],
            authorized_operations: None,
        };
        let expected = "\
CLUSTER  BROKER  HOST       PORT  RACK  CONTROLLER  FENCED
abc           1  localhost  9092  -     false       false
abc           2  localhost  9092  r     true        false
";
        assert_eq!(brokers(&cluster).to_text(Some(80)), expected);
    }

    #[test]
    fn a_row_for_each_node_of_the_quorum() {
        let node = |id, end, caught_up| QuorumReplica {
            id: BrokerId(id),
            directory: kafka_protocol::Uuid::default(),
            log_end_offset: end,
            last_fetch_ms: None,
            last_caught_up_ms: caught_up,
        };
        let described = Quorum {
            leader: Some(BrokerId(1)),
            leader_epoch: 3,
            high_watermark: 90,
            voters: vec![node(1, Some(100), Some(1_768_435_200_000)), node(2, Some(80), None)],
            observers: vec![node(3, None, None)],
            nodes: Vec::new(),
        };
        let expected = "\
NODE  ROLE      LOG-END-OFFSET  LAG  LAST-CAUGHT-UP
   1  leader               100    0  2026-01-15T00:00:00Z
   2  voter                 80   10  -
   3  observer               -    -  -
";
        assert_eq!(quorum(&described).to_text(Some(80)), expected);
    }
}
