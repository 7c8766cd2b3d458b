//! `kafka logdirs …`: where brokers keep replicas, and how large they are.

use clap::{Args, Subcommand};
use kafka_admin::{Admin, LogDir};
use kafka_conn::BrokerId;
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum LogdirsCommand {
    /// List the replicas in the folders of brokers, or only the folders
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The brokers' ids [default: all]
    #[arg(value_name = "BROKER", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) ids: Vec<i32>,
    /// Lists folders, without what is in them
    #[arg(short, long)]
    pub(crate) folders: bool,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: LogdirsCommand) -> Result<Outcome> {
    let LogdirsCommand::List(arguments) = command;
    let admin = arguments.connect.admin().await?;
    if arguments.folders {
        let look = async |outcome: &mut Outcome| Ok(folders(&describe(&admin, &arguments.ids, outcome).await?));
        return arguments.watch.show(look).await;
    }
    let look = async |outcome: &mut Outcome| Ok(replicas(&describe(&admin, &arguments.ids, outcome).await?));
    arguments.watch.show(look).await
}

/// The folders of these brokers, or of all.
async fn describe(admin: &Admin, ids: &[i32], outcome: &mut Outcome) -> Result<Vec<(BrokerId, Vec<LogDir>)>> {
    let mut brokers: Vec<_> = ids.iter().copied().map(BrokerId).collect();
    if brokers.is_empty() {
        brokers = admin.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    }
    let described = report::known(admin.describe_log_dirs(&brokers).await, outcome);
    for error in described.iter().flat_map(|(_, folders)| folders).filter_map(|folder| folder.error.as_ref()) {
        report::error(error);
        *outcome = Outcome::Incomplete;
    }
    Ok(described)
}

fn folders(described: &[(BrokerId, Vec<LogDir>)]) -> Table<5> {
    let mut table = Table::new(["broker", "folder", "replicas", "total_bytes", "usable_bytes"]);
    for (broker, folders) in described {
        for folder in folders {
            let path = json!(folder.path.as_str());
            let sizes = [folder.total_bytes, folder.usable_bytes].map(|bytes| json!(bytes));
            let [total, usable] = sizes;
            table.push([json!(broker.0), path, json!(folder.replicas.len()), total, usable]);
        }
    }
    table
}

fn replicas(described: &[(BrokerId, Vec<LogDir>)]) -> Table<7> {
    let mut table = Table::new(["broker", "folder", "topic", "partition", "bytes", "offset_lag", "future"]);
    for (broker, folders) in described {
        for folder in folders {
            for (partition, replica) in &folder.replicas {
                table.push([
                    json!(broker.0),
                    json!(folder.path.as_str()),
                    json!(partition.topic.as_str()),
                    json!(partition.partition),
                    json!(replica.size),
                    json!(replica.offset_lag),
                    json!(replica.is_future),
                ]);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use kafka_admin::{ReplicaInfo, TopicPartition};

    use super::*;

    #[test]
    fn a_row_for_each_folder_or_replica() {
        let replica = ReplicaInfo { size: 4096, offset_lag: 0, is_future: false };
        let folder = LogDir {
            path: "/data".into(),
            error: None,
            total_bytes: Some(100_000),
            usable_bytes: None,
            is_cordoned: false,
            replicas: [(TopicPartition::new("orders", 0), replica)].into(),
        };
        let described = [(BrokerId(1), vec![folder])];
        let expected = "\
BROKER  FOLDER  REPLICAS  TOTAL-BYTES  USABLE-BYTES
     1  /data          1       100000             -
";
        assert_eq!(folders(&described).to_text(Some(80)), expected);
        let expected = "\
BROKER  FOLDER  TOPIC   PARTITION  BYTES  OFFSET-LAG  FUTURE
     1  /data   orders          0   4096           0  false
";
        assert_eq!(replicas(&described).to_text(Some(80)), expected);
    }
}
