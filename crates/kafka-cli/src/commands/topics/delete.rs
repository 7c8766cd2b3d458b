//! `kafka topics delete`.

use clap::Args;

use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::report;

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The topics' names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Deletes the topics. A dry run finds out whether they are there.
pub(super) async fn run(arguments: DeleteArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let names: Vec<_> = arguments.names.iter().map(String::as_str).collect();
    let what = format!("delete {} with all messages: {}", report::count(names.len() as u64, "topic"), names.join(", "));
    match arguments.consent.ask(what).await? {
        Consent::Given => {}
        Consent::DryRun => {
            let mut outcome = Outcome::Complete;
            report::known(admin.describe_topics(&names).await?, &mut outcome);
            return Ok(outcome);
        }
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.delete_topics(&names).await?;
    Ok(report::each(&items, |name| format!("deleted topic {name:?}")))
}
