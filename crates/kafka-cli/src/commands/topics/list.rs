//! `kafka topics list`.

use clap::Args;

use crate::connect::ConnectArguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::output::Output;
use crate::report;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Prints the names, in their order, those of internal topics among them.
pub(super) async fn run(arguments: ListArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let mut outcome = Outcome::Complete;
    let mut names = String::new();
    for item in admin.list_topics().await? {
        if let Err(error) = &item.result {
            report::error(error);
            outcome = Outcome::Incomplete;
        }
        names.push_str(&one_line(&item.item));
        names.push('\n');
    }
    let mut output = Output::open()?;
    output.write(names.into_bytes()).await?;
    output.close().await?;
    Ok(outcome)
}

/// The name, as a line of its own. Those of Kafka are; what another server sends may not be.
fn one_line(name: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_whatever_it_is() {
        assert_eq!(one_line("orders-1.a_b"), "orders-1.a_b");
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
    }
}
