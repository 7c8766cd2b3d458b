//! `kafka users …`: who can log in with SCRAM.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kafka_admin::{ScramAlteration, ScramCredential};
use kafka_conn::sasl::ScramHash;
use serde_json::json;
use smol_str::SmolStr;

use crate::connect::{ConnectArguments, password_file, prompt};
use crate::consent::{Consent, ConsentArguments};
use crate::error::Result;
use crate::exit::Outcome;
use crate::parse::choice::choice;
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// List users that can log in with SCRAM
    List(ListArguments),
    /// Give a user a password, or a new one
    Set(SetArguments),
    /// Take passwords away: these users can no longer log in
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The users [default: all]
    #[arg(value_name = "USER")]
    pub(crate) users: Vec<String>,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// The user
    pub(crate) user: String,
    /// How the user logs in
    #[arg(long, value_name = "MECHANISM", default_value = "scram-sha-512", value_parser = mechanisms())]
    pub(crate) mechanism: ScramHash,
    /// How often the password is hashed
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(4096..=16384))]
    pub(crate) iterations: u32,
    /// A file with the new password; without it the terminal is asked
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The users
    #[arg(value_name = "USER", required = true)]
    pub(crate) users: Vec<String>,
    /// For which mechanism
    #[arg(long, value_name = "MECHANISM", default_value = "scram-sha-512", value_parser = mechanisms())]
    pub(crate) mechanism: ScramHash,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

fn mechanisms() -> impl clap::builder::TypedValueParser<Value = ScramHash> {
    choice([("scram-sha-256", ScramHash::Sha256), ("scram-sha-512", ScramHash::Sha512)])
}

pub(crate) async fn run(command: UsersCommand) -> Result<Outcome> {
    match command {
        UsersCommand::List(arguments) => list(arguments).await,
        UsersCommand::Set(arguments) => set(arguments).await,
        UsersCommand::Remove(arguments) => remove(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let users: Vec<_> = arguments.users.iter().map(String::as_str).collect();
    let mut outcome = Outcome::Complete;
    let described = admin.describe_scram_users((!users.is_empty()).then_some(&*users)).await?;
    arguments.print.print(&table(&report::known(described, &mut outcome))).await?;
    Ok(outcome)
}

async fn set(arguments: SetArguments) -> Result<Outcome> {
    let password = match &arguments.password_file {
        Some(file) => password_file(file)?,
        None => prompt(format!("New password of {}: ", arguments.user.escape_debug()), "--password-file").await?,
    };
    let admin = arguments.connect.admin().await?;
    let SetArguments { user, mechanism: hash, iterations, .. } = arguments;
    let items =
        admin.alter_scram_users(&[ScramAlteration::Set { user: user.into(), hash, iterations, password }]).await?;
    Ok(report::each(&items, |user| format!("set the password of {user:?}")))
}

async fn remove(arguments: RemoveArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let hash = arguments.mechanism;
    let count = report::count(arguments.users.len() as u64, "user");
    match arguments.consent.ask(format!("remove the passwords of {count}: {}", arguments.users.join(", "))).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(Outcome::Complete),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let delete = |user: &String| ScramAlteration::Delete { user: user.into(), hash };
    let items = admin.alter_scram_users(&arguments.users.iter().map(delete).collect::<Vec<_>>()).await?;
    Ok(report::each(&items, |user| format!("removed the password of {user:?}")))
}

fn table(users: &[(SmolStr, Vec<ScramCredential>)]) -> Table<3> {
    let mut table = Table::new(["user", "mechanism", "iterations"]);
    for (user, credentials) in users {
        for credential in credentials {
            let mechanism = credential.hash.map(ScramHash::mechanism);
            table.push([json!(user.as_str()), json!(mechanism), json!(credential.iterations)]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_credential() {
        let credential = ScramCredential { hash: Some(ScramHash::Sha512), iterations: 8192 };
        let expected = "\
USER   MECHANISM      ITERATIONS
alice  SCRAM-SHA-512        8192
";
        assert_eq!(table(&[("alice".into(), vec![credential])]).to_text(Some(80)), expected);
    }
}
