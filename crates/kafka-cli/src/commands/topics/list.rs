//! `kafka topics list`.

use clap::Args;
use kafka_admin::TopicListing;
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Prints the topics by name, internal ones among them.
pub(super) async fn run(arguments: ListArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let topics = report::known(admin.list_topics().await?, &mut outcome);
    arguments.print.print(&table(topics.into_iter().map(|(_, topic)| topic))).await?;
    Ok(outcome)
}

fn table(topics: impl Iterator<Item = TopicListing>) -> Table<3> {
    let mut table = Table::new(["topic", "partitions", "internal"]);
    topics
        .for_each(|topic| table.push([json!(topic.name.as_str()), json!(topic.partitions), json!(topic.is_internal)]));
    table
}
