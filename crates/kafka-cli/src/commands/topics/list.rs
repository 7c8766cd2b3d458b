//! `kafka topics list`.

use clap::Args;
use kafka_admin::TopicListing;
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Prints the topics by name, internal ones among them.
pub(super) async fn run(arguments: ListArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let look = async |outcome: &mut Outcome| {
        let topics = report::known(admin.list_topics().await?, outcome);
        Ok(table(topics.into_iter().map(|(_, topic)| topic)))
    };
    arguments.watch.show(look).await
}

fn table(topics: impl Iterator<Item = TopicListing>) -> Table<3> {
    let mut table = Table::new(["topic", "partitions", "internal"]);
    topics
        .for_each(|topic| table.push([json!(topic.name.as_str()), json!(topic.partitions), json!(topic.is_internal)]));
    table
}
