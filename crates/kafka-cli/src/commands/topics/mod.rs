//! `kafka topics …`.

mod create;
mod delete;
mod list;

use std::fmt::Display;

use clap::Subcommand;
use kafka_admin::Outcome as Item;

use crate::commands::topics::create::CreateArguments;
use crate::commands::topics::delete::DeleteArguments;
use crate::commands::topics::list::ListArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;
use crate::signals::Signals;

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create topics
    Create(CreateArguments),
    /// List the names of all topics
    List(ListArguments),
    /// Delete topics, with all that is in them
    Delete(DeleteArguments),
}

pub(crate) async fn run(command: TopicsCommand, mut signals: Signals) -> Result<Outcome> {
    let work = async {
        match command {
            TopicsCommand::Create(arguments) => create::run(arguments).await,
            TopicsCommand::List(arguments) => list::run(arguments).await,
            TopicsCommand::Delete(arguments) => delete::run(arguments).await,
        }
    };
    tokio::select! {
        biased;
        signal = signals.next() => Ok(Outcome::Interrupted(signal)),
        result = work => result,
    }
}

/// Says of each topic what became of it.
fn report_each<T>(items: &[Item<T>], done: impl Display) -> Outcome {
    for item in items {
        match &item.result {
            Ok(_) => report::line(format_args!("{done} topic {:?}", item.item.as_str())),
            Err(error) => report::error(error),
        }
    }
    if items.iter().all(|item| item.result.is_ok()) { Outcome::Complete } else { Outcome::Incomplete }
}
