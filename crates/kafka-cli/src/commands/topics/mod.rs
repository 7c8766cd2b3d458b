//! `kafka topics …`.

mod alter;
mod create;
mod delete;
mod describe;
mod list;
mod trim;

use clap::Subcommand;

use crate::commands::topics::alter::AlterArguments;
use crate::commands::topics::create::CreateArguments;
use crate::commands::topics::delete::DeleteArguments;
use crate::commands::topics::describe::DescribeArguments;
use crate::commands::topics::list::ListArguments;
use crate::commands::topics::trim::TrimArguments;
use crate::error::Result;
use crate::exit::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create topics
    Create(CreateArguments),
    /// List all topics
    List(ListArguments),
    /// Show the partitions of topics, and where they are
    Describe(DescribeArguments),
    /// Give topics more partitions, or other settings
    Alter(AlterArguments),
    /// Delete the oldest messages of topics
    Trim(TrimArguments),
    /// Delete topics, with all that is in them
    Delete(DeleteArguments),
}

pub(crate) async fn run(command: TopicsCommand) -> Result<Outcome> {
    match command {
        TopicsCommand::Create(arguments) => create::run(arguments).await,
        TopicsCommand::List(arguments) => list::run(arguments).await,
        TopicsCommand::Describe(arguments) => describe::run(arguments).await,
        TopicsCommand::Alter(arguments) => alter::run(arguments).await,
        TopicsCommand::Trim(arguments) => trim::run(arguments).await,
        TopicsCommand::Delete(arguments) => delete::run(arguments).await,
    }
}
