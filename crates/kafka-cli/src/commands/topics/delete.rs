//! `kafka topics delete`.

use clap::Args;

use crate::commands::plans;
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

/// Deletes the topics, once it was shown what they are.
pub(super) async fn run(arguments: DeleteArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let names: Vec<_> = arguments.names.iter().map(String::as_str).collect();
    let mut outcome = Outcome::Complete;
    let make = async |names: &[&str]| admin.plan_topic_deletion(names).await;
    let plan = plans::plan(&names, &mut outcome, make, |plan, more| plan.topics.extend(more.topics)).await?;
    if plan.topics.is_empty() {
        return Ok(outcome);
    }
    let what = format!("delete {} with all messages", report::count(plan.topics.len() as u64, "topic"));
    match arguments.consent.ask_about(&plan, what).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(outcome),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let items = admin.apply_topic_deletion_plan(&plan).await?;
    Ok(outcome.and(report::each(&items, |name| format!("deleted topic {name:?}"))))
}
