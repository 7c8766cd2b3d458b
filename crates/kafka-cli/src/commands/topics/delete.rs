//! `kafka topics delete`.

use clap::Args;

use crate::commands::topics::report_each;
use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The topics' names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(super) async fn run(arguments: DeleteArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let names: Vec<_> = arguments.names.iter().map(String::as_str).collect();
    let items = admin.delete_topics(&names).await?;
    Ok(report_each(&items, "deleted"))
}
