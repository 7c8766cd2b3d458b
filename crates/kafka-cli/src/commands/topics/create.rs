//! `kafka topics create`.

use clap::Args;
use kafka_admin::{Apply, NewTopic, Replicas};

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::pair::Pair;
use crate::report;

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The topics' names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// How many partitions each topic has [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,
    /// On how many brokers each partition is kept [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub(crate) replication_factor: Option<i16>,
    /// A setting of the topics, as in retention.ms=3600000; may be repeated
    #[arg(long = "config", value_name = "NAME=VALUE")]
    pub(crate) configs: Vec<Pair>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Creates the topics, and returns when they can be used.
pub(super) async fn run(arguments: CreateArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let items = admin.create_topics(&new_topics(&arguments), Apply::Now).await?;
    let outcome = report::each(&items, |name| format!("created topic {name:?}"));
    let created: Vec<_> = items.iter().filter(|item| item.result.is_ok()).map(|item| item.item.as_str()).collect();
    admin.wait_for_leaders(&created).await?;
    Ok(outcome)
}

fn new_topics(arguments: &CreateArguments) -> Vec<NewTopic> {
    let CreateArguments { names, partitions, replication_factor, configs, .. } = arguments;
    let replicas = Replicas::Counted { partitions: *partitions, replication_factor: *replication_factor };
    let topic = |name: &String| {
        let topic = NewTopic { name: name.into(), replicas: replicas.clone(), ..NewTopic::default() };
        configs.iter().fold(topic, |topic, config| topic.with_config(&config.name, &config.value))
    };
    names.iter().map(topic).collect()
}
