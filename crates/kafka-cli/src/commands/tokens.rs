//! `kafka tokens …`: delegation tokens, with which others log in as their owner (KIP-48).

use std::time::Duration;

use clap::{Args, Subcommand};
use kafka_admin::{Admin, DelegationToken, ErrorKind, NewToken, Principal};
use kafka_conn::Secret;
use serde_json::json;

use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::parse::duration::parse_period;
use crate::parse::principal::parse_principal;
use crate::print::PrintArguments;
use crate::report;
use crate::table::{Table, time};

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token, and show its secret, once
    Create(CreateArguments),
    /// Let tokens live on
    Renew(RenewArguments),
    /// Let tokens end, at once or later
    Expire(ExpireArguments),
    /// Show the tokens that this user may see, without their secrets
    Describe(DescribeArguments),
}

#[derive(Debug, Args)]
#[command(after_help = CREATE_NOTES)]
pub(crate) struct CreateArguments {
    /// Whom it stands for, as in User:alice [default: who asks]
    #[arg(long, value_name = "PRINCIPAL", value_parser = parse_principal)]
    pub(crate) owner: Option<Principal>,
    /// Who may renew it beside its owner, as in User:alice; may be repeated
    #[arg(long = "renewer", value_name = "PRINCIPAL", value_parser = parse_principal)]
    pub(crate) renewers: Vec<Principal>,
    /// How long it can live, however often it is renewed, as in 7d [default: the brokers' limit]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    pub(crate) max_lifetime: Option<Duration>,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RenewArguments {
    /// The tokens' ids
    #[arg(value_name = "TOKEN", required = true)]
    pub(crate) ids: Vec<String>,
    /// For how long, from now on, as in 1d [default: the brokers' choice]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    pub(crate) period: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExpireArguments {
    /// The tokens' ids
    #[arg(value_name = "TOKEN", required = true)]
    pub(crate) ids: Vec<String>,
    /// When, from now on, as in 1h [default: at once]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    pub(crate) after: Option<Duration>,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// Only tokens of these owners, as in User:alice; may be repeated
    #[arg(long = "owner", value_name = "PRINCIPAL", value_parser = parse_principal)]
    pub(crate) owners: Vec<Principal>,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

pub(crate) async fn run(command: TokensCommand) -> Result<Outcome> {
    match command {
        TokensCommand::Create(arguments) => create(arguments).await,
        TokensCommand::Renew(arguments) => renew(arguments).await,
        TokensCommand::Expire(arguments) => expire(arguments).await,
        TokensCommand::Describe(arguments) => {
            let admin = arguments.connect.admin().await?;
            let owners = (!arguments.owners.is_empty()).then_some(&*arguments.owners);
            let tokens = admin.describe_delegation_tokens(owners).await.map_err(explain)?;
            arguments.print.print(&table(&tokens)).await?;
            Ok(Outcome::Complete)
        }
    }
}

async fn create(arguments: CreateArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let CreateArguments { owner, renewers, max_lifetime, .. } = arguments;
    let token = admin.create_delegation_token(&NewToken { owner, renewers, max_lifetime }).await.map_err(explain)?;
    arguments.print.print_upright(&created(&token)).await?;
    Ok(Outcome::Complete)
}

async fn renew(arguments: RenewArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    for (id, hmac) in find(&admin, &arguments.ids).await? {
        match admin.renew_delegation_token(&hmac, arguments.period).await {
            Ok(until) => report::line(format_args!("renewed token {id:?} until {}", when(until))),
            Err(error) => outcome = failed(&error),
        }
    }
    Ok(outcome)
}

async fn expire(arguments: ExpireArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let tokens = find(&admin, &arguments.ids).await?;
    let count = report::count(tokens.len() as u64, "token");
    match arguments.consent.ask(format!("end {count}: {}", arguments.ids.join(", "))).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(Outcome::Complete),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    let mut outcome = Outcome::Complete;
    for (id, hmac) in tokens {
        match admin.expire_delegation_token(&hmac, arguments.after).await {
            Ok(at) => report::line(format_args!("token {id:?} ends at {}", when(at))),
            Err(error) => outcome = failed(&error),
        }
    }
    Ok(outcome)
}

/// What it takes to have tokens, where that is what is missing.
fn explain(error: kafka_admin::Error) -> Error {
    match error.kind() {
        ErrorKind::NotOffered => Error::TokensNotOffered(error),
        _ => error.into(),
    }
}

fn failed(error: &kafka_admin::Error) -> Outcome {
    report::error(error);
    Outcome::Incomplete
}

/// The secrets of these tokens, which brokers know them by. Who may renew or end a token may also see it; so nobody has
/// to type a secret where others can read it.
async fn find(admin: &Admin, ids: &[String]) -> Result<Vec<(String, Secret)>> {
    let known = admin.describe_delegation_tokens(None).await.map_err(explain)?;
    let secret = |id: &String| match known.iter().find(|token| token.id == id.as_str()) {
        Some(token) => Ok((id.clone(), token.hmac.clone())),
        None => Err(Error::UnknownToken { id: id.clone() }),
    };
    ids.iter().map(secret).collect()
}

fn when(millis: i64) -> String {
    time(millis).as_str().map_or_else(|| millis.to_string(), str::to_owned)
}

/// What its maker gets to see, and nobody later.
fn created(token: &DelegationToken) -> Table<5> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let mut table = Table::new(["token", "secret", "owner", "expires", "ends"]);
    table.push([
        json!(token.id.as_str()),
        json!(STANDARD.encode(token.hmac.expose())),
        json!(token.owner.to_string()),
        time(token.expires_ms),
        time(token.max_ms),
    ]);
    table
}

fn table(tokens: &[DelegationToken]) -> Table<7> {
    let mut table = Table::new(["token", "owner", "requester", "renewers", "issued", "expires", "ends"]);
    for token in tokens {
        let renewers: Vec<_> = token.renewers.iter().map(ToString::to_string).collect();
        table.push([
            json!(token.id.as_str()),
            json!(token.owner.to_string()),
            json!(token.requester.to_string()),
            json!(renewers),
            time(token.issued_ms),
            time(token.expires_ms),
            time(token.max_ms),
        ]);
    }
    table
}

const CREATE_NOTES: &str = "\
Whoever has token and secret can log in as the owner, by SCRAM, until it expires
or ends; it can be renewed until it ends. It takes a moment to be known to all
brokers.";

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> DelegationToken {
        DelegationToken {
            id: "abc".into(),
            hmac: "secret".into(),
            owner: Principal::user("alice"),
            requester: Principal::user("admin"),
            renewers: vec![Principal::user("bob")],
            issued_ms: 1_768_435_200_000,
            expires_ms: 1_768_521_600_000,
            max_ms: 1_769_040_000_000,
        }
    }

    #[test]
    fn the_maker_sees_the_secret() {
        let expected = "\
TOKEN    abc
SECRET   c2VjcmV0
OWNER    User:alice
EXPIRES  2026-01-16T00:00:00Z
ENDS     2026-01-22T00:00:00Z
";
        assert_eq!(created(&token()).to_upright_text(), expected);
    }

    #[test]
    fn a_row_for_each_token_without_its_secret() {
        let expected = "\
TOKEN  OWNER       REQUESTER   RENEWERS  ISSUED                EXPIRES               ENDS
abc    User:alice  User:admin  User:bob  2026-01-15T00:00:00Z  2026-01-16T00:00:00Z  2026-01-22T00:00:00Z
";
        assert_eq!(table(&[token()]).to_text(None), expected);
        assert!(!table(&[token()]).to_json().contains("c2VjcmV0"));
    }
}
